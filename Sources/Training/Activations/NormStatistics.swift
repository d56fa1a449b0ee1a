internal import Tensors

/// The mean and the inverse deviation of every row [S] that a norm's backward needs. An RMS norm has no mean.
struct NormStatistics {
    let mean: UnsafeMutablePointer<Float>
    let inverse: UnsafeMutablePointer<Float>

    init(arena: inout Arena, rows: Int) {
        mean = arena.take(rows)
        inverse = arena.take(rows)
    }
}
