/// Root-mean-square normalisation over the last dimension (Zhang & Sennrich 2019, as in llama): y = x · inverseRoot ·
/// gain, inverseRoot = 1/√(mean of x² + epsilon).
///
/// Shapes: x, y, delta, sum and their gradients [rows, width]; gain [width]; inverseRoot [rows]. The two gradients are
/// separate calls, so that a schedule may put the weights' off.
package enum RMSNorm {
    /// llama's epsilon; some models have 10⁻⁶.
    package static let epsilon: Float = 1e-5

    /// Normalises every row and keeps its inverseRoot for the gradients. y may be x.
    package static func forward(
        x: UnsafePointer<Float>, gain: UnsafePointer<Float>, y: UnsafeMutablePointer<Float>,
        inverseRoot: UnsafeMutablePointer<Float>, rows: Int, width: Int, epsilon: Float = epsilon
    ) {
        for row in 0..<rows {
            let input = x + row * width
            var squares = Vector(repeating: 0)
            eachVector(width) {
                squares = squares.plus(input.vector($0), input.vector($0))
            } tail: {
                let value = input.vector($0, count: $1)
                squares = squares.plus(value, value)
            }
            normalise(
                input, squares: squares.laneSum(), gain: gain, y: y + row * width, inverseRoot: inverseRoot + row,
                width: width, epsilon: epsilon)
        }
    }

    /// sum = x + delta, then y = norm(sum): the residual sum fused with the norm behind it. `sum` may be `x` or `delta`.
    package static func addForward(
        x: UnsafePointer<Float>, delta: UnsafePointer<Float>, sum: UnsafeMutablePointer<Float>,
        gain: UnsafePointer<Float>, y: UnsafeMutablePointer<Float>, inverseRoot: UnsafeMutablePointer<Float>,
        rows: Int, width: Int, epsilon: Float = epsilon
    ) {
        for row in 0..<rows {
            let (first, second, output) = (x + row * width, delta + row * width, sum + row * width)
            var squares = Vector(repeating: 0)
            eachVector(width) {
                let value = first.vector($0) + second.vector($0)
                output.store(value, $0)
                squares = squares.plus(value, value)
            } tail: {
                let value = first.vector($0, count: $1) + second.vector($0, count: $1)
                output.store(value, $0, count: $1)
                squares = squares.plus(value, value)
            }
            normalise(
                output, squares: squares.laneSum(), gain: gain, y: y + row * width, inverseRoot: inverseRoot + row,
                width: width, epsilon: epsilon)
        }
    }

    /// y of a ``forward`` again, from what it kept: the same bits. y may be x.
    package static func apply(
        x: UnsafePointer<Float>, gain: UnsafePointer<Float>, inverseRoot: UnsafePointer<Float>,
        y: UnsafeMutablePointer<Float>, rows: Int, width: Int
    ) {
        for row in 0..<rows {
            scale(
                x + row * width, by: Vector(repeating: inverseRoot[row]), gain: gain, y: y + row * width, width: width)
        }
    }

    /// dx (+)= the loss's gradient by x: (g·dy − x · inverseRoot² · mean(g·dy·x)) · inverseRoot. With `accumulate` dx
    /// already holds the residual stream's gradient. dx may be dy when not accumulating.
    package static func inputGradient(
        dy: UnsafePointer<Float>, x: UnsafePointer<Float>, gain: UnsafePointer<Float>,
        inverseRoot: UnsafePointer<Float>, dx: UnsafeMutablePointer<Float>, rows: Int, width: Int, accumulate: Bool
    ) {
        for row in 0..<rows {
            let (gradient, input, output) = (dy + row * width, x + row * width, dx + row * width)
            let inverse = inverseRoot[row]
            var projected = Vector(repeating: 0)
            eachVector(width) {
                projected = projected.plus(gradient.vector($0) * gain.vector($0), input.vector($0))
            } tail: {
                projected = projected.plus(
                    gradient.vector($0, count: $1) * gain.vector($0, count: $1), input.vector($0, count: $1))
            }
            let slope = Vector(repeating: -projected.laneSum() * inverse * inverse * inverse / Float(width))
            eachVector(width) {
                let scaled = gradient.vector($0) * gain.vector($0) * inverse
                let value = scaled.plus(input.vector($0), slope)
                output.store(accumulate ? output.vector($0) + value : value, $0)
            } tail: {
                let scaled = gradient.vector($0, count: $1) * gain.vector($0, count: $1) * inverse
                let value = scaled.plus(input.vector($0, count: $1), slope)
                output.store(accumulate ? output.vector($0, count: $1) + value : value, $0, count: $1)
            }
        }
    }

    /// dGain += Σ over rows of dy · x · inverseRoot.
    package static func weightGradient(
        dy: UnsafePointer<Float>, x: UnsafePointer<Float>, inverseRoot: UnsafePointer<Float>,
        dGain: UnsafeMutablePointer<Float>, rows: Int, width: Int
    ) {
        for row in 0..<rows {
            let (gradient, input) = (dy + row * width, x + row * width)
            let scale = Vector(repeating: inverseRoot[row])
            eachVector(width) {
                dGain.store(dGain.vector($0).plus(gradient.vector($0), input.vector($0) * scale), $0)
            } tail: {
                let normalised = input.vector($0, count: $1) * scale
                dGain.store(dGain.vector($0, count: $1).plus(gradient.vector($0, count: $1), normalised), $0, count: $1)
            }
        }
    }

    /// The second half of a forward row.
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
