import Tensors
import Testing

@Suite struct LayerNormTests {
    struct Shape: CustomTestStringConvertible {
        var (rows, width): (Int, Int)
        var testDescription: String { "\(rows) × \(width)" }
        func matrix(_ numbers: Floats) -> Matrix { numbers.matrix(rows, width) }
    }
    static let shapes = [
        Shape(rows: 1, width: 3), Shape(rows: 5, width: 16), Shape(rows: 3, width: 33), Shape(rows: 4, width: 130),
    ]

    static func reference(_ x: [Double], _ gain: [Double], _ bias: [Double], _ shape: Shape) -> [Double] {
        var y = x
        let width = Double(shape.width)
        for row in 0..<shape.rows {
            let slice = x[row * shape.width..<(row + 1) * shape.width]
            let mean = slice.reduce(0, +) / width
            let variance = slice.reduce(0) { $0 + ($1 - mean) * ($1 - mean) } / width
            for column in 0..<shape.width {
                let normalised = (x[row * shape.width + column] - mean) / (variance + 1e-5).squareRoot()
                y[row * shape.width + column] = normalised * gain[column] + bias[column]
            }
        }
        return y
    }

    @Test(arguments: shapes) func forwardMatchesFloat64(_ shape: Shape) {
        let x = Floats(random: shape.rows * shape.width, seed: 1, scale: 3)
        let (gain, bias) = (Floats(random: shape.width, seed: 2), Floats(random: shape.width, seed: 3))
        let (mean, inverse) = (Floats(shape.rows), Floats(shape.rows))
        let y = Floats(x.count)
        LayerNorm.forward(
            x: shape.matrix(x), gain: gain.pointer, bias: bias.pointer, y: shape.matrix(y), mean: mean.pointer,
            inverseDeviation: inverse.pointer)
        expectClose(y, Self.reference(x.doubles, gain.doubles, bias.doubles, shape))
        #expect(mean.isIntact && inverse.isIntact)
    }

    @Test(arguments: shapes) func aLargeOffsetKeepsItsVariance(_ shape: Shape) {
        let x = Floats(shape.rows * shape.width) { 1000 + Float($0 * 37 % 11) }
        let (gain, bias) = (Floats(shape.width) { _ in 1 }, Floats(shape.width))
        let (mean, inverse) = (Floats(shape.rows), Floats(shape.rows))
        let y = Floats(x.count)
        LayerNorm.forward(
            x: shape.matrix(x), gain: gain.pointer, bias: bias.pointer, y: shape.matrix(y), mean: mean.pointer,
            inverseDeviation: inverse.pointer)
        expectClose(y, Self.reference(x.doubles, gain.doubles, bias.doubles, shape), within: 5e-5)
    }

    @Test(arguments: shapes, [true, false]) func residualSumIsFused(_ shape: Shape, _ biased: Bool) {
        let (x, delta) = (
            Floats(random: shape.rows * shape.width, seed: 1), Floats(random: shape.rows * shape.width, seed: 2)
        )
        let (gain, bias) = (Floats(random: shape.width, seed: 3), Floats(random: shape.width, seed: 4))
        let shift = Floats(random: shape.width, seed: 5)
        let (mean, inverse) = (Floats(shape.rows), Floats(shape.rows))
        let y = Floats(x.count)
        let expected = (0..<x.count).map {
            x.doubles[$0] + delta.doubles[$0] + (biased ? shift.doubles[$0 % shape.width] : 0)
        }
        // The sum may replace its first term.
        LayerNorm.addForward(
            x: shape.matrix(x), delta: shape.matrix(delta), deltaBias: biased ? UnsafePointer(shift.pointer) : nil,
            sum: shape.matrix(x), gain: gain.pointer, bias: bias.pointer, y: shape.matrix(y), mean: mean.pointer,
            inverseDeviation: inverse.pointer)
        expectClose(x, expected)
        expectClose(y, Self.reference(expected, gain.doubles, bias.doubles, shape), within: 5e-6)
    }

    @Test(arguments: shapes) func gradientsMatchCentralDifferences(_ shape: Shape) {
        let x = Floats(random: shape.rows * shape.width, seed: 1, scale: 2)
        let (gain, bias) = (Floats(random: shape.width, seed: 2), Floats(random: shape.width, seed: 3))
        let dy = Floats(random: x.count, seed: 4)
        let (mean, inverse) = (Floats(shape.rows), Floats(shape.rows))
        let y = Floats(x.count)
        LayerNorm.forward(
            x: shape.matrix(x), gain: gain.pointer, bias: bias.pointer, y: shape.matrix(y), mean: mean.pointer,
            inverseDeviation: inverse.pointer)

        let (xs, gains, biases, dys) = (x.doubles, gain.doubles, bias.doubles, dy.doubles)
        let slopes = xs.indices.map { index in
            centralDifference(xs, index) { dot(Self.reference($0, gains, biases, shape), dys) }
        }
        let dx = Floats(random: x.count, seed: 5)
        let before = dx.doubles
        LayerNorm.inputGradient(
            dy: shape.matrix(dy), x: shape.matrix(x), gain: gain.pointer, mean: mean.pointer,
            inverseDeviation: inverse.pointer, dx: shape.matrix(dx), accumulate: true)
        expectClose(dx, zip(before, slopes).map(+), within: 1e-5)

        let (dGain, dBias) = (Floats(random: shape.width, seed: 6), Floats(random: shape.width, seed: 7))
        let (oldGain, oldBias) = (dGain.doubles, dBias.doubles)
        LayerNorm.weightGradient(
            dy: shape.matrix(dy), x: shape.matrix(x), mean: mean.pointer, inverseDeviation: inverse.pointer,
            dGain: dGain.pointer, dBias: dBias.pointer)
        let gainSlopes = gains.indices.map { index in
            centralDifference(gains, index) { dot(Self.reference(xs, $0, biases, shape), dys) }
        }
        let biasSlopes = biases.indices.map { index in
            centralDifference(biases, index) { dot(Self.reference(xs, gains, $0, shape), dys) }
        }
        expectClose(dGain, zip(oldGain, gainSlopes).map(+), within: 1e-5)
        expectClose(dBias, zip(oldBias, biasSlopes).map(+), within: 1e-5)

        // Without accumulation the gradient may replace dy.
        LayerNorm.inputGradient(
            dy: shape.matrix(dy), x: shape.matrix(x), gain: gain.pointer, mean: mean.pointer,
            inverseDeviation: inverse.pointer, dx: shape.matrix(dy), accumulate: false)
        expectClose(dy, slopes, within: 1e-5)
    }
}
