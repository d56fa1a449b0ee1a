internal import Models
package import Plans
internal import Foundation

/// The batch beyond which more sequences a step save hardly any steps.
///
/// B_crit = 2.1·10⁸ · L^(−1/0.21) tokens (Kaplan et al. 2020, equation 5.3) at the loss the run ends with, by
/// L = 1.8172 + 482.01/N^0.3478 + 2085.43/D^0.3658 (Hoffmann et al. 2022 as refitted by Besiroglu et al. 2024). The two
/// laws come from different data, so it is an order of magnitude. At a batch of B a run needs 1 + B/B_crit times the
/// fewest tokens (McCandlish et al. 2018, equation 2.7).
package struct CriticalBatch: Hashable, Sendable {
    /// Tokens.
    package var tokens: Double
    /// Loss in nats a token at the end of the run.
    package var loss: Double

    /// Returns nil where the plan states no tokens.
    package init?(_ plan: Plan) {
        guard let trained = plan.tokens, trained > 0 else { return nil }
        let parameters = Double(plan.model.parameters().active)
        loss = 1.8172 + 482.01 / pow(parameters, 0.3478) + 2085.43 / pow(trained, 0.3658)
        tokens = 2.1e8 * pow(loss, -1 / 0.21)
    }

    /// Tokens of a step of `plan` over the critical batch.
    package func share(_ plan: Plan) -> Double { Double(plan.batch) * Double(plan.model.sequence) / tokens }
}
