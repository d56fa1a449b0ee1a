internal import Models
internal import Plans
internal import Tensors

/// The feed-forward's nonlinearity. Shapes: x `[rows, width]`, or gate and input side by side `[rows, 2 · width]`;
/// y `[rows, width]`.
enum Activation {
    case gelu
    case rectifier(Rectifier)
    case gated(GatedUnit)

    init(_ mlp: Model.MLP) {
        self =
            switch mlp {
            case .gelu: .gelu
            case .relu: .rectifier(.relu)
            case .squaredRelu: .rectifier(.squaredRelu)
            case .swiglu: .gated(.swiglu)
            case .geglu: .gated(.geglu)
            }
    }

    /// x += bias in place where there is one (gated ones have none), then y = activation(x).
    func forward(
        _ x: UnsafeMutablePointer<Float>, bias: UnsafePointer<Float>?, into y: UnsafeMutablePointer<Float>, rows: Int,
        width: Int
    ) {
        switch self {
        case .gelu: Gelu.forward(x: x, bias: bias, y: y, rows: rows, width: width)
        case .rectifier(let unit): unit.forward(x: x, bias: bias, y: y, rows: rows, width: width)
        case .gated(let unit):
            unit.forward(gate: x, up: x + width, stride: 2 * width, y: y, rows: rows, width: width)
        }
    }

    /// dx = dy · activation′(x), shaped as x; dx may be x.
    func inputGradient(
        _ x: UnsafePointer<Float>, dy: UnsafePointer<Float>, into dx: UnsafeMutablePointer<Float>, rows: Int, width: Int
    ) {
        switch self {
        case .gelu: Gelu.inputGradient(x: x, dy: dy, dx: dx, count: rows * width)
        case .rectifier(let unit): unit.inputGradient(x: x, dy: dy, dx: dx, count: rows * width)
        case .gated(let unit):
            unit.inputGradient(
                gate: x, up: x + width, stride: 2 * width, dy: dy, dGate: dx, dUp: dx + width,
                gradientStride: 2 * width, rows: rows, width: width)
        }
    }

    /// Both at once: dx = dy · activation′(x) takes x's place, y = activation(x) takes dy's. The same bits as apart.
    func inputGradientAndValue(
        _ x: UnsafeMutablePointer<Float>, dy: UnsafeMutablePointer<Float>, rows: Int, width: Int
    ) {
        switch self {
        case .gelu: Gelu.inputGradientAndValue(x: x, dy: dy, count: rows * width)
        case .rectifier(let unit): unit.inputGradientAndValue(x: x, dy: dy, count: rows * width)
        case .gated(let unit):
            unit.inputGradientAndValue(gate: x, up: x + width, stride: 2 * width, dy: dy, rows: rows, width: width)
        }
    }
}
