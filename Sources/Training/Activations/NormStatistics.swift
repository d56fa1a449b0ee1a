internal import Tensors

/// The mean and the inverse deviation of every row [S] that a norm's backward needs. An RMS norm has no mean.
struct NormStatistics {
    let mean: UnsafeMutablePointer<Float>
    let inverse: UnsafeMutablePointer<Float>

    init(arena: inout Arena, rows: Int) {
        mean = arena.take(rows)
        inverse = arena.take(rows)
    }

    fileprivate init(mean: UnsafeMutablePointer<Float>, inverse: UnsafeMutablePointer<Float>) {
        (self.mean, self.inverse) = (mean, inverse)
    }
}

/// Queries and keys [R, (N + K) · D] before the norms of their heads, and the statistics of every head's rows.
struct SavedHeads {
    let input: Matrix
    /// Means [N + K, R], or none; inverse deviations [N + K, R].
    private let mean: UnsafeMutablePointer<Float>
    private let inverse: UnsafeMutablePointer<Float>
    private let hasMeans: Bool

    init(arena: inout Arena, shape: MicrobatchShape) {
        input = arena.take(rows: shape.rows, columns: shape.meetingWidth)
        hasMeans = shape.normsHaveMeans
        let count = (shape.heads + shape.kvHeads) * shape.rows
        mean = arena.take(hasMeans ? count : 0)
        inverse = arena.take(count)
    }

    private init(_ whole: SavedHeads, rows: Int) {
        input = whole.input.rows(0..<rows)
        (mean, inverse, hasMeans) = (whole.mean, whole.inverse, whole.hasMeans)
    }

    /// The first rows, for a micro-batch of fewer tokens.
    func first(_ rows: Int) -> SavedHeads { SavedHeads(self, rows: rows) }

    /// The statistics of a head, queries' first.
    func statistics(ofHead head: Int) -> NormStatistics {
        let place = head * input.rows
        return NormStatistics(mean: hasMeans ? mean + place : mean, inverse: inverse + place)
    }
}
