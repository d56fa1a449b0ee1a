import Models
import Plans

/// Bytes that a block keeps whose weights are not all trained: what the gradients of activations need, and inputs of the
/// matrices that are trained or have an adapter. Blocks with ordinary attention, and experts without latent rows.
struct TunedActivations {
    private let plan: Plan
    private let layout: Layout
    private let shape: BlockShape
    private let isMixture: Bool
    private let tensors: [ParameterTensor]
    private let w: Double
    /// Rows of the micro-batch on a device, and of the residual stream.
    private let rows: Double
    private let ownRows: Double
    private let t: Double

    /// Whether every block of the plan is counted here.
    static func speaks(of plan: Plan) -> Bool {
        guard plan.model.tuning != nil else { return true }
        return ([plan.model.block] + plan.model.kinds.map(\.shape)).allSatisfy {
            $0.mla == nil && $0.moe?.latentSize == nil && $0.moe?.sharedGate != true
        }
    }

    init?(_ plan: Plan, _ layout: Layout, _ inventory: Inventory, _ layer: Int) {
        guard Self.speaks(of: plan) else { return nil }
        (self.plan, self.layout) = (plan, layout)
        shape = inventory.shape(layer)
        isMixture = inventory.isMixture(layer)
        tensors = inventory.tensors(ofBlock: layer)
        w = CountTests.elementBytes(plan)
        t = Double(layout.tensor)
        rows = Double(layout.microbatch * plan.model.sequence) / Double(layout.context)
        ownRows = layout.sequenceParallel ? rows / t : rows
    }

    private var h: Double { Double(plan.model.hidden) }
    private var rank: Double { Double(plan.model.tuning?.lora?.rank ?? 0) }
    private var moe: Model.Mixture? { isMixture && shape.hasNetwork ? shape.moe : nil }
    private var dropout: Bool { !layout.flashAttention }

    /// Whether a matrix of this kind is trained, or has an adapter: alone, or with others.
    private func learns(_ names: String...) -> Bool {
        names.contains { name in
            tensors.contains { $0.isMatrix && !$0.isAdapter && $0.name.hasPrefix(name) && $0.fate == .trained }
                || adapted.contains { $0.hasPrefix(name) }
        }
    }

    /// Names of the matrices with an adapter.
    private var adapted: [String] {
        guard let lora = plan.model.tuning?.lora else { return [] }
        return Inventory(plan.model).groups(tensors.filter { !$0.isAdapter }, shape, lora.targetModules).joined().map(
            \.name)
    }

    private var readsOfAttention: Bool { shape.hasCore && learns("query", "key", "value", "gate") }
    private var readsOfNetwork: Bool {
        guard shape.hasNetwork else { return false }
        return isMixture ? learns("router", "shared expert way", "beside way") : learns("feed-forward way")
    }
    private var writesOfAttention: Bool { shape.hasCore && learns("attention output") }
    private var writesOfNetwork: Bool {
        guard shape.hasNetwork else { return false }
        return isMixture
            ? learns("shared expert down", "beside down", "expert ") : learns("feed-forward down")
    }

    /// Norms of several kernels; nil: they are one each.
    private var counted: CountedNorms? {
        CountedNorms(
            plan, layout, elementBytes: w,
            scalesAreTrained: tensors.contains { $0.name.hasPrefix("norm ") && !$0.isMatrix && $0.fate == .trained })
    }

    /// Whether the block's input is among what a forward keeps: a norm reads it again, products only for their own weights.
    var keepsInput: Bool {
        guard shape.norms == .post else { return counted?.casts != true }
        if shape.isJoined { return readsOfAttention || readsOfNetwork }
        return shape.halves == .feedForward ? readsOfNetwork : readsOfAttention
    }

    private var reads: Double { (readsOfAttention ? 1 : 0) + (readsOfNetwork ? 1 : 0) }
    /// Rows at a device's experts.
    private func routed(_ moe: Model.Mixture) -> Double {
        rows / t * Double(moe.topK * layout.expertTensor) * moe.imbalance
    }

    /// Rows of an adapter's results between its matrices.
    private func narrowRows(_ a: ParameterTensor) -> Double {
        if a.split == .expert { return moe.map(routed) ?? 0 }
        if a.base == "router" { return rows / t }
        return a.split == .tensor ? ownRows : rows
    }

    private var narrow: Double { narrow { _ in true } }

    /// - Parameter isHeld: whether an adapter's results are kept, by the name of the matrix beside it.
    private func narrow(_ isHeld: (String) -> Bool) -> Double {
        tensors.filter { $0.isAdapter && $0.name.hasPrefix("A of") && isHeld($0.base) }
            .reduce(0) { $0 + narrowRows($1) * rank }
    }

    /// Whether the halves' inputs are results of norms that are computed again.
    private func normsAgain(_ again: Set<RecomputeModules.Name>) -> (attention: Bool, network: Bool) {
        guard again.contains(.norms) else { return (false, false) }
        let joins = shape.isJoined && shape.parallel == .oneNorm
        let runsInside = CountedActivations.softwareWithNormsInProducts.contains(plan.framework(for: layout).name)
        return (joins || !runsInside, joins || !runsInside || isMixture)
    }

    /// Bytes that a recipe saves of inputs of products whose own weights are trained: adapters read 16 bits.
    /// - Parameters:
    ///   - again: modules that are computed again, whose products' inputs are not kept.
    ///   - keepsRead: whether a module that begins with an input keeps it as it is.
    func saved(again: Set<RecomputeModules.Name>, keepsRead: Bool = true) -> Double {
        guard let recipe = CountedRecipe(plan) else { return 0 }
        let inputs = recipe.savedInputs(plan, layout, shape, mixture: isMixture, again: again, elementBytes: w)
        guard plan.model.tuning?.lora == nil else { return inputs }
        var elements = 0.0
        let norms = normsAgain(again)
        let isRead = keepsRead && again.contains(.network)
        if shape.norms != .post {
            if shape.isJoined, shape.parallel == .oneNorm {
                if moe == nil, readsOfAttention || readsOfNetwork, !norms.attention, !isRead { elements += ownRows * h }
            } else {
                if readsOfAttention, !norms.attention { elements += ownRows * h }
                if readsOfNetwork, moe == nil, !norms.network, !isRead { elements += ownRows * h }
            }
        }
        if let moe {
            if !again.contains(.mixture) {
                let gathered = routed(moe)
                if learns("expert way") { elements += gathered * h }
                if learns("expert down"), !again.contains(.expertActivation) {
                    elements += gathered * Double(moe.ffn) / Double(layout.expertTensor)
                }
                if learns("shared expert down", "beside down"), !again.contains(.sharedExperts) {
                    elements += rows * Double(moe.shared * moe.sharedFfn + moe.denseFfn) / t
                }
            }
        } else if shape.hasNetwork, learns("feed-forward down"), !again.contains(.network) {
            elements += rows * Double(shape.ffn) / t
        }
        var beside = 0.0
        if recipe.recipe.scaling == .delayed, writesOfAttention {
            beside = recipe.activation * rows * Double(shape.heads * shape.valueHead) / t
        }
        return (w - recipe.activation) * elements - beside + inputs
    }

    func kept(again: Set<RecomputeModules.Name>) -> Double {
        let selective = again.contains(.coreAttention)
        let norms = normsAgain(again)
        let besideAgain = again.contains(.sharedExperts) || again.contains(.mixture)
        var elements = narrow { base in
            if base.hasPrefix("feed-forward") { return !again.contains(.network) }
            if base.hasPrefix("shared expert") || base.hasPrefix("beside") { return !besideAgain }
            if base.hasPrefix("expert") || base == "router" { return !again.contains(.mixture) }
            return true
        }
        var bytes = 0.0
        let halves: Double = shape.halves == .both ? 2 : 1
        let joinsNorm = shape.isJoined && shape.parallel == .oneNorm
        // Inputs of norms, or of halves without one before them; results of norms; results of halves with one behind.
        let inputs = shape.isJoined ? 1 : halves
        elements += ownRows * h * (shape.norms == .post ? min(inputs, reads) : inputs)
        if shape.norms != .post {
            let attention = readsOfAttention && !norms.attention ? 1.0 : 0
            let network = readsOfNetwork && !norms.network ? 1.0 : 0
            elements += ownRows * h * (joinsNorm ? min(1, attention + network) : attention + network)
        }
        if shape.norms != .pre { elements += ownRows * h * halves }
        if shape.hasCore {
            let (d, v) = (Double(shape.headSize), Double(shape.valueHead))
            let (a, g) = (Double(shape.heads) / t, Double(shape.kvHeads) / t)
            elements += rows * (a * d + (shape.projectsKeys ? g * d : 0) + (shape.projectsValues ? g * v : 0))
            if shape.qkNorm != .none { elements += rows * (a + (shape.projectsKeys ? g : 0)) * d }
            elements += rows * a * v
            if shape.gates > 0 {
                elements += rows * Double(shape.gates) / t
                if writesOfAttention { elements += rows * a * v }
            }
            if !selective {
                elements += exchanged()
                if layout.flashAttention {
                    bytes += 4 * rows * a
                } else {
                    let scores = rows * a * Double(plan.model.sequence)
                    elements += dropout ? 2 * scores : scores
                    if dropout { bytes += scores }
                }
            }
        }
        func network(_ width: Double, _ rows: Double, down: Bool) -> Double {
            rows * width * (Double(shape.ways) + (down ? 1 : 0))
        }
        if let moe, !again.contains(.mixture) {
            bytes += 8 * rows / t * Double(moe.experts)
            let gathered = routed(moe)
            if learns("expert way") { elements += gathered * h }
            elements += network(
                Double(moe.ffn) / Double(layout.expertTensor), gathered,
                down: learns("expert down") && !again.contains(.expertActivation))
            if plan.framework(for: layout).keepsCombinedRows { elements += rows / t * Double(moe.topK) * h }
            if !again.contains(.sharedExperts) {
                elements += network(Double(moe.shared * moe.sharedFfn) / t, rows, down: learns("shared expert down"))
                elements += network(Double(moe.denseFfn) / t, rows, down: learns("beside down"))
            }
        } else if shape.hasNetwork, !isMixture, !again.contains(.network) {
            elements += network(Double(shape.ffn) / t, rows, down: learns("feed-forward down"))
            elements += CountedGates.more(plan, layout, shape, width: Double(shape.ffn) / t, rows: rows)
        }
        if dropout { bytes += halves * ownRows * h }
        if let counted = counted {
            bytes += counted.more(shape, isModule: false, rows: ownRows, again: again.contains(.norms))
        }
        return w * elements + bytes
    }

    /// Numbers that exchanges of heads keep: results for whole sequences of some heads, and copies of keys and values for
    /// the ranks that compute with them.
    private func exchanged() -> Double {
        let ranks = layout.contextExchange == .heads ? layout.context : layout.contextHeads ?? 1
        guard layout.context > 1, ranks > 1 else { return 0 }
        let own = shape.heads / layout.tensor / ranks
        let keys = Set((0..<own).map { $0 * shape.kvHeads / shape.heads }).count
        return rows * Double(shape.heads * shape.valueHead) / t
            + rows * Double((ranks * keys - shape.kvHeads / layout.tensor) * (shape.headSize + shape.valueHead))
    }

    /// Bytes between the halves of a split backward: for every matrix that is trained or has an adapter its input and the
    /// gradient of its result, each tensor once; twice the adapters' narrow rows.
    var betweenHalves: Double {
        let operand =
            CountedRecipe(plan) != nil && plan.model.tuning?.lora != nil
            ? w : CountedRecipe.operand(plan, elementBytes: w)
        var elements = 2 * narrow
        let joinsNorm = shape.isJoined && shape.parallel == .oneNorm
        let writes = (writesOfAttention ? 1.0 : 0) + (writesOfNetwork ? 1.0 : 0)
        elements += ownRows * h * (joinsNorm ? min(1, reads) : reads)
        elements += ownRows * h * (shape.isJoined ? min(1, writes) : writes)
        func width(_ names: String...) -> Double {
            tensors.filter { tensor in
                tensor.isMatrix && !tensor.isAdapter && names.contains { tensor.name.hasPrefix($0) }
                    && learns(tensor.name)
            }.reduce(0) { $0 + Double($1.shape[0]) }
        }
        if shape.hasCore {
            elements += rows / t * width("query", "key", "value", "gate")
            if writesOfAttention { elements += rows / t * Double(shape.heads * shape.valueHead) }
        }
        var single = 0.0
        if let moe {
            let gathered = routed(moe)
            let e = Double(layout.expertTensor)
            if learns("expert way") { elements += gathered * h }
            elements += gathered * width("expert way") / e
            if learns("expert down") { elements += gathered * (Double(moe.ffn) / e + h) }
            for (name, size) in [("shared expert", moe.shared * moe.sharedFfn), ("beside", moe.denseFfn)] where size > 0
            {
                elements += rows / t * width("\(name) way")
                if learns("\(name) down") { elements += rows / t * Double(size) }
            }
            if learns("router") { single += rows / t * Double(moe.experts) }
        } else if shape.hasNetwork {
            elements += rows / t * width("feed-forward way")
            if learns("feed-forward down") { elements += rows / t * Double(shape.ffn) }
        }
        return operand * elements + 4 * single
    }
}
