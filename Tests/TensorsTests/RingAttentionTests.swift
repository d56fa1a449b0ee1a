import Tensors
import Testing

/// A sequence in pieces, as the ranks of a ring hold it: two pieces a rank, one from each end (zigzag).
@Suite struct RingAttentionTests {
    static let (batch, heads, keyHeads, size, piece, ranks) = (2, 4, 2, 16, 12, 3)
    static let sequence = piece * 2 * ranks
    static let queryWidth = heads * size
    static let keyWidth = keyHeads * size

    /// Attention of a query piece against a key piece, both within the whole sequence's tensors.
    static func shape(queryPiece: Int, keyPiece: Int) -> AttentionShape {
        var shape = AttentionShape(
            batch: batch, queries: piece, keys: piece, heads: heads, keyValueHeads: keyHeads, headSize: size,
            mask: .causal(queryStart: queryPiece * piece, keyStart: keyPiece * piece))
        shape.queryRows.sampleStride = sequence * queryWidth
        shape.outputRows.sampleStride = sequence * queryWidth
        shape.keyValueRows.sampleStride = sequence * keyWidth
        shape.statisticsStride = sequence
        return shape
    }

    @Test func piecesTogetherEqualTheWhole() {
        let pieces = 2 * Self.ranks
        let (queryCount, keyCount) = (
            Self.batch * Self.sequence * Self.queryWidth, Self.batch * Self.sequence * Self.keyWidth
        )
        let (q, dOutput) = (Numbers(random: queryCount, seed: 1, scale: 3), Numbers(random: queryCount, seed: 2))
        let (k, v) = (Numbers(random: keyCount, seed: 3, scale: 3), Numbers(random: keyCount, seed: 4))
        let whole = AttentionShape(
            batch: Self.batch, queries: Self.sequence, keys: Self.sequence, heads: Self.heads,
            keyValueHeads: Self.keyHeads, headSize: Self.size, mask: .causal(ahead: 0))
        let expected = AttentionTests.Run(q, k, v, dOutput, whole)

        let output = Numbers(queryCount)
        let statistics = Self.batch * Self.heads * Self.sequence
        let logSumExp = Numbers(statistics) { _ in -.infinity }
        let (partial, partialLog) = (Numbers(queryCount) { _ in .nan }, Numbers(statistics) { _ in .nan })
        let space = Numbers(Self.shape(queryPiece: 0, keyPiece: 0).workspaceCount) { _ in .nan }
        /// Keys arrive round the ring: rank r meets those of rank r, r − 1, …, each two pieces.
        func eachMeeting(_ body: (_ query: Int, _ key: Int) -> Void) {
            for rank in 0..<Self.ranks {
                for step in 0..<Self.ranks {
                    let owner = (rank - step + Self.ranks) % Self.ranks
                    for query in [rank, pieces - 1 - rank] {
                        for key in [owner, pieces - 1 - owner] { body(query, key) }
                    }
                }
            }
        }
        var empty = 0
        eachMeeting { query, key in
            let shape = Self.shape(queryPiece: query, keyPiece: key)
            #expect(shape.isEmpty == (key > query))
            empty += shape.isEmpty ? 1 : 0
            let (from, to) = (query * Self.piece, key * Self.piece)
            Attention.forward(
                query: q.pointer + from * Self.queryWidth, key: k.pointer + to * Self.keyWidth,
                value: v.pointer + to * Self.keyWidth, output: partial.pointer + from * Self.queryWidth,
                logSumExp: partialLog.pointer + from, workspace: space.pointer, shape: shape)
            Attention.merge(
                partialOutput: partial.pointer + from * Self.queryWidth, partialLogSumExp: partialLog.pointer + from,
                into: output.pointer + from * Self.queryWidth, logSumExp: logSumExp.pointer + from, shape: shape)
        }
        #expect(empty == pieces * (pieces - 1) / 2)
        expectClose(output, expected.output.doubles)
        expectClose(logSumExp, expected.logSumExp.doubles)

        let delta = Numbers(statistics)
        Attention.delta(output: output.pointer, dOutput: dOutput.pointer, into: delta.pointer, shape: whole)
        let (dq, dk, dv) = (Numbers(queryCount), Numbers(keyCount), Numbers(keyCount))
        // dK and dV travel in a buffer of their own, value behind key in a row.
        let travelling = Numbers(2 * keyCount)
        let rows = AttentionRows(stride: 2 * Self.keyWidth, sampleStride: Self.sequence * 2 * Self.keyWidth)
        eachMeeting { query, key in
            let (from, to) = (query * Self.piece, key * Self.piece)
            for apart in [false, true] {
                Attention.inputGradient(
                    query: q.pointer + from * Self.queryWidth, key: k.pointer + to * Self.keyWidth,
                    value: v.pointer + to * Self.keyWidth, dOutput: dOutput.pointer + from * Self.queryWidth,
                    logSumExp: logSumExp.pointer + from, delta: delta.pointer + from,
                    dQuery: (apart ? partial : dq).pointer + from * Self.queryWidth,
                    dKey: apart ? travelling.pointer + to * 2 * Self.keyWidth : dk.pointer + to * Self.keyWidth,
                    dValue: apart
                        ? travelling.pointer + (to * 2 + 1) * Self.keyWidth : dv.pointer + to * Self.keyWidth,
                    dKeyValueRows: apart ? rows : nil, accumulating: .init(query: true, keyValue: true),
                    workspace: space.pointer, shape: Self.shape(queryPiece: query, keyPiece: key))
            }
        }
        #expect(space.isIntact)
        expectClose(dq, expected.dq.doubles, within: 5e-6)
        expectClose(dk, expected.dk.doubles, within: 5e-6)
        expectClose(dv, expected.dv.doubles, within: 5e-6)
        let both = (0..<2 * keyCount).map { index in
            let (row, column) = (index / (2 * Self.keyWidth), index % (2 * Self.keyWidth))
            let source = column < Self.keyWidth ? dk : dv
            return Double(source.values[row * Self.keyWidth + column % Self.keyWidth])
        }
        expectClose(travelling, both, within: 0)
    }

    @Test func mergingIsIndifferentToEmptyBlocks() {
        let shape = AttentionShape(
            batch: 1, queries: 3, keys: 4, heads: 1, keyValueHeads: 1, headSize: 8, mask: .full)
        let (output, log) = (Numbers(24), Numbers(3) { _ in -.infinity })
        let (partial, partialLog) = (Numbers(random: 24, seed: 1), Numbers(3) { [0.5, -.infinity, 90][$0] })
        func merge(_ a: Numbers, _ b: Numbers) {
            Attention.merge(
                partialOutput: a.pointer, partialLogSumExp: b.pointer, into: output.pointer, logSumExp: log.pointer,
                shape: shape)
        }
        merge(Numbers(24), Numbers(3) { _ in -.infinity })
        #expect(output.values.allSatisfy { $0 == 0 } && log.values.allSatisfy { $0 == -.infinity })
        merge(partial, partialLog)
        let expected = (0..<24).map { $0 / 8 == 1 ? 0 : partial.doubles[$0] }
        expectClose(output, expected, within: 1e-6)
        #expect(log.values == [0.5, -.infinity, 90])
        merge(Numbers(24), Numbers(3) { _ in -.infinity })
        #expect(log.values == [0.5, -.infinity, 90])
        expectClose(output, expected, within: 1e-6)
    }
}
