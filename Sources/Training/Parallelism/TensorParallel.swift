internal import MPI
internal import Tensors

/// Matrices split over ranks (Shoeybi et al. 2019), with or without sequence parallelism (Korthikanti et al. 2022).
///
/// A pair of products needs one meeting forward and one backward:
///
///     x ──► [x·A₁ │ x·A₂] ──► f ──► [·B₁ │ ·B₂] ──► sum over ranks ──► y
///           columns of A        rows of B
///
/// Without sequence parallelism x and y are whole on every rank and the sum is an all-reduce. With it each rank holds
/// a slice of the rows between such pairs: x is gathered before, and every rank takes only its rows of the sum.
final class TensorParallel {
    let rank: Int
    let size: Int
    /// Whether the residual stream's rows are split.
    let splitsRows: Bool
    private let buffers: GroupBuffers?
    /// A gathered tensor `[rows, hidden]`.
    private let gathered: FloatStorage?
    private let profile: Profile

    init(
        _ group: Communicator, shape: MicrobatchShape, sharesMemory: Bool, profile: Profile
    ) throws(MPIError) {
        rank = group.rank
        size = group.size
        splitsRows = shape.rowParts > 1
        self.profile = profile
        let count = shape.rows * shape.hidden
        buffers = size > 1 ? try GroupBuffers(group, capacity: count, sharesMemory: sharesMemory) : nil
        gathered = splitsRows ? FloatStorage(count: count) : nil
    }

    /// One rank.
    init(profile: Profile) {
        rank = 0
        size = 1
        splitsRows = false
        buffers = nil
        gathered = nil
        self.profile = profile
    }

    /// Where a product whose sum over the ranks is wanted is written: shared memory, or `output` itself on one rank.
    /// `sum` must follow before anything else of this group.
    func partial(of output: UnsafeMutablePointer<Float>) -> UnsafeMutablePointer<Float> { buffers?.partial ?? output }

    /// Sums the ranks' partial products `[rows, width]`; `output` gets this rank's rows of the stream.
    func sum(rows: Int, width: Int, into output: UnsafeMutablePointer<Float>) throws(MPIError) {
        guard let buffers else { return }
        try profile.measure(.tensorTransfers) { () throws(MPIError) in
            let own = splitsRows ? rows / size * width : rows * width
            let start = splitsRows ? rank * own : 0
            try buffers.sum(count: rows * width, range: start..<start + own, into: output)
        }
    }

    /// All rows of a tensor of the stream, `[rows, width]`: itself, or gathered from the ranks. What it returns is
    /// overwritten by the next call.
    func gather(
        _ part: UnsafeMutablePointer<Float>, rows: Int, width: Int
    ) throws(MPIError) -> UnsafeMutablePointer<Float> {
        guard let buffers, let gathered else { return part }
        try profile.measure(.tensorTransfers) { () throws(MPIError) in
            try buffers.gather(part, count: rows / size * width, into: gathered.pointer)
        }
        return gathered.pointer
    }

    /// Sums over the ranks a gradient of which each has only its rows' share.
    func allReduce(_ values: UnsafeMutablePointer<Float>, count: Int) throws(MPIError) {
        guard let buffers else { return }
        try profile.measure(.tensorTransfers) { () throws(MPIError) in
            try buffers.allReduce(values, count: count)
        }
    }

    /// The ranks' parts of `count` numbers, one behind the other.
    func gatherSmall(
        _ part: UnsafePointer<Float>, count: Int, into output: UnsafeMutablePointer<Float>
    ) throws(MPIError) {
        guard let buffers else { return output.update(from: part, count: count) }
        try profile.measure(.tensorTransfers) { () throws(MPIError) in
            try buffers.gather(part, count: count, into: output)
        }
    }
}
