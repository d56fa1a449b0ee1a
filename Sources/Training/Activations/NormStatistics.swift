/// What a norm keeps of its input's rows for the gradients, `[rows]` each.
struct NormStatistics {
    let mean: UnsafeMutablePointer<Float>
    let inverse: UnsafeMutablePointer<Float>

    init(arena: inout Arena, rows: Int) {
        mean = arena.take(rows)
        inverse = arena.take(rows)
    }
}
