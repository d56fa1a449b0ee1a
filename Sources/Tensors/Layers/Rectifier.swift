/// ReLU, max(x, 0), and squared ReLU, max(x, 0)² (So et al. 2021), with the calls of ``Gelu``. No weights.
package enum Rectifier: Hashable, Sendable {
    case relu
    case squaredRelu

    /// x += bias in place if given (bias [width]), then y = activation(x); x, y [rows, width]. The gradient needs the
    /// biased x. y may be x if no gradient is wanted.
    package func forward(
        x: UnsafeMutablePointer<Float>, bias: UnsafePointer<Float>?, y: UnsafeMutablePointer<Float>, rows: Int,
        width: Int
    ) {
        if let bias { VectorMath.addBias(bias, into: x, rows: rows, width: width) }
        let zero = Vector(repeating: 0)
        let squares = self == .squaredRelu
        eachVector(rows * width) {
            let value = x.vector($0).larger(zero)
            y.store(squares ? value * value : value, $0)
        } tail: {
            let value = x.vector($0, count: $1).larger(zero)
            y.store(squares ? value * value : value, $0, count: $1)
        }
    }

    /// dx = dy · activation′(x) for `count` numbers; x is the (biased) input of ``forward``, the slope at 0 is 0. dx may
    /// be dy.
    package func inputGradient(
        x: UnsafePointer<Float>, dy: UnsafePointer<Float>, dx: UnsafeMutablePointer<Float>, count: Int
    ) {
        eachVector(count) {
            dx.store(valueAndGradient(x.vector($0), dy.vector($0)).gradient, $0)
        } tail: {
            dx.store(valueAndGradient(x.vector($0, count: $1), dy.vector($0, count: $1)).gradient, $0, count: $1)
        }
    }

    /// Both at once for `count` numbers: dx takes x's place, y takes dy's.
    package func inputGradientAndValue(
        x: UnsafeMutablePointer<Float>, dy: UnsafeMutablePointer<Float>, count: Int
    ) {
        eachVector(count) {
            let (value, gradient) = valueAndGradient(x.vector($0), dy.vector($0))
            x.store(gradient, $0)
            dy.store(value, $0)
        } tail: {
            let (value, gradient) = valueAndGradient(x.vector($0, count: $1), dy.vector($0, count: $1))
            x.store(gradient, $0, count: $1)
            dy.store(value, $0, count: $1)
        }
    }

    @inline(__always)
    private func valueAndGradient(_ x: Vector, _ dy: Vector) -> (value: Vector, gradient: Vector) {
        let zero = Vector(repeating: 0)
        let open = x.larger(zero)
        return self == .squaredRelu
            ? (open * open, dy * (open * 2)) : (open, zero.replacing(with: dy, where: x .> zero))
    }
}
