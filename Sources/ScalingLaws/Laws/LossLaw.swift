internal import Foundation

/// Loss from parameters and tokens: L(N, D) = E + A/N^α + B/D^β (Hoffmann et al. 2022, arXiv 2203.15556, equation 10).
///
/// E is the loss that no size and no data brings down, the entropy of the text. A/N^α is what a model of finite size
/// adds to it, B/D^β what finite data adds.
package struct LossLaw: Hashable, Codable, Sendable {
    /// E, nats a token.
    package var floor: Double
    /// A, in nats · parameters^α.
    package var parameterFactor: Double
    /// α.
    package var parameterExponent: Double
    /// B, in nats · tokens^β.
    package var tokenFactor: Double
    /// β.
    package var tokenExponent: Double

    /// Constants have the letters of the papers in documents.
    private enum CodingKeys: String, CodingKey {
        case floor = "E"
        case parameterFactor = "A"
        case parameterExponent = "alpha"
        case tokenFactor = "B"
        case tokenExponent = "beta"
    }

    package init(
        floor: Double, parameterFactor: Double, parameterExponent: Double, tokenFactor: Double, tokenExponent: Double
    ) {
        self.floor = floor
        self.parameterFactor = parameterFactor
        self.parameterExponent = parameterExponent
        self.tokenFactor = tokenFactor
        self.tokenExponent = tokenExponent
    }

    /// Loss in nats a token of a model of so many parameters after so many tokens, none of which comes twice.
    package func loss(parameters: Double, tokens: Double) -> Double {
        floor + parameterTerm(parameters) + tokenTerm(tokens)
    }

    /// A/N^α.
    package func parameterTerm(_ parameters: Double) -> Double { parameterFactor * pow(parameters, -parameterExponent) }

    /// B/D^β.
    package func tokenTerm(_ tokens: Double) -> Double { tokenFactor * pow(tokens, -tokenExponent) }
}
