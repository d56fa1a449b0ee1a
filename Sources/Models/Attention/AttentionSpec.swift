/// The attention of a block: its part and its core, in which queries meet keys.
package struct AttentionSpec: Hashable, Sendable {
    package var part: Part
    package var core: CoreAttention
    package var words: AttentionWords
}

/// What the core attention of one row works with: QKᵀ, softmax and the product with the values.
package struct CoreAttention: Hashable, Sendable {
    package var heads: Int
    /// Numbers in a row of all queries, keys and values, and of the result.
    package var queries: Int
    package var keys: Int
    package var values: Int
    package var attended: Int

    /// Half of what a token and a key cost, all heads: a multiply-add each for the score and for the value. It is the
    /// mean of the queries' and the result's widths.
    package var width: Double { Double(queries + attended) / 2 }

    /// Keys that a query sees on average in a sequence of `length` tokens: half of them under a causal mask.
    package func keysSeen(length: Double) -> Double { length / 2 }
}

/// Symbols of an attention's figures in formulas, by the letters of the cost model: h hidden, a heads, d their size, g
/// key/value heads, t tensor ranks, σ what sequence parallelism divides by, w bytes of an activation.
package struct AttentionWords: Hashable, Sendable {
    /// Its parameters, and where the count is published.
    package var parameters: String
    package var source: String
    /// Of them on every tensor rank; nil: none.
    package var wholeParameters: String?
    /// Weights that a token multiplies.
    package var weights: String
    /// Half of what a token and a key cost.
    package var core: String
    /// Widths of the result, and of queries, keys and values together, on all tensor ranks.
    package var attended: String
    package var results: String
    /// Width of keys and values on all tensor ranks.
    package var keysAndValues: String
    /// Bytes of a row that are kept beside the core's, `w` a number.
    package var kept: String
    /// Numbers of a row kept between the halves of a split backward, over the tensor ranks.
    package var operands: String
    /// Those over the ranks that share out the stream; nil: none.
    package var scatteredOperands: String?
    /// Width of the results of the products before the core.
    package var projected: String
    /// The sizes that the formulas name.
    package var sizes: [SizeSymbol]
    /// Where the exchanges among tensor ranks are from, where that is not Megatron-LM.
    package var messagesSource: String?
}

extension AttentionSpec {
    /// The attention of every block of `model`.
    static func of(_ model: Model) -> AttentionSpec { model.mla.map { latent(model, $0) } ?? multiHead(model) }

    /// Its tensors alone.
    static func tensors(_ model: Model) -> [TensorSpec] {
        model.mla.map { latentTensors(model, $0) } ?? multiHeadTensors(model)
    }
}

extension Model {
    /// The core attention of every block.
    package var coreAttention: CoreAttention { mla.map { .latent(self, $0) } ?? .multiHead(self) }
}
