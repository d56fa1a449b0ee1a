internal import Foundation

/// Loss from parameters and tokens as Kaplan et al. (2020, arXiv 2001.08361, equation 1.5) write it:
/// L(N, D) = [(N_c/N)^(α_N/α_D) + D_c/D]^α_D.
package struct KaplanLaw: Hashable, Sendable {
    /// N_c, parameters without embeddings.
    package var parameterScale: Double
    /// α_N.
    package var parameterExponent: Double
    /// D_c, tokens.
    package var tokenScale: Double
    /// α_D.
    package var tokenExponent: Double

    /// Table 2 of the paper: all four fitted together.
    package static let published = KaplanLaw(
        parameterScale: 6.4e13, parameterExponent: 0.076, tokenScale: 1.8e13, tokenExponent: 0.103)

    /// Loss in nats a token of a model of so many parameters without embeddings, stopped before it overfits so many tokens.
    package func loss(parameters: Double, tokens: Double) -> Double {
        pow(pow(parameterScale / parameters, parameterExponent / tokenExponent) + tokenScale / tokens, tokenExponent)
    }
}
