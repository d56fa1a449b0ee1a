import Tensors
import Testing

@Suite struct RMSNormTests {
    struct Shape: CustomTestStringConvertible {
        var (rows, width): (Int, Int)
        var testDescription: String { "\(rows) × \(width)" }
        func matrix(_ numbers: Floats) -> Matrix { numbers.matrix(rows, width) }
    }
    static let shapes = [
        Shape(rows: 1, width: 3), Shape(rows: 5, width: 16), Shape(rows: 3, width: 33), Shape(rows: 4, width: 130),
    ]

    static func reference(_ x: [Double], _ gain: [Double], _ shape: Shape) -> [Double] {
        var y = x
        for row in 0..<shape.rows {
            let slice = x[row * shape.width..<(row + 1) * shape.width]
            let root = (slice.reduce(0) { $0 + $1 * $1 } / Double(shape.width) + 1e-5).squareRoot()
            for column in 0..<shape.width { y[row * shape.width + column] *= gain[column] / root }
        }
        return y
    }

    @Test(arguments: shapes) func forwardMatchesFloat64(_ shape: Shape) {
        let x = Floats(random: shape.rows * shape.width, seed: 1, scale: 3)
        let gain = Floats(random: shape.width, seed: 2)
        let (y, inverse) = (Floats(x.count) { _ in .nan }, Floats(shape.rows) { _ in .nan })
        RMSNorm.forward(
            x: shape.matrix(x), gain: gain.pointer, y: shape.matrix(y), inverseRoot: inverse.pointer)
        expectClose(y, Self.reference(x.doubles, gain.doubles, shape))
        #expect(inverse.isIntact)
        // Rows so small that epsilon shows.
        for index in 0..<x.count { x.pointer[index] *= 1e-3 }
        RMSNorm.forward(x: shape.matrix(x), gain: gain.pointer, y: shape.matrix(y), inverseRoot: inverse.pointer)
        expectClose(y, Self.reference(x.doubles, gain.doubles, shape))
    }

    @Test(arguments: shapes) func residualSumIsFused(_ shape: Shape) {
        let count = shape.rows * shape.width
        let (x, delta) = (Floats(random: count, seed: 1), Floats(random: count, seed: 2))
        let gain = Floats(random: shape.width, seed: 3)
        let (y, inverse) = (Floats(count), Floats(shape.rows))
        let expected = zip(x.values, delta.values).map { Double($0 + $1) }
        RMSNorm.addForward(
            x: shape.matrix(x), delta: shape.matrix(delta), sum: shape.matrix(x), gain: gain.pointer,
            y: shape.matrix(y), inverseRoot: inverse.pointer)
        expectClose(x, expected, within: 0)
        expectClose(y, Self.reference(expected, gain.doubles, shape))
    }

    @Test(arguments: shapes) func gradientsMatchCentralDifferences(_ shape: Shape) {
        let x = Floats(random: shape.rows * shape.width, seed: 1, scale: 2)
        let (gain, dy) = (Floats(random: shape.width, seed: 2), Floats(random: x.count, seed: 4))
        let (y, inverse) = (Floats(x.count), Floats(shape.rows))
        RMSNorm.forward(
            x: shape.matrix(x), gain: gain.pointer, y: shape.matrix(y), inverseRoot: inverse.pointer)
        let (xs, gains, dys) = (x.doubles, gain.doubles, dy.doubles)
        let slopes = xs.indices.map { index in
            centralDifference(xs, index) { dot(Self.reference($0, gains, shape), dys) }
        }
        let dx = Floats(random: x.count, seed: 5)
        let before = dx.doubles
        RMSNorm.inputGradient(
            dy: shape.matrix(dy), x: shape.matrix(x), gain: gain.pointer, inverseRoot: inverse.pointer,
            dx: shape.matrix(dx), accumulate: true)
        expectClose(dx, zip(before, slopes).map(+), within: 1e-5)

        let dGain = Floats(random: shape.width, seed: 6)
        let oldGain = dGain.doubles
        RMSNorm.weightGradient(
            dy: shape.matrix(dy), x: shape.matrix(x), inverseRoot: inverse.pointer, dGain: dGain.pointer)
        let gainSlopes = gains.indices.map { index in
            centralDifference(gains, index) { dot(Self.reference(xs, $0, shape), dys) }
        }
        expectClose(dGain, zip(oldGain, gainSlopes).map(+), within: 1e-5)

        // Without accumulation the gradient may replace dy.
        RMSNorm.inputGradient(
            dy: shape.matrix(dy), x: shape.matrix(x), gain: gain.pointer, inverseRoot: inverse.pointer,
            dx: shape.matrix(dy), accumulate: false)
        expectClose(dy, slopes, within: 1e-5)
    }
}
