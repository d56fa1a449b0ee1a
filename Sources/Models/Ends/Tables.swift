extension Model {
    /// A table of one row for each entry of the vocabulary: the token embedding, or the output projection.
    /// - Parameter entries: of the vocabulary, padded or not.
    package func table(_ name: String, entries: Int? = nil) -> TensorSpec {
        TensorSpec(
            name: name, shape: [entries ?? vocab, hidden], start: .normal(Self.startDeviation), split: .rows)
    }

    /// Learned positions; nil where positions turn queries and keys.
    package var positions: TensorSpec? {
        conventions.names.positions.map {
            TensorSpec(
                name: $0, shape: [sequence, hidden], start: .normal(Self.startDeviation), seesStreamRows: true)
        }
    }

    /// The token embedding's table.
    package var embedding: TensorSpec { table(conventions.names.table) }

    /// The output projection; a tied one is a copy of the embedding's table.
    package var head: TensorSpec { table(tiedEmbeddings ? conventions.names.table : conventions.names.head) }

    /// The norm behind the last block.
    package var finalNorm: [TensorSpec] { norm(conventions.names.finalNorm) }
}
