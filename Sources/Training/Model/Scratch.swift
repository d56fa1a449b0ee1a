internal import Tensors

/// The scratch memory of a rank's blocks. One action runs at a time, and the steps of a block take turns with two buffers.
///
/// A matrix from a buffer lasts until the next matrix is taken from that buffer: whoever takes one has read the last, or
/// reads it row by row before it writes.
final class Scratch {
    private let storage: Storage<Float>
    private let narrowCount: Int
    private let wideCount: Int

    init(shape: MicrobatchShape) {
        // A branch's output [S, H], and the gradient of attention's output [R, N · D].
        narrowCount = (max(shape.boundaryCount, shape.rows * shape.width) + 15) / 16 * 16
        // The gradient of queries, keys and values, and a feed-forward's inner columns.
        let inner = shape.expandedWidth(max(shape.ffn, shape.sharedWidth))
        wideCount = (shape.rows * max(inner, shape.qkvWidth) + 15) / 16 * 16
        storage = Storage(count: narrowCount + wideCount)
    }

    /// Room for a matrix as wide as the residual stream or attention's output: outputs of norms and branches, and their
    /// gradients.
    func narrow(like other: Matrix) -> Matrix {
        assert(other.rows * other.columns <= narrowCount, "\(other.rows) × \(other.columns) numbers")
        return Matrix(storage.pointer, rows: other.rows, columns: other.columns)
    }

    /// Room for a matrix as wide as queries, keys and values or a feed-forward's inner columns, and their gradients.
    func wide(rows: Int, columns: Int) -> Matrix {
        assert(rows * columns <= wideCount, "\(rows) × \(columns) numbers")
        return Matrix(storage.pointer + narrowCount, rows: rows, columns: columns)
    }
}
