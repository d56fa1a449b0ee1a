/// One weight tensor of a model: its Hugging Face name, its shape, how tensor parallelism cuts it and where it starts.
package struct TensorSpec: Hashable, Sendable {
    /// How a tensor starts when no weights are given.
    package enum Start: Hashable, Sendable {
        case zeros, ones
        /// Normal with this standard deviation.
        case normal(Float)
    }

    /// Which part of it a tensor-parallel rank holds.
    package enum Split: Hashable, Sendable {
        /// All of it, the same on every rank.
        case whole
        /// A slice of its rows (first dimension).
        case rows
        /// A slice of each of `groups` equal groups of columns (last dimension): 3 for queries, keys and values.
        case columns(groups: Int)
    }

    /// Name in a checkpoint; inside a part, the end of it (`mlp.up_proj.weight`), to which a block adds its number.
    package var name: String
    /// Row-major shape of the whole tensor; GPT-2's matrices are `[inputs, outputs]`, llama's `[outputs, inputs]`,
    /// embeddings `[entries, hidden]`.
    package var shape: [Int]
    package var start: Start
    package var split: Split
    /// Whether its gradient is summed up over the residual stream's rows, of which a rank has only some under sequence
    /// parallelism.
    package var seesStreamRows: Bool
    /// Whether its gradient is summed up over rows of which every tensor rank has its own, sequence parallelism or not:
    /// a router.
    package var seesOwnRows: Bool
    /// Whether it lies right behind the tensor before it, so that one product reads both.
    package var joinsPrevious: Bool
    /// Whether training changes it.
    package var isTrainable = true

    package init(
        name: String, shape: [Int], start: Start, split: Split = .whole, seesStreamRows: Bool = false,
        seesOwnRows: Bool = false, joinsPrevious: Bool = false
    ) {
        self.name = name
        self.shape = shape
        self.start = start
        self.split = split
        self.seesStreamRows = seesStreamRows
        self.seesOwnRows = seesOwnRows
        self.joinsPrevious = joinsPrevious
    }

    package var count: Int { shape.reduce(1, *) }
    /// AdamW decays matrices and embeddings, not biases and norms.
    package var decays: Bool { shape.count >= 2 }

    /// The tensor of this part in the block, or of this expert, whose names start with `prefix`.
    package func named(in prefix: String) -> TensorSpec {
        var tensor = self
        tensor.name = prefix + name
        return tensor
    }
}

extension Array where Element == TensorSpec {
    /// Parameters of all of them.
    package var parameters: Int { reduce(0) { $0 + $1.count } }
    /// Parameters of the matrices among them: weights of products.
    package var matrixParameters: Int { reduce(0) { $0 + ($1.shape.count >= 2 ? $1.count : 0) } }
    /// Parameters of those that every tensor rank holds whole.
    package var wholeParameters: Int { reduce(0) { $0 + ($1.split == .whole ? $1.count : 0) } }
}
