/// One weight tensor of a model, under its Hugging Face name, and how tensor parallelism cuts it.
package struct ParameterTensor: Hashable, Sendable {
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

    package var name: String
    /// Row-major shape of the whole tensor; GPT-2's matrices are `[inputs, outputs]`, llama's `[outputs, inputs]`,
    /// embeddings `[entries, hidden]`.
    package var shape: [Int]
    package var start: Start
    package var split: Split = .whole
    /// Whether its gradient is summed up over the residual stream's rows, of which a rank has only some under sequence
    /// parallelism.
    package var seesStreamRows = false
    /// Whether it is summed up over rows of which every tensor rank has its own, sequence parallelism or not: a router.
    package var seesOwnRows = false
    /// Whether it lies right behind the tensor before it, so that one product reads both.
    package var joinsPrevious = false

    package var count: Int { shape.reduce(1, *) }
    /// AdamW decays matrices and embeddings, not biases and norms.
    package var decays: Bool { shape.count >= 2 }
}

/// A tensor-parallel rank's share of tensors: slice `rank` of `size`.
package struct TensorShare: Hashable, Sendable {
    package var rank: Int
    package var size: Int

    package init(rank: Int = 0, size: Int = 1) {
        self.rank = rank
        self.size = size
    }

    /// Elements of `tensor` this rank holds.
    package func count(_ tensor: ParameterTensor) -> Int {
        tensor.split == .whole ? tensor.count : tensor.count / size
    }

    /// Calls `body` with every run of neighbouring elements: its place in the local tensor, in the whole one, its length.
    package func forEachRun(_ tensor: ParameterTensor, _ body: (_ local: Int, _ whole: Int, _ count: Int) -> Void) {
        switch tensor.split {
        case .whole: body(0, 0, tensor.count)
        case .rows:
            let count = tensor.count / size
            body(0, rank * count, count)
        case .columns(let groups):
            let columns = tensor.shape.last ?? 1
            let run = columns / groups / size
            for row in 0..<tensor.count / max(columns, 1) {
                for group in 0..<groups {
                    body(
                        row * (columns / size) + group * run, row * columns + group * (columns / groups) + rank * run,
                        run)
                }
            }
        }
    }
}
