internal import Tensors

/// The norms of queries and keys before they turn to their positions: one norm for every head, with weights that all heads
/// share (Qwen 3). Letters: `ShapeLetters`.
///
/// With tensor parallelism a rank normalises its own heads, so that ranks add up the gradients of the weights
/// (`DataParallel`).
struct HeadNorms {
    let query: NormLayer
    let key: NormLayer
    let shape: MicrobatchShape

    /// The norm of a head, queries' first.
    private func norm(ofHead head: Int) -> NormLayer { head < shape.heads ? query : key }

    /// Columns of a head, queries' first.
    private func columns(ofHead head: Int) -> Range<Int> { head * shape.headSize..<(head + 1) * shape.headSize }

    private var heads: Range<Int> { 0..<shape.heads + shape.kvHeads }

    /// qkv [R, (N + 2K) · D]: normalises queries and keys in place. Writes what they were to `saved`.
    func forward(_ qkv: Matrix, _ saved: SavedHeads, _ profile: Profile) {
        saved.input.copy(from: qkv.columns(0..<shape.meetingWidth))
        for head in heads {
            let columns = columns(ofHead: head)
            norm(ofHead: head).forward(
                saved.input.columns(columns), into: qkv.columns(columns), saved.statistics(ofHead: head), profile)
        }
    }

    /// dqkv [R, (N + 2K) · D]: turns the gradient by queries and keys into the gradient before `forward`, in place, and adds
    /// the gradients of the weights.
    func backward(_ dqkv: Matrix, _ saved: SavedHeads, _ profile: Profile) {
        for head in heads {
            let columns = columns(ofHead: head)
            norm(ofHead: head).backward(
                dy: dqkv.columns(columns), x: saved.input.columns(columns), saved.statistics(ofHead: head),
                dx: dqkv.columns(columns), accumulate: false, profile)
        }
    }
}
