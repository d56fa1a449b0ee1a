import Tensors
import Testing

@Suite struct RMSNormTests {
    struct Shape: CustomTestStringConvertible {
        var (rows, width): (Int, Int)
        var testDescription: String { "\(rows) × \(width)" }
    }
    static let shapes = [
        Shape(rows: 1, width: 3), Shape(rows: 5, width: 16), Shape(rows: 3, width: 33), Shape(rows: 4, width: 130),
    ]

    static func reference(_ x: [Double], _ gain: [Double], _ shape: Shape, epsilon: Double = 1e-5) -> [Double] {
        var y = x
        for row in 0..<shape.rows {
            let slice = x[row * shape.width..<(row + 1) * shape.width]
            let root = (slice.reduce(0) { $0 + $1 * $1 } / Double(shape.width) + epsilon).squareRoot()
            for column in 0..<shape.width { y[row * shape.width + column] *= gain[column] / root }
        }
        return y
    }

    @Test(arguments: shapes) func forwardMatchesFloat64(_ shape: Shape) {
        let x = Numbers(random: shape.rows * shape.width, seed: 1, scale: 3)
        let gain = Numbers(random: shape.width, seed: 2)
        let (y, inverse) = (Numbers(x.count) { _ in .nan }, Numbers(shape.rows) { _ in .nan })
        RMSNorm.forward(
            x: x.pointer, gain: gain.pointer, y: y.pointer, inverseRoot: inverse.pointer, rows: shape.rows,
            width: shape.width)
        expectClose(y, Self.reference(x.doubles, gain.doubles, shape))
        #expect(inverse.isIntact)
        // A large epsilon must show.
        RMSNorm.forward(
            x: x.pointer, gain: gain.pointer, y: y.pointer, inverseRoot: inverse.pointer, rows: shape.rows,
            width: shape.width, epsilon: 0.5)
        expectClose(y, Self.reference(x.doubles, gain.doubles, shape, epsilon: 0.5))
    }

    @Test(arguments: shapes) func residualSumIsFused(_ shape: Shape) {
        let count = shape.rows * shape.width
        let (x, delta) = (Numbers(random: count, seed: 1), Numbers(random: count, seed: 2))
        let gain = Numbers(random: shape.width, seed: 3)
        let (y, inverse) = (Numbers(count), Numbers(shape.rows))
        let expected = zip(x.values, delta.values).map { Double($0 + $1) }
        RMSNorm.addForward(
            x: x.pointer, delta: delta.pointer, sum: x.pointer, gain: gain.pointer, y: y.pointer,
            inverseRoot: inverse.pointer, rows: shape.rows, width: shape.width)
        expectClose(x, expected, within: 0)
        expectClose(y, Self.reference(expected, gain.doubles, shape))
    }

    @Test(arguments: shapes) func gradientsMatchCentralDifferences(_ shape: Shape) {
        let x = Numbers(random: shape.rows * shape.width, seed: 1, scale: 2)
        let (gain, dy) = (Numbers(random: shape.width, seed: 2), Numbers(random: x.count, seed: 4))
        let (y, inverse) = (Numbers(x.count), Numbers(shape.rows))
        RMSNorm.forward(
            x: x.pointer, gain: gain.pointer, y: y.pointer, inverseRoot: inverse.pointer, rows: shape.rows,
            width: shape.width)
        let (xs, gains, dys) = (x.doubles, gain.doubles, dy.doubles)
        let slopes = xs.indices.map { index in
            centralDifference(xs, index) { dot(Self.reference($0, gains, shape), dys) }
        }
        let dx = Numbers(random: x.count, seed: 5)
        let before = dx.doubles
        RMSNorm.inputGradient(
            dy: dy.pointer, x: x.pointer, gain: gain.pointer, inverseRoot: inverse.pointer, dx: dx.pointer,
            rows: shape.rows, width: shape.width, accumulate: true)
        expectClose(dx, zip(before, slopes).map(+), within: 1e-5)

        let dGain = Numbers(random: shape.width, seed: 6)
        let oldGain = dGain.doubles
        RMSNorm.weightGradient(
            dy: dy.pointer, x: x.pointer, inverseRoot: inverse.pointer, dGain: dGain.pointer, rows: shape.rows,
            width: shape.width)
        let gainSlopes = gains.indices.map { index in
            centralDifference(gains, index) { dot(Self.reference(xs, $0, shape), dys) }
        }
        expectClose(dGain, zip(oldGain, gainSlopes).map(+), within: 1e-5)

        // Without accumulation the gradient may replace dy.
        RMSNorm.inputGradient(
            dy: dy.pointer, x: x.pointer, gain: gain.pointer, inverseRoot: inverse.pointer, dx: dy.pointer,
            rows: shape.rows, width: shape.width, accumulate: false)
        expectClose(dy, slopes, within: 1e-5)
    }
}
