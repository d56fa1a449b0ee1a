internal import MPI
internal import Tensors

/// Context parallelism: attention over sequences whose tokens lie on several ranks (ring attention, Liu et al. 2023), in
/// the zigzag arrangement of `SequencePieces`. Letters: `ShapeLetters`.
///
/// The queries stay. Keys and values go once around the ring of c ranks, and the next ones travel while attention to those
/// at hand is computed. In the backward their gradients travel with them, gathering every rank's share, and come home after
/// c steps. Rank r holds pieces r and 2c−1−r of 2c; of the keys of rank s its queries see
///
/// | | both pieces of r | the later piece of r |
/// |---|---|---|
/// | s = r | its own, causally | |
/// | s < r | piece s, all of it | |
/// | s > r | | both pieces of s, all of them |
///
/// which is the same work, half of all pairs, on every rank and step.
final class RingAttention {
    private let group: Communicator
    private let shape: MicrobatchShape
    private let profile: Profile
    /// Keys and values side by side [R, 2K · D]: those at hand and those that arrive.
    private let blocks: [Storage<Float>]
    /// Gradients of those keys and values.
    private let gradients: [Storage<Float>]
    /// Attention to one block before it is merged: output [R, N · D] and logSumExp [B · N, L].
    private let partialOutput: Storage<Float>
    private let partialLogSumExp: Storage<Float>

    init(_ group: Communicator, shape: MicrobatchShape, profile: Profile) {
        self.group = group
        self.shape = shape
        self.profile = profile
        let count = shape.rows * 2 * shape.keyWidth
        blocks = (0..<2).map { _ in Storage(count: count) }
        gradients = (0..<2).map { _ in Storage(count: count) }
        partialOutput = Storage(count: shape.rows * shape.width)
        partialLogSumExp = Storage(count: shape.sequences * shape.heads * shape.sequence)
    }

    private func pairs(_ storage: Storage<Float>) -> Matrix {
        storage.matrix(rows: shape.rows, columns: 2 * shape.keyWidth)
    }

    /// The queries that attend to one rank's block of keys, the keys they see, and the mask.
    private struct Meeting {
        let shape: AttentionShape
        /// Query rows of each sequence.
        let queries: Range<Int>
        /// Key rows of each sequence.
        let keys: Range<Int>
    }

    private func meeting(with source: Int) -> Meeting {
        let (isOwn, isEarlier) = (source == group.rank, source < group.rank)
        let (length, half) = (shape.sequence, shape.sequence / 2)
        let queries = isOwn || isEarlier ? 0..<length : half..<length
        let keys = isEarlier ? 0..<half : 0..<length
        let attention = shape.attention(
            sequences: shape.sequences, queries: queries.count, keys: keys.count, isOwn: isOwn)
        return Meeting(shape: attention, queries: queries, keys: keys)
    }

    /// Keys and values of the key rows of a meeting.
    private func keysAndValues(_ pairs: Matrix, _ meeting: Meeting) -> (keys: MatrixBatch, values: MatrixBatch) {
        let rows = pairs.sequences(of: shape.sequence).rows(meeting.keys)
        return (rows.columns(0..<shape.keyWidth), rows.columns(shape.keyWidth..<2 * shape.keyWidth))
    }

    /// Passes `outgoing` to the next rank of the ring while `body` runs; `incoming` then holds the previous rank's.
    private func pass(_ outgoing: Matrix, _ incoming: Matrix, tag: Int, while body: () -> Void) throws(MPIError) {
        let (next, previous) = ((group.rank + 1) % group.size, (group.rank + group.size - 1) % group.size)
        let receive = try group.startReceive(into: incoming.numbers, from: previous, tag: tag)
        let send = try group.startSend(UnsafeBufferPointer(outgoing.numbers), to: next, tag: tag)
        body()
        let start = MonotonicClock.seconds()
        try receive.wait()
        try send.wait()
        profile.add(.contextTransfers, since: start)
    }

    /// qkv [R, (N + 2K) · D], output [R, N · D], logSumExp [B · N, L].
    func forward(
        qkv: Matrix, output: Matrix, logSumExp: Matrix, workspace: UnsafeMutablePointer<Float>
    ) throws(MPIError) {
        pairs(blocks[0]).copy(from: qkv.columns(shape.width..<shape.qkvWidth))
        for step in 0..<group.size {
            let source = (group.rank + group.size - step) % group.size
            let block = pairs(blocks[step & 1])
            let compute = { [self] in
                attend(source, qkv: qkv, block: block, output: output, logSumExp: logSumExp, workspace: workspace)
            }
            if step + 1 < group.size {
                try pass(block, pairs(blocks[1 - step & 1]), tag: 0, while: compute)
            } else {
                compute()
            }
        }
    }

    private func attend(
        _ source: Int, qkv: Matrix, block: Matrix, output: Matrix, logSumExp: Matrix,
        workspace: UnsafeMutablePointer<Float>
    ) {
        let meeting = meeting(with: source)
        let isOwn = source == group.rank
        func queryRows(_ rows: Matrix) -> MatrixBatch { rows.sequences(of: shape.sequence).rows(meeting.queries) }
        let partial = partialOutput.matrix(rows: shape.rows, columns: shape.width)
        let partialStatistics = partialLogSumExp.matrix(rows: logSumExp.rows, columns: logSumExp.columns)
        let targetOutput = queryRows(isOwn ? output : partial)
        let targetStatistics = (isOwn ? logSumExp : partialStatistics).columns(meeting.queries)
        let (keys, values) = keysAndValues(block, meeting)
        profile.measure(.attention) {
            Attention.forward(
                query: queryRows(qkv.columns(0..<shape.width)), key: keys, value: values, output: targetOutput,
                logSumExp: targetStatistics, workspace: workspace, shape: meeting.shape)
            if !isOwn {
                Attention.merge(
                    partialOutput: targetOutput, partialLogSumExp: targetStatistics, into: queryRows(output),
                    logSumExp: logSumExp.columns(meeting.queries), shape: meeting.shape)
            }
        }
    }

    /// qkv, dqkv [R, (N + 2K) · D], dOutput [R, N · D], logSumExp, delta [B · N, L].
    /// - Parameter delta: of the output over all keys, as `Attention.delta` makes it.
    func backward(
        qkv: Matrix, dOutput: Matrix, logSumExp: Matrix, delta: Matrix, dqkv: Matrix,
        workspace: UnsafeMutablePointer<Float>
    ) throws(MPIError) {
        let (queryColumns, pairColumns) = (0..<shape.width, shape.width..<shape.qkvWidth)
        pairs(blocks[0]).copy(from: qkv.columns(pairColumns))
        pairs(gradients[0]).fill(with: 0)
        for step in 0..<group.size {
            let source = (group.rank + group.size - step) % group.size
            let (block, gradient) = (pairs(blocks[step & 1]), pairs(gradients[step & 1]))
            let compute = { [self] in
                let meeting = meeting(with: source)
                let ((keys, values), (dKeys, dValues)) = (
                    keysAndValues(block, meeting), keysAndValues(gradient, meeting)
                )
                func queryRows(_ rows: Matrix) -> MatrixBatch {
                    rows.sequences(of: shape.sequence).rows(meeting.queries)
                }
                profile.measure(.attention) {
                    Attention.inputGradient(
                        query: queryRows(qkv.columns(queryColumns)), key: keys, value: values,
                        dOutput: queryRows(dOutput), logSumExp: logSumExp.columns(meeting.queries),
                        delta: delta.columns(meeting.queries), dQuery: queryRows(dqkv.columns(queryColumns)),
                        dKey: dKeys, dValue: dValues,
                        accumulating: Attention.Accumulation(query: step > 0, keyValue: true), workspace: workspace,
                        shape: meeting.shape)
                }
            }
            if step + 1 < group.size {
                try pass(block, pairs(blocks[1 - step & 1]), tag: 0, while: compute)
            } else {
                compute()
            }
            // The gradients go on only now; after the last step they are home.
            try pass(gradient, pairs(gradients[1 - step & 1]), tag: 1) {}
        }
        dqkv.columns(pairColumns).copy(from: pairs(gradients[group.size & 1]))
    }
}
