import Foundation
import Tensors
import Testing

@Suite struct GatedLinearUnitTests {
    static func activation(_ unit: GatedLinearUnit, _ x: Double) -> Double {
        switch unit {
        case .swiglu: x / (1 + exp(-x))
        case .geglu: GELUTests.gelu(x)
        }
    }

    @Test(arguments: [GatedLinearUnit.swiglu, .geglu], [(1, 1), (3, 16), (2, 37), (5, 64)])
    func sideBySideMatchesFloat64(_ unit: GatedLinearUnit, _ shape: (Int, Int)) {
        let (rows, width) = shape
        let both = Floats(random: rows * 2 * width, seed: 1, scale: 6)
        let dy = Floats(random: rows * width, seed: 2)
        let y = Floats(rows * width) { _ in .nan }
        let (gate, up) = (
            both.matrix(rows, 2 * width).columns(0..<width), both.matrix(rows, 2 * width).columns(width..<2 * width)
        )
        unit.forward(gate: gate, up: up, y: y.matrix(rows, width))
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
        let apart = Floats(rows * 2 * width) { _ in .nan }
        let pair = apart.matrix(2 * rows, width)
        unit.inputGradient(
            gate: gate, up: up, dy: dy.matrix(rows, width), dGate: pair.rows(0..<rows), dUp: pair.rows(rows..<2 * rows))
        // The gradients may take the inputs' place.
        unit.inputGradient(gate: gate, up: up, dy: dy.matrix(rows, width), dGate: gate, dUp: up)
        expectClose(both, slopes, within: 3e-6)
        let rearranged = (0..<2 * rows * width).map { index in
            let (row, column) = (index % (rows * width) / width, index % width)
            return both.values[row * 2 * width + column + (index < rows * width ? 0 : width)]
        }
        #expect(apart.values == rearranged && apart.isIntact)
    }

    @Test(arguments: [GatedLinearUnit.swiglu, .geglu]) func extremesStayFinite(_ unit: GatedLinearUnit) {
        let extremes: [Float] = [-1e4, -88, -20, 0, 20, 88, 1e4]
        let count = extremes.count
        let (gate, up) = (Floats(count) { extremes[$0] }, Floats(count) { _ in 2 })
        let (y, dy) = (Floats(extremes.count), Floats(extremes.count) { _ in 1 })
        unit.forward(gate: gate.matrix(1, count), up: up.matrix(1, count), y: y.matrix(1, count))
        for (value, x) in zip(y.values, extremes) {
            #expect(abs(Double(value) - 2 * Self.activation(unit, Double(x))) <= 1e-5 * max(1, abs(Double(x))))
        }
        unit.inputGradient(
            gate: gate.matrix(1, count), up: up.matrix(1, count), dy: dy.matrix(1, count), dGate: gate.matrix(1, count),
            dUp: up.matrix(1, count))
        #expect(gate.values.allSatisfy { $0.isFinite } && up.values.allSatisfy { $0.isFinite })
    }
}

@Suite struct ReLUTests {
    @Test(arguments: [ReLU.plain, .squared], [(1, 1), (3, 16), (2, 37)])
    func matchesFloat64(_ relu: ReLU, _ shape: (Int, Int)) {
        let (rows, width) = shape
        func activation(_ x: Double) -> Double { relu == .plain ? max(x, 0) : max(x, 0) * max(x, 0) }
        let (x, bias) = (Floats(random: rows * width, seed: 1, scale: 3), Floats(random: width, seed: 2))
        let y = Floats(x.count)
        let biased = (0..<x.count).map { Double(x.values[$0] + bias.values[$0 % width]) }
        relu.forward(x: x.matrix(rows, width), bias: bias.pointer, y: y.matrix(rows, width))
        expectClose(x, biased, within: 0)
        expectClose(y, biased.map(activation), within: 1e-7)
        let dy = Floats(random: x.count, seed: 3)
        let expected = zip(biased, dy.doubles).map { x, dy in dy * centralDifference([x], 0) { activation($0[0]) } }
        relu.inputGradient(x: x.matrix(rows, width), dy: dy.matrix(rows, width), dx: dy.matrix(rows, width))
        expectClose(dy, expected)
    }

    @Test(arguments: [ReLU.plain, .squared]) func isFlatAtZero(_ relu: ReLU) {
        let x = Floats(17)
        let (y, dy) = (Floats(17) { _ in 1 }, Floats(17) { _ in 1 })
        relu.forward(x: x.matrix(1, 17), bias: nil, y: y.matrix(1, 17))
        relu.inputGradient(x: x.matrix(1, 17), dy: dy.matrix(1, 17), dx: dy.matrix(1, 17))
        #expect(y.values.allSatisfy { $0 == 0 } && dy.values.allSatisfy { $0 == 0 })
    }
}

@Suite struct ResidualTests {
    @Test(arguments: [true, false]) func addsTheBranchAndItsBias(_ biased: Bool) {
        let (x, delta) = (Floats(random: 3 * 21, seed: 1), Floats(random: 3 * 21, seed: 2))
        let bias = Floats(random: 21, seed: 3)
        let expected = (0..<63).map { index in
            x.doubles[index] + delta.doubles[index] + (biased ? bias.doubles[index % 21] : 0)
        }
        VectorMath.residualAdd(
            x: x.pointer, delta: delta.pointer, bias: biased ? UnsafePointer(bias.pointer) : nil, y: x.pointer,
            rows: 3, width: 21)
        expectClose(x, expected, within: 1e-6)
    }
}
