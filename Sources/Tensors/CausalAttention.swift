/// Causal multi-head self-attention of query, key and value side by side.
///
/// Shapes: qkv and its gradient [batch · sequence, 3 · hidden], hidden = heads · headSize, a row holding the query, key
/// and value of one token, heads within each; output [batch · sequence, hidden]; logSumExp [batch, heads, sequence].
/// No sequence × sequence matrix is kept for the backward pass: the probabilities come again from logSumExp.
package enum CausalAttention {
    /// Numbers of scratch space that ``forward`` and ``inputGradient`` need.
    package static func workspaceCount(sequence: Int, headSize: Int) -> Int {
        2 * sequence * sequence
    }

    /// output = softmax(mask(Q·Kᵀ/√headSize))·V for every head, and the logarithm of every softmax's denominator.
    package static func forward(
        qkv: UnsafePointer<Float>, output: UnsafeMutablePointer<Float>, logSumExp: UnsafeMutablePointer<Float>,
        workspace: UnsafeMutablePointer<Float>, batch: Int, sequence: Int, heads: Int, headSize: Int
    ) {
        let hidden = heads * headSize
        let scale = 1 / Float(headSize).squareRoot()
        for entry in 0..<batch * heads {
            let (sample, head) = (entry / heads, entry % heads)
            let query = qkv + sample * sequence * 3 * hidden + head * headSize
            MatrixProduct.multiply(
                query, lda: 3 * hidden, query + hidden, transposeB: true, ldb: 3 * hidden, workspace, ldc: sequence,
                m: sequence, n: sequence, k: headSize, alpha: scale)
            for row in 0..<sequence {
                let scores = workspace + row * sequence
                let (largest, sum) = VectorMath.softmax(scores, count: row + 1)
                logSumExp[entry * sequence + row] = largest + VectorMath.logarithm(sum)
                VectorMath.fill(scores + row + 1, count: sequence - row - 1, with: 0)
            }
            MatrixProduct.multiply(
                workspace, lda: sequence, query + 2 * hidden, ldb: 3 * hidden,
                output + sample * sequence * hidden + head * headSize, ldc: hidden,
                m: sequence, n: headSize, k: sequence)
        }
    }

    /// dqkv = the loss's gradient by qkv, given its gradient by the output. dqkv must not overlap the inputs.
    package static func inputGradient(
        qkv: UnsafePointer<Float>, output: UnsafePointer<Float>, dOutput: UnsafePointer<Float>,
        logSumExp: UnsafePointer<Float>, dqkv: UnsafeMutablePointer<Float>,
        workspace: UnsafeMutablePointer<Float>, batch: Int, sequence: Int, heads: Int, headSize: Int
    ) {
        let hidden = heads * headSize
        let scale = 1 / Float(headSize).squareRoot()
        let (weights, gradients) = (workspace, workspace + sequence * sequence)
        for entry in 0..<batch * heads {
            let (sample, head) = (entry / heads, entry % heads)
            let query = qkv + sample * sequence * 3 * hidden + head * headSize
            let dQuery = dqkv + sample * sequence * 3 * hidden + head * headSize
            let (out, dOut) = (
                output + sample * sequence * hidden + head * headSize,
                dOutput + sample * sequence * hidden + head * headSize
            )
            MatrixProduct.multiply(
                query, lda: 3 * hidden, query + hidden, transposeB: true, ldb: 3 * hidden, weights, ldc: sequence,
                m: sequence, n: sequence, k: headSize, alpha: scale)
            MatrixProduct.multiply(
                dOut, lda: hidden, query + 2 * hidden, transposeB: true, ldb: 3 * hidden, gradients, ldc: sequence,
                m: sequence, n: sequence, k: headSize)
            for row in 0..<sequence {
                var projection: Float = 0
                for column in 0..<headSize { projection += out[row * hidden + column] * dOut[row * hidden + column] }
                let shift = Vector(repeating: logSumExp[entry * sequence + row])
                let (weight, gradient) = (weights + row * sequence, gradients + row * sequence)
                eachVector(row + 1) {
                    let p = (weight.vector($0) - shift).exponential
                    weight.store(p, $0)
                    gradient.store(p * (gradient.vector($0) - projection), $0)
                } tail: {
                    let p = (weight.vector($0, count: $1) - shift).exponential
                    weight.store(p, $0, count: $1)
                    gradient.store(p * (gradient.vector($0, count: $1) - projection), $0, count: $1)
                }
                VectorMath.fill(weight + row + 1, count: sequence - row - 1, with: 0)
                VectorMath.fill(gradient + row + 1, count: sequence - row - 1, with: 0)
            }
            MatrixProduct.multiply(
                gradients, lda: sequence, query + hidden, ldb: 3 * hidden, dQuery, ldc: 3 * hidden,
                m: sequence, n: headSize, k: sequence, alpha: scale)
            MatrixProduct.multiply(
                gradients, transposeA: true, lda: sequence, query, ldb: 3 * hidden, dQuery + hidden, ldc: 3 * hidden,
                m: sequence, n: headSize, k: sequence, alpha: scale)
            MatrixProduct.multiply(
                weights, transposeA: true, lda: sequence, dOut, ldb: hidden, dQuery + 2 * hidden, ldc: 3 * hidden,
                m: sequence, n: headSize, k: sequence)
        }
    }
}
