package import Models
package import Plans

/// Bytes that one block keeps from the forward of one micro-batch for its backward, on one device: sums over the
/// tensors that its parts keep.
///
/// The terms are those of Korthikanti et al. 2022, table 2, kept separate so that one formula covers grouped-query
/// attention, gated feed-forward networks, flash attention, fp32 and missing dropout. For each token of a dense block,
/// with element size w, and with σ = t with sequence parallelism and 1 without:
package struct ActivationBytes: Hashable, Sendable {
    /// Bytes kept from the forward to the backward.
    package var kept: Double
    /// Bytes kept between the two halves of a split backward: the inputs of all products and the gradients of their
    /// outputs.
    ///
    /// Qi et al. 2023, table 1: M_W = 32sbh of the M_B = 34sbh + 5as²b that a GPT block keeps from its forward. fp8
    /// products read fp8 operands (DeepSeek-V3, section 3.3.1; Transformer Engine), independently of the format of the
    /// residual stream between them.
    package var later: Double
    /// Bytes held during the backward of one block after recomputation, in addition to what the block is counted with at the
    /// fullest moment; 0 without recomputation.
    ///
    /// A backward reads what was kept and what was computed again, K + R bytes. The block is counted with its K there. Behind
    /// the first half of a split backward it is counted with `later`, J bytes, which lie in the same buffers: where J is the
    /// larger, R is less by J − K.
    package var recomputed: Double
    /// `recomputed` of a block inside a run of blocks that are recomputed together, whose own input is computed again too. Below
    /// 0: other blocks of the run may take its place.
    package var recomputedInside: Double
    /// Bytes by which a run's first block, which keeps its input, is below `recomputedInside`.
    package var keptOfRun: Double
    /// Bytes of the gradients of the block's widest tensors during its backward.
    package var widestGradients: Double

    /// - Parameters:
    ///   - sequence: tokens of a sequence.
    ///   - tokens: rows of the micro-batch on this device, b·s/c.
    ///   - keepsOperations: whether selective recomputation repeats every second product instead of the core attention
    ///     (`Framework.selectiveOperations`).
    ///   - expertTensor: ranks that share one expert's matrices.
    ///   - keepsCombinedRows: whether the experts' results are kept (`Framework.keepsCombinedRows`).
    ///   - operandBytes: bytes of a number that a weight gradient's product reads.
    ///   - recipe: bytes of a kept number that only products read, and whether they keep the result of attention too;
    ///     nil: no recipe.
    ///   - splitsBackward: whether weight gradients are separate actions of the schedule.
    ///   - memory: the software's memory management.
    ///   - modules: the modules that are recomputed by themselves, with selective recomputation.
    ///   - exchanged: bytes that the core attention keeps because context ranks exchange heads (`ContextWays.kept`).
    ///   - shares: samples and rows of a text, for each row.
    ///   - normsInSteps: whether the software runs norms as several kernels (`Framework.runsNormsInSteps`).
    package init(
        _ block: Block, sequence: Int, tokens: Double, tensor: Int, sequenceParallel: Bool,
        recompute: Layout.Recompute, flashAttention: Bool, dropout: Bool, elementBytes w: Double,
        keepsOperations: Bool = false, expertTensor: Int = 1, keepsCombinedRows: Bool = true,
        operandBytes: Double? = nil, recipe: (input: Double, keepsAttended: Bool)? = nil, splitsBackward: Bool = false,
        memory: Framework.Memory = Framework.Memory(), modules: RecomputeModules = [], exchanged: Double = 0,
        shares: RowShares = .tokens, normsInSteps: Bool = false
    ) {
        self.init(
            BlockTensors(
                block,
                BlockMeasure(
                    division: Division(
                        tokens: tokens, tensor: Double(tensor), sequence: sequenceParallel ? Double(tensor) : 1,
                        expertTensor: Double(expertTensor), mixture: block.mixture,
                        reserve: memory.rowReserve, shares: shares),
                    activation: w, operand: operandBytes ?? w, dropout: dropout,
                    norms: NormKernels(areSeveral: normsInSteps, elementBytes: w)),
                sequence: sequence, flashAttention: flashAttention, keepsCombinedRows: keepsCombinedRows,
                recipe: recipe, memory: memory, exchanged: exchanged),
            recompute: recompute, keepsOperations: keepsOperations, splitsBackward: splitsBackward, modules: modules)
    }

    /// - Parameter tensors: the tensors that the block may keep.
    init(
        _ tensors: BlockTensors, recompute: Layout.Recompute, keepsOperations: Bool, splitsBackward: Bool,
        modules: RecomputeModules
    ) {
        let (memory, stream, core, whole) = (tensors.memory, tensors.stream, tensors.core, tensors.whole)
        widestGradients = tensors.widestGradients
        later = tensors.operands
        let remade = memory.remakesOutputs && !splitsBackward && !tensors.isMixture ? tensors.remadeResults : 0
        let halves = memory.keepsHalvesWhole && splitsBackward ? stream : 0
        switch recompute {
        case .none:
            kept = whole - remade + halves
            recomputed = 0
        case .selective where !modules.isEmpty:
            // Outputs that a whole backward makes again anyway are not kept in the first place.
            func sum(madeBy some: RecomputeModules) -> Double {
                tensors.bytes(madeBy: modules.intersection(some), withoutRemade: remade > 0)
            }
            let again =
                modules.contains(.coreAttention) ? core + (memory.remakesAttention ? tensors.attended : 0) : 0
            // Inputs of products that are not kept, or that modules keep as their input, are not in a recipe's format.
            kept =
                whole - remade - again - sum(madeBy: modules) + tensors.inputs(of: modules)
                + tensors.saved { !$0.isKept(without: modules) } + halves
            // The halves are recomputed one after the other, each with the norm before it.
            let norms = sum(madeBy: [.norms, .fusibleNorms])
            // Modules with products keep the inputs of these as a forward does. A norm or an activation by itself gives
            // back its result (Megatron-Core, CheckpointWithoutOutput), which the product casts then.
            let withProducts = modules.intersection(.withProducts)
            recomputed =
                max(
                    again + sum(madeBy: .latentProjections),
                    sum(madeBy: [.network, .mixture, .expertActivation, .sharedExperts])
                        - tensors.saved { !$0.madeBy.isDisjoint(with: withProducts) }) + min(norms, tensors.oneNorm)
        case .selective where keepsOperations:
            // The block's input, the result of attention and the results of every second product.
            kept = tensors.input + tensors.attended + core + tensors.productResults / 2
            recomputed = whole - tensors.inputInWhole - tensors.attended - core
        case .selective:
            // The core attention of one block exists again during that block's backward.
            let again = core + (memory.remakesAttention ? tensors.attended : 0)
            kept = whole - again - remade + halves
            recomputed = again
        case .full:
            // The input is there already.
            kept = tensors.input
            recomputed = whole - tensors.inputInWhole + (memory.pools ? halves : 0)
        }
        keptOfRun = recompute == .full ? tensors.inputInWhole : 0
        recomputedInside = recomputed + keptOfRun
        if memory.keepsHalvesWhole { later = recompute == .full ? whole + halves : kept }
        if !tensors.passesGradient { (kept, later, recomputed, recomputedInside, keptOfRun) = (0, 0, 0, 0, 0) }
        guard splitsBackward, !memory.pools else { return }
        let more = max(0, later - kept)
        recomputed = max(0, recomputed - more)
        recomputedInside -= later
        keptOfRun += more - later
    }

    /// Bytes that one block keeps for one micro-batch on `device`.
    init(
        _ block: Block, _ device: DeviceShare, sequence: Int, rates: DeviceRates, recompute: Layout.Recompute,
        isSplit: Bool
    ) {
        self.init(
            BlockTensors(block, device, sequence: sequence, rates: rates), recompute: recompute,
            keepsOperations: rates.framework.selectiveOperations, splitsBackward: isSplit, modules: device.modules)
    }

    /// Bytes of a block that keeps nothing on the device: its activations are on the host, or it is inside a run of blocks that
    /// are recomputed together, of which the first alone keeps its input.
    var withoutKept: ActivationBytes {
        var inside = self
        inside.kept = 0
        return inside
    }
}
