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
        guard layout.recompute == .full, layout.recomputeLayers != nil else {
            hardware = flops.hardware(layout.recompute, keepsOperations: work.framework.selectiveOperations)
            return
        }
        let (dense, mixtures) = Self.recomputedBlocks(work)
        let tokens = Double(work.plan.batch) * Double(model.sequence)
        let weights =
            dense * model.activeWeights(isMixture: false) + mixtures * model.activeWeights(isMixture: true)
        let core = flops.coreForward * (dense + mixtures) / Double(max(1, model.layers))
        hardware = flops.required + 2 * tokens * weights + core
    }

    /// Numbers of recomputed blocks if not all are recomputed: dense blocks, and blocks with experts.
    static func recomputedBlocks(_ work: LayoutWork) -> (dense: Double, mixtures: Double) {
        work.shares.stages.reduce((0, 0)) { ($0.0 + $1.recomputed, $0.1 + $1.recomputedMixtures) }
    }
}
