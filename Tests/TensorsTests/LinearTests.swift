import Tensors
import Testing

@Suite struct LinearTests {
    struct Shape: CustomTestStringConvertible {
        var (rows, inputs, outputs): (Int, Int, Int)
        var testDescription: String { "\(rows) rows, \(inputs) → \(outputs)" }
        func input(_ x: Floats) -> Matrix { x.matrix(rows, inputs) }
        func output(_ y: Floats) -> Matrix { y.matrix(rows, outputs) }
        func weight(_ w: Floats, transposed: Bool = false) -> Matrix {
            transposed ? w.matrix(outputs, inputs) : w.matrix(inputs, outputs)
        }
    }
    static let shapes = [
        Shape(rows: 1, inputs: 5, outputs: 3), Shape(rows: 7, inputs: 33, outputs: 18),
        Shape(rows: 40, inputs: 24, outputs: 64),
    ]

    /// y = x·w (+ bias) in float64, w [inputs, outputs] or transposed.
    static func product(_ x: [Double], _ w: [Double], _ bias: [Double]?, _ shape: Shape, transposed: Bool) -> [Double] {
        var y = [Double](repeating: 0, count: shape.rows * shape.outputs)
        for row in 0..<shape.rows {
            for column in 0..<shape.outputs {
                var sum = bias?[column] ?? 0
                for p in 0..<shape.inputs {
                    sum +=
                        x[row * shape.inputs + p]
                        * w[transposed ? column * shape.inputs + p : p * shape.outputs + column]
                }
                y[row * shape.outputs + column] = sum
            }
        }
        return y
    }

    @Test(arguments: shapes, [true, false]) func forwardAddsTheBias(_ shape: Shape, _ biased: Bool) {
        let x = Floats(random: shape.rows * shape.inputs, seed: 1)
        let w = Floats(random: shape.inputs * shape.outputs, seed: 2)
        let bias = Floats(random: shape.outputs, seed: 3)
        let y = Floats(shape.rows * shape.outputs) { _ in .nan }
        Linear.forward(
            x: shape.input(x), weight: shape.weight(w), bias: biased ? UnsafePointer(bias.pointer) : nil,
            y: shape.output(y))
        expectClose(
            y, Self.product(x.doubles, w.doubles, biased ? bias.doubles : nil, shape, transposed: false))

        Linear.transposedForward(
            x: shape.input(x), weight: shape.weight(w, transposed: true), y: shape.output(y))
        expectClose(y, Self.product(x.doubles, w.doubles, nil, shape, transposed: true))
    }

    @Test(arguments: shapes, [true, false]) func gradientsMatchCentralDifferences(_ shape: Shape, _ transposed: Bool) {
        let x = Floats(random: shape.rows * shape.inputs, seed: 4)
        let w = Floats(random: shape.inputs * shape.outputs, seed: 5)
        let dy = Floats(random: shape.rows * shape.outputs, seed: 6)
        let (dx, dw) = (Floats(random: x.count, seed: 7), Floats(random: w.count, seed: 8))
        let dBias = Floats(random: shape.outputs, seed: 9)
        let (oldX, oldW, oldBias) = (dx.doubles, dw.doubles, dBias.doubles)
        let outputs = shape.outputs
        let (weight, dWeight) = (shape.weight(w, transposed: transposed), shape.weight(dw, transposed: transposed))
        if transposed {
            Linear.transposedInputGradient(
                dy: shape.output(dy), weight: weight, dx: shape.input(dx), accumulate: true)
            Linear.transposedWeightGradient(x: shape.input(x), dy: shape.output(dy), dWeight: dWeight)
        } else {
            Linear.inputGradient(dy: shape.output(dy), weight: weight, dx: shape.input(dx), accumulate: true)
            Linear.weightGradient(
                x: shape.input(x), dy: shape.output(dy), dWeight: dWeight, dBias: dBias.pointer)
            var sums = oldBias
            for (index, value) in dy.doubles.enumerated() { sums[index % outputs] += value }
            expectClose(dBias, sums)
        }
        #expect(dx.isIntact && dw.isIntact)
        let (dyValues, xValues, wValues) = (dy.doubles, x.doubles, w.doubles)
        for index in stride(from: 0, to: x.count, by: max(1, x.count / 13)) {
            let slope = centralDifference(xValues, index) {
                dot(Self.product($0, wValues, nil, shape, transposed: transposed), dyValues)
            }
            #expect(abs(Double(dx.values[index]) - oldX[index] - slope) < 2e-5)
        }
        for index in stride(from: 0, to: w.count, by: max(1, w.count / 13)) {
            let slope = centralDifference(wValues, index) {
                dot(Self.product(xValues, $0, nil, shape, transposed: transposed), dyValues)
            }
            #expect(abs(Double(dw.values[index]) - oldW[index] - slope) < 2e-5)
        }
    }

    @Test func inputGradientOverwritesUnlessToldToAccumulate() {
        let (dy, w) = (Floats(random: 6 * 20, seed: 1), Floats(random: 10 * 20, seed: 2))
        let dx = Floats(6 * 10) { _ in .nan }
        let (gradient, weight) = (dy.matrix(6, 20), w.matrix(10, 20))
        Linear.inputGradient(dy: gradient, weight: weight, dx: dx.matrix(6, 10))
        let first = dx.values
        #expect(first.allSatisfy { $0.isFinite })
        Linear.inputGradient(dy: gradient, weight: weight, dx: dx.matrix(6, 10), accumulate: true)
        #expect(zip(dx.values, first).allSatisfy { abs($0 - 2 * $1) < 1e-5 })
    }

    @Test(arguments: [(64, 16, 48, 96), (512, 128, 384, 256), (96, 24, 40, 33)])
    func aRowDoesNotDependOnItsMicroBatch(_ rows: Int, _ partRows: Int, _ inputs: Int, _ outputs: Int) {
        let x = Floats(random: rows * inputs, seed: 1)
        let (w, bias) = (Floats(random: inputs * outputs, seed: 2), Floats(random: outputs, seed: 3))
        let (whole, part) = (Floats(rows * outputs), Floats(rows * outputs))
        let weight = w.matrix(inputs, outputs)
        Linear.forward(
            x: x.matrix(rows, inputs), weight: weight, bias: bias.pointer, y: whole.matrix(rows, outputs))
        for start in stride(from: 0, to: rows, by: partRows) {
            Linear.forward(
                x: x.matrix(rows, inputs).rows(start..<start + partRows), weight: weight, bias: bias.pointer,
                y: part.matrix(rows, outputs).rows(start..<start + partRows))
        }
        #expect(whole.values == part.values)
    }
}
