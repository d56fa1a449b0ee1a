internal import MPI
internal import Tensors

/// Look-up in a token table `[vocab/t, hidden]` of which each tensor rank holds a slice of the entries.
struct VocabularyParallelEmbedding {
    let table: Parameter
    /// nil for rotary positions.
    let positions: Parameter?
    /// Where each local token of a sequence stands in the whole sequence.
    let places: [Int32]
    let tensor: TensorParallel
    let profile: Profile

    /// output `[streamRows, hidden]` = table[token] (+ positions[position]); an entry that another rank holds counts as
    /// zeros here and comes in by the sum over the ranks.
    func forward(
        tokens: UnsafePointer<Int32>, into output: UnsafeMutablePointer<Float>, shape: MicrobatchShape
    ) throws(MPIError) {
        profile.measure(.embedding) {
            EmbeddingShard.forward(
                tokens: tokens, table: table.weight, firstToken: tensor.rank * shape.vocab, vocab: shape.vocab,
                y: tensor.partial(of: output), rows: shape.rows, width: shape.hidden)
        }
        try tensor.sum(rows: shape.rows, width: shape.hidden, into: output)
        guard let positions else { return }
        profile.measure(.embedding) {
            places.withUnsafeBufferPointer {
                // Row r of the stream is row first + r of the micro-batch.
                let first = tensor.splitsRows ? tensor.rank * shape.streamRows : 0
                for row in 0..<shape.streamRows {
                    let position = Int($0[(first + row) % shape.sequence])
                    VectorMath.add(
                        into: output + row * shape.hidden, from: positions.weight + position * shape.hidden,
                        count: shape.hidden)
                }
            }
        }
    }

    /// Adds the gradient of the output `[streamRows, hidden]` to the token table's.
    func backward(
        tokens: UnsafePointer<Int32>, gradient: UnsafeMutablePointer<Float>, shape: MicrobatchShape
    ) throws(MPIError) {
        let whole = try tensor.gather(gradient, rows: shape.rows, width: shape.hidden)
        table.unit.touched?.note(tokens: tokens, rows: shape.rows, firstToken: tensor.rank * shape.vocab)
        profile.measure(.embedding) {
            EmbeddingShard.weightGradient(
                tokens: tokens, dy: whole, dTable: table.gradient, firstToken: tensor.rank * shape.vocab,
                vocab: shape.vocab, rows: shape.rows, width: shape.hidden)
        }
    }

    /// Adds the gradient of the output `[streamRows, hidden]` to the position table's. The table is a parameter unit of
    /// its own, apart from the token table's.
    func positionsBackward(gradient: UnsafeMutablePointer<Float>, shape: MicrobatchShape) {
        guard let positions else { return }
        profile.measure(.embedding) {
            places.withUnsafeBufferPointer {
                let first = tensor.splitsRows ? tensor.rank * shape.streamRows : 0
                for row in 0..<shape.streamRows {
                    let position = Int($0[(first + row) % shape.sequence])
                    VectorMath.add(
                        into: positions.gradient + position * shape.hidden, from: gradient + row * shape.hidden,
                        count: shape.hidden)
                }
            }
        }
    }
}

/// Cross-entropy of logits `[rows, vocab/t]` of which each tensor rank holds the columns of its entries: the largest
/// logit, the sum of exponentials and the target's logit of every row are exchanged, never the logits.
struct VocabularyParallelLoss {
    private let tensor: TensorParallel
    private let profile: Profile
    /// Largest logits, sums, target logits, `[rows]` each: of this rank, of all ranks, of the whole vocabulary.
    private let own: FloatStorage
    private let all: FloatStorage
    private let whole: FloatStorage

    init(shape: MicrobatchShape, tensor: TensorParallel, profile: Profile) {
        self.tensor = tensor
        self.profile = profile
        let rows = tensor.size > 1 ? shape.rows : 0
        own = FloatStorage(count: 2 * rows)
        all = FloatStorage(count: 2 * rows * tensor.size)
        whole = FloatStorage(count: 3 * rows)
    }

    /// Turns the logits into their gradient times `scale`.
    /// - Returns: the summed loss, the same on every tensor rank.
    func lossAndGradient(
        logits: UnsafeMutablePointer<Float>, targets: UnsafePointer<Int32>, rows: Int, vocab: Int, scale: Float
    ) throws(MPIError) -> Double {
        guard tensor.size > 1 else {
            return profile.measure(.loss) {
                CrossEntropy.lossAndGradient(logits: logits, targets: targets, rows: rows, vocab: vocab, scale: scale)
            }
        }
        let first = tensor.rank * vocab
        let (maxima, sums) = (whole.pointer, whole.pointer + rows)
        profile.measure(.loss) {
            CrossEntropyShard.maxima(logits: logits, into: own.pointer, rows: rows, columns: vocab)
        }
        try tensor.gatherSmall(own.pointer, count: rows, into: all.pointer)
        for row in 0..<rows {
            maxima[row] = (0..<tensor.size).reduce(-.infinity) { max($0, all.pointer[$1 * rows + row]) }
        }
        profile.measure(.loss) {
            CrossEntropyShard.exponentials(
                logits: logits, maxima: maxima, targets: targets, firstToken: first, sums: own.pointer,
                targetLogits: own.pointer + rows, rows: rows, columns: vocab)
        }
        try tensor.gatherSmall(own.pointer, count: 2 * rows, into: all.pointer)
        for index in 0..<2 * rows {
            sums[index] = (0..<tensor.size).reduce(0) { $0 + all.pointer[$1 * 2 * rows + index] }
        }
        return profile.measure(.loss) {
            CrossEntropyShard.gradient(
                exponentials: logits, sums: sums, targets: targets, firstToken: first, scale: scale, rows: rows,
                columns: vocab)
            return CrossEntropyShard.loss(maxima: maxima, sums: sums, targetLogits: sums + rows, rows: rows)
        }
    }
}
