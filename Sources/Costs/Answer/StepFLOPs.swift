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
        if !layout.modulesAgain.isEmpty {
            hardware = flops.required + Self.modulesAgain(work, flops)
            return
        }
        guard layout.recompute == .full, layout.recomputed.keepsSome else {
            hardware = flops.hardware(layout.recompute, keepsOperations: work.framework.selectiveOperations)
            return
        }
        let tokens = Double(work.plan.batch) * Double(model.sequence)
        var (weights, core, scan) = (0.0, 0.0, 0.0)
        for (count, kind) in zip(Self.recomputedBlocks(work), model.kindsOfBlock) {
            weights += count * kind.model.activeWeights
            let attention = kind.model.coreAttention
            core += count * 2 * attention.work(length: Double(model.sequence))
            scan += count * attention.scanWork(length: Double(model.sequence))
        }
        hardware = flops.required + 2 * tokens * weights + 4 * tokens * core + 2 * tokens * scan
    }

    /// FLOPs of recomputed modules: one more forward of their products, and core attention as Korthikanti et al. 2022 count
    /// it.
    private static func modulesAgain(_ work: LayoutWork, _ flops: FLOPs) -> Double {
        let modules = work.layout.modulesAgain
        let tokens = Double(work.plan.batch) * Double(work.model.sequence)
        let weights = zip(work.parts.kinds.counts, work.parts.blocks).reduce(0) {
            $0 + Double($1.0) * $1.1.weightsAgain(modules)
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
