import Foundation
import Tensors
import Testing

@Suite struct GatedUnitTests {
    static func activation(_ unit: GatedUnit, _ x: Double) -> Double {
        switch unit {
        case .swiglu: x / (1 + exp(-x))
        case .geglu: GeluTests.gelu(x)
        }
    }

    @Test(arguments: [GatedUnit.swiglu, .geglu], [(1, 1), (3, 16), (2, 37), (5, 64)])
    func sideBySideMatchesFloat64(_ unit: GatedUnit, _ shape: (Int, Int)) {
        let (rows, width) = shape
        let both = Numbers(random: rows * 2 * width, seed: 1, scale: 6)
        let dy = Numbers(random: rows * width, seed: 2)
        let y = Numbers(rows * width) { _ in .nan }
        unit.forward(
            gate: both.pointer, up: both.pointer + width, stride: 2 * width, y: y.pointer, rows: rows, width: width)
        let values = both.doubles
        func loss(_ values: [Double]) -> [Double] {
            (0..<rows * width).map { index in
                let start = index / width * 2 * width + index % width
                return Self.activation(unit, values[start]) * values[start + width]
            }
        }
        expectClose(y, loss(values))
        let slopes = values.indices.map { index in
            centralDifference(values, index) { dot(loss($0), dy.doubles) }
        }
        let apart = Numbers(rows * 2 * width) { _ in .nan }
        unit.inputGradient(
            gate: both.pointer, up: both.pointer + width, stride: 2 * width, dy: dy.pointer, dGate: apart.pointer,
            dUp: apart.pointer + rows * width, gradientStride: width, rows: rows, width: width)
        // The gradients may take the inputs' place.
        unit.inputGradient(
            gate: both.pointer, up: both.pointer + width, stride: 2 * width, dy: dy.pointer, dGate: both.pointer,
            dUp: both.pointer + width, gradientStride: 2 * width, rows: rows, width: width)
        expectClose(both, slopes, within: 3e-6)
        let rearranged = (0..<2 * rows * width).map { index in
            let (row, column) = (index % (rows * width) / width, index % width)
            return both.values[row * 2 * width + column + (index < rows * width ? 0 : width)]
        }
        #expect(apart.values == rearranged && apart.isIntact)
    }

    @Test(arguments: [GatedUnit.swiglu, .geglu]) func extremesStayFinite(_ unit: GatedUnit) {
        let extremes: [Float] = [-1e4, -88, -20, 0, 20, 88, 1e4]
        let (gate, up) = (Numbers(extremes.count) { extremes[$0] }, Numbers(extremes.count) { _ in 2 })
        let (y, dy) = (Numbers(extremes.count), Numbers(extremes.count) { _ in 1 })
        unit.forward(
            gate: gate.pointer, up: up.pointer, stride: gate.count, y: y.pointer, rows: 1, width: gate.count)
        for (value, x) in zip(y.values, extremes) {
            #expect(abs(Double(value) - 2 * Self.activation(unit, Double(x))) <= 1e-5 * max(1, abs(Double(x))))
        }
        unit.inputGradient(
            gate: gate.pointer, up: up.pointer, stride: gate.count, dy: dy.pointer, dGate: gate.pointer,
            dUp: up.pointer, gradientStride: gate.count, rows: 1, width: gate.count)
        #expect(gate.values.allSatisfy { $0.isFinite } && up.values.allSatisfy { $0.isFinite })
    }
}

@Suite struct RectifierTests {
    @Test(arguments: [Rectifier.relu, .squaredRelu], [(1, 1), (3, 16), (2, 37)])
    func matchesFloat64(_ rectifier: Rectifier, _ shape: (Int, Int)) {
        let (rows, width) = shape
        func activation(_ x: Double) -> Double { rectifier == .relu ? max(x, 0) : max(x, 0) * max(x, 0) }
        let (x, bias) = (Numbers(random: rows * width, seed: 1, scale: 3), Numbers(random: width, seed: 2))
        let y = Numbers(x.count)
        let biased = (0..<x.count).map { Double(x.values[$0] + bias.values[$0 % width]) }
        rectifier.forward(x: x.pointer, bias: bias.pointer, y: y.pointer, rows: rows, width: width)
        expectClose(x, biased, within: 0)
        expectClose(y, biased.map(activation), within: 1e-7)
        let dy = Numbers(random: x.count, seed: 3)
        let expected = zip(biased, dy.doubles).map { x, dy in dy * centralDifference([x], 0) { activation($0[0]) } }
        rectifier.inputGradient(x: x.pointer, dy: dy.pointer, dx: dy.pointer, count: x.count)
        expectClose(dy, expected)
    }

    @Test(arguments: [Rectifier.relu, .squaredRelu]) func isFlatAtZero(_ rectifier: Rectifier) {
        let x = Numbers(17)
        let (y, dy) = (Numbers(17) { _ in 1 }, Numbers(17) { _ in 1 })
        rectifier.forward(x: x.pointer, bias: nil, y: y.pointer, rows: 1, width: 17)
        rectifier.inputGradient(x: x.pointer, dy: dy.pointer, dx: dy.pointer, count: 17)
        #expect(y.values.allSatisfy { $0 == 0 } && dy.values.allSatisfy { $0 == 0 })
    }
}

@Suite struct ResidualTests {
    @Test(arguments: [true, false]) func addsTheBranchAndItsBias(_ biased: Bool) {
        let (x, delta) = (Numbers(random: 3 * 21, seed: 1), Numbers(random: 3 * 21, seed: 2))
        let bias = Numbers(random: 21, seed: 3)
        let expected = (0..<63).map { index in
            x.doubles[index] + delta.doubles[index] + (biased ? bias.doubles[index % 21] : 0)
        }
        VectorMath.residualAdd(
            x: x.pointer, delta: delta.pointer, bias: biased ? UnsafePointer(bias.pointer) : nil, y: x.pointer,
            rows: 3, width: 21)
        expectClose(x, expected, within: 1e-6)
    }
}
