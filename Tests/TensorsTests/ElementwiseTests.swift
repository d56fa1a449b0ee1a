import Foundation
import Tensors
import Testing

@Suite struct GELUTests {
    static func gelu(_ x: Double) -> Double {
        0.5 * x * (1 + tanh((2 / Double.pi).squareRoot() * (x + 0.044715 * x * x * x)))
    }

    @Test(arguments: [(1, 1), (3, 16), (2, 37), (5, 64)]) func forwardKeepsTheBiasedInput(_ rows: Int, _ width: Int) {
        let x = Floats(random: rows * width, seed: 1, scale: 6)
        let bias = Floats(random: width, seed: 2)
        let y = Floats(x.count)
        let biased = (0..<x.count).map { Double(x.values[$0] + bias.values[$0 % width]) }
        GELU.forward(x: x.matrix(rows, width), bias: bias.pointer, y: y.matrix(rows, width))
        expectClose(x, biased, within: 0)
        expectClose(y, biased.map(Self.gelu), within: 1e-6)
        let unbiased = Floats(random: rows * width, seed: 3, scale: 2)
        let before = unbiased.doubles
        GELU.forward(x: unbiased.matrix(rows, width), bias: nil, y: y.matrix(rows, width))
        expectClose(unbiased, before, within: 0)
        expectClose(y, before.map(Self.gelu), within: 1e-6)
    }

    @Test(arguments: [1, 16, 45]) func gradientMatchesCentralDifferences(_ count: Int) {
        let (x, dy) = (Floats(random: count, seed: 1, scale: 5), Floats(random: count, seed: 2))
        let expected = zip(x.doubles, dy.doubles).map { x, dy in
            dy * centralDifference([x], 0) { Self.gelu($0[0]) }
        }
        let dx = Floats(count)
        GELU.inputGradient(x: x.matrix(1, count), dy: dy.matrix(1, count), dx: dx.matrix(1, count))
        expectClose(dx, expected, within: 1e-6)
        GELU.inputGradient(x: x.matrix(1, count), dy: dy.matrix(1, count), dx: dy.matrix(1, count))
        #expect(dy.values == dx.values)
    }

    @Test func extremesStayFinite() {
        let extremes: [Float] = [-1e4, -88, -20, -5, -0.0, 0, 5, 20, 88, 1e4]
        let x = Floats(extremes.count) { extremes[$0] }
        let (y, slope) = (Floats(x.count), Floats(x.count) { _ in 1 })
        GELU.inputGradient(
            x: x.matrix(1, x.count), dy: slope.matrix(1, x.count), dx: slope.matrix(1, x.count))
        GELU.forward(x: x.matrix(1, x.count), bias: nil, y: y.matrix(1, x.count))
        for (index, x) in extremes.enumerated() {
            #expect(abs(Double(y.values[index]) - Self.gelu(Double(x))) <= 1e-6 * max(1, abs(Double(x))))
            #expect(abs(slope.values[index] - (x > 4 ? 1 : x < -4 ? 0 : 0.5)) < 1e-3)
        }
    }
}

@Suite struct VectorMathTests {
    @Test func exponentialIsWithinItsBound() {
        let count = 8_001
        let x = (0..<count).map { -87.3 + 175.6 * Float($0) / Float(count - 1) }
        let y = Floats(count) { x[$0] }
        _ = VectorMath.shiftExponentials(y.pointer, count: count, by: 0)
        var worst = 0.0
        for (x, y) in zip(x, y.values) {
            let exact = exp(Double(x))
            worst = max(worst, abs(Double(y) - exact) / Double(Float(exact).ulp))
        }
        #expect(worst <= 1.5)
        let far: [Float] = [-.infinity, -1000, -88, 0, 1000]
        let output = Floats(far.count) { far[$0] }
        _ = VectorMath.shiftExponentials(output.pointer, count: far.count, by: 0)
        #expect(output.values[0...3] == [0, 0, 0, 1])
        #expect(output.values[4].isFinite && output.values[4] > 1e38)
    }

    @Test(arguments: [0, 1, 15, 16, 17, 1024, 1025, 2500]) func reductionsAndUpdates(_ count: Int) {
        let x = Floats(random: count, seed: 1)
        let sum = x.doubles.reduce(0) { $0 + $1 * $1 }
        #expect(abs(VectorMath.sumOfSquares(x.pointer, count: count) - sum) <= 1e-6 * max(sum, 1))
        let target = Floats(random: count, seed: 2)
        let expected = zip(target.values, x.values).map { Double(($0 + $1) * 0.5) }
        VectorMath.add(into: target.pointer, from: x.pointer, count: count)
        VectorMath.scale(target.pointer, count: count, by: 0.5)
        expectClose(target, expected, within: 0)
        VectorMath.fill(target.pointer, count: count, with: 3)
        #expect(target.isIntact && target.values.allSatisfy { $0 == 3 })
    }

    @Test(arguments: [(1, 1), (5, 16), (3, 50), (37, 130), (130, 7)]) func columns(_ rows: Int, _ width: Int) {
        let x = Floats(random: rows * width, seed: 1)
        let bias = Floats(random: width, seed: 2)
        var sums = bias.doubles
        for (index, value) in x.doubles.enumerated() { sums[index % width] += value }
        let biased = (0..<x.count).map { Double(x.values[$0] + bias.values[$0 % width]) }
        let total = Floats(width) { bias.values[$0] }
        VectorMath.addColumnSums(of: x.matrix(rows, width), into: total.pointer)
        expectClose(total, sums)
        VectorMath.addBias(bias.pointer, into: x.matrix(rows, width))
        expectClose(x, biased, within: 0)
    }

    @Test(arguments: [1, 15, 16, 33, 256]) func softmaxOfLargeLogits(_ count: Int) {
        let x = Floats(random: count, seed: 1, scale: 1e4)
        let largest = x.doubles.max() ?? 0
        let powers = x.doubles.map { exp($0 - largest) }
        let total = powers.reduce(0, +)
        VectorMath.softmax(x.pointer, count: count)
        expectClose(x, powers.map { $0 / total })
    }
}
