/// The Gaussian error linear unit in its tanh form (GPT-2's `gelu_new`):
/// y = ½x(1 + tanh u) = x·σ(2u), u = √(2/π)·(x + 0.044715·x³).
package enum Gelu {
    /// x += bias in place if given (bias [width]), then y = gelu(x); x, y [rows, width]. The gradient needs the
    /// biased x. y may be x if no gradient is wanted.
    package static func forward(
        x: UnsafeMutablePointer<Float>, bias: UnsafePointer<Float>?, y: UnsafeMutablePointer<Float>,
        rows: Int, width: Int
    ) {
        for row in 0..<rows {
            let (input, output) = (x + row * width, y + row * width)
            eachVectorInPlace(width) {
                var value = input.vector($0)
                if let bias {
                    value += bias.vector($0)
                    input.store(value, $0)
                }
                output.store(gelu(value), $0)
            } tail: {
                var value = input.vector($0, count: $1)
                if let bias {
                    value += bias.vector($0, count: $1)
                    input.store(value, $0, count: $1)
                }
                output.store(gelu(value), $0, count: $1)
            }
        }
    }

    /// dx = dy · gelu′(x) for `count` numbers; x is the (biased) input of ``forward``. dx may be dy.
    package static func inputGradient(
        x: UnsafePointer<Float>, dy: UnsafePointer<Float>, dx: UnsafeMutablePointer<Float>, count: Int
    ) {
        eachVectorInPlace(count) {
            dx.store(dy.vector($0) * slope(x.vector($0)), $0)
        } tail: {
            dx.store(dy.vector($0, count: $1) * slope(x.vector($0, count: $1)), $0, count: $1)
        }
    }

    /// Both at once for `count` numbers: dx = dy · gelu′(x) takes x's place, y = gelu(x) takes dy's.
    package static func inputGradientAndValue(
        x: UnsafeMutablePointer<Float>, dy: UnsafeMutablePointer<Float>, count: Int
    ) {
        eachVectorInPlace(count) {
            let (value, slope) = valueAndSlope(x.vector($0))
            x.store(dy.vector($0) * slope, $0)
            dy.store(value, $0)
        } tail: {
            let (value, slope) = valueAndSlope(x.vector($0, count: $1))
            x.store(dy.vector($0, count: $1) * slope, $0, count: $1)
            dy.store(value, $0, count: $1)
        }
    }

    // Transparent for the reason given at ``exponential(of:)``.

    /// σ(2u); 1.595… is 2·√(2/π).
    @_transparent
    static func gate(_ x: Vector, _ square: Vector) -> Vector {
        let factor = Vector(repeating: 1.595_769_1).plus(square, Vector(repeating: 1.595_769_1 * 0.044_715))
        return sigmoid(of: x * factor)
    }

    /// y of x.
    @_transparent
    static func gelu(_ x: Vector) -> Vector { x * gate(x, x * x) }

    /// y′ = σ + x·σ(1 − σ)·2u′, 2u′ = 2·√(2/π)·(1 + 3·0.044715·x²).
    @_transparent
    static func slope(_ x: Vector) -> Vector { valueAndSlope(x).slope }

    @_transparent
    static func valueAndSlope(_ x: Vector) -> (value: Vector, slope: Vector) {
        let square = x * x
        let open = gate(x, square)
        let inner = Vector(repeating: 1.595_769_1).plus(square, Vector(repeating: 3 * 1.595_769_1 * 0.044_715))
        let value = x * open
        return (value, open.plus(value * (1 - open), inner))
    }
}
