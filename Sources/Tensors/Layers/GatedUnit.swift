/// Gated activations (Shazeer 2020): y = activation(gate) ∘ up, in one pass. SwiGLU gates with silu(x) = x·σ(x), GeGLU
/// with GELU in its tanh form.
///
/// Shapes: gate, up and their gradients [rows, width] with `stride` numbers from row to row; y, dy [rows, width]. One
/// product into [rows, 2 · width] puts gate and up side by side: up = gate + width, stride 2 · width. No weights.
package enum GatedUnit: Hashable, Sendable {
    case swiglu
    case geglu

    /// y = activation(gate) ∘ up.
    package func forward(
        gate: UnsafePointer<Float>, up: UnsafePointer<Float>, stride: Int, y: UnsafeMutablePointer<Float>, rows: Int,
        width: Int
    ) {
        switch self {
        case .swiglu:
            Self.forward(gate, up, stride, y, rows, width) { x in x * sigmoid(of: x) }
        case .geglu:
            Self.forward(gate, up, stride, y, rows, width) { Gelu.gelu($0) }
        }
    }

    /// dUp = dy ∘ activation(gate), dGate = dy ∘ up ∘ activation′(gate). The gradients have rows `gradientStride` apart
    /// and may take the place of gate and up.
    package func inputGradient(
        gate: UnsafePointer<Float>, up: UnsafePointer<Float>, stride: Int, dy: UnsafePointer<Float>,
        dGate: UnsafeMutablePointer<Float>, dUp: UnsafeMutablePointer<Float>, gradientStride: Int, rows: Int,
        width: Int
    ) {
        switch self {
        case .swiglu:
            Self.inputGradient(gate, up, stride, dy, dGate, dUp, gradientStride, rows, width) { Self.siluAndSlope($0) }
        case .geglu:
            Self.inputGradient(gate, up, stride, dy, dGate, dUp, gradientStride, rows, width) { Gelu.valueAndSlope($0) }
        }
    }

    /// Both at once: the gradients take the places of gate and up, y that of dy.
    package func inputGradientAndValue(
        gate: UnsafeMutablePointer<Float>, up: UnsafeMutablePointer<Float>, stride: Int,
        dy: UnsafeMutablePointer<Float>, rows: Int, width: Int
    ) {
        switch self {
        case .swiglu:
            Self.inputGradientAndValue(gate, up, stride, dy, rows, width) { Self.siluAndSlope($0) }
        case .geglu:
            Self.inputGradientAndValue(gate, up, stride, dy, rows, width) { Gelu.valueAndSlope($0) }
        }
    }

    // Transparent, so that the activation becomes part of the loop.

    /// silu′ = σ + x·σ·(1 − σ).
    @_transparent
    private static func siluAndSlope(_ x: Vector) -> (value: Vector, slope: Vector) {
        let open = sigmoid(of: x)
        let value = x * open
        return (value, open.plus(value, 1 - open))
    }

    @_transparent
    private static func inputGradientAndValue(
        _ gate: UnsafeMutablePointer<Float>, _ up: UnsafeMutablePointer<Float>, _ stride: Int,
        _ dy: UnsafeMutablePointer<Float>, _ rows: Int, _ width: Int,
        _ activation: (Vector) -> (value: Vector, slope: Vector)
    ) {
        for row in 0..<rows {
            let (gate, up, dy) = (gate + row * stride, up + row * stride, dy + row * width)
            eachVectorInPlace(width) {
                let (value, slope) = activation(gate.vector($0))
                let (gradient, other) = (dy.vector($0), up.vector($0))
                gate.store(gradient * other * slope, $0)
                up.store(gradient * value, $0)
                dy.store(value * other, $0)
            } tail: {
                let (value, slope) = activation(gate.vector($0, count: $1))
                let (gradient, other) = (dy.vector($0, count: $1), up.vector($0, count: $1))
                gate.store(gradient * other * slope, $0, count: $1)
                up.store(gradient * value, $0, count: $1)
                dy.store(value * other, $0, count: $1)
            }
        }
    }

    @_transparent
    private static func forward(
        _ gate: UnsafePointer<Float>, _ up: UnsafePointer<Float>, _ stride: Int, _ y: UnsafeMutablePointer<Float>,
        _ rows: Int, _ width: Int, _ activation: (Vector) -> Vector
    ) {
        for row in 0..<rows {
            let (gate, up, y) = (gate + row * stride, up + row * stride, y + row * width)
            eachVectorInPlace(width) {
                y.store(activation(gate.vector($0)) * up.vector($0), $0)
            } tail: {
                y.store(activation(gate.vector($0, count: $1)) * up.vector($0, count: $1), $0, count: $1)
            }
        }
    }

    @_transparent
    private static func inputGradient(
        _ gate: UnsafePointer<Float>, _ up: UnsafePointer<Float>, _ stride: Int, _ dy: UnsafePointer<Float>,
        _ dGate: UnsafeMutablePointer<Float>, _ dUp: UnsafeMutablePointer<Float>, _ gradientStride: Int, _ rows: Int,
        _ width: Int, _ activation: (Vector) -> (value: Vector, slope: Vector)
    ) {
        for row in 0..<rows {
            let (gate, up, dy) = (gate + row * stride, up + row * stride, dy + row * width)
            let (dGate, dUp) = (dGate + row * gradientStride, dUp + row * gradientStride)
            eachVectorInPlace(width) {
                let (value, slope) = activation(gate.vector($0))
                let (gradient, other) = (dy.vector($0), up.vector($0))
                dGate.store(gradient * other * slope, $0)
                dUp.store(gradient * value, $0)
            } tail: {
                let (value, slope) = activation(gate.vector($0, count: $1))
                let (gradient, other) = (dy.vector($0, count: $1), up.vector($0, count: $1))
                dGate.store(gradient * other * slope, $0, count: $1)
                dUp.store(gradient * value, $0, count: $1)
            }
        }
    }
}
