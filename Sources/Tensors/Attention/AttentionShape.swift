/// The dimensions of one call of ``Attention``: a block of queries against a block of keys and values.
package struct AttentionShape: Hashable, Sendable {
    /// B.
    package var batch: Int
    /// Lq.
    package var queries: Int
    /// Lk.
    package var keys: Int
    /// N.
    package var heads: Int
    /// K; divides N. Query head h reads key head h / (N / K).
    package var keyValueHeads: Int
    /// D.
    package var headSize: Int
    /// The keys that a query sees.
    package var mask: AttentionMask

    package init(
        batch: Int, queries: Int, keys: Int, heads: Int, keyValueHeads: Int, headSize: Int, mask: AttentionMask
    ) {
        self.batch = batch
        self.queries = queries
        self.keys = keys
        self.heads = heads
        self.keyValueHeads = keyValueHeads
        self.headSize = headSize
        self.mask = mask
    }

    /// Numbers of workspace that ``Attention`` needs for a call of this shape, forward or backward.
    package var workspaceCount: Int {
        AttentionGradientWorkspace.count(queries: queries, keys: keys, headSize: headSize)
    }

    /// Query heads that share a key head.
    var group: Int { heads / keyValueHeads }

    /// 1/√D.
    var scale: Float { 1 / Float(headSize).squareRoot() }

    /// x [L, heads · D]: the columns of one head.
    @inline(__always)
    func head(_ index: Int, of x: Matrix) -> Matrix {
        assert((index + 1) * headSize <= x.columns, "head \(index) of \(x.columns / headSize)")
        return Matrix(x.pointer + index * headSize, rows: x.rows, columns: headSize, stride: x.stride)
    }

    /// Whether all tensors of a call have this shape.
    func fits(queries rows: [MatrixBatch], keys keyRows: [MatrixBatch], statistics: [Matrix]) -> Bool {
        rows.allSatisfy { $0.count == batch && $0.rows == queries && $0.columns == heads * headSize }
            && keyRows.allSatisfy { $0.count == batch && $0.rows == keys && $0.columns == keyValueHeads * headSize }
            && statistics.allSatisfy { $0.rows == batch * heads && $0.columns == queries }
    }
}
