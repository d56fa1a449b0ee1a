/// One end of a model: the embedding before its first block, or the final norm and the head after its last.
///
/// A class, because a search prices ends many thousand times and passing one on must not copy its lists.
package final class End: Sendable {
    package let part: Part
    /// Exchanges among tensor ranks.
    package let messages: JoinedMessages
    /// The logits of one of a head's losses, or what it gives instead; nil for an embedding.
    package let logits: Extent?
    /// Losses of a head: one, and one for each module of multi-token prediction.
    package let losses: Int
    /// Whether rows of a table are looked up, so that no product reads the table.
    package let looksUp: Bool
    package let words: EndWords
    /// Numbers in a row of the vocabulary table.
    private let width: Int
    /// Parameters of the tensors that each tensor rank holds whole.
    package let wholeParameters: Int
    /// What training changes, if not the whole end.
    package let tuned: TunedEnd?

    init(
        part: Part, logits: Extent? = nil, losses: Int = 0, looksUp: Bool = false, width: Int, words: EndWords,
        tuned: TunedEnd? = nil
    ) {
        self.tuned = tuned
        self.part = part
        self.losses = losses
        messages = JoinedMessages([part.messages])
        self.logits = logits
        self.looksUp = looksUp
        self.words = words
        self.width = width
        wholeParameters = part.tensors.wholeParameters
    }

    /// Parameters of the vocabulary table that one device holds.
    /// - Parameter vocabulary: entries of the table, padded or not.
    package func table(vocabulary: Int, tensor: Double) -> Double { Double(vocabulary) * Double(width) / tensor }

    /// Parameters that one device holds if the table is no other end's too.
    package func held(vocabulary: Int, tensor: Double) -> Double {
        table(vocabulary: vocabulary, tensor: tensor) + Double(wholeParameters)
    }

    /// Parameters that one device trains if the table is no other end's too.
    package func trained(vocabulary: Int, tensor: Double) -> Double {
        guard let tuned else { return held(vocabulary: vocabulary, tensor: tensor) }
        return Double(tuned.whole) + (tuned.changesTable ? table(vocabulary: vocabulary, tensor: tensor) : 0)
    }

    /// Whether training changes the weights of a product of the part: the head's last is that with the table.
    package func changes(product index: Int) -> Bool {
        guard let tuned else { return true }
        return logits != nil && index == part.products.count - 1 ? tuned.changesTable : tuned.changesOthers
    }
}

/// Parts of an end that training changes.
package struct TunedEnd: Hashable, Sendable {
    package var changesTable: Bool
    /// Whether training changes the tensors beside the table.
    package var changesOthers: Bool
    /// Parameters in tensors that every tensor rank holds whole and training changes.
    package var whole: Int
    package var changesAny: Bool { changesTable || changesOthers }

    /// - Parameter norms: parameters of the end's norms, a part of `whole`.
    init?(_ model: Model, changesTable: Bool, changesOthers: Bool, whole: Int, norms: Int) {
        guard model.tuning != nil else { return nil }
        (self.changesTable, self.changesOthers) = (changesTable, changesOthers)
        self.whole = changesOthers ? whole - (model.changesNorms ? 0 : norms) : 0
    }
}

/// Terms of an end in formulas. The letters of the cost model: h hidden, V vocabulary, V_p padded vocabulary, s tokens of
/// a sequence, T rows of a micro-batch, t tensor ranks, σ the degree of sequence parallelism, w bytes of an activation.
package struct EndWords: Hashable, Sendable {
    /// Letter of the numbers in a row of the vocabulary table.
    package var width: String
    /// Whether there is a vocabulary table.
    package var hasTable = true
    /// Formula of the vocabulary table's parameters.
    package var table: String { "V·\(width)" }
    /// Formula of the table's parameters on one device.
    package var heldTable: String { "V_p·\(width)/t" }
    /// Formula of the weights that a token is multiplied by at both ends.
    package var weights: String
    /// The sizes that the formulas name in addition to h, V and s.
    package var sizes: [SizeSymbol]

    /// Formula of the parameters that every tensor rank holds whole; nil if there are none.
    package var wholeParameters: String?
    /// Formula of the bytes of a micro-batch that are kept for the backward, logits and masks excluded; nil if there
    /// are none.
    package var kept: String?
    /// Formula of the bytes of a micro-batch that dropout's masks take.
    package var masks: String?
    /// Formula of `kept` in software that computes the norm again in the backward.
    package var keptWithoutNorm: String?
    /// Formula of the number of logits of one loss; nil for an embedding.
    package var logits: String?
    /// Losses of a head.
    package var losses = 1
    /// Formula of a number's bytes that the norm keeps beyond `kept` in software that runs it as several kernels; nil
    /// without a norm.
    package var stepsOfNorm: StepsOfNorm?

    /// Formulas for activations of 16 bits, whose norms cast them, and for fp32; nil: nothing more is kept.
    package struct StepsOfNorm: Hashable, Sendable {
        package var cast: String
        package var single: String?
    }

    /// - Parameter whole: formulas of the parameters that every tensor rank holds whole.
    init(
        _ model: Model, whole: [String], kept: String?, keptWithoutNorm: String? = nil, masks: String? = nil,
        logits: String? = nil, losses: Int = 1, stepsOfNorm: StepsOfNorm? = nil
    ) {
        self.losses = losses
        self.stepsOfNorm = stepsOfNorm
        wholeParameters = sumOrNil(whole)
        self.kept = kept
        self.keptWithoutNorm = keptWithoutNorm
        self.masks = masks
        width = model.embeddingSize == nil ? "h" : "h_e"
        weights = model.embeddingSize == nil ? (losses == 1 ? "V·h" : "\(losses)·V·h") : "(V·h_e + 2·h·h_e)"
        sizes = model.embeddingSize.map { [SizeSymbol("h_e", $0, "width of the token table")] } ?? []
        if let entries = model.positionEntries { sizes.append(SizeSymbol("s_p", entries, "learned positions")) }
        if model.otherParameters > 0 {
            sizes.append(SizeSymbol("n_o", model.otherParameters, "parameters in small tensors outside the blocks"))
        }
        self.logits = logits
    }

    /// The formulas of an end of a model of images or videos.
    /// - Parameter weights: formulas of the multiply-adds of a token, by layer.
    init(
        pictures sizes: [SizeSymbol], whole: [String], weights: [String], kept: String?,
        keptWithoutNorm: String? = nil, masks: String? = nil, logits: String? = nil, stepsOfNorm: StepsOfNorm? = nil
    ) {
        hasTable = false
        self.stepsOfNorm = stepsOfNorm
        wholeParameters = sumOrNil(whole)
        self.weights = sum(weights.isEmpty ? ["0"] : weights)
        self.sizes = sizes
        self.kept = kept
        self.keptWithoutNorm = keptWithoutNorm
        self.masks = masks
        self.logits = logits
        width = "h"
    }

    /// Formula of the bytes of `norms` tensors as wide as the residual stream, and of the row of a narrower table that a
    /// projection reads or writes; nil if there are none.
    static func kept(norms: Int, _ model: Model) -> String? {
        let terms = [
            norms == 0 ? nil : norms == 1 ? "w·T·h/σ" : "\(norms)·w·T·h/σ",
            model.embeddingSize == nil ? nil : "w·T·h_e/σ",
        ].compactMap { $0 }
        return terms.count > 1 ? "(\(sum(terms)))" : terms.first
    }
}

extension Model {
    /// A table with one row for each entry of the vocabulary: the token embedding, or the output projection.
    /// - Parameter entries: number of vocabulary entries, padded or not; nil: the model's own.
    package func table(_ name: String, entries: Int? = nil) -> TensorSpec {
        TensorSpec(
            name: name, shape: [entries ?? vocab, tableWidth], start: .normal(Self.startDeviation), split: .rows)
    }

    /// Whether a rank with the head has a table for it. A rank that also has the embedding uses a tied table for both.
    package func hasHeadTable(holdsEmbedding: Bool) -> Bool {
        Self.hasHeadTable(isTied: tiedEmbeddings, holdsEmbedding: holdsEmbedding)
    }

    static func hasHeadTable(isTied: Bool, holdsEmbedding: Bool) -> Bool { !isTied || !holdsEmbedding }
}
