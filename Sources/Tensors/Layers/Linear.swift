/// x [R, I], y [R, O], bias [O]: linear layers y = x·W + b. The weight is stored [I, O], or [O, I] in the calls that are
/// named transposed, as an embedding table is. Outputs must not overlap inputs.
package enum Linear {
    /// x [R, I], weight [I, O], bias [O] or nil, y [R, O]: y = x·weight + bias.
    package static func forward(x: Matrix, weight: Matrix, bias: UnsafePointer<Float>?, y: Matrix) {
        if let bias {
            for row in 0..<y.rows { y.row(row).update(from: bias, count: y.columns) }
        }
        MatrixProduct.multiply(x, weight, into: y, accumulate: bias != nil)
    }

    /// dy [R, O], weight [I, O], dx [R, I]: dx = dy·weightᵀ, or with `accumulate` dx += dy·weightᵀ.
    package static func inputGradient(dy: Matrix, weight: Matrix, dx: Matrix, accumulate: Bool = false) {
        MatrixProduct.multiply(dy, weight, transposeB: true, into: dx, accumulate: accumulate)
    }

    /// x [R, I], dy [R, O], dWeight [I, O], dBias [O] or nil: dWeight += xᵀ·dy and dBias += Σ over rows of dy.
    package static func weightGradient(x: Matrix, dy: Matrix, dWeight: Matrix, dBias: UnsafeMutablePointer<Float>?) {
        MatrixProduct.multiply(x, transposeA: true, dy, into: dWeight, accumulate: true)
        if let dBias { VectorMath.addColumnSums(of: dy, into: dBias) }
    }

    // MARK: weight stored [O, I]

    /// x [R, I], weight [O, I], bias [O] or nil, y [R, O]: y = x·weightᵀ + bias.
    package static func transposedForward(x: Matrix, weight: Matrix, bias: UnsafePointer<Float>? = nil, y: Matrix) {
        if let bias {
            for row in 0..<y.rows { y.row(row).update(from: bias, count: y.columns) }
        }
        MatrixProduct.multiply(x, weight, transposeB: true, into: y, accumulate: bias != nil)
    }

    /// dy [R, O], weight [O, I], dx [R, I]: dx = dy·weight, or with `accumulate` dx += dy·weight.
    package static func transposedInputGradient(dy: Matrix, weight: Matrix, dx: Matrix, accumulate: Bool = false) {
        MatrixProduct.multiply(dy, weight, into: dx, accumulate: accumulate)
    }

    /// x [R, I], dy [R, O], dWeight [O, I], dBias [O] or nil: dWeight += dyᵀ·x and dBias += Σ over rows of dy.
    package static func transposedWeightGradient(
        x: Matrix, dy: Matrix, dWeight: Matrix, dBias: UnsafeMutablePointer<Float>? = nil
    ) {
        MatrixProduct.multiply(dy, transposeA: true, x, into: dWeight, accumulate: true)
        if let dBias { VectorMath.addColumnSums(of: dy, into: dBias) }
    }
}
