internal import MPI
internal import Tensors

/// Matrices split over ranks (Shoeybi et al. 2019), with or without sequence parallelism (Korthikanti et al. 2022).
///
/// A pair of products needs one sum over the ranks in the forward and one in the backward:
///
///     x ──► [x·A₁ │ x·A₂] ──► f ──► [·B₁ │ ·B₂] ──► sum over ranks ──► y
///           columns of A        rows of B
///
/// Without sequence parallelism x and y are whole on every rank and the sum is an all-reduce. With it each rank holds a
/// slice of the rows between such pairs: x is gathered before, and every rank takes only its rows of the sum. Letters:
/// `ShapeLetters`.
final class TensorParallel {
    let rank: Int
    let size: Int
    /// Whether the residual stream's rows are split.
    let splitsRows: Bool
    private let collectives: GroupCollectives?
    /// A gathered tensor [R, H].
    private let gathered: Storage<Float>?
    private let profile: Profile

    init(
        _ group: Communicator, shape: MicrobatchShape, sharesMemory: Bool, profile: Profile
    ) throws(MPIError) {
        rank = group.rank
        size = group.size
        splitsRows = shape.rowParts > 1
        self.profile = profile
        let count = shape.rows * shape.hidden
        collectives = size > 1 ? try GroupCollectives(group, capacity: count, sharesMemory: sharesMemory) : nil
        gathered = splitsRows ? Storage(count: count) : nil
    }

    /// Tensor parallelism of one rank.
    init(profile: Profile) {
        rank = 0
        size = 1
        splitsRows = false
        collectives = nil
        gathered = nil
        self.profile = profile
    }

    /// Sums over the ranks the matrices [R, W] that each rank's `write` makes. `output` [S, W] gets this rank's rows of the
    /// sum. On one rank `write` is given `output` itself.
    func sum(into output: Matrix, of write: (Matrix) -> Void) throws(MPIError) {
        guard let collectives else { return write(output) }
        let exchange = collectives.nextExchange()
        let rows = splitsRows ? output.rows * size : output.rows
        write(Matrix(exchange.part, rows: rows, columns: output.columns))
        try profile.measure(.tensorTransfers) { () throws(MPIError) in
            let start = splitsRows ? rank * output.count : 0
            try collectives.sum(
                exchange, count: rows * output.columns, range: start..<start + output.count, into: output.pointer)
        }
    }

    /// All rows [R, W] of a tensor of the residual stream [S, W]: itself, or gathered from the ranks. The gathered rows last
    /// until the next call.
    func gather(_ part: Matrix) throws(MPIError) -> Matrix {
        guard let collectives, let gathered else { return part }
        try profile.measure(.tensorTransfers) { () throws(MPIError) in
            try collectives.gather(part.pointer, count: part.count, into: gathered.pointer)
        }
        return gathered.matrix(rows: part.rows * size, columns: part.columns)
    }

    /// Sums over the ranks a gradient to which each has added its own rows only.
    func allReduce(_ values: UnsafeMutablePointer<Float>, count: Int) throws(MPIError) {
        guard let collectives else { return }
        try profile.measure(.tensorTransfers) { () throws(MPIError) in
            try collectives.allReduce(values, count: count)
        }
    }

    /// Puts the ranks' parts of `count` numbers one behind the other into `output`.
    func gatherSmall(
        _ part: UnsafePointer<Float>, count: Int, into output: UnsafeMutablePointer<Float>
    ) throws(MPIError) {
        guard let collectives else { return output.update(from: part, count: count) }
        try profile.measure(.tensorTransfers) { () throws(MPIError) in
            try collectives.gather(part, count: count, into: output)
        }
    }
}
