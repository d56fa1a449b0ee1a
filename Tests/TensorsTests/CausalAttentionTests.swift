import Foundation
import Tensors
import Testing

/// Causal self-attention of queries, keys and values that lie side by side, as in a block.
@Suite struct CausalAttentionTests {
    struct Shape: CustomTestStringConvertible {
        var (batch, sequence, heads, headSize): (Int, Int, Int, Int)
        var hidden: Int { heads * headSize }
        var tokens: Int { batch * sequence }
        var attention: AttentionShape {
            AttentionShape(
                batch: batch, queries: sequence, keys: sequence, heads: heads, keyValueHeads: heads,
                headSize: headSize, mask: .causal(ahead: 0))
        }
        var testDescription: String { "\(batch) × \(sequence), \(heads) heads of \(headSize)" }
    }

    static let shapes = [
        Shape(batch: 1, sequence: 1, heads: 1, headSize: 8), Shape(batch: 2, sequence: 7, heads: 3, headSize: 5),
        Shape(batch: 1, sequence: 33, heads: 2, headSize: 16), Shape(batch: 2, sequence: 64, heads: 1, headSize: 64),
        Shape(batch: 1, sequence: 130, heads: 2, headSize: 24), Shape(batch: 1, sequence: 70, heads: 1, headSize: 128),
    ]

    /// Output and log-sum-exp in float64, straight from the definition; `visit` sees every row's probabilities.
    static func reference(
        _ qkv: [Double], _ shape: Shape,
        visit: (_ sample: Int, _ head: Int, _ row: Int, _ p: [Double]) -> Void = { _, _, _, _ in }
    ) -> (output: [Double], logSumExp: [Double]) {
        var output = [Double](repeating: 0, count: shape.tokens * shape.hidden)
        var logSumExp: [Double] = []
        let (size, width) = (shape.headSize, 3 * shape.hidden)
        for sample in 0..<shape.batch {
            for head in 0..<shape.heads {
                for row in 0..<shape.sequence {
                    let query = (sample * shape.sequence + row) * width + head * size
                    var scores: [Double] = []
                    for column in 0...row {
                        let key = (sample * shape.sequence + column) * width + shape.hidden + head * size
                        var sum = 0.0
                        for d in 0..<size { sum += qkv[query + d] * qkv[key + d] }
                        scores.append(sum / Double(size).squareRoot())
                    }
                    let largest = scores.max() ?? 0
                    let total = scores.reduce(0) { $0 + exp($1 - largest) }
                    logSumExp.append(largest + log(total))
                    let p = scores.map { exp($0 - largest) / total }
                    visit(sample, head, row, p)
                    for column in 0...row {
                        let value = (sample * shape.sequence + column) * width + 2 * shape.hidden + head * size
                        let out = (sample * shape.sequence + row) * shape.hidden + head * size
                        for d in 0..<size { output[out + d] += p[column] * qkv[value + d] }
                    }
                }
            }
        }
        return (output, logSumExp)
    }

    /// The gradient in float64: dV = Pᵀ·dO, dS = P∘(dO·Vᵀ − Σ P∘dO·Vᵀ), dQ = dS·K/√d, dK = dSᵀ·Q/√d.
    static func referenceGradient(_ qkv: [Double], _ dOutput: [Double], _ shape: Shape) -> [Double] {
        var result = [Double](repeating: 0, count: qkv.count)
        let (size, width, hidden) = (shape.headSize, 3 * shape.hidden, shape.hidden)
        let scale = 1 / Double(size).squareRoot()
        _ = reference(qkv, shape) { sample, head, row, p in
            let query = (sample * shape.sequence + row) * width + head * size
            let out = (sample * shape.sequence + row) * hidden + head * size
            let keys = p.indices.map { (sample * shape.sequence + $0) * width + hidden + head * size }
            let dp = keys.map { key in (0..<size).reduce(0.0) { $0 + dOutput[out + $1] * qkv[key + hidden + $1] } }
            let projection = dot(p, dp)
            for (column, key) in keys.enumerated() {
                let ds = p[column] * (dp[column] - projection) * scale
                for d in 0..<size {
                    result[key + hidden + d] += p[column] * dOutput[out + d]
                    result[query + d] += ds * qkv[key + d]
                    result[key + d] += ds * qkv[query + d]
                }
            }
        }
        return result
    }

    struct Run {
        let (output, logSumExp, dqkv): (Floats, Floats, Floats)

        init(_ qkv: Floats, _ dOutput: Floats, _ shape: Shape) {
            output = Floats(shape.tokens * shape.hidden) { _ in .nan }
            logSumExp = Floats(shape.tokens * shape.heads) { _ in .nan }
            dqkv = Floats(qkv.count) { _ in .nan }
            let ((q, k, v), (dq, dk, dv)) = (shape.attention.parts(qkv), shape.attention.parts(dqkv))
            shape.attention.run(
                query: q, key: k, value: v, output: output, dOutput: dOutput, logSumExp: logSumExp, dQuery: dq,
                dKey: dk, dValue: dv)
        }
    }

    @Test(arguments: shapes) func matchesFloat64(_ shape: Shape) {
        let qkv = Floats(random: shape.tokens * 3 * shape.hidden, seed: 1, scale: 2)
        let dOutput = Floats(random: shape.tokens * shape.hidden, seed: 2)
        let run = Run(qkv, dOutput, shape)
        let expected = Self.reference(qkv.doubles, shape)
        expectClose(run.output, expected.output, within: 5e-6)
        expectClose(run.logSumExp, expected.logSumExp, within: 2e-6)
        expectClose(run.dqkv, Self.referenceGradient(qkv.doubles, dOutput.doubles, shape), within: 1e-5)
    }

    @Test func theReferenceGradientMatchesCentralDifferences() {
        let shape = Shape(batch: 1, sequence: 5, heads: 2, headSize: 3)
        let qkv = Floats(random: shape.tokens * 3 * shape.hidden, seed: 1).doubles
        let dOutput = Floats(random: shape.tokens * shape.hidden, seed: 2).doubles
        let gradient = Self.referenceGradient(qkv, dOutput, shape)
        for index in qkv.indices {
            let slope = centralDifference(qkv, index) { dot(Self.reference($0, shape).output, dOutput) }
            #expect(abs(slope - gradient[index]) < 1e-8)
        }
    }

    @Test func largeScoresStayFinite() {
        let shape = Shape(batch: 1, sequence: 20, heads: 1, headSize: 16)
        let qkv = Floats(random: shape.tokens * 3 * shape.hidden, seed: 1, scale: 60)
        let dOutput = Floats(random: shape.tokens * shape.hidden, seed: 2)
        let run = Run(qkv, dOutput, shape)
        expectClose(run.output, Self.reference(qkv.doubles, shape).output, within: 1e-3)
        #expect(run.dqkv.values.allSatisfy { $0.isFinite })
    }

    @Test func laterTokensDoNotReachEarlierOutputs() {
        let shape = Shape(batch: 1, sequence: 40, heads: 2, headSize: 16)
        let qkv = Floats(random: shape.tokens * 3 * shape.hidden, seed: 1)
        let dOutput = Floats(random: shape.tokens * shape.hidden, seed: 2)
        let before = Run(qkv, dOutput, shape).output.values
        for index in 30 * 3 * shape.hidden..<qkv.count { qkv.pointer[index] = 1e6 }
        let after = Run(qkv, dOutput, shape).output.values
        #expect(before[..<(30 * shape.hidden)] == after[..<(30 * shape.hidden)])
    }

    @Test func sampleAndHeadDoNotDependOnTheBatch() {
        let shape = Shape(batch: 3, sequence: 50, heads: 2, headSize: 16)
        let qkv = Floats(random: shape.tokens * 3 * shape.hidden, seed: 1)
        let dOutput = Floats(random: shape.tokens * shape.hidden, seed: 2)
        let whole = Run(qkv, dOutput, shape)
        let again = Run(qkv, dOutput, shape)
        #expect(whole.dqkv.values == again.dqkv.values && whole.output.values == again.output.values)
        let single = Shape(batch: 1, sequence: 50, heads: 2, headSize: 16)
        let rows = 50 * 3 * shape.hidden
        let part = Run(
            Floats(rows) { qkv.pointer[rows + $0] }, Floats(rows / 3) { dOutput.pointer[rows / 3 + $0] }, single)
        #expect(Array(whole.dqkv.values[rows..<2 * rows]) == part.dqkv.values)
        #expect(Array(whole.output.values[rows / 3..<2 * rows / 3]) == part.output.values)
    }
}
