/// gate, up, y, dGate, dUp, dy [R, F]: gated linear units (Shazeer 2020), y = activation(gate) ∘ up in one pass. SwiGLU
/// gates with silu(x) = x·σ(x), GeGLU with GELU in its tanh form.
///
/// One product into a matrix [R, 2F] makes gate and up side by side: columns 0..<F and F..<2F of it.
package enum GatedLinearUnit: Hashable, Sendable {
    case swiglu
    case geglu

    /// gate, up, y [R, F]: y = activation(gate) ∘ up.
    package func forward(gate: Matrix, up: Matrix, y: Matrix) {
        switch self {
        case .swiglu: Self.forward(gate, up, y) { x in x * sigmoid(of: x) }
        case .geglu: Self.forward(gate, up, y) { GELU.gelu($0) }
        }
    }

    /// gate, up, dy, dGate, dUp [R, F]: dUp = dy ∘ activation(gate), dGate = dy ∘ up ∘ activation′(gate). The gradients may
    /// take the place of gate and up.
    package func inputGradient(gate: Matrix, up: Matrix, dy: Matrix, dGate: Matrix, dUp: Matrix) {
        switch self {
        case .swiglu: Self.inputGradient(gate, up, dy, dGate, dUp) { Self.siluAndSlope($0) }
        case .geglu: Self.inputGradient(gate, up, dy, dGate, dUp) { GELU.valueAndSlope($0) }
        }
    }

    /// gate, up, dy [R, F]: the gradients take the places of gate and up, and y = activation(gate) ∘ up the place of dy.
    package func inputGradientAndValue(gate: Matrix, up: Matrix, dy: Matrix) {
        switch self {
        case .swiglu: Self.inputGradientAndValue(gate, up, dy) { Self.siluAndSlope($0) }
        case .geglu: Self.inputGradientAndValue(gate, up, dy) { GELU.valueAndSlope($0) }
        }
    }

    // Transparent, so that the activation becomes part of the loop.

    /// silu′ = σ + x·σ·(1 − σ).
    @_transparent
    private static func siluAndSlope(_ x: Vector) -> (value: Vector, slope: Vector) {
        let open = sigmoid(of: x)
        let value = x * open
        return (value, open.adding(value, times: 1 - open))
    }

    @_transparent
    private static func inputGradientAndValue(
        _ gates: Matrix, _ ups: Matrix, _ dys: Matrix, _ activation: (Vector) -> (value: Vector, slope: Vector)
    ) {
        let width = gates.columns
        for row in 0..<gates.rows {
            let (gate, up, dy) = (gates.row(row), ups.row(row), dys.row(row))
            eachVectorInlined(width) {
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
    private static func forward(_ gates: Matrix, _ ups: Matrix, _ ys: Matrix, _ activation: (Vector) -> Vector) {
        let width = gates.columns
        for row in 0..<gates.rows {
            let (gate, up, y) = (gates.row(row), ups.row(row), ys.row(row))
            eachVectorInlined(width) {
                y.store(activation(gate.vector($0)) * up.vector($0), $0)
            } tail: {
                y.store(activation(gate.vector($0, count: $1)) * up.vector($0, count: $1), $0, count: $1)
            }
        }
    }

    @_transparent
    private static func inputGradient(
        _ gates: Matrix, _ ups: Matrix, _ dys: Matrix, _ dGates: Matrix, _ dUps: Matrix,
        _ activation: (Vector) -> (value: Vector, slope: Vector)
    ) {
        let width = gates.columns
        for row in 0..<gates.rows {
            let (gate, up, dy) = (gates.row(row), ups.row(row), dys.row(row))
            let (dGate, dUp) = (dGates.row(row), dUps.row(row))
            eachVectorInlined(width) {
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
