internal import MPI
internal import Tensors

/// Look-up in a token table [V, H] whose entries are split over the tensor ranks, and in a table of learned positions.
struct VocabularyParallelEmbedding {
    let table: Parameter
    /// nil for rotary positions.
    let positionTable: Parameter?
    /// Position in the whole sequence of each token of a sequence on this rank.
    let positions: [Int32]
    let tensor: TensorParallel
    let profile: Profile

    /// Whether there is a table of positions that training changes.
    var hasTrainedPositions: Bool { positionTable.map { !$0.unit.isFrozen } ?? false }

    /// tokens [R], output [S, H] = table[token] (+ positions[position]). Entries of other ranks count as zeros here and come
    /// in by the sum over the ranks.
    /// - Parameter documents: the documents of the sequences, whose positions count from their own beginnings.
    func forward(
        tokens: UnsafePointer<Int32>, into output: Matrix, shape: MicrobatchShape, documents: PackedDocuments? = nil
    ) throws(MPIError) {
        try tensor.sum(into: output) { part in
            profile.measure(.embedding) {
                TokenEmbedding.forward(
                    tokens: tokens, table: table.weight(rows: shape.vocab, columns: shape.hidden),
                    firstToken: tensor.rank * shape.vocab, y: part)
            }
        }
        guard let positionTable else { return }
        profile.measure(.embedding) {
            PositionEmbedding.addForward(
                positions: documents?.positions ?? positions, firstRow: firstRow(shape),
                table: positionTable.weight(rows: shape.positions, columns: shape.hidden), y: output)
        }
    }

    /// The row of the micro-batch that is row 0 of this rank's stream.
    private func firstRow(_ shape: MicrobatchShape) -> Int { tensor.splitsRows ? tensor.rank * shape.streamRows : 0 }

    /// tokens [R]: adds the gradient of the output [S, H] to the token table's.
    func backward(tokens: UnsafePointer<Int32>, gradient: Matrix, shape: MicrobatchShape) throws(MPIError) {
        let whole = try tensor.gather(gradient)
        let firstToken = tensor.rank * shape.vocab
        table.unit.touched?.mark(tokens: tokens, rows: shape.rows, firstToken: firstToken)
        profile.measure(.embedding) {
            TokenEmbedding.weightGradient(
                tokens: tokens, dy: whole, dTable: table.gradient(rows: shape.vocab, columns: shape.hidden),
                firstToken: firstToken)
        }
    }

    /// Adds the gradient of the output [S, H] to the position table's. The table is a parameter unit of its own, apart from
    /// the token table's.
    func positionsBackward(gradient: Matrix, shape: MicrobatchShape, documents: PackedDocuments? = nil) {
        guard let positionTable else { return }
        profile.measure(.embedding) {
            PositionEmbedding.weightGradient(
                positions: documents?.positions ?? positions, firstRow: firstRow(shape), dy: gradient,
                dTable: positionTable.gradient(rows: shape.positions, columns: shape.hidden))
        }
    }
}

/// Cross-entropy of logits [R, V] whose columns are split over the tensor ranks. The ranks exchange the largest logit, the
/// sum of exponentials and the target's logit of every row, never the logits.
struct VocabularyParallelLoss {
    private let tensor: TensorParallel
    private let profile: Profile
    /// Largest logits, then sums and target logits: of this rank [2, R], of all ranks, of the whole vocabulary [3, R].
    private let own: Storage<Float>
    private let all: Storage<Float>
    private let whole: Storage<Float>

    init(shape: MicrobatchShape, tensor: TensorParallel, profile: Profile) {
        self.tensor = tensor
        self.profile = profile
        let rows = tensor.size > 1 ? shape.rows : 0
        own = Storage(count: 2 * rows)
        all = Storage(count: 2 * rows * tensor.size)
        whole = Storage(count: 3 * rows)
    }

    /// logits [R, V], targets [R]: turns the logits into their gradient times `scale`.
    /// - Returns: the summed loss, the same on every tensor rank.
    func lossAndGradient(logits: Matrix, targets: UnsafePointer<Int32>, scale: Float) throws(MPIError) -> Double {
        guard tensor.size > 1 else {
            return profile.measure(.loss) {
                CrossEntropy.lossAndGradient(logits: logits, targets: targets, scale: scale)
            }
        }
        let (rows, firstToken) = (logits.rows, tensor.rank * logits.columns)
        let (maxima, sums) = (whole.pointer, whole.pointer + rows)
        profile.measure(.loss) { VocabularyParallelCrossEntropy.maxima(logits: logits, into: own.pointer) }
        try tensor.gatherSmall(own.pointer, count: rows, into: all.pointer)
        for row in 0..<rows {
            maxima[row] = (0..<tensor.size).reduce(-.infinity) { max($0, all.pointer[$1 * rows + row]) }
        }
        profile.measure(.loss) {
            VocabularyParallelCrossEntropy.exponentials(
                logits: logits, maxima: maxima, targets: targets, firstToken: firstToken, sums: own.pointer,
                targetLogits: own.pointer + rows)
        }
        try tensor.gatherSmall(own.pointer, count: 2 * rows, into: all.pointer)
        for index in 0..<2 * rows {
            sums[index] = (0..<tensor.size).reduce(0) { $0 + all.pointer[$1 * 2 * rows + index] }
        }
        return profile.measure(.loss) {
            VocabularyParallelCrossEntropy.gradient(
                exponentials: logits, sums: sums, targets: targets, firstToken: firstToken, scale: scale)
            return VocabularyParallelCrossEntropy.loss(
                maxima: maxima, sums: sums, targetLogits: sums + rows, targets: targets, rows: rows)
        }
    }
}
