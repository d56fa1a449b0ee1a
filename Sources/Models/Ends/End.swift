/// One end of a model: the embedding before its first block, or the final norm and the head after its last.
///
/// A class, because a search prices ends many thousand times and passing one on must not copy its lists.
package final class End: Sendable {
    package let part: Part
    /// Exchanges among tensor ranks.
    package let messages: JoinedMessages
    /// The logits of a head; nil for an embedding.
    package let logits: Extent?
    package let words: EndWords
    /// Numbers in a row of the vocabulary table.
    private let width: Int
    /// Parameters of the tensors that each tensor rank holds whole.
    package let wholeParameters: Int

    init(part: Part, logits: Extent? = nil, hidden: Int, words: EndWords) {
        self.part = part
        messages = JoinedMessages([part.messages])
        self.logits = logits
        self.words = words
        width = hidden
        wholeParameters = part.tensors.wholeParameters
    }

    /// Parameters of the vocabulary table that one device holds.
    /// - Parameter vocabulary: entries of the table, padded or not.
    package func table(vocabulary: Int, tensor: Double) -> Double { Double(vocabulary) * Double(width) / tensor }

    /// Parameters that one device holds if the table is no other end's too.
    package func held(vocabulary: Int, tensor: Double) -> Double {
        table(vocabulary: vocabulary, tensor: tensor) + Double(wholeParameters)
    }
}

/// Terms of an end in formulas. The letters of the cost model: h hidden, V vocabulary, V_p padded vocabulary, s tokens of
/// a sequence, T rows of a micro-batch, t tensor ranks, σ the degree of sequence parallelism, w bytes of an activation.
package struct EndWords: Hashable, Sendable {
    /// Formula of the vocabulary table's parameters, which is also that of the weights that a head multiplies.
    package static let table = "V·h"
    /// Formula of the table's parameters on one device.
    package static let heldTable = "V_p·h/t"

    /// Formula of the parameters that every tensor rank holds whole; nil if there are none.
    package var wholeParameters: String?
    /// Formula of the bytes of a micro-batch that are kept for the backward, logits excluded. An embedding keeps them
    /// only with dropout.
    package var kept: String
    /// Formula of `kept` in software that computes the norm again in the backward.
    package var keptWithoutNorm: String
    /// Formula of the number of logits; nil for an embedding.
    package var logits: String?

    init(wholeParameters: String?, kept: String, keptWithoutNorm: String? = nil, logits: String? = nil) {
        self.wholeParameters = wholeParameters
        self.kept = kept
        self.keptWithoutNorm = keptWithoutNorm ?? kept
        self.logits = logits
    }
}

extension Model {
    /// A table with one row for each entry of the vocabulary: the token embedding, or the output projection.
    /// - Parameter entries: number of vocabulary entries, padded or not; nil: the model's own.
    package func table(_ name: String, entries: Int? = nil) -> TensorSpec {
        TensorSpec(
            name: name, shape: [entries ?? vocab, hidden], start: .normal(Self.startDeviation), split: .rows)
    }

    /// Whether a rank with the head has a table for it. A rank that also has the embedding uses a tied table for both.
    package func hasHeadTable(holdsEmbedding: Bool) -> Bool {
        Self.hasHeadTable(isTied: tiedEmbeddings, holdsEmbedding: holdsEmbedding)
    }

    static func hasHeadTable(isTied: Bool, holdsEmbedding: Bool) -> Bool { !isTied || !holdsEmbedding }
}
