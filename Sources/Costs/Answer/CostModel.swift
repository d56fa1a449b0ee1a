internal import Models
internal import Plans

extension Pricer {
    /// The work of an estimate's layout, with the hidden transfers that the estimate was priced with.
    package func work(of estimate: Estimate) throws(CostError) -> LayoutWork {
        try work(estimate.layout, hides: estimate.iteration.hides)
    }
}

extension Estimate {
    /// The whole answer for a layout whose step takes `time`.
    package init(_ work: LayoutWork, time: IterationTime) {
        var plan = work.plan
        plan.layout = work.layout
        let parameters = work.model.parameters()
        let flops = StepFLOPs(work)
        let iteration = Estimate.Iteration(
            seconds: time.seconds, tokens: plan.tokensPerStep,
            modelFLOPs: flops.required, hardwareFLOPs: flops.hardware, breakdown: time.breakdown,
            bubbleFraction: time.bubbleFraction, pipeline: time.pipeline, hides: time.hides)
        self.init(
            plan: plan, layout: work.layout, parameters: Double(parameters.total),
            activeParameters: Double(parameters.active), microbatches: work.m, iteration: iteration,
            memoryByRank: LayoutMemory(work).ranks, run: RunTotals(work).run(seconds: time.seconds), explanation: [])
    }
}
