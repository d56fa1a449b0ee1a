/// The slice of tensors that a tensor-parallel rank holds: number `rank` of `size`.
package struct TensorSlice: Hashable, Sendable {
    package var rank: Int
    package var size: Int

    package init(rank: Int = 0, size: Int = 1) {
        self.rank = rank
        self.size = size
    }

    /// Number of elements of `tensor` that this rank holds.
    package func count(_ tensor: TensorSpec) -> Int {
        tensor.split == .whole ? tensor.count : tensor.count / size
    }

    /// Calls `body` for every run of adjacent elements of the slice, with the run's start in the local tensor, its
    /// start in the whole tensor, and its length.
    package func forEachRun(_ tensor: TensorSpec, _ body: (_ local: Int, _ whole: Int, _ count: Int) -> Void) {
        switch tensor.split {
        case .whole: body(0, 0, tensor.count)
        case .rows:
            let count = tensor.count / size
            body(0, rank * count, count)
        case .groupedRows(let groups):
            let (length, run) = (tensor.count / max(groups, 1), tensor.count / max(groups, 1) / size)
            for group in 0..<groups { body(group * run, group * length + rank * run, run) }
        case .columns(let groups):
            let columns = tensor.shape.last ?? 1
            let run = columns / groups / size
            for row in 0..<tensor.count / max(columns, 1) {
                for group in 0..<groups {
                    body(
                        row * (columns / size) + group * run, row * columns + group * (columns / groups) + rank * run,
                        run)
                }
            }
        }
    }
}
