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
        AttentionShape(
            batch: batch, queries: piece, keys: piece, heads: heads, keyValueHeads: keyHeads, headSize: size,
            mask: .causal(ahead: (queryPiece - keyPiece) * piece))
    }

    static let whole = AttentionShape(
        batch: batch, queries: sequence, keys: sequence, heads: heads, keyValueHeads: keyHeads, headSize: size,
        mask: .causal(ahead: 0))

    static func rows(_ number: Int) -> Range<Int> { number * piece..<(number + 1) * piece }

    @Test func piecesTogetherEqualTheWhole() {
        let pieces = 2 * Self.ranks
        let (queryCount, keyCount) = (
            Self.batch * Self.sequence * Self.queryWidth, Self.batch * Self.sequence * Self.keyWidth
        )
        let (q, dOutput) = (Floats(random: queryCount, seed: 1, scale: 3), Floats(random: queryCount, seed: 2))
        let (k, v) = (Floats(random: keyCount, seed: 3, scale: 3), Floats(random: keyCount, seed: 4))
        let whole = Self.whole
        let expected = AttentionTests.Run(q, k, v, dOutput, whole)

        let output = Floats(queryCount)
        let statistics = Self.batch * Self.heads * Self.sequence
        let logSumExp = Floats(statistics) { _ in -.infinity }
        let (partial, partialLog) = (Floats(queryCount) { _ in .nan }, Floats(statistics) { _ in .nan })
        let space = Floats(Self.shape(queryPiece: 0, keyPiece: 0).workspaceCount) { _ in .nan }
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
        eachMeeting { query, key in
            let shape = Self.shape(queryPiece: query, keyPiece: key)
            let (queryRows, keyRows) = (Self.rows(query), Self.rows(key))
            let partialOutput = whole.queryRows(partial).rows(queryRows)
            let partialStatistics = whole.statistics(partialLog).columns(queryRows)
            Attention.forward(
                query: whole.queryRows(q).rows(queryRows), key: whole.keyRows(k).rows(keyRows),
                value: whole.keyRows(v).rows(keyRows), output: partialOutput, logSumExp: partialStatistics,
                workspace: space.pointer, shape: shape)
            Attention.merge(
                partialOutput: partialOutput, partialLogSumExp: partialStatistics,
                into: whole.queryRows(output).rows(queryRows),
                logSumExp: whole.statistics(logSumExp).columns(queryRows), shape: shape)
        }
        expectClose(output, expected.output.doubles)
        expectClose(logSumExp, expected.logSumExp.doubles)

        let delta = Floats(statistics)
        Attention.delta(
            output: whole.queryRows(output), dOutput: whole.queryRows(dOutput), into: whole.statistics(delta),
            shape: whole)
        let (dq, dk, dv) = (Floats(queryCount), Floats(keyCount), Floats(keyCount))
        // dK and dV also travel side by side in a buffer of their own.
        let travelling = Floats(2 * keyCount)
        let pairs = travelling.matrix(Self.batch * Self.sequence, 2 * Self.keyWidth).sequences(of: Self.sequence)
        let travellingKeys = pairs.columns(0..<Self.keyWidth)
        let travellingValues = pairs.columns(Self.keyWidth..<2 * Self.keyWidth)
        eachMeeting { query, key in
            let (queryRows, keyRows) = (Self.rows(query), Self.rows(key))
            for apart in [false, true] {
                Attention.inputGradient(
                    query: whole.queryRows(q).rows(queryRows), key: whole.keyRows(k).rows(keyRows),
                    value: whole.keyRows(v).rows(keyRows), dOutput: whole.queryRows(dOutput).rows(queryRows),
                    logSumExp: whole.statistics(logSumExp).columns(queryRows),
                    delta: whole.statistics(delta).columns(queryRows),
                    dQuery: whole.queryRows(apart ? partial : dq).rows(queryRows),
                    dKey: (apart ? travellingKeys : whole.keyRows(dk)).rows(keyRows),
                    dValue: (apart ? travellingValues : whole.keyRows(dv)).rows(keyRows),
                    accumulating: .init(query: true, keyValue: true), workspace: space.pointer,
                    shape: Self.shape(queryPiece: query, keyPiece: key))
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
        let (output, log) = (Floats(24), Floats(3) { _ in -.infinity })
        let (partial, partialLog) = (Floats(random: 24, seed: 1), Floats(3) { [0.5, -.infinity, 90][$0] })
        func merge(_ a: Floats, _ b: Floats) {
            Attention.merge(
                partialOutput: shape.queryRows(a), partialLogSumExp: shape.statistics(b),
                into: shape.queryRows(output), logSumExp: shape.statistics(log), shape: shape)
        }
        merge(Floats(24), Floats(3) { _ in -.infinity })
        #expect(output.values.allSatisfy { $0 == 0 } && log.values.allSatisfy { $0 == -.infinity })
        merge(partial, partialLog)
        let expected = (0..<24).map { $0 / 8 == 1 ? 0 : partial.doubles[$0] }
        expectClose(output, expected, within: 1e-6)
        #expect(log.values == [0.5, -.infinity, 90])
        merge(Floats(24), Floats(3) { _ in -.infinity })
        #expect(log.values == [0.5, -.infinity, 90])
        expectClose(output, expected, within: 1e-6)
    }
}
