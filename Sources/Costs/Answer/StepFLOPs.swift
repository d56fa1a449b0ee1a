internal import Models
internal import Plans

/// FLOPs of one step, with the model's own unpadded vocabulary.
struct StepFLOPs {
    /// Model FLOPs, without recomputation (`FLOPs.required`).
    let required: Double
    /// Hardware FLOPs, with recomputation. If only some blocks of every stage are recomputed, one more forward of these
    /// blocks counts.
    let hardware: Double

    init(_ work: LayoutWork) {
        let (model, layout) = (work.model, work.layout)
        let flops = FLOPs(model: model, sequences: work.plan.batch)
        required = flops.required
        let tokens = Double(work.plan.batch) * Double(model.sequence)
        let modules = layout.modulesAgain
        let again = Self.recomputedBlocks(work)
        // A fused loss computes the logits again in its backward.
        var beyond =
            work.plan.loss.kind == .fused
            ? 2 * tokens * Double(work.parts.head.losses) * Double(model.vocab) * Double(model.tableWidth) : 0
        // Rows that experts compute beyond those routed to them, or fewer: in a forward, in its backward and where it runs
        // again.
        for (kind, block) in work.parts.blocks.enumerated() {
            guard let share = Self.computedShare(block, work) else { continue }
            let count = Double(work.parts.kinds.counts[kind])
            let passes: Double =
                switch layout.recompute {
                case .none: 3 * count
                case .selective where !modules.isEmpty: (modules.contains(.mixture) ? 4 : 3) * count
                case .selective: (work.framework.selectiveOperations ? 3.5 : 3) * count
                case .full: 3 * count + (layout.recomputed.keepsSome ? again[kind] : count)
                }
            let weights = Double(block.mixture?.topK ?? 0) * block.expertProducts.weights
            beyond += passes * (share - 1) * 2 * tokens * weights
        }
        if !modules.isEmpty {
            hardware = flops.required + Self.modulesAgain(work, flops) + beyond
            return
        }
        guard layout.recompute == .full, layout.recomputed.keepsSome else {
            hardware = flops.hardware(layout.recompute, keepsOperations: work.framework.selectiveOperations) + beyond
            return
        }
        var (weights, core, scan) = (0.0, 0.0, 0.0)
        for (count, kind) in zip(again, model.kindsOfBlock) where kind.model.block.tuning?.passesGradient ?? true {
            weights += count * kind.model.activeWeights
            let attention = kind.model.coreAttention
            core += count * attention.countedWork(length: Double(model.sequence))
            scan += count * attention.scanWork(length: Double(model.sequence))
        }
        hardware = flops.required + 2 * tokens * weights + 4 * tokens * core + 2 * tokens * scan + beyond
    }

    /// Rows that the experts of a block compute over those that the router sends them; nil: all of these and no other.
    static func computedShare(_ block: Block, _ work: LayoutWork) -> Double? {
        guard let mixture = block.mixture, mixture.capacityFactor != nil else { return nil }
        return mixture.taken(ofRows: work.device.tokens / work.device.tensor).mean
    }

    /// FLOPs of recomputed modules: one more forward of their products, and core attention as Korthikanti et al. 2022 count
    /// it.
    private static func modulesAgain(_ work: LayoutWork, _ flops: FLOPs) -> Double {
        let modules = work.layout.modulesAgain
        let tokens = Double(work.plan.batch) * Double(work.model.sequence)
        let weights = zip(work.parts.kinds.counts, work.parts.blocks).reduce(0) {
            $1.1.tuned?.passesGradient == false ? $0 : $0 + Double($1.0) * $1.1.weightsAgain(modules)
        }
        let core = modules.contains(.coreAttention) ? flops.hardwareSelective - flops.required : 0
        return 2 * tokens * weights + core
    }

    /// Number of recomputed blocks of each kind if not all are recomputed.
    static func recomputedBlocks(_ work: LayoutWork) -> [Double] {
        work.parts.blocks.indices.map { kind in
            work.shares.stages.reduce(0) { $0 + $1.whole(kind, isRecomputed: true) }
        }
    }
}
