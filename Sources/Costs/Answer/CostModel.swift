internal import Models
package import Plans
package import Schedules

/// The price of one plan with one layout, from closed forms.
/// - Throws: the reason why the plan or the layout cannot be priced.
package func estimate(
    plan: Plan, layout: Layout, options: CostOptions = CostOptions()
) throws(CostError) -> Estimate {
    let work = try Pricer(plan: plan, options: options).work(layout)
    return Estimate(work, time: IterationTime(work))
}

/// Seconds of every action of the layout's schedule. A simulation with them times the layout that `estimate` prices.
package func actionCosts(
    plan: Plan, layout: Layout, options: CostOptions = CostOptions()
) throws(CostError) -> ActionCosts {
    ActionCosts(try Pricer(plan: plan, options: options).work(layout))
}

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
            seconds: time.seconds, tokens: Double(plan.batch) * Double(work.model.sequence),
            modelFLOPs: flops.required, hardwareFLOPs: flops.hardware, breakdown: time.breakdown,
            bubbleFraction: time.bubbleFraction, pipeline: time.pipeline, hides: time.hides)
        self.init(
            plan: plan, layout: work.layout, parameters: Double(parameters.total),
            activeParameters: Double(parameters.active), microbatches: work.m, iteration: iteration,
            memoryByRank: LayoutMemory(work).ranks, run: RunTotals(work).run(seconds: time.seconds), explanation: [])
    }
}
