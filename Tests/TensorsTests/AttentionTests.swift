import Foundation
import Tensors
import Testing

extension AttentionShape {
    /// x [B, Lq, N · D], rows next to each other.
    func queryRows(_ x: Floats) -> MatrixBatch { x.matrix(batch * queries, heads * headSize).sequences(of: queries) }

    /// x [B, Lk, K · D], rows next to each other.
    func keyRows(_ x: Floats) -> MatrixBatch { x.matrix(batch * keys, keyValueHeads * headSize).sequences(of: keys) }

    /// x [B · N, Lq].
    func statistics(_ x: Floats) -> Matrix { x.matrix(batch * heads, queries) }

    /// Queries, keys and values that lie side by side in x [B · L, (N + 2K) · D].
    func parts(_ x: Floats) -> (query: MatrixBatch, key: MatrixBatch, value: MatrixBatch) {
        let (width, keyWidth) = (heads * headSize, keyValueHeads * headSize)
        let rows = x.matrix(batch * queries, width + 2 * keyWidth).sequences(of: queries)
        return (
            rows.columns(0..<width), rows.columns(width..<width + keyWidth),
            rows.columns(width + keyWidth..<width + 2 * keyWidth)
        )
    }

    /// Runs forward and backward, checked for writing past their ends and for reading the workspace.
    func run(
        query: MatrixBatch, key: MatrixBatch, value: MatrixBatch, output: Floats, dOutput: Floats, logSumExp: Floats,
        dQuery: MatrixBatch, dKey: MatrixBatch, dValue: MatrixBatch
    ) {
        let (space, delta) = (Floats(workspaceCount) { _ in .nan }, Floats(logSumExp.count) { _ in .nan })
        Attention.forward(
            query: query, key: key, value: value, output: queryRows(output), logSumExp: statistics(logSumExp),
            workspace: space.pointer, shape: self)
        #expect(space.isIntact)
        for index in 0..<space.count { space.pointer[index] = .nan }
        Attention.delta(
            output: queryRows(output), dOutput: queryRows(dOutput), into: statistics(delta), shape: self)
        Attention.inputGradient(
            query: query, key: key, value: value, dOutput: queryRows(dOutput), logSumExp: statistics(logSumExp),
            delta: statistics(delta), dQuery: dQuery, dKey: dKey, dValue: dValue, workspace: space.pointer, shape: self)
        #expect(space.isIntact && delta.isIntact && output.isIntact && logSumExp.isIntact)
    }
}

@Suite struct AttentionTests {
    struct Case: CustomTestStringConvertible {
        var (batch, queries, keys, heads, keyValueHeads, headSize): (Int, Int, Int, Int, Int, Int)
        var mask: AttentionMask
        var testDescription: String {
            "\(batch) × \(queries) against \(keys), \(heads)/\(keyValueHeads) heads of \(headSize), \(mask)"
        }
        var shape: AttentionShape {
            AttentionShape(
                batch: batch, queries: queries, keys: keys, heads: heads, keyValueHeads: keyValueHeads,
                headSize: headSize, mask: mask)
        }
        var reference: AttentionReference {
            var ahead = keys
            if case .causal(let distance) = mask { ahead = distance }
            return AttentionReference(
                batch: batch, queries: queries, keys: keys, heads: heads, keyValueHeads: keyValueHeads,
                headSize: headSize, ahead: ahead)
        }
    }

    static func cases(_ batch: Int, _ queries: Int, _ keys: Int, _ heads: Int, _ keyHeads: Int, _ size: Int) -> [Case] {
        let masks: [AttentionMask] =
            [.full] + [0, 1, 7, 16, 37, 1000, -1, -5, -33, -1000].map { .causal(ahead: $0) }
        return masks.map {
            Case(
                batch: batch, queries: queries, keys: keys, heads: heads, keyValueHeads: keyHeads, headSize: size,
                mask: $0)
        }
    }

    static let all =
        cases(1, 5, 3, 1, 1, 4) + cases(2, 37, 53, 4, 2, 24) + cases(1, 70, 64, 3, 1, 64) + cases(1, 64, 130, 2, 2, 40)

    /// Everything that attention computes for one block.
    struct Run {
        let (output, logSumExp, dq, dk, dv): (Floats, Floats, Floats, Floats, Floats)

        init(_ q: Floats, _ k: Floats, _ v: Floats, _ dOutput: Floats, _ shape: AttentionShape) {
            output = Floats(q.count) { _ in .nan }
            logSumExp = Floats(shape.batch * shape.heads * shape.queries) { _ in .nan }
            (dq, dk, dv) = (
                Floats(q.count) { _ in .nan }, Floats(k.count) { _ in .nan }, Floats(k.count) { _ in .nan }
            )
            shape.run(
                query: shape.queryRows(q), key: shape.keyRows(k), value: shape.keyRows(v), output: output,
                dOutput: dOutput, logSumExp: logSumExp, dQuery: shape.queryRows(dq), dKey: shape.keyRows(dk),
                dValue: shape.keyRows(dv))
        }
    }

    @Test(arguments: all) func matchesFloat64(_ test: Case) {
        let reference = test.reference
        let (q, dOutput) = (
            Floats(random: reference.queryCount, seed: 1, scale: 2), Floats(random: reference.queryCount, seed: 2)
        )
        let (k, v) = (
            Floats(random: reference.keyCount, seed: 3, scale: 2), Floats(random: reference.keyCount, seed: 4)
        )
        let run = Run(q, k, v, dOutput, test.shape)
        let expected = reference.forward(q.doubles, k.doubles, v.doubles)
        expectClose(run.output, expected.output, within: 5e-6)
        for (value, exact) in zip(run.logSumExp.doubles, expected.logSumExp) {
            #expect(value == exact || abs(value - exact) < 2e-5)
        }
        #expect(run.logSumExp.isIntact)
        let gradient = reference.gradient(
            q.doubles, k.doubles, v.doubles, dOutput.doubles, logSumExp: expected.logSumExp,
            delta: reference.delta(expected.output, dOutput.doubles))
        expectClose(run.dq, gradient.q, within: 1e-5)
        expectClose(run.dk, gradient.k, within: 1e-5)
        expectClose(run.dv, gradient.v, within: 1e-5)
    }

    @Test func theReferenceGradientMatchesCentralDifferences() {
        let reference = AttentionReference(
            batch: 1, queries: 4, keys: 5, heads: 4, keyValueHeads: 2, headSize: 3, ahead: 2)
        let (q, dOutput) = (
            Floats(random: reference.queryCount, seed: 1).doubles,
            Floats(random: reference.queryCount, seed: 2).doubles
        )
        let (k, v) = (
            Floats(random: reference.keyCount, seed: 3).doubles, Floats(random: reference.keyCount, seed: 4).doubles
        )
        let whole = reference.forward(q, k, v)
        let gradient = reference.gradient(
            q, k, v, dOutput, logSumExp: whole.logSumExp, delta: reference.delta(whole.output, dOutput))
        for index in q.indices {
            let slope = centralDifference(q, index) { dot(reference.forward($0, k, v).output, dOutput) }
            #expect(abs(slope - gradient.q[index]) < 1e-8)
        }
        for index in k.indices {
            let slope = centralDifference(k, index) { dot(reference.forward(q, $0, v).output, dOutput) }
            #expect(abs(slope - gradient.k[index]) < 1e-8)
            let other = centralDifference(v, index) { dot(reference.forward(q, k, $0).output, dOutput) }
            #expect(abs(other - gradient.v[index]) < 1e-8)
        }
    }

    @Test func groupedHeadsEqualRepeatedKeys() {
        let (batch, sequence, heads, keyHeads, size) = (2, 40, 6, 2, 16)
        let tokens = batch * sequence
        let (grouped, repeated) = ((heads + 2 * keyHeads) * size, 3 * heads * size)
        let qkv = Floats(random: tokens * grouped, seed: 1)
        let wide = Floats(tokens * repeated) { index in
            let (row, column) = (index / repeated, index % repeated)
            let (kind, head) = (column / (heads * size), column % (heads * size) / size)
            let source = [head, heads + head / 3, heads + keyHeads + head / 3][kind]
            return qkv.pointer[row * grouped + source * size + column % size]
        }
        let dOutput = Floats(random: tokens * heads * size, seed: 2)
        func run(_ x: Floats, _ keyHeads: Int) -> (output: Floats, dx: Floats) {
            let (output, dx) = (Floats(dOutput.count), Floats(x.count) { _ in .nan })
            let shape = AttentionShape(
                batch: batch, queries: sequence, keys: sequence, heads: heads, keyValueHeads: keyHeads, headSize: size,
                mask: .causal(ahead: 0))
            let ((q, k, v), (dq, dk, dv)) = (shape.parts(x), shape.parts(dx))
            shape.run(
                query: q, key: k, value: v, output: output, dOutput: dOutput, logSumExp: Floats(tokens * heads),
                dQuery: dq, dKey: dk, dValue: dv)
            #expect(dx.isIntact)
            return (output, dx)
        }
        let (narrow, full) = (run(qkv, keyHeads), run(wide, heads))
        #expect(narrow.output.values == full.output.values)
        // A key head's gradient is the sum over the query heads that read it.
        var expected = [Double](repeating: 0, count: qkv.count)
        for (index, value) in full.dx.doubles.enumerated() {
            let (row, column) = (index / repeated, index % repeated)
            let (kind, head) = (column / (heads * size), column % (heads * size) / size)
            let source = [head, heads + head / 3, heads + keyHeads + head / 3][kind]
            expected[row * grouped + source * size + column % size] += value
        }
        expectClose(narrow.dx, expected)
    }
}
