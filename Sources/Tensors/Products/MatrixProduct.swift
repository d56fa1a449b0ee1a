internal import COneDNN

/// Products of row-major fp32 matrices.
package enum MatrixProduct {
    /// Keeps the matrix library on the calling core. Call once at the start: ranks share a node by processes.
    package static func useOneThread() {
        trainyard_dnnl_set_threads(1)
    }

    /// a [m, k] or transposed [k, m], b [k, n] or transposed [n, k], c [m, n]: c = a·b, or with `accumulate` c += a·b.
    /// c must not overlap a or b.
    package static func multiply(
        _ a: Matrix, transposeA: Bool = false, _ b: Matrix, transposeB: Bool = false, into c: Matrix,
        accumulate: Bool = false
    ) {
        let (m, n, k) = (c.rows, c.columns, transposeA ? a.rows : a.columns)
        assert((transposeA ? a.columns : a.rows) == m, "a product's left operand of \(a.rows) × \(a.columns)")
        assert((transposeB ? b.rows : b.columns) == n, "a product's right operand of \(b.rows) × \(b.columns)")
        assert((transposeB ? b.columns : b.rows) == k, "operands that do not meet in \(k)")
        guard m > 0, n > 0 else { return }
        let status = dnnl_sgemm(
            transposeA ? CChar(84) : CChar(78), transposeB ? CChar(84) : CChar(78), dnnl_dim_t(m), dnnl_dim_t(n),
            dnnl_dim_t(k), 1, a.pointer, dnnl_dim_t(a.stride), b.pointer, dnnl_dim_t(b.stride), accumulate ? 1 : 0,
            c.pointer, dnnl_dim_t(c.stride))
        if status != dnnl_success { fatalError("oneDNN refused a product of \(m) × \(k) and \(k) × \(n)") }
    }
}
