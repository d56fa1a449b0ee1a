internal import Reading

extension Model {
    /// Attention to the best blocks of keys before a query. A few heads of an indexer score all keys before it, and the
    /// best score of a block counts; each of these heads chooses for a part of the query's heads (MiniMax-M3).
    package struct KeyBlocks: Hashable, Codable, Sendable {
        /// Keys of a block.
        package var size: Int
        /// Blocks that a query sees, its own among them.
        package var topK: Int
        /// Heads of the indexer, and their size.
        package var heads: Int
        package var headSize: Int

        package init(size: Int, topK: Int, heads: Int, headSize: Int) {
            (self.size, self.topK, self.heads, self.headSize) = (size, topK, heads, headSize)
        }

        /// The keys of `keyBlocks:`, in the order of a written plan.
        static let sizes: [ShapeKey<KeyBlocks>] = [
            .count("size", in: Bounds.sequence, \.size, example: "keys of a block, e.g. 128"),
            .count("topK", in: Bounds.sequence, \.topK, example: "blocks of a query, e.g. 16"),
            .count("heads", in: Bounds.heads, \.heads, example: "of the indexer, e.g. 4"),
            .count("headSize", in: Bounds.headSize, \.headSize, example: "of the indexer, e.g. 128"),
        ]
    }

    /// Keys that each stand for several tokens, which a query sees beside those of its window (DeepSeek-V4).
    package struct KeyCompression: Hashable, Codable, Sendable {
        /// Tokens between one compressed key and the next.
        package var ratio: Int
        /// Whether a compressed key is computed from twice as many tokens, half of which are those of the key before it.
        package var overlap = false
        /// The indexer that chooses the compressed keys of a query; nil: a query sees all before it.
        package var indexer: Indexer?

        package init(ratio: Int, overlap: Bool = false, indexer: Indexer? = nil) {
            (self.ratio, self.overlap, self.indexer) = (ratio, overlap, indexer)
        }

        /// The keys of `keyCompression:`, in the order of a written plan.
        static let sizes: [ShapeKey<KeyCompression>] = [
            .count("ratio", in: Bounds.sequence, \.ratio, example: "tokens of a key, e.g. 128"),
            .flag("overlap", \.overlap),
            .map("indexer", \.indexer, keys: Indexer.sizes, empty: Indexer(heads: 0, headSize: 0, topK: 0)),
        ]
    }
}
