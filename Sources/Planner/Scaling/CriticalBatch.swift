internal import Models
package import Plans
internal import ScalingLaws

/// The batch of a plan beside the one beyond which more sequences a step save hardly any steps.
///
/// The rule is that of Kaplan et al. at the loss that the run ends with, by the law of Besiroglu et al. The two come from
/// different data, so it is an order of magnitude.
package struct CriticalBatch: Hashable, Sendable {
    /// Tokens.
    package var tokens: Double
    /// Loss in nats a token at the end of the run.
    package var loss: Double

    /// Returns nil where the plan states no tokens.
    package init?(_ plan: Plan) {
        guard let trained = plan.tokens, trained > 0 else { return nil }
        let run = Allocation(parameters: Double(plan.model.parameters().active), tokens: trained)
        guard let loss = PublishedLaw.besiroglu.loss(of: run) else { return nil }
        self.loss = loss
        tokens = CriticalBatchRule.tokens(loss: loss)
    }

    /// Tokens of a step of `plan` over the critical batch.
    package func share(_ plan: Plan) -> Double { Double(plan.batch) * Double(plan.model.sequence) / tokens }
}
