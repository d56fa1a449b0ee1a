internal import Foundation

/// Loss where tokens come more than once: Muennighoff et al. 2023 (arXiv 2305.16264, equations 5 and 6).
///
/// Tokens that repeat count ever less: D′ = U + U·R*·(1 − e^(−R/R*)), where R is how often the U unique tokens are repeated.
/// Parameters beyond those that the unique tokens warrant count less in the same way.
package struct RepeatedDataLaw: Hashable, Sendable {
    package var law: LossLaw
    /// R_D*: repetitions after which a repeated token has lost 1 − 1/e of its worth.
    package var tokenDecay: Double
    /// R_N*: the same of excess parameters.
    package var parameterDecay: Double

    /// Fitted to 182 runs on C4 of up to 8.7B parameters, 900B tokens and 1,500 epochs, with one exponent for both.
    package static let muennighoff = RepeatedDataLaw(
        law: LossLaw(
            floor: exp(0.6254804), parameterFactor: exp(6.255414), parameterExponent: 0.3526596,
            tokenFactor: exp(7.3049974), tokenExponent: 0.3526596),
        tokenDecay: 15.387756, parameterDecay: 5.309743)

    package static let title = "Muennighoff et al. 2023"

    /// Loss in nats a token after `run` on `unique` tokens.
    package func loss(_ run: Allocation, unique: Double) -> Double {
        let unique = min(unique, run.tokens)
        let warranted = min(run.parameters, parameters(warrantedBy: unique))
        return law.loss(
            parameters: Self.effective(run.parameters, base: warranted, decay: parameterDecay),
            tokens: Self.effective(run.tokens, base: unique, decay: tokenDecay))
    }

    /// Tokens that never repeat and are worth as much as `tokens` of which `unique` are different.
    package func effectiveTokens(_ tokens: Double, unique: Double) -> Double {
        Self.effective(tokens, base: min(unique, tokens), decay: tokenDecay)
    }

    private static func effective(_ whole: Double, base: Double, decay: Double) -> Double {
        let repeats = max(0, whole / base - 1)
        return base + base * decay * (1 - exp(-repeats / decay))
    }

    /// The size that is best for so many tokens: where the law's optimum takes as many.
    private func parameters(warrantedBy tokens: Double) -> Double {
        let sum = law.parameterExponent + law.tokenExponent
        let logG =
            (log(law.parameterExponent * law.parameterFactor) - log(law.tokenExponent * law.tokenFactor)) / sum
        return exp((log(tokens) + logG) * law.tokenExponent / law.parameterExponent + logG)
    }

    /// The size and tokens of least loss for a budget, when there are only `unique` tokens.
    package func optimum(flops: Double, unique: Double) -> Allocation {
        let free = law.optimum(flops: flops)
        let product = flops / Allocation.flopsPerParameterAndToken
        func run(_ place: Double) -> Allocation {
            Allocation(parameters: exp(place), tokens: product / exp(place))
        }
        let (low, high) = (log(free.parameters) - 5, log(free.parameters) + 5)
        // The valley may have two floors where tokens begin to repeat: the best of a grid says in which to look.
        let steps = 200
        let places = (0...steps).map { low + (high - low) * Double($0) / Double(steps) }
        let best = places.min { loss(run($0), unique: unique) < loss(run($1), unique: unique) } ?? log(free.parameters)
        let width = (high - low) / Double(steps)
        return run(Minimum.place(best - width, best + width) { loss(run($0), unique: unique) })
    }
}
