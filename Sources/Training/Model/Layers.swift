internal import Tensors

/// A linear layer's parameters on this rank: y = x·W (+ b). Shapes: x `[rows, inputs]`, y `[rows, outputs]`.
struct LinearLayer {
    let weight: Parameter
    let bias: Parameter?
    let inputs: Int
    let outputs: Int
    /// Whether W is stored `[outputs, inputs]`.
    let isTransposed: Bool
    /// Products in bf16; nil for fp32.
    var mixed: MixedProducts?

    /// y = x·W, plus b when `addsBias`.
    func forward(
        _ x: UnsafePointer<Float>, into y: UnsafeMutablePointer<Float>, rows: Int, addsBias: Bool, _ profile: Profile
    ) {
        profile.measure(.matrixProducts) {
            if let mixed {
                let shift = addsBias ? bias : nil
                if let shift {
                    for row in 0..<rows { (y + row * outputs).update(from: shift.weight, count: outputs) }
                }
                mixed.multiply(
                    x, weight.weight, transposeB: isTransposed, into: y, m: rows, n: outputs, k: inputs,
                    accumulate: shift != nil)
            } else if isTransposed {
                Linear.transposedForward(
                    x: x, weight: weight.weight, y: y, rows: rows, inputs: inputs, outputs: outputs)
            } else {
                Linear.forward(
                    x: x, weight: weight.weight, bias: addsBias ? bias.map { UnsafePointer($0.weight) } : nil, y: y,
                    rows: rows, inputs: inputs, outputs: outputs)
            }
        }
    }

    /// dx = dy·Wᵀ, added to what is there with `accumulate`.
    func inputGradient(
        _ dy: UnsafePointer<Float>, into dx: UnsafeMutablePointer<Float>, rows: Int, accumulate: Bool = false,
        _ profile: Profile
    ) {
        profile.measure(.matrixProducts) {
            if let mixed {
                mixed.multiply(
                    dy, weight.weight, transposeB: !isTransposed, into: dx, m: rows, n: inputs, k: outputs,
                    accumulate: accumulate)
            } else if isTransposed {
                Linear.transposedInputGradient(
                    dy: dy, weight: weight.weight, dx: dx, rows: rows, inputs: inputs, outputs: outputs,
                    accumulate: accumulate)
            } else {
                Linear.inputGradient(
                    dy: dy, weight: weight.weight, dx: dx, rows: rows, inputs: inputs, outputs: outputs,
                    accumulate: accumulate)
            }
        }
    }

    /// Adds xᵀ·dy to the weight's gradient and the column sums of dy to the bias's.
    func weightGradient(_ x: UnsafePointer<Float>, _ dy: UnsafePointer<Float>, rows: Int, _ profile: Profile) {
        profile.measure(.matrixProducts) {
            if let mixed {
                let (left, right) = isTransposed ? (dy, x) : (x, dy)
                mixed.multiply(
                    left, transposeA: true, right, into: weight.gradient, m: isTransposed ? outputs : inputs,
                    n: isTransposed ? inputs : outputs, k: rows, accumulate: true)
                if let bias { VectorMath.addColumnSums(of: dy, into: bias.gradient, rows: rows, width: outputs) }
            } else if isTransposed {
                Linear.transposedWeightGradient(
                    x: x, dy: dy, dWeight: weight.gradient, rows: rows, inputs: inputs, outputs: outputs)
            } else {
                Linear.weightGradient(
                    x: x, dy: dy, dWeight: weight.gradient, dBias: bias?.gradient, rows: rows, inputs: inputs,
                    outputs: outputs)
            }
        }
    }
}

/// A layer norm's parameters, or without a shift those of an RMS norm. Shapes: x, y `[rows, width]`.
struct NormLayer {
    let gain: Parameter
    let shift: Parameter?
    let width: Int

    func forward(
        _ x: UnsafePointer<Float>, into y: UnsafeMutablePointer<Float>, _ kept: NormStatistics, rows: Int,
        _ profile: Profile
    ) {
        profile.measure(.norms) {
            if let shift {
                LayerNorm.forward(
                    x: x, gain: gain.weight, bias: shift.weight, y: y, mean: kept.mean, inverseDeviation: kept.inverse,
                    rows: rows, width: width)
            } else {
                RMSNorm.forward(x: x, gain: gain.weight, y: y, inverseRoot: kept.inverse, rows: rows, width: width)
            }
        }
    }

    /// y of the forward again, from what it kept.
    func apply(
        _ x: UnsafePointer<Float>, _ kept: NormStatistics, into y: UnsafeMutablePointer<Float>, rows: Int,
        _ profile: Profile
    ) {
        profile.measure(.norms) {
            if let shift {
                LayerNorm.apply(
                    x: x, gain: gain.weight, bias: shift.weight, mean: kept.mean, inverseDeviation: kept.inverse, y: y,
                    rows: rows, width: width)
            } else {
                RMSNorm.apply(x: x, gain: gain.weight, inverseRoot: kept.inverse, y: y, rows: rows, width: width)
            }
        }
    }

    /// sum = x + delta + bias, y = norm(sum).
    func addForward(
        _ x: UnsafePointer<Float>, _ delta: UnsafePointer<Float>, bias: Parameter?,
        sum: UnsafeMutablePointer<Float>, into y: UnsafeMutablePointer<Float>, _ kept: NormStatistics, rows: Int,
        _ profile: Profile
    ) {
        profile.measure(.norms) {
            if let shift {
                LayerNorm.addForward(
                    x: x, delta: delta, deltaBias: bias.map { UnsafePointer($0.weight) }, sum: sum, gain: gain.weight,
                    bias: shift.weight, y: y, mean: kept.mean, inverseDeviation: kept.inverse, rows: rows, width: width)
            } else {
                RMSNorm.addForward(
                    x: x, delta: delta, sum: sum, gain: gain.weight, y: y, inverseRoot: kept.inverse, rows: rows,
                    width: width)
            }
        }
    }

    /// Adds the gradients of gain and shift, and writes (or with `accumulate` adds) that of x.
    func backward(
        dy: UnsafePointer<Float>, x: UnsafePointer<Float>, _ kept: NormStatistics, dx: UnsafeMutablePointer<Float>,
        rows: Int, accumulate: Bool, _ profile: Profile
    ) {
        profile.measure(.norms) {
            if let shift {
                LayerNorm.weightGradient(
                    dy: dy, x: x, mean: kept.mean, inverseDeviation: kept.inverse, dGain: gain.gradient,
                    dBias: shift.gradient, rows: rows, width: width)
                LayerNorm.inputGradient(
                    dy: dy, x: x, gain: gain.weight, mean: kept.mean, inverseDeviation: kept.inverse, dx: dx,
                    rows: rows, width: width, accumulate: accumulate)
            } else {
                RMSNorm.weightGradient(
                    dy: dy, x: x, inverseRoot: kept.inverse, dGain: gain.gradient, rows: rows, width: width)
                RMSNorm.inputGradient(
                    dy: dy, x: x, gain: gain.weight, inverseRoot: kept.inverse, dx: dx, rows: rows, width: width,
                    accumulate: accumulate)
            }
        }
    }
}
