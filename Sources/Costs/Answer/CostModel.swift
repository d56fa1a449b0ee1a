package import Models
package import Plans
package import Schedules

/// The price of one plan with one layout, from closed forms.
/// - Throws: what makes the plan or the layout impossible to price.
package func estimate(
    plan: Plan, layout: Layout, options: CostOptions = CostOptions()
) throws(CostError) -> Estimate {
    let work = try Pricer(plan: plan, options: options).work(layout)
    return work.estimate(time: work.iterationTime())
}

/// What every action of the layout's schedule takes: the simulator times with it exactly what `estimate` prices.
package func actionCosts(
    plan: Plan, layout: Layout, options: CostOptions = CostOptions()
) throws(CostError) -> ActionCosts {
    try Pricer(plan: plan, options: options).work(layout).actionCosts
}

extension LayoutWork {
    /// FLOPs of one iteration, the vocabulary as the model states it.
    package var flops: FLOPs { FLOPs(model: model, sequences: pricer.plan.batch, vocabulary: model.vocab) }

    /// FLOPs the devices run, recomputation included: where some blocks of every stage are recomputed whole, one more
    /// forward of the first ones.
    var hardwareFLOPs: Double {
        guard layout.recompute == .full, layout.recomputeLayers != nil else {
            return flops.hardware(layout.recompute, keepsOperations: rates.framework.selectiveOperations)
        }
        let (dense, mixtures) = recomputedBlocks
        let tokens = Double(pricer.plan.batch) * Double(model.sequence)
        let weights = dense * parts.dense.activeWeights + mixtures * parts.block(isMixture: true).activeWeights
        let core = flops.coreForward * (dense + mixtures) / Double(max(1, model.layers))
        return flops.model + 2 * tokens * weights + core
    }

    /// Blocks that are recomputed where not all are: those without experts, and with them.
    var recomputedBlocks: (dense: Double, mixtures: Double) {
        shares.stages.reduce((0, 0)) { ($0.0 + $1.recomputed, $0.1 + $1.recomputedMixtures) }
    }

    /// The whole answer around an iteration's time.
    package func estimate(time: IterationTime) -> Estimate {
        var plan = pricer.plan
        plan.layout = layout
        let parameters = Double(model.parameters().total)
        let memory = memoryByRank
        let iteration = Estimate.Iteration(
            seconds: time.seconds, tokens: Double(plan.batch) * Double(model.sequence), modelFLOPs: flops.model,
            hardwareFLOPs: hardwareFLOPs, breakdown: time.breakdown,
            bubbleFraction: time.bubbleFraction, pipeline: time.pipeline, hides: time.hides)
        return Estimate(
            plan: plan, layout: layout, parameters: parameters, activeParameters: Double(model.parameters().active),
            microbatches: m,
            iteration: iteration, memoryByRank: memory, run: run(seconds: time.seconds), explanation: [])
    }
}
