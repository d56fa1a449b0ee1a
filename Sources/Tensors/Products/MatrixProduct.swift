internal import COneDNN

/// Products of row-major fp32 matrices.
package enum MatrixProduct {
    /// Keeps the matrix library on the calling core. Call once at the start: ranks share a node by processes.
    package static func useOneThread() {
        trainyard_dnnl_set_threads(1)
    }

    /// C[m, n] = alpha · op(A)[m, k] · op(B)[k, n] + beta · C, where op transposes if asked.
    ///
    /// `lda`, `ldb`, `ldc` are the distances between stored rows: A is stored [m, k], or [k, m] when transposed; B is
    /// stored [k, n], or [n, k] when transposed. With `beta` 0, C is only written. C must not overlap A or B.
    package static func multiply(
        _ a: UnsafePointer<Float>, transposeA: Bool = false, lda: Int,
        _ b: UnsafePointer<Float>, transposeB: Bool = false, ldb: Int,
        _ c: UnsafeMutablePointer<Float>, ldc: Int,
        m: Int, n: Int, k: Int, alpha: Float = 1, beta: Float = 0
    ) {
        guard m > 0, n > 0 else { return }
        let status = dnnl_sgemm(
            transposeA ? CChar(84) : CChar(78), transposeB ? CChar(84) : CChar(78), dnnl_dim_t(m), dnnl_dim_t(n),
            dnnl_dim_t(k), alpha, a, dnnl_dim_t(lda), b, dnnl_dim_t(ldb), beta, c, dnnl_dim_t(ldc))
        precondition(status == dnnl_success, "oneDNN refused a matrix product: wrong dimensions")
    }
}
