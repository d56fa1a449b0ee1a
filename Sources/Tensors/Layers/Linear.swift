/// Affine layers y = x·W + b. Shapes: x [rows, inputs], y [rows, outputs].
package enum Linear {
    // MARK: weight stored [inputs, outputs]

    /// y = x·weight + bias, weight [inputs, outputs], bias [outputs]. y must not overlap the operands.
    package static func forward(
        x: UnsafePointer<Float>, weight: UnsafePointer<Float>, bias: UnsafePointer<Float>?,
        y: UnsafeMutablePointer<Float>, rows: Int, inputs: Int, outputs: Int
    ) {
        if let bias {
            for row in 0..<rows { (y + row * outputs).update(from: bias, count: outputs) }
        }
        MatrixProduct.multiply(
            x, lda: inputs, weight, ldb: outputs, y, ldc: outputs, m: rows, n: outputs, k: inputs,
            beta: bias == nil ? 0 : 1)
    }

    /// dx (+)= dy·weightᵀ.
    package static func inputGradient(
        dy: UnsafePointer<Float>, weight: UnsafePointer<Float>, dx: UnsafeMutablePointer<Float>,
        rows: Int, inputs: Int, outputs: Int, accumulate: Bool = false
    ) {
        MatrixProduct.multiply(
            dy, lda: outputs, weight, transposeB: true, ldb: outputs, dx, ldc: inputs,
            m: rows, n: inputs, k: outputs, beta: accumulate ? 1 : 0)
    }

    /// dWeight += xᵀ·dy and, if given, dBias += Σ over rows of dy.
    package static func weightGradient(
        x: UnsafePointer<Float>, dy: UnsafePointer<Float>, dWeight: UnsafeMutablePointer<Float>,
        dBias: UnsafeMutablePointer<Float>?, rows: Int, inputs: Int, outputs: Int
    ) {
        MatrixProduct.multiply(
            x, transposeA: true, lda: inputs, dy, ldb: outputs, dWeight, ldc: outputs,
            m: inputs, n: outputs, k: rows, beta: 1)
        if let dBias { VectorMath.addColumnSums(of: dy, into: dBias, rows: rows, width: outputs) }
    }

    // MARK: weight stored [outputs, inputs], as an embedding table is; no bias

    /// y = x·weightᵀ, weight [outputs, inputs].
    package static func transposedForward(
        x: UnsafePointer<Float>, weight: UnsafePointer<Float>, y: UnsafeMutablePointer<Float>,
        rows: Int, inputs: Int, outputs: Int
    ) {
        MatrixProduct.multiply(
            x, lda: inputs, weight, transposeB: true, ldb: inputs, y, ldc: outputs, m: rows, n: outputs, k: inputs)
    }

    /// dx (+)= dy·weight, weight [outputs, inputs].
    package static func transposedInputGradient(
        dy: UnsafePointer<Float>, weight: UnsafePointer<Float>, dx: UnsafeMutablePointer<Float>,
        rows: Int, inputs: Int, outputs: Int, accumulate: Bool = false
    ) {
        MatrixProduct.multiply(
            dy, lda: outputs, weight, ldb: inputs, dx, ldc: inputs, m: rows, n: inputs, k: outputs,
            beta: accumulate ? 1 : 0)
    }

    /// dWeight += dyᵀ·x, dWeight [outputs, inputs].
    package static func transposedWeightGradient(
        x: UnsafePointer<Float>, dy: UnsafePointer<Float>, dWeight: UnsafeMutablePointer<Float>,
        rows: Int, inputs: Int, outputs: Int
    ) {
        MatrixProduct.multiply(
            dy, transposeA: true, lda: outputs, x, ldb: inputs, dWeight, ldc: inputs,
            m: outputs, n: inputs, k: rows, beta: 1)
    }
}
