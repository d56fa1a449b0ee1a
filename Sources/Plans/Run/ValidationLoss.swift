internal import Foundation

/// The loss on text that is not trained on.
package struct ValidationLoss: Hashable, Sendable {
    /// Mean cross-entropy over the tokens, nats.
    package var loss: Double
    /// Bits that a byte of the text costs by this loss; nil: nobody knows how many bytes a token stands for.
    package var bitsPerByte: Double?

    package init(loss: Double, bitsPerByte: Double?) { (self.loss, self.bitsPerByte) = (loss, bitsPerByte) }

    /// - Parameters:
    ///   - sum: cross-entropy of all tokens together, nats.
    ///   - bytes: bytes that they stand for; nil: unknown.
    package init(sum: Double, tokens: Int, bytes: Int?) {
        loss = sum / Double(max(tokens, 1))
        bitsPerByte = bytes.flatMap { $0 > 0 ? sum / log(2) / Double($0) : nil }
    }

    /// As many equally likely tokens would be as hard to guess.
    package var perplexity: Double { exp(loss) }
}
