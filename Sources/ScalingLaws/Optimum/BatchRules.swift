internal import Foundation

/// The batch beyond which more tokens a step save hardly any steps.
package enum CriticalBatchRule {
    /// B_crit = 2.1·10⁸ · L^(−1/0.21) tokens at a loss of L nats (Kaplan et al. 2020, equation 5.3), whose losses are of
    /// WebText2.
    package static func tokens(loss: Double) -> Double { 2.1e8 * pow(loss, -1 / 0.21) }

    /// Tokens that a run at a batch takes over the fewest, 1 + B/B_crit, and steps over the fewest, 1 + B_crit/B
    /// (McCandlish et al. 2018, arXiv 1812.06162, equation 2.7).
    package static func overhead(batch: Double, critical: Double) -> (tokens: Double, steps: Double) {
        (1 + batch / critical, 1 + critical / batch)
    }
}

/// A learning rate and a batch as a published rule has them.
package struct TrainingRule: Hashable, Sendable {
    package var title: String
    package var source: String
    /// Peak rate of Adam; nil: the rule says nothing of it.
    package var learningRate: Double?
    /// Tokens a step; nil: the rule says nothing of it.
    package var batch: Double?
    /// The runs it was fitted to, in words.
    package var range: String
    /// Whether the run lies beyond them.
    package var isBeyond: Bool

    /// The rules for a run.
    /// - Parameter loss: at the end, nats a token; nil: no critical batch.
    package static func all(_ run: Allocation, loss: Double?) -> [TrainingRule] {
        var rules = [deepseek(flops: run.flops), kaplan(parameters: run.parameters)]
        if let loss {
            rules.append(
                TrainingRule(
                    title: "critical batch", source: "Kaplan et al. 2020, equation 5.3, at the loss of the run's end",
                    learningRate: nil, batch: CriticalBatchRule.tokens(loss: loss),
                    range: "losses of 3 to 10 nats on WebText2 (figure 10)", isBeyond: !(3...10).contains(loss)))
        }
        return rules
    }

    /// η = 0.3118·C^−0.1250 and B = 0.2920·C^0.3271 (DeepSeek LLM 2024, arXiv 2401.02954, equation 1), with C in FLOPs
    /// without embedding. Fitted at 10¹⁷ to 2·10¹⁹ FLOPs.
    package static func deepseek(flops: Double) -> TrainingRule {
        TrainingRule(
            title: "DeepSeek LLM 2024", source: "arXiv 2401.02954, equation 1",
            learningRate: PowerLaw(0.3118, -0.1250)(flops), batch: PowerLaw(0.2920, 0.3271)(flops),
            range: "1e17 to 2e19 FLOPs", isBeyond: !(1e17...2e19).contains(flops))
    }

    /// η = 0.003239 − 0.0001395·ln N (Kaplan et al. 2020, equation D.1), N without embeddings.
    package static func kaplan(parameters: Double) -> TrainingRule {
        let rate = 0.003239 - 0.0001395 * log(parameters)
        return TrainingRule(
            title: "Kaplan et al. 2020", source: "arXiv 2001.08361, equation D.1", learningRate: rate > 0 ? rate : nil,
            batch: nil, range: "768 to 1.5B parameters; useless above 10B",
            isBeyond: !(768...1.5e9).contains(parameters))
    }
}
