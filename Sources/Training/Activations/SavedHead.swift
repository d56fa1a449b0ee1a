internal import Tensors

/// The tensors that the final norm, the head and the loss save of one micro-batch.
package final class SavedHead {
    private let storage: Storage<Float>
    /// Output of the last block [S, H].
    let input: Matrix
    /// Output of the final norm [S, H]; nil where the backward makes it again.
    let normed: Matrix?
    let statistics: NormStatistics
    /// Logits, turned in place into their gradient [R, V].
    let logits: Matrix

    /// - Parameter savesOutput: whether the norm's output is saved.
    package init(shape: MicrobatchShape, savesOutput: Bool) {
        let boundary = shape.boundaryCount
        storage = Storage(
            count: (savesOutput ? 2 : 1) * boundary + 2 * shape.streamRows + shape.rows * shape.vocab + 5 * 16)
        var arena = Arena(storage)
        input = arena.take(rows: shape.streamRows, columns: shape.hidden)
        normed = savesOutput ? arena.take(rows: shape.streamRows, columns: shape.hidden) : nil
        statistics = NormStatistics(arena: &arena, rows: shape.streamRows)
        logits = arena.take(rows: shape.rows, columns: shape.vocab)
    }
}
