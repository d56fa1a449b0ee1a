/// x, y [R, H], gain [H], inverseRoot [R]: root-mean-square normalisation of every row (Zhang & Sennrich 2019, as in
/// llama), y = x · inverseRoot · gain with inverseRoot = 1/√(mean of x² + epsilon).
package enum RMSNorm {
    /// Added to the mean square where nothing else is asked for.
    package static let epsilon: Float = 1e-5

    /// x, y [R, H], gain [H], inverseRoot [R]: y = norm(x). Writes the inverse root of every row for the gradients. y may be
    /// x.
    package static func forward(
        x: Matrix, gain: UnsafePointer<Float>, y: Matrix, inverseRoot: UnsafeMutablePointer<Float>,
        epsilon: Float = RMSNorm.epsilon
    ) {
        let width = x.columns
        for row in 0..<x.rows {
            let input = UnsafePointer(x.row(row))
            var squares = Vector(repeating: 0)
            eachVector(width) {
                squares = squares.adding(input.vector($0), times: input.vector($0))
            } tail: {
                let value = input.vector($0, count: $1)
                squares = squares.adding(value, times: value)
            }
            normalise(
                input, squares: squares.laneSum(), gain: gain, y: y.row(row), inverseRoot: inverseRoot + row,
                width: width, epsilon: epsilon)
        }
    }

    /// x, delta, sum, y [R, H], gain [H], inverseRoot [R]: sum = x + delta, then y = norm(sum). It fuses a residual sum with
    /// the norm behind it. sum may be x or delta, y may be delta.
    package static func addForward(
        x: Matrix, delta: Matrix, sum: Matrix, gain: UnsafePointer<Float>, y: Matrix,
        inverseRoot: UnsafeMutablePointer<Float>, epsilon: Float = RMSNorm.epsilon
    ) {
        let width = x.columns
        for row in 0..<x.rows {
            let (first, second, output) = (x.row(row), delta.row(row), sum.row(row))
            var squares = Vector(repeating: 0)
            eachVector(width) {
                let value = first.vector($0) + second.vector($0)
                output.store(value, $0)
                squares = squares.adding(value, times: value)
            } tail: {
                let value = first.vector($0, count: $1) + second.vector($0, count: $1)
                output.store(value, $0, count: $1)
                squares = squares.adding(value, times: value)
            }
            normalise(
                output, squares: squares.laneSum(), gain: gain, y: y.row(row), inverseRoot: inverseRoot + row,
                width: width, epsilon: epsilon)
        }
    }

    /// x, y [R, H], gain [H], inverseRoot [R]: y = norm(x) from the inverse roots that a forward wrote, to the bit what that
    /// forward gave. y may be x.
    package static func apply(
        x: Matrix, gain: UnsafePointer<Float>, inverseRoot: UnsafePointer<Float>, y: Matrix
    ) {
        for row in 0..<x.rows {
            scale(
                x.row(row), by: Vector(repeating: inverseRoot[row]), gain: gain, y: y.row(row), width: x.columns)
        }
    }

    /// dy, x, dx [R, H], gain [H], inverseRoot [R]: dx = the gradient by x, (g·dy − x · inverseRoot² · mean(g·dy·x)) ·
    /// inverseRoot with g the gain, added to dx with `accumulate`. dx may be dy without.
    package static func inputGradient(
        dy: Matrix, x: Matrix, gain: UnsafePointer<Float>, inverseRoot: UnsafePointer<Float>, dx: Matrix,
        accumulate: Bool
    ) {
        let width = x.columns
        for row in 0..<x.rows {
            let (gradient, input, output) = (dy.row(row), x.row(row), dx.row(row))
            let inverse = inverseRoot[row]
            var projected = Vector(repeating: 0)
            eachVector(width) {
                projected = projected.adding(gradient.vector($0) * gain.vector($0), times: input.vector($0))
            } tail: {
                projected = projected.adding(
                    gradient.vector($0, count: $1) * gain.vector($0, count: $1), times: input.vector($0, count: $1))
            }
            let slope = Vector(repeating: -projected.laneSum() * inverse * inverse * inverse / Float(width))
            eachVector(width) {
                let scaled = gradient.vector($0) * gain.vector($0) * inverse
                let value = scaled.adding(input.vector($0), times: slope)
                output.store(accumulate ? output.vector($0) + value : value, $0)
            } tail: {
                let scaled = gradient.vector($0, count: $1) * gain.vector($0, count: $1) * inverse
                let value = scaled.adding(input.vector($0, count: $1), times: slope)
                output.store(accumulate ? output.vector($0, count: $1) + value : value, $0, count: $1)
            }
        }
    }

    /// dy, x [R, H], inverseRoot [R], dGain [H]: dGain += Σ over rows of dy · x · inverseRoot.
    package static func weightGradient(
        dy: Matrix, x: Matrix, inverseRoot: UnsafePointer<Float>, dGain: UnsafeMutablePointer<Float>
    ) {
        let width = x.columns
        for row in 0..<x.rows {
            let (gradient, input) = (dy.row(row), x.row(row))
            let scale = Vector(repeating: inverseRoot[row])
            eachVector(width) {
                dGain.store(dGain.vector($0).adding(gradient.vector($0), times: input.vector($0) * scale), $0)
            } tail: {
                let normalised = input.vector($0, count: $1) * scale
                dGain.store(
                    dGain.vector($0, count: $1).adding(gradient.vector($0, count: $1), times: normalised), $0, count: $1
                )
            }
        }
    }

    /// The end of a row's forward: inverse root of the mean square, then scale.
    @inline(__always)
    private static func normalise(
        _ input: UnsafePointer<Float>, squares: Float, gain: UnsafePointer<Float>, y: UnsafeMutablePointer<Float>,
        inverseRoot: UnsafeMutablePointer<Float>, width: Int, epsilon: Float
    ) {
        let inverse = 1 / (squares / Float(width) + epsilon).squareRoot()
        inverseRoot.pointee = inverse
        scale(input, by: Vector(repeating: inverse), gain: gain, y: y, width: width)
    }

    @inline(__always)
    private static func scale(
        _ input: UnsafePointer<Float>, by scale: Vector, gain: UnsafePointer<Float>, y: UnsafeMutablePointer<Float>,
        width: Int
    ) {
        eachVector(width) {
            y.store(input.vector($0) * scale * gain.vector($0), $0)
        } tail: {
            y.store(input.vector($0, count: $1) * scale * gain.vector($0, count: $1), $0, count: $1)
        }
    }
}
