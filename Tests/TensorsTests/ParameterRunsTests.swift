import Tensors
import Testing

@Suite struct ParameterRunsTests {
    /// Two tensors that decay about one that does not, and a number of padding that belongs to none.
    static let runs = [
        ParameterRun(range: 0..<37, decays: true), ParameterRun(range: 37..<50, decays: false, isCounted: false),
        ParameterRun(range: 50..<100, decays: true),
    ]
    static let count = 101

    static func trained(cuts: [Int]) -> (p: [Float], rounded: [BFloat16]) {
        let (p, m, v) = (Numbers(random: count, seed: 1), Numbers(count), Numbers(count))
        var rounded = [BFloat16](repeating: BFloat16(bits: 0), count: count)
        for step in 1...3 {
            let g = Numbers(random: count, seed: UInt64(step + 10))
            for (start, end) in zip([0] + cuts, cuts + [count]) {
                rounded.withUnsafeMutableBufferPointer { rounded in
                    AdamW().step(
                        runs: runs, shard: start..<end, parameters: p.pointer + start, gradients: g.pointer + start,
                        firstMoment: m.pointer + start, secondMoment: v.pointer + start, step: step,
                        learningRate: 0.01, gradientScale: 0.5, rounded: rounded.baseAddress.map { $0 + start })
                }
            }
        }
        #expect(p.isIntact && m.isIntact && v.isIntact)
        return (p.values, rounded)
    }

    @Test func shardsGiveTheSameBitsAsTensors() {
        let (p, m, v) = (Numbers(random: Self.count, seed: 1), Numbers(Self.count), Numbers(Self.count))
        for step in 1...3 {
            let g = Numbers(random: Self.count, seed: UInt64(step + 10))
            for run in Self.runs {
                let start = run.range.lowerBound
                AdamW().step(
                    parameters: p.pointer + start, gradients: g.pointer + start, firstMoment: m.pointer + start,
                    secondMoment: v.pointer + start, count: run.range.count, step: step, learningRate: 0.01,
                    decay: run.decays, gradientScale: 0.5)
            }
        }
        for cuts in [[], [50], [25, 50, 75], [1, 38, 38, 99], [36, 37, 100]] {
            let (result, rounded) = Self.trained(cuts: cuts)
            #expect(result == p.values)
            #expect(rounded[..<100].elementsEqual(p.values[..<100].map { BFloat16($0) }))
        }
        #expect(p.values[100] == Numbers(random: Self.count, seed: 1).values[100])
    }

    @Test func theNormCountsEveryNumberOnce() {
        let g = Numbers(random: Self.count, seed: 1)
        var expected = 0.0
        for (index, value) in g.doubles.enumerated() where index < 37 || (50..<100).contains(index) {
            expected += value * value
        }
        for cuts in [[], [50], [1, 38, 38, 99]] {
            var total = 0.0
            for (start, end) in zip([0] + cuts, cuts + [Self.count]) {
                total += GradientNorm.sumOfSquares(
                    gradients: g.pointer + start, runs: Self.runs, shard: start..<end)
            }
            #expect(abs(total - expected) < 1e-6 * expected)
        }
        #expect(GradientNorm.scale(sumOfSquares: 0.25, limit: 1) == 1)
        #expect(abs(GradientNorm.scale(sumOfSquares: 16, limit: 1) - 1 / 4.000001) < 1e-15)
    }
}
