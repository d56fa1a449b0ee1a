/// x, y, dx, dy [R, W], bias [W]: ReLU, max(x, 0), and squared ReLU, max(x, 0)² (So et al. 2021).
package enum ReLU: Hashable, Sendable {
    case plain
    case squared

    /// x, y [R, W] without gaps, bias [W] or nil: x += bias in place, then y = activation(x). The gradient needs the biased
    /// x. y may be x if no gradient is wanted.
    package func forward(x: Matrix, bias: UnsafePointer<Float>?, y: Matrix) {
        if let bias { VectorMath.addBias(bias, into: x) }
        let (count, x, y) = (x.count, x.pointer, y.pointer)
        let zero = Vector(repeating: 0)
        let squares = self == .squared
        eachVector(count) {
            let value = x.vector($0).larger(zero)
            y.store(squares ? value * value : value, $0)
        } tail: {
            let value = x.vector($0, count: $1).larger(zero)
            y.store(squares ? value * value : value, $0, count: $1)
        }
    }

    /// x, dy, dx [R, W] without gaps: dx = dy · activation′(x), where x is biased and the slope at 0 is 0. dx may be dy.
    package func inputGradient(x: Matrix, dy: Matrix, dx: Matrix) {
        let (count, x, dy, dx) = (x.count, x.pointer, dy.pointer, dx.pointer)
        eachVector(count) {
            dx.store(valueAndGradient(x.vector($0), dy.vector($0)).gradient, $0)
        } tail: {
            dx.store(valueAndGradient(x.vector($0, count: $1), dy.vector($0, count: $1)).gradient, $0, count: $1)
        }
    }

    /// x, dy [R, W] without gaps: dx = dy · activation′(x) takes the place of x, and y = activation(x) the place of dy.
    package func inputGradientAndValue(x: Matrix, dy: Matrix) {
        let (count, x, dy) = (x.count, x.pointer, dy.pointer)
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
        return self == .squared
            ? (open * open, dy * (open * 2)) : (open, zero.replacing(with: dy, where: x .> zero))
    }
}
