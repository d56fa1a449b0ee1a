/// The keys that a query may see.
package enum AttentionMask: Hashable, Sendable {
    /// Every query sees every key.
    case full
    /// Query row i sees keys 0...(i + ahead): `ahead` is the position of the first query minus that of the first key. 0
    /// is self-attention. Large values let all queries see all keys, negative ones hide keys from the first queries or
    /// from all of them.
    case causal(ahead: Int)
    /// Query row i sees the last `window` keys up to its own: i − window + 1...i.
    case sliding(window: Int)
}

extension AttentionShape {
    /// Query row i sees keys 0...(i + ahead). Clamped to the block: beyond it nothing changes.
    var ahead: Int {
        switch mask {
        case .full: keys
        case .causal(let ahead): max(-queries, min(ahead, keys))
        case .sliding: 0
        }
    }

    /// Keys at the start that query `row` does not see.
    @inline(__always)
    func hidden(_ row: Int) -> Int {
        if case .sliding(let window) = mask { max(0, row + 1 - window) } else { 0 }
    }

    /// The number of keys up to the last one that query `row` sees.
    @inline(__always)
    func visible(_ row: Int) -> Int { min(keys, max(0, row + 1 + ahead)) }
}

extension Attention {
    /// rows [Lq, D]: scores of rows start..<end against every panel of columns that any of them sees.
    @inline(__always)
    static func blockProduct(
        _ rows: Matrix, panels: UnsafePointer<Float>, into scores: UnsafeMutablePointer<Float>, scoreStride: Int,
        start: Int, end: Int, shape: AttentionShape
    ) {
        for column in Swift.stride(from: 0, to: shape.visible(end - 1), by: PanelProduct.width) {
            // The first row that sees the column, down to a whole micro-kernel.
            let first = start + max(0, column - shape.ahead - start) / PanelProduct.rows * PanelProduct.rows
            PanelProduct.multiply(
                rows.row(first), rowStride: rows.stride, depthStride: 1, panel: panels + column * shape.headSize,
                scores + (first - start) * scoreStride + column, ldc: scoreStride, m: end - first,
                depth: shape.headSize)
        }
        // So low that their exponentials, and with them their gradients, are 0.
        for row in start..<end {
            for column in 0..<shape.hidden(row) { scores[(row - start) * scoreStride + column] = -1e30 }
        }
    }
}
