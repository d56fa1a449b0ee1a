/// x, y, dx, dy [R, W], bias [W]: the Gaussian error linear unit in its tanh form (GPT-2's `gelu_new`),
/// y = ½x(1 + tanh u) = x·σ(2u) with u = √(2/π)·(x + 0.044715·x³).
package enum GELU {
    /// x, y [R, W], bias [W] or nil: x += bias in place, then y = gelu(x). The gradient needs the biased x. y may be x if
    /// no gradient is wanted.
    package static func forward(x: Matrix, bias: UnsafePointer<Float>?, y: Matrix) {
        for row in 0..<x.rows {
            let (input, output) = (x.row(row), y.row(row))
            eachVectorInlined(x.columns) {
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

    /// x, dy, dx [R, W] without gaps: dx = dy · gelu′(x), where x is biased. dx may be dy.
    package static func inputGradient(x: Matrix, dy: Matrix, dx: Matrix) {
        let (count, x, dy, dx) = (x.count, x.pointer, dy.pointer, dx.pointer)
        eachVectorInlined(count) {
            dx.store(dy.vector($0) * slope(x.vector($0)), $0)
        } tail: {
            dx.store(dy.vector($0, count: $1) * slope(x.vector($0, count: $1)), $0, count: $1)
        }
    }

    /// x, dy [R, W] without gaps: dx = dy · gelu′(x) takes the place of x, and y = gelu(x) the place of dy.
    package static func inputGradientAndValue(x: Matrix, dy: Matrix) {
        let (count, x, dy) = (x.count, x.pointer, dy.pointer)
        eachVectorInlined(count) {
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
        let factor = Vector(repeating: 1.595_769_1).adding(square, times: Vector(repeating: 1.595_769_1 * 0.044_715))
        return sigmoid(of: x * factor)
    }

    /// gelu(x).
    @_transparent
    static func gelu(_ x: Vector) -> Vector { x * gate(x, x * x) }

    /// gelu′(x) = σ + x·σ(1 − σ)·2u′ with 2u′ = 2·√(2/π)·(1 + 3·0.044715·x²).
    @_transparent
    static func slope(_ x: Vector) -> Vector { valueAndSlope(x).slope }

    /// gelu(x) and gelu′(x).
    @_transparent
    static func valueAndSlope(_ x: Vector) -> (value: Vector, slope: Vector) {
        let square = x * x
        let open = gate(x, square)
        let inner = Vector(repeating: 1.595_769_1).adding(square, times: Vector(repeating: 3 * 1.595_769_1 * 0.044_715))
        let value = x * open
        return (value, open.adding(value * (1 - open), times: inner))
    }
}
