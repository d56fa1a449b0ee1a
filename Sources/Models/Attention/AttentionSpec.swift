/// The attention of a block: its part, with projections, and its core, where queries meet keys.
package struct AttentionSpec: Hashable, Sendable {
    package var part: Part
    package var core: CoreAttention
    /// Numbers in a row of the results of the products before the core, over all tensor ranks.
    package var results: Int
    package var words: AttentionWords
}

/// Sizes of the core attention: QKᵀ, softmax and the product with the values.
package struct CoreAttention: Hashable, Sendable {
    package var heads: Int
    /// Width of one row of all heads' queries, of keys, of values, and of the result.
    package var queries: Int
    package var keys: Int
    package var values: Int
    package var attended: Int
    /// Heads of keys and values; nil: as many as of queries.
    package var keyHeads: Int?
    /// The keys that a query sees.
    package var span = Span.all
    /// The documents that a sequence is packed from; nil: a sequence is one.
    package var documents: Documents?
    /// Whether a query sees only the keys before it.
    package var isCausal = true
    /// Attention of the same queries' rows to a text; nil: none.
    package var cross: CrossCore?
    /// Half of the multiply-adds of one token and one key in the search for the best keys; 0 without an indexer.
    package var indexWidth = 0.0
    /// The recurrence of a token mixer, in place of the core or beside it.
    package var scan: Scan?

    /// Half of the multiply-adds of one token and one key over all heads: one for each number of the score's product
    /// and one for each number of the value's. Equal to the mean of the queries' and the result's widths.
    package var width: Double { Double(queries + attended) / 2 }

    /// Numbers in a row of keys and values on one of `tensor` ranks. Ranks beyond the heads share them.
    package func keysAndValues(tensor: Double) -> Double {
        Double(keys + values) / max(1, min(tensor, Double(keyHeads ?? heads)))
    }

    /// Mean number of keys that a query sees in a sequence of `length` tokens: half of them under a causal mask
    /// alone.
    package func keysSeen(length: Double) -> Double {
        guard let documents else { return span.keysSeen(length: length, isCausal: isCausal) }
        return documents.mean(sequence: length) { span.keysSeen(length: $0, isCausal: isCausal) }
    }

    /// Tokens of the sequences that a kernel works on: of the documents, by their tokens.
    package func kernelLength(_ length: Double) -> Double { documents?.mean(sequence: length) { $0 } ?? length }

    /// Number of exchanges in which `ranks` that divide a sequence of `length` tokens pass keys and values around, until
    /// every query has met the keys that it sees.
    package func exchanges(ranks: Double, length: Double) -> Double {
        guard heads > 0 else { return 0 }
        return span.exchanges(ranks: ranks, length: length, isCausal: isCausal)
    }

    /// Multiply-adds of one token of a sequence of `length` tokens in the recurrence of a token mixer.
    package func scanWork(length: Double) -> Double { scan?.work(length: length) ?? 0 }

    /// Half of the multiply-adds of one token of a sequence of `length` tokens, with the keys that it sees, those of a
    /// text included.
    package func work(length: Double) -> Double { ownWork(length: length) + crossWork }

    /// `work` with the keys of the sequence alone. An indexer scores all keys before the token.
    package func ownWork(length: Double) -> Double {
        let core = keysSeen(length: length) * width
        return indexWidth > 0 ? core + length / 2 * indexWidth : core
    }

    /// `work` with the keys of a text alone.
    package var crossWork: Double { cross.map { Double($0.keys) * $0.width } ?? 0 }

    /// `work` as model FLOPs count it: by convention also the keys that a causal mask hides, as many as it shows.
    package func countedWork(length: Double) -> Double {
        (isCausal ? 2 : 1) * ownWork(length: length) + crossWork
    }
}

/// Sizes of the core of a cross-attention.
package struct CrossCore: Hashable, Sendable {
    /// Tokens of the text, all of which every query sees.
    package var keys: Int
    /// Half of the multiply-adds of one token and one key over all heads.
    package var width: Double
}

/// Terms of an attention in formulas. The letters of the cost model: h hidden, a heads, d head size, g key/value heads,
/// t tensor ranks, σ the degree of sequence parallelism, w bytes of an activation.
package struct AttentionWords: Hashable, Sendable {
    /// Name of the attention or token mixer.
    package var name = "attention"
    /// Formula of the attention's parameters, and the source of that count.
    package var parameters: String
    package var source: String
    /// Formula of the parameters that every tensor rank holds whole; nil if there are none.
    package var wholeParameters: String?
    /// Formula of the weights that a token is multiplied by.
    package var weights: String
    /// Formula of `CoreAttention.width`: half of the multiply-adds of one token and one key.
    package var core: String
    /// Formula of `CoreAttention.crossWork` for one key of the sequence; nil without a cross-attention.
    package var cross: String?
    /// Widths over all tensor ranks: of the result, and of queries, keys and values together.
    package var attended: String
    package var results: String
    /// Width of keys and values over all tensor ranks.
    package var keysAndValues: String
    /// Bytes of a row that are kept for the backward outside the core. `w` stands for the bytes of a number.
    package var kept: String
    /// Bytes of a row that are kept with more tensor ranks than heads of keys and values; nil: as `kept`.
    package var keptBeyondHeads: String?
    /// Numbers of a row that are kept between the halves of a split backward and divided among tensor ranks.
    package var operands: String
    /// Numbers of a row that are kept between the halves of a split backward and divided like the residual stream; nil
    /// if there are none.
    package var scatteredOperands: String?
    /// Width of the results of the products before the core.
    package var projected: String
    /// Width of the results of the products behind it.
    package var output = "h/σ"
    /// The sizes that the formulas name.
    package var sizes: [SizeSymbol]
    /// Formula of the multiply-adds of a token in the recurrence of a token mixer; nil if there is none.
    package var scan: String?
    /// Source of the exchanges among tensor ranks; nil: Megatron-LM.
    package var messagesSource: String?
}

extension AttentionWords {
    /// Formula of `core` with the keys of a text.
    package var withCross: String { cross.map { "(\(core) + \($0))" } ?? core }
}

extension AttentionSpec {
    /// The attention of a block of the shape `model.block`.
    static func of(_ model: Model) -> AttentionSpec {
        guard model.block.halves.hasAttention else { return none }
        let mixer = MixerSpec.of(model)
        if let mixer, !model.block.hasSoftmax { return AttentionSpec(mixer, model).withText(model) }
        let attention = model.mla.map { latent(model, $0) } ?? multiHead(model)
        return (mixer.map { attention.beside($0, model) } ?? attention).withText(model)
    }

    /// The products of an attention.
    static func products(_ model: Model) -> [Product] {
        let mixer = MixerSpec.of(model)?.products(model) ?? []
        let own = model.mla.map { latentProducts(model, $0) } ?? multiHeadProducts(model)
        return withText(products: (model.block.hasSoftmax ? own : []) + mixer, model)
    }

    /// The tensors of an attention.
    static func tensors(_ model: Model) -> [TensorSpec] {
        let mixer = MixerSpec.of(model)?.tensors(model) ?? []
        let own = model.mla.map { latentTensors(model, $0) } ?? multiHeadTensors(model)
        return withText(tensors: (model.block.hasSoftmax ? own : []) + mixer, model)
    }

    /// A block without an attention.
    static let none = AttentionSpec(part: Part(), core: .none, results: 0, words: .none)
}

extension CoreAttention {
    static let none = CoreAttention(heads: 0, queries: 0, keys: 0, values: 0, attended: 0)
}

extension AttentionWords {
    static let none = AttentionWords(
        parameters: "0", source: "", weights: "0", core: "0", attended: "0", results: "0", keysAndValues: "0",
        kept: "0", operands: "0", projected: "0", sizes: [])
}

extension Model {
    /// The core attention of a block of the shape `block`.
    package var coreAttention: CoreAttention {
        var core = block.hasSoftmax ? mla.map { .latent(self, $0) } ?? .multiHead(self) : CoreAttention.none
        core.scan = MixerSpec.of(self)?.scan
        core.documents = documents
        core.isCausal = block.causal
        core.cross = crossCore
        return core
    }

    /// The factor by which a formula of attention over all keys is multiplied, and its sizes.
    var seenWords: String {
        let core = coreAttention
        return documents == nil ? core.span.words(isCausal: core.isCausal) : "·k_v"
    }
    var seenSizes: [SizeSymbol] {
        let core = coreAttention
        guard documents != nil else { return core.span.sizes }
        let length = Double(sequence)
        var share = SizeSymbol("k_v", 0, "keys that queries see in their documents, over those of a whole sequence")
        share.value = core.keysSeen(length: length) / (core.isCausal ? length / 2 : length)
        return [share]
    }
}
