internal import Reading

extension Framework {
    /// Differences in memory use from Megatron-Core and PyTorch, which the defaults describe.
    package struct Memory: Hashable, Codable, Sendable {
        /// Whether weights, gradients and activations are fp32 even if products run in another precision.
        package var storesFP32 = false
        /// Whether a whole backward recomputes the outputs of norms and activation functions from their inputs rather
        /// than keep them (the forward-only outputs of a dense block).
        package var remakesOutputs = false
        /// Whether selective recomputation also drops the output of attention.
        package var remakesAttention = false
        /// Whether all tensors of a block stay between the two halves of a split backward. Gradients then overwrite
        /// tensors that are no longer read, and the gradient of the block's output is kept in addition.
        package var keepsHalvesWhole = false
        /// Whether the gradients inside a block share two buffers: one as wide as the widest of them, and one as wide
        /// as a branch's output, in addition to the residual stream's gradient.
        package var sharesGradients = false
        /// Whether activation memory is kept for the next micro-batch and never freed.
        package var pools = false
        /// Stage-to-stage message tensors that a rank holds for each of its stages, in addition to those its blocks
        /// keep. nil: two per rank, one arriving and one leaving.
        package var messages: Double?
        /// Rows reserved at an expert's rank for routed tokens, as a multiple of the rows that arrive.
        package var rowReserve = 1.0
        /// Entries of an untied token table that can ever get a gradient; the other entries need no gradient and no
        /// moments. nil: all entries can.
        package var lookedUp: Int?
        /// Bytes that each rank of a group exchanges at a time through memory shared by the group. nil: the ranks share
        /// no memory.
        package var sharedPiece: Double?
        /// Depth of a product's operands, and the largest number of their rows, that the matrix library repacks at a
        /// time into a buffer of its own. 0: operands are not repacked.
        package var packedDepth = 0.0
        package var packedRows = 0.0

        /// Whether inputs that tensor ranks gather with sequence parallelism are kept whole. If not, each rank keeps its
        /// rows, and the backward gathers again.
        package var keepsGathered = false
        /// Whether the result of flash attention is copied before the output product where a micro-batch has several samples.
        package var copiesAttended = false
        /// Whether sines and cosines of positions are looked up for every row, for queries and for keys, and kept.
        package var gathersRotary = false

        package init() {}
    }
}

extension Framework.Memory {
    /// Replaces the values that the map `memory:` states; the others stay.
    mutating func read(_ reader: FieldReader) {
        for (key, path) in Self.switches {
            if let value = reader.flag(key) { self[keyPath: path] = value }
        }
        messages = reader.number("messages", .plain, in: 0...1000) ?? messages
        packedDepth = reader.number("packedDepth", .plain, in: 0...1e6) ?? packedDepth
        packedRows = reader.number("packedRows", .plain, in: 0...1e6) ?? packedRows
        rowReserve = reader.number("rowReserve", .plain, in: 1...10) ?? rowReserve
        lookedUp = reader.count("lookedUp", in: 1...1 << 40) ?? lookedUp
        sharedPiece = reader.quantity("sharedPiece", .bytes, in: 0...1e12) ?? sharedPiece
    }

    private static var switches: [(String, WritableKeyPath<Self, Bool>)] {
        [
            ("storesFP32", \.storesFP32), ("remakesOutputs", \.remakesOutputs),
            ("remakesAttention", \.remakesAttention),
            ("keepsHalvesWhole", \.keepsHalvesWhole), ("sharesGradients", \.sharesGradients), ("pools", \.pools),
            ("keepsGathered", \.keepsGathered), ("copiesAttended", \.copiesAttended),
            ("gathersRotary", \.gathersRotary),
        ]
    }
}
