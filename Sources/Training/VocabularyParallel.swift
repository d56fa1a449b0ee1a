internal import MPI
internal import Tensors

#if canImport(Glibc)
    internal import Glibc
#endif

/// Look-up in a token table `[vocab/t, hidden]` of which each tensor rank holds a slice of the entries.
struct VocabularyParallelEmbedding {
    let table: Parameter
    /// nil for rotary positions.
    let positions: Parameter?
    let context: StageContext

    /// output `[streamRows, hidden]` = table[token] (+ positions[position]); an entry that another rank holds counts as
    /// zeros here and comes in by the sum over the ranks.
    func forward(
        tokens: UnsafePointer<Int32>, into output: UnsafeMutablePointer<Float>, shape: MicrobatchShape
    ) throws(MPIError) {
        let (hidden, profile) = (shape.hidden, context.profile)
        let tensor = context.tensor
        let partial = tensor.partial(of: output)
        profile.measure(.embedding) {
            let first = Int32(tensor.rank * shape.vocab)
            for row in 0..<shape.rows {
                let entry = Int(tokens[row] - first)
                if (0..<shape.vocab).contains(entry) {
                    (partial + row * hidden).update(from: table.weight + entry * hidden, count: hidden)
                } else {
                    (partial + row * hidden).update(repeating: 0, count: hidden)
                }
            }
        }
        try tensor.sum(rows: shape.rows, width: hidden, into: output)
        guard let positions else { return }
        profile.measure(.embedding) {
            forEachStreamRow(shape) { row, position in
                VectorMath.add(into: output + row * hidden, from: positions.weight + position * hidden, count: hidden)
            }
        }
    }

    /// Adds the gradient of the output `[streamRows, hidden]` to the tables'.
    func backward(
        tokens: UnsafePointer<Int32>, gradient: UnsafeMutablePointer<Float>, shape: MicrobatchShape
    ) throws(MPIError) {
        let (hidden, tensor) = (shape.hidden, context.tensor)
        let whole = try tensor.gather(gradient, rows: shape.rows, width: hidden)
        context.profile.measure(.embedding) {
            let first = Int32(tensor.rank * shape.vocab)
            for row in 0..<shape.rows {
                let entry = Int(tokens[row] - first)
                guard (0..<shape.vocab).contains(entry) else { continue }
                VectorMath.add(into: table.gradient + entry * hidden, from: whole + row * hidden, count: hidden)
            }
        }
    }

    /// The same for the position table, whose unit is its own.
    func positionsBackward(gradient: UnsafeMutablePointer<Float>, shape: MicrobatchShape) {
        guard let positions else { return }
        let hidden = shape.hidden
        context.profile.measure(.embedding) {
            forEachStreamRow(shape) { row, position in
                VectorMath.add(
                    into: positions.gradient + position * hidden, from: gradient + row * hidden, count: hidden)
            }
        }
    }

    /// This rank's rows of the stream and where in its sequence each stands.
    private func forEachStreamRow(_ shape: MicrobatchShape, _ body: (_ row: Int, _ position: Int) -> Void) {
        let first = shape.rowParts > 1 ? context.tensor.rank * shape.streamRows : 0
        for row in 0..<shape.streamRows {
            body(row, context.pieces.position(ofLocal: (first + row) % shape.sequence))
        }
    }
}

/// Cross-entropy of logits `[rows, vocab/t]` of which each tensor rank holds the columns of its entries: largest and sum
/// of every row's softmax are exchanged, never the logits.
struct VocabularyParallelLoss {
    private let tensor: TensorParallel
    private let profile: Profile
    /// (largest logit, sum of exponentials, logit of the target) of every row, own and of all ranks.
    private let own: FloatStorage
    private let all: FloatStorage

    init(shape: MicrobatchShape, tensor: TensorParallel, profile: Profile) {
        self.tensor = tensor
        self.profile = profile
        own = FloatStorage(count: tensor.size > 1 ? 3 * shape.rows : 0)
        all = FloatStorage(count: tensor.size > 1 ? 3 * shape.rows * tensor.size : 0)
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
        let first = Int32(tensor.rank * vocab)
        profile.measure(.loss) {
            for row in 0..<rows {
                let entry = Int(targets[row] - first)
                own.pointer[3 * row + 2] = (0..<vocab).contains(entry) ? logits[row * vocab + entry] : -.infinity
                let (largest, sum) = VectorMath.softmax(logits + row * vocab, count: vocab)
                own.pointer[3 * row] = largest
                own.pointer[3 * row + 1] = sum
            }
        }
        try tensor.gatherSmall(own.pointer, count: 3 * rows, into: all.pointer)
        var total = 0.0
        profile.measure(.loss) {
            for row in 0..<rows {
                func figure(_ rank: Int, _ index: Int) -> Float { all.pointer[3 * (rank * rows + row) + index] }
                var (largest, target) = (-Float.infinity, -Float.infinity)
                for rank in 0..<tensor.size {
                    largest = max(largest, figure(rank, 0))
                    target = max(target, figure(rank, 2))
                }
                var sum: Float = 0
                for rank in 0..<tensor.size { sum += figure(rank, 1) * expf(figure(rank, 0) - largest) }
                total += Double(largest - target) + Double(logf(sum))
                let share = figure(tensor.rank, 1) * expf(figure(tensor.rank, 0) - largest) / sum
                VectorMath.scale(logits + row * vocab, count: vocab, by: scale * share)
                let entry = Int(targets[row] - first)
                if (0..<vocab).contains(entry) { logits[row * vocab + entry] -= scale }
            }
        }
        return total
    }
}
