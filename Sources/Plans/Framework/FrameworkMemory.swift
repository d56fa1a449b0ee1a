internal import Reading

extension Framework {
    /// How software holds what a rank needs, where that is not as in Megatron-Core and PyTorch, which the defaults are.
    package struct Memory: Hashable, Codable, Sendable {
        /// Whether weights, gradients and activations are fp32 whatever the precision of the products.
        package var storesFP32 = false
        /// Whether a whole backward makes the outputs of norms and of activation functions again from their inputs rather
        /// than keep them (the forward-only outputs of a dense block).
        package var remakesOutputs = false
        /// Whether selective recomputation drops the attention's output too.
        package var remakesAttention = false
        /// Whether a block's tensors all stay between the two halves of a split backward, gradients in the places of what is
        /// no longer read, and the gradient of its output beside them.
        package var keepsHalvesWhole = false
        /// Whether gradients inside a block take one place as wide as the widest of them and one as wide as a branch's output
        /// beside the stream's.
        package var sharesGradients = false
        /// Whether memory of activations is kept for the next micro-batch and never handed back.
        package var pools = false
        /// Tensors on their way between stages that a rank holds for each of its stages, beside those its blocks keep; nil:
        /// two in all, one that arrives and one that leaves.
        package var messages: Double?
        /// Room for rows that routing sends to an expert's rank, as a share of those that come.
        package var rowReserve = 1.0
        /// Entries of a table that is only looked up which can ever have a gradient; others take no gradient and no
        /// moments. nil: all do.
        package var lookedUp: Int?
        /// Bytes that each rank of a group hands over at a time through memory which all of them share; nil: the ranks
        /// share none.
        package var sharedPiece: Double?
        /// Depth of a product's operands that the matrix library rearranges at a time, in a place of its own, and the most
        /// rows of them; 0: it rearranges none.
        package var packedDepth = 0.0
        package var packedRows = 0.0

        package init() {}
    }
}

extension Framework.Memory {
    /// Takes over what the map `memory:` says; the rest stays.
    mutating func read(_ reader: FieldReader) {
        for (key, path) in Self.switches {
            if let value = reader.flag(key) { self[keyPath: path] = value }
        }
        messages = reader.number("messages", .plain, in: 0...1000) ?? messages
        packedDepth = reader.number("packedDepth", .plain, in: 0...1e6) ?? packedDepth
        packedRows = reader.number("packedRows", .plain, in: 0...1e6) ?? packedRows
        rowReserve = reader.number("rowReserve", .plain, in: 1...10) ?? rowReserve
        lookedUp = reader.count("lookedUp", in: 1...1 << 40) ?? lookedUp
        sharedPiece = reader.number("sharedPiece", .bytes, in: 0...1e12) ?? sharedPiece
    }

    private static var switches: [(String, WritableKeyPath<Self, Bool>)] {
        [
            ("storesFP32", \.storesFP32), ("remakesOutputs", \.remakesOutputs),
            ("remakesAttention", \.remakesAttention),
            ("keepsHalvesWhole", \.keepsHalvesWhole), ("sharesGradients", \.sharesGradients), ("pools", \.pools),
        ]
    }
}
