/// One weight tensor of a model: its Hugging Face name, its shape, its split among tensor ranks and its initial values.
package struct TensorSpec: Hashable, Sendable {
    /// Initial values of a tensor if no weights are given.
    package enum Start: Hashable, Sendable {
        case zeros, ones
        /// Normal distribution with this standard deviation.
        case normal(Float)
        /// Uniform distribution between minus and plus this bound.
        case uniform(Float)
    }

    /// The part of a tensor that a tensor-parallel rank holds.
    package enum Split: Hashable, Sendable {
        /// The whole tensor, the same on every rank.
        case whole
        /// A slice of the rows (first dimension).
        case rows
        /// A slice of each of `groups` equal groups of columns (last dimension): 3 for queries, keys and values.
        case columns(groups: Int)
        /// A slice of each of `groups` equal groups of rows (first dimension).
        case groupedRows(groups: Int)
    }

    /// Name in a checkpoint. Inside a part it is relative to the block (`mlp.up_proj.weight`).
    package var name: String
    /// Row-major shape of the whole tensor: `[inputs, outputs]` for GPT-2's matrices, `[outputs, inputs]` for llama's,
    /// `[entries, hidden]` for embeddings.
    package var shape: [Int]
    package var start: Start
    package var split: Split
    /// Whether the tensor's gradient is a sum over the residual stream's rows. With sequence parallelism each rank has
    /// only some of these rows, so ranks must add up their gradients.
    package var seesStreamRows: Bool
    /// Whether the tensor's gradient is a sum over rows, or over heads, that differ among tensor ranks even without
    /// sequence parallelism, as for a router or the norm of all queries' heads.
    package var seesOwnRows: Bool
    /// Whether the tensor follows the previous one directly in memory, so that one product reads both.
    package var joinsPrevious: Bool
    /// Whether training changes the tensor.
    package var isTrainable = true
    /// What the run's learning rate is multiplied by for the tensor.
    package var learningRateFactor = 1.0

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
    /// Whether AdamW decays the tensor: matrices and embeddings, not biases and norms.
    package var decays: Bool { shape.count >= 2 }
    /// Whether the tensor is a matrix that training changes, and no norm.
    package var isMatrix: Bool { shape.count == 2 && start != .ones && !name.hasSuffix("bias") && isTrainable }

    /// The tensor with its full name: `prefix` is that of its block or its expert.
    package func named(in prefix: String) -> TensorSpec {
        var tensor = self
        tensor.name = prefix + name
        return tensor
    }
}

extension Array where Element == TensorSpec {
    /// Parameters of all tensors.
    package var parameters: Int { reduce(0) { $0 + $1.count } }
    /// Parameters of the tensors that every tensor rank holds whole.
    package var wholeParameters: Int { reduce(0) { $0 + ($1.split == .whole ? $1.count : 0) } }
}
