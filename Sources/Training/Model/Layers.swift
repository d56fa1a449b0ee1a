internal import Tensors

/// x [R, I], y [R, O]: a linear layer's parameters on this rank, y = x·W (+ b).
struct LinearLayer {
    let weight: Parameter
    let bias: Parameter?
    let inputs: Int
    let outputs: Int
    /// Whether W is stored [O, I] rather than [I, O].
    let isTransposed: Bool
    /// Products in bf16; nil for fp32.
    var mixed: MixedPrecisionProducts?
    /// Low-rank adapters beside the weights.
    var adapters: [AdapterLayer] = []

    private var weights: Matrix {
        weight.weight(rows: isTransposed ? outputs : inputs, columns: isTransposed ? inputs : outputs)
    }

    private var weightGradients: Matrix {
        weight.gradient(rows: isTransposed ? outputs : inputs, columns: isTransposed ? inputs : outputs)
    }

    /// x [R, I], y [R, O]: y = x·W, plus b when `addsBias`.
    func forward(_ x: Matrix, into y: Matrix, addsBias: Bool, _ profile: Profile) {
        profile.measure(.matrixProducts) {
            let shift = addsBias ? bias : nil
            if let mixed {
                if let shift {
                    for row in 0..<y.rows { y.row(row).update(from: shift.weight, count: outputs) }
                }
                mixed.multiply(x, weights, transposeB: isTransposed, into: y, accumulate: shift != nil)
            } else if isTransposed {
                Linear.transposedForward(
                    x: x, weight: weights, bias: shift.map { UnsafePointer($0.weight) }, y: y)
            } else {
                Linear.forward(x: x, weight: weights, bias: shift.map { UnsafePointer($0.weight) }, y: y)
            }
            for adapter in adapters { adapter.forward(x, into: y) }
        }
    }

    /// dy [R, O], dx [R, I]: dx = dy·Wᵀ, added to dx with `accumulate`.
    func inputGradient(_ dy: Matrix, into dx: Matrix, accumulate: Bool = false, _ profile: Profile) {
        profile.measure(.matrixProducts) {
            if let mixed {
                mixed.multiply(dy, weights, transposeB: !isTransposed, into: dx, accumulate: accumulate)
            } else if isTransposed {
                Linear.transposedInputGradient(dy: dy, weight: weights, dx: dx, accumulate: accumulate)
            } else {
                Linear.inputGradient(dy: dy, weight: weights, dx: dx, accumulate: accumulate)
            }
            for adapter in adapters { adapter.inputGradient(dy, into: dx) }
        }
    }

    /// x [R, I], dy [R, O]: adds xᵀ·dy to the weight's gradient and the column sums of dy to the bias's.
    func weightGradient(_ x: Matrix, _ dy: Matrix, _ profile: Profile) {
        profile.measure(.matrixProducts) {
            for adapter in adapters { adapter.weightGradient(x, dy) }
            if weight.unit.isFrozen { return }
            if let mixed {
                let (left, right) = isTransposed ? (dy, x) : (x, dy)
                mixed.multiply(left, transposeA: true, right, into: weightGradients, accumulate: true)
                if let bias { VectorMath.addColumnSums(of: dy, into: bias.gradient) }
            } else if isTransposed {
                Linear.transposedWeightGradient(x: x, dy: dy, dWeight: weightGradients, dBias: bias?.gradient)
            } else {
                Linear.weightGradient(x: x, dy: dy, dWeight: weightGradients, dBias: bias?.gradient)
            }
        }
    }
}

/// A branch whose output has not joined the residual stream yet: stream + output + bias. The next norm joins them.
struct PendingBranch {
    /// The residual stream before the branch [S, H].
    let stream: Matrix
    /// The branch's output [S, H], in scratch memory until the next norm has read it.
    let output: Matrix
    let bias: Parameter?
}

/// x, y [S, H]: the parameters of a layer norm, or without a shift of an RMS norm.
struct NormLayer {
    let gain: Parameter
    let shift: Parameter?
    /// Added to the variance, or to the mean square.
    let epsilon: Float

    /// x, y [S, H]: y = norm(x). Writes the statistics of every row.
    func forward(_ x: Matrix, into y: Matrix, _ statistics: NormStatistics, _ profile: Profile) {
        profile.measure(.norms) {
            if let shift {
                LayerNorm.forward(
                    x: x, gain: gain.weight, bias: shift.weight, y: y, mean: statistics.mean,
                    inverseDeviation: statistics.inverse, epsilon: epsilon)
            } else {
                RMSNorm.forward(
                    x: x, gain: gain.weight, y: y, inverseRoot: statistics.inverse, epsilon: epsilon)
            }
        }
    }

    /// x, y [S, H]: y = norm(x) again, from the statistics of the forward.
    func apply(_ x: Matrix, _ statistics: NormStatistics, into y: Matrix, _ profile: Profile) {
        profile.measure(.norms) {
            if let shift {
                LayerNorm.apply(
                    x: x, gain: gain.weight, bias: shift.weight, mean: statistics.mean,
                    inverseDeviation: statistics.inverse, y: y)
            } else {
                RMSNorm.apply(x: x, gain: gain.weight, inverseRoot: statistics.inverse, y: y)
            }
        }
    }

    /// sum, y [S, H]: sum = the residual stream with the branch in it, y = norm(sum). y may be the branch's output.
    func joinForward(
        _ branch: PendingBranch, sum: Matrix, into y: Matrix, _ statistics: NormStatistics, _ profile: Profile
    ) {
        profile.measure(.norms) {
            if let shift {
                LayerNorm.addForward(
                    x: branch.stream, delta: branch.output, deltaBias: branch.bias.map { UnsafePointer($0.weight) },
                    sum: sum, gain: gain.weight, bias: shift.weight, y: y, mean: statistics.mean,
                    inverseDeviation: statistics.inverse, epsilon: epsilon)
            } else {
                RMSNorm.addForward(
                    x: branch.stream, delta: branch.output, sum: sum, gain: gain.weight, y: y,
                    inverseRoot: statistics.inverse, epsilon: epsilon)
            }
        }
    }

    /// dy, x, dx [S, H]: adds the gradients of gain and shift, and writes (or with `accumulate` adds) the gradient by x.
    func backward(
        dy: Matrix, x: Matrix, _ statistics: NormStatistics, dx: Matrix, accumulate: Bool, _ profile: Profile
    ) {
        profile.measure(.norms) {
            if let shift {
                if !gain.unit.isFrozen {
                    LayerNorm.weightGradient(
                        dy: dy, x: x, mean: statistics.mean, inverseDeviation: statistics.inverse,
                        dGain: gain.gradient, dBias: shift.gradient)
                }
                LayerNorm.inputGradient(
                    dy: dy, x: x, gain: gain.weight, mean: statistics.mean, inverseDeviation: statistics.inverse,
                    dx: dx, accumulate: accumulate)
            } else {
                if !gain.unit.isFrozen {
                    RMSNorm.weightGradient(dy: dy, x: x, inverseRoot: statistics.inverse, dGain: gain.gradient)
                }
                RMSNorm.inputGradient(
                    dy: dy, x: x, gain: gain.weight, inverseRoot: statistics.inverse, dx: dx, accumulate: accumulate)
            }
        }
    }
}
