internal import Tensors

/// Scratch memory the stages of one rank share: one action runs at a time.
final class StageWorkspace {
    private let storage: FloatStorage
    /// `[rows, hidden]`.
    let rowsByHidden: UnsafeMutablePointer<Float>
    /// `[rows, max(ffn, 3·hidden)]`.
    let rowsByWidest: UnsafeMutablePointer<Float>
    /// What attention needs for one head.
    let attention: UnsafeMutablePointer<Float>

    init(shape: MicrobatchShape) {
        let attentionCount = CausalAttention.workspaceCount(sequence: shape.sequence, headSize: shape.headSize)
        let widest = shape.rows * max(shape.ffn, 3 * shape.hidden)
        storage = FloatStorage(count: shape.boundaryCount + widest + attentionCount + 64)
        var arena = Arena(storage)
        rowsByHidden = arena.take(shape.boundaryCount)
        rowsByWidest = arena.take(widest)
        attention = arena.take(attentionCount)
    }
}
