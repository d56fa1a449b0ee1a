import Models
import Plans

/// What runs in 8 and 4 bits keep in which format, tensor by tensor (Transformer Engine's documentation, "Low precision
/// training").
struct CountedRecipe {
    let recipe: Recipe
    /// Bytes of an element of one copy of an activation: 8 bits; an fp32 factor for 128 (DeepSeek-V3, section 3.3.2), a byte
    /// for 32 (MXFP8); 4 bits and a byte for 16 (NVFP4).
    let activation: Double
    let weight: Double
    /// Copies of a weight: products along rows and columns read one on devices of Blackwell with one factor for a tensor.
    let copies: Double

    /// nil: no recipe, or software that keeps fp32.
    init?(_ plan: Plan) {
        guard let recipe = plan.recipe, !CountedState.storesFP32(plan) else { return nil }
        self.recipe = recipe
        switch recipe.scaling {
        case .delayed, .tensorwise: (activation, weight) = (1, 1)
        case .blockwise: (activation, weight) = (1.03125, (16384 + 4) / 16384)
        case .mxfp8: (activation, weight) = (33.0 / 32, 33.0 / 32)
        case .nvfp4: (activation, weight) = (9.0 / 16, 9.0 / 16)
        }
        let isOneFactor = recipe.scaling == .delayed || recipe.scaling == .tensorwise
        copies = isOneFactor && plan.cluster.device.peakFLOPs[.mxfp8] != nil ? 1 : 2
    }

    /// Bytes of an element that the product of a weight gradient reads.
    static func operand(_ plan: Plan, elementBytes: Double) -> Double {
        if CountedState.storesFP32(plan) {
            return [.fp8, .mxfp8, .nvfp4].contains(plan.precision) ? 1 : elementBytes
        }
        return CountedRecipe(plan)?.activation ?? (plan.precision == .fp8 ? 1 : elementBytes)
    }

    /// Bytes that a block keeps less than in 16 bits: inputs of products that nothing else reads, unless a module that is
    /// computed again makes them, or begins with them and keeps them as they are (`keepsRead`).
    func saved(
        _ plan: Plan, _ layout: Layout, _ shape: BlockShape, mixture: Bool, again: Set<RecomputeModules.Name> = [],
        keepsRead: Bool = true, elementBytes w: Double
    ) -> Double {
        let model = plan.model
        let t = Double(layout.tensor)
        let rows = Double(layout.microbatch * model.sequence) / Double(layout.context)
        let ownRows = layout.sequenceParallel ? rows / t : rows
        // Results of norms before a half, where no router reads them too.
        var elements = 0.0
        let routes = shape.hasNetwork && mixture
        if shape.norms != .post {
            let runsInside = CountedActivations.softwareWithNormsInProducts.contains(plan.framework(for: layout).name)
            let h = ownRows * Double(model.hidden)
            let isRead = keepsRead && again.contains(.network)
            if shape.isJoined, shape.parallel == .oneNorm {
                // Both halves read it, the network also where it is computed again.
                if !routes, !again.contains(.norms), !isRead { elements += h }
            } else {
                if shape.hasCore, !again.contains(.norms) || runsInside && shape.mla == nil { elements += h }
                if shape.hasNetwork, !routes, !again.contains(.norms) || runsInside, !isRead { elements += h }
            }
        }
        if routes, let moe = shape.moe {
            let gathered = ExpertRows(moe, own: rows / t).fullest * Double(layout.expertTensor)
            if !again.contains(.mixture) {
                elements += gathered * Double(moe.latentSize ?? model.hidden)
                if !again.contains(.expertActivation) {
                    elements += gathered * Double(moe.ffn) / Double(layout.expertTensor)
                }
                if !again.contains(.sharedExperts) {
                    elements += rows * Double(moe.shared * moe.sharedFfn + moe.denseFfn) / t
                }
            }
        } else if shape.hasNetwork, !again.contains(.network) {
            elements += rows * Double(shape.ffn) / t
        }
        // With factors of earlier steps the result of attention is kept in 8 bits too, beside that which attention keeps.
        var beside = 0.0
        if recipe.scaling == .delayed, shape.hasCore {
            beside = activation * rows * Double(shape.heads * (shape.mla?.valueSize ?? shape.valueHead)) / t
        }
        return (w - activation) * elements - beside
            + savedInputs(plan, layout, shape, mixture: mixture, again: again, elementBytes: w)
    }

    /// Bytes that inputs of SwiGLU take less: one a number, gate and input, where they are kept at all.
    func savedInputs(
        _ plan: Plan, _ layout: Layout, _ shape: BlockShape, mixture: Bool, again: Set<RecomputeModules.Name>,
        elementBytes w: Double
    ) -> Double {
        guard recipe.activationFuncFP8InputStore, shape.hasNetwork else { return 0 }
        let t = Double(layout.tensor)
        let rows = Double(layout.microbatch * plan.model.sequence) / Double(layout.context)
        var columns = 0.0
        if mixture, let moe = shape.moe {
            if again.contains(.mixture) { return 0 }
            columns +=
                ExpertRows(moe, own: rows / t).fullest * Double(layout.expertTensor) * Double(moe.ffn)
                / Double(layout.expertTensor)
            if !again.contains(.sharedExperts) {
                columns += rows * Double(moe.shared * moe.sharedFfn + moe.denseFfn) / t
            }
        } else if !again.contains(.network) {
            columns += rows * Double(shape.ffn) / t
        }
        return (w - 1) * 2 * columns
    }

    /// Parameters of the rank's matrices whose products are in the low format: all of blocks but routers', without the
    /// first and last blocks that are in bf16.
    func parameters(_ inventory: Inventory, _ placed: PlacedBlocks, _ layout: Layout, rank: Int) -> HeldParameters {
        var held = HeldParameters()
        let layers = inventory.model.layers
        for layer in placed.stages(of: rank).flatMap({ placed.layers[$0] })
        where layer >= recipe.bf16LayersAtStart
            && (inventory.isModule(layer) || layer < layers - recipe.bf16LayersAtEnd)
        {
            held.add(
                inventory.tensors(ofBlock: layer).filter { $0.isMatrix && $0.name != "router" && !$0.isAdapter }, layout
            )
        }
        return held
    }

    /// Bytes of the copies, less those of bf16 weights that are not kept.
    func copyBytes(_ held: HeldParameters, _ layout: Layout) -> Double {
        guard layout.sharding != .parameters || layout.shardRanks == 1 else { return 0 }
        return (copies * weight - (recipe.parameterGather ? 2 : 0)) * (held.dense + held.experts)
    }
}
