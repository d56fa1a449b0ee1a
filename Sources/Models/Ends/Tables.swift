extension Model {
    /// A table with one row for each entry of the vocabulary: the token embedding, or the output projection.
    /// - Parameter entries: number of vocabulary entries, padded or not; nil: the model's own.
    package func table(_ name: String, entries: Int? = nil) -> TensorSpec {
        TensorSpec(
            name: name, shape: [entries ?? vocab, hidden], start: .normal(Self.startDeviation), split: .rows)
    }

    /// Table of learned positions; nil with rotary positions.
    package var positions: TensorSpec? {
        conventions.names.positions.map {
            TensorSpec(
                name: $0, shape: [sequence, hidden], start: .normal(Self.startDeviation), seesStreamRows: true)
        }
    }

    /// Table of the token embedding.
    package var embedding: TensorSpec { table(conventions.names.table) }

    /// The output projection; a tied one is a copy of the embedding's table.
    package var head: TensorSpec { table(tiedEmbeddings ? conventions.names.table : conventions.names.head) }

    /// The norm after the last block.
    package var finalNorm: [TensorSpec] { norm(conventions.names.finalNorm) }
}
