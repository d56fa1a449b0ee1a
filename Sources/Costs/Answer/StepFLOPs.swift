internal import Models
internal import Plans

/// FLOPs of one step, the vocabulary as the model states it.
struct StepFLOPs {
    /// Without recomputation (`FLOPs.required`).
    let required: Double
    /// FLOPs that the devices run, recomputation included. Where only some blocks of every stage are recomputed: one more
    /// forward of those.
    let hardware: Double

    init(_ work: LayoutWork) {
        let (model, layout) = (work.model, work.layout)
        let flops = FLOPs(model: model, sequences: work.plan.batch, vocabulary: model.vocab)
        required = flops.required
        guard layout.recompute == .full, layout.recomputeLayers != nil else {
            hardware = flops.hardware(layout.recompute, keepsOperations: work.framework.selectiveOperations)
            return
        }
        let (dense, mixtures) = Self.recomputedBlocks(work)
        let tokens = Double(work.plan.batch) * Double(model.sequence)
        let weights =
            dense * work.parts.dense.activeWeights + mixtures * work.parts.block(isMixture: true).activeWeights
        let core = flops.coreForward * (dense + mixtures) / Double(max(1, model.layers))
        hardware = flops.required + 2 * tokens * weights + core
    }

    /// Blocks that are recomputed where not all are: dense ones, and those with experts.
    static func recomputedBlocks(_ work: LayoutWork) -> (dense: Double, mixtures: Double) {
        work.shares.stages.reduce((0, 0)) { ($0.0 + $1.recomputed, $0.1 + $1.recomputedMixtures) }
    }
}
