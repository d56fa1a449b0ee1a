internal import Models
internal import Plans
internal import Tensors

/// x [R, F], or gate and up side by side [R, 2F], y [R, F]: a feed-forward's nonlinearity. Letters: `ShapeLetters`.
enum Activation {
    case gelu
    case relu(ReLU)
    case gated(GatedLinearUnit)

    /// nil: a function that the runtime does not have.
    init?(_ mlp: Model.MLP) {
        switch mlp {
        case .gelu: self = .gelu
        case .relu: self = .relu(.plain)
        case .squaredRelu: self = .relu(.squared)
        case .swiglu: self = .gated(.swiglu)
        case .geglu: self = .gated(.geglu)
        case .silu, .reglu: return nil
        }
    }

    /// x [R, F], bias [F] or nil, y [R, F]: x += bias in place, then y = activation(x). Gated activations have no bias.
    func forward(_ x: Matrix, bias: UnsafePointer<Float>?, into y: Matrix) {
        switch self {
        case .gelu: GELU.forward(x: x, bias: bias, y: y)
        case .relu(let unit): unit.forward(x: x, bias: bias, y: y)
        case .gated(let unit):
            let (gate, up) = halves(x)
            unit.forward(gate: gate, up: up, y: y)
        }
    }

    /// x, dx [R, F], dy [R, F]: dx = dy · activation′(x). dx may be x.
    func inputGradient(_ x: Matrix, dy: Matrix, into dx: Matrix) {
        switch self {
        case .gelu: GELU.inputGradient(x: x, dy: dy, dx: dx)
        case .relu(let unit): unit.inputGradient(x: x, dy: dy, dx: dx)
        case .gated(let unit):
            let ((gate, up), (dGate, dUp)) = (halves(x), halves(dx))
            unit.inputGradient(gate: gate, up: up, dy: dy, dGate: dGate, dUp: dUp)
        }
    }

    /// x [R, F], dy [R, F]: dx = dy · activation′(x) takes the place of x, and y = activation(x) the place of dy. The bits
    /// are those of `forward` and `inputGradient`.
    func inputGradientAndValue(_ x: Matrix, dy: Matrix) {
        switch self {
        case .gelu: GELU.inputGradientAndValue(x: x, dy: dy)
        case .relu(let unit): unit.inputGradientAndValue(x: x, dy: dy)
        case .gated(let unit):
            let (gate, up) = halves(x)
            unit.inputGradientAndValue(gate: gate, up: up, dy: dy)
        }
    }

    private func halves(_ both: Matrix) -> (gate: Matrix, up: Matrix) {
        (both.columns(0..<both.columns / 2), both.columns(both.columns / 2..<both.columns))
    }
}
