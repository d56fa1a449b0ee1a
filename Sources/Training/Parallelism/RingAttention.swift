internal import MPI
internal import Tensors

/// Context parallelism: attention over sequences whose tokens lie on several ranks (ring attention, Liu et al. 2023), in
/// the zigzag arrangement of `SequencePieces`.
///
/// The queries stay; keys and values go once around the ring of c ranks, and the next ones travel while attention to
/// those at hand is computed. In the backward their gradients travel with them, gathering every rank's share, and come
/// home after c steps. Rank r holds pieces r and 2c−1−r of 2c; of the keys of rank s its queries see
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
    /// Keys and values `[R, key | value]`: those at hand and those that arrive.
    private let blocks: [FloatStorage]
    /// Their gradients, the same way.
    private let gradients: [FloatStorage]
    /// Attention to one block, before it is merged.
    private let partialOutput: FloatStorage
    private let partialLogSumExp: FloatStorage

    init(_ group: Communicator, shape: MicrobatchShape, profile: Profile) {
        self.group = group
        self.shape = shape
        self.profile = profile
        let count = shape.rows * 2 * shape.keyWidth
        blocks = (0..<2).map { _ in FloatStorage(count: count) }
        gradients = (0..<2).map { _ in FloatStorage(count: count) }
        partialOutput = FloatStorage(count: shape.rows * shape.width)
        partialLogSumExp = FloatStorage(count: shape.sequences * shape.heads * shape.sequence)
    }

    private var half: Int { shape.sequence / 2 }
    private var count: Int { shape.rows * 2 * shape.keyWidth }

    /// Which queries meet which keys of one rank's block, and how.
    private struct Meeting {
        var shape: AttentionShape
        /// First query row of each sequence.
        var firstQuery: Int
    }

    private func meeting(with source: Int) -> Meeting {
        let (isOwn, isEarlier) = (source == group.rank, source < group.rank)
        var attention = AttentionShape(
            batch: shape.sequences, queries: isOwn || isEarlier ? shape.sequence : half,
            keys: isEarlier ? half : shape.sequence, heads: shape.heads, keyValueHeads: shape.kvHeads,
            headSize: shape.headSize, mask: isOwn ? .causal(ahead: 0) : .full)
        let (row, keyRow) = (shape.qkvWidth, 2 * shape.keyWidth)
        attention.queryRows = AttentionRows(stride: row, sampleStride: shape.sequence * row)
        attention.keyValueRows = AttentionRows(stride: keyRow, sampleStride: shape.sequence * keyRow)
        attention.outputRows = AttentionRows(stride: shape.width, sampleStride: shape.sequence * shape.width)
        attention.statisticsStride = shape.sequence
        return Meeting(shape: attention, firstQuery: isOwn || isEarlier ? 0 : half)
    }

    /// Copies keys and values out of the fused rows.
    private func pack(_ qkv: UnsafePointer<Float>) {
        let width = 2 * shape.keyWidth
        for row in 0..<shape.rows {
            (blocks[0].pointer + row * width).update(from: qkv + row * shape.qkvWidth + shape.width, count: width)
        }
    }

    /// Passes `outgoing` to the next rank of the ring while `body` runs; `incoming` then holds the previous rank's.
    private func pass(
        _ outgoing: UnsafePointer<Float>, _ incoming: UnsafeMutablePointer<Float>, tag: Int,
        while body: () -> Void
    ) throws(MPIError) {
        let (next, previous) = ((group.rank + 1) % group.size, (group.rank + group.size - 1) % group.size)
        let receive = try group.startReceive(
            into: UnsafeMutableBufferPointer(start: incoming, count: count), from: previous, tag: tag)
        let send = try group.startSend(UnsafeBufferPointer(start: outgoing, count: count), to: next, tag: tag)
        body()
        let start = MonotonicClock.seconds()
        try receive.wait()
        try send.wait()
        profile.add(.contextTransfers, since: start)
    }

    func forward(
        qkv: UnsafePointer<Float>, output: UnsafeMutablePointer<Float>, logSumExp: UnsafeMutablePointer<Float>,
        workspace: UnsafeMutablePointer<Float>
    ) throws(MPIError) {
        pack(qkv)
        for step in 0..<group.size {
            let source = (group.rank + group.size - step) % group.size
            let block = blocks[step & 1].pointer
            let compute = { [self] in
                attend(
                    source, qkv: qkv, block: block, output: output, logSumExp: logSumExp, workspace: workspace)
            }
            if step + 1 < group.size {
                try pass(block, blocks[1 - step & 1].pointer, tag: 0, while: compute)
            } else {
                compute()
            }
        }
    }

    private func attend(
        _ source: Int, qkv: UnsafePointer<Float>, block: UnsafePointer<Float>, output: UnsafeMutablePointer<Float>,
        logSumExp: UnsafeMutablePointer<Float>, workspace: UnsafeMutablePointer<Float>
    ) {
        let meeting = meeting(with: source)
        let isOwn = source == group.rank
        let (rows, statistics) = (meeting.firstQuery * shape.width, meeting.firstQuery)
        let targetOutput = isOwn ? output : partialOutput.pointer + rows
        let targetStatistics = isOwn ? logSumExp : partialLogSumExp.pointer + statistics
        profile.measure(.attention) {
            Attention.forward(
                query: qkv + meeting.firstQuery * shape.qkvWidth, key: block, value: block + shape.keyWidth,
                output: targetOutput, logSumExp: targetStatistics, workspace: workspace, shape: meeting.shape)
            if !isOwn {
                Attention.merge(
                    partialOutput: targetOutput, partialLogSumExp: targetStatistics, into: output + rows,
                    logSumExp: logSumExp + statistics, shape: meeting.shape)
            }
        }
    }

    /// - Parameter delta: of the whole output, as `Attention.delta` makes it.
    func backward(
        qkv: UnsafePointer<Float>, dOutput: UnsafePointer<Float>, logSumExp: UnsafePointer<Float>,
        delta: UnsafePointer<Float>, dqkv: UnsafeMutablePointer<Float>, workspace: UnsafeMutablePointer<Float>
    ) throws(MPIError) {
        pack(qkv)
        gradients[0].pointer.update(repeating: 0, count: count)
        for step in 0..<group.size {
            let source = (group.rank + group.size - step) % group.size
            let (block, gradient) = (blocks[step & 1].pointer, gradients[step & 1].pointer)
            let compute = { [self] in
                let meeting = meeting(with: source)
                let first = meeting.firstQuery
                profile.measure(.attention) {
                    Attention.inputGradient(
                        query: qkv + first * shape.qkvWidth, key: block, value: block + shape.keyWidth,
                        dOutput: dOutput + first * shape.width, logSumExp: logSumExp + first, delta: delta + first,
                        dQuery: dqkv + first * shape.qkvWidth, dKey: gradient, dValue: gradient + shape.keyWidth,
                        accumulating: Attention.Accumulation(query: step > 0, keyValue: true), workspace: workspace,
                        shape: meeting.shape)
                }
            }
            if step + 1 < group.size {
                try pass(block, blocks[1 - step & 1].pointer, tag: 0, while: compute)
            } else {
                compute()
            }
            // The gradients go on only now; after the last step they are home.
            try pass(gradient, gradients[1 - step & 1].pointer, tag: 1) {}
        }
        let (width, home) = (2 * shape.keyWidth, gradients[group.size & 1].pointer)
        for row in 0..<shape.rows {
            (dqkv + row * shape.qkvWidth + shape.width).update(from: home + row * width, count: width)
        }
    }
}
