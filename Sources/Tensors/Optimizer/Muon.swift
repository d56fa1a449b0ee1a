/// Muon (Jordan et al. 2024) with weight decay and the step size of Moonlight (Liu et al. 2025, section 2.2), by the formula of
/// `torch.optim.Muon(nesterov=True, adjust_lr_fn="match_rms_adamw")`: the root mean square of an update is 0.2, as AdamW's
/// commonly is, so that one learning rate serves both.
package struct Muon: Hashable, Sendable {
    /// Decay rate of the mean gradient.
    package var momentum: Double
    /// Decoupled weight decay, as AdamW's.
    package var weightDecay: Double
    /// Steps of the Newton–Schulz iteration.
    package var steps: Int

    package init(momentum: Double = 0.95, weightDecay: Double = 0.1, steps: Int = 5) {
        (self.momentum, self.weightDecay, self.steps) = (momentum, weightDecay, steps)
    }

    /// Coefficients of the iteration's quintic (Jordan et al. 2024).
    private static let quintic: (a: Float, b: Float, c: Float) = (3.4445, -4.775, 2.0315)
    /// Added to the norm that a matrix is divided by.
    private static let small = 1e-7

    /// gradients, moment and update [count]: the moment takes the gradients in, and the update is the mean of the next step
    /// (Nesterov).
    package func blend(
        gradients: UnsafePointer<Float>, gradientScale: Float, moment: UnsafeMutablePointer<Float>,
        update: UnsafeMutablePointer<Float>, count: Int
    ) {
        let (keep, take) = (Float(momentum), Float(1 - momentum))
        for index in 0..<count {
            let gradient = gradients[index] * gradientScale
            moment[index] += take * (gradient - moment[index])
            update[index] = gradient + keep * (moment[index] - gradient)
        }
    }

    /// x [m, n] becomes nearly orthogonal: its singular values come near 1.
    /// - Parameter room: numbers for other matrices, at least those of `room(rows:columns:)`.
    package func orthogonalise(_ x: Matrix, room: UnsafeMutablePointer<Float>) {
        let (m, n) = (x.rows, x.columns)
        let side = min(m, n)
        let norm = VectorMath.sumOfSquares(x.pointer, count: m * n).squareRoot() + Self.small
        VectorMath.scale(x.pointer, count: m * n, by: Float(1 / norm))
        let gram = Matrix(room, rows: side, columns: side)
        let polynomial = Matrix(room + side * side, rows: side, columns: side)
        let product = Matrix(room + 2 * side * side, rows: m, columns: n)
        let (a, b, c) = Self.quintic
        for _ in 0..<steps {
            // A = XXᵀ on the short side, B = bA + cA², X ← aX + BX.
            if m <= n {
                MatrixProduct.multiply(x, x, transposeB: true, into: gram)
            } else {
                MatrixProduct.multiply(x, transposeA: true, x, into: gram)
            }
            MatrixProduct.multiply(gram, gram, into: polynomial)
            for index in 0..<side * side {
                polynomial.pointer[index] = b * gram.pointer[index] + c * polynomial.pointer[index]
            }
            if m <= n {
                MatrixProduct.multiply(polynomial, x, into: product)
            } else {
                MatrixProduct.multiply(x, polynomial, into: product)
            }
            for index in 0..<m * n { x.pointer[index] = a * x.pointer[index] + product.pointer[index] }
        }
    }

    /// Numbers that `orthogonalise` needs beside the matrix.
    package static func room(rows: Int, columns: Int) -> Int {
        let side = min(rows, columns)
        return 2 * side * side + rows * columns
    }

    /// parameters and update [count], a part of a matrix of `rows` × `columns`: the step.
    package func apply(
        _ parameters: UnsafeMutablePointer<Float>, update: UnsafePointer<Float>, count: Int, rows: Int, columns: Int,
        learningRate: Double
    ) {
        let keep = Float(1 - learningRate * weightDecay)
        let stride = Float(-learningRate * 0.2 * Double(max(rows, columns)).squareRoot())
        for index in 0..<count { parameters[index] = parameters[index] * keep + stride * update[index] }
    }
}
