internal import CMPI

/// Collective calls whose blocks are of different lengths, in rows of `width` numbers. Buffers hold as many rows as the
/// counts say and do not overlap.
extension Communicator {
    /// Gives every rank the rows of all ranks, in rank order (section 5.7, `MPI_Allgatherv`).
    /// - Parameter counts: rows of each rank `[size]`, the same on all.
    package func allGather<T: MPIElement>(
        _ input: UnsafePointer<T>, counts: UnsafePointer<Int32>, into output: UnsafeMutablePointer<T>, width: Int
    ) throws(MPIError) {
        try session.checkIntact()
        let result = try withUnsafeTemporaryAllocation(of: Int32.self, capacity: 2 * size) {
            (numbers) throws(MPIError) -> Int32 in
            let (lengths, places) = (numbers.baseAddress!, numbers.baseAddress! + size)
            var start = 0
            for rank in 0..<size {
                places[rank] = try checkedCount(start * width, "MPI_Allgatherv")
                lengths[rank] = try checkedCount(Int(counts[rank]) * width, "MPI_Allgatherv")
                start += Int(counts[rank])
            }
            _ = try checkedCount(start * width, "MPI_Allgatherv")
            let type = T.elementKind.datatype
            return MPI_Allgatherv(input, lengths[rank], type, output, lengths, places, type, handle)
        }
        try check(result, "MPI_Allgatherv")
    }

    /// Sums the ranks' rows and gives each rank its own (section 5.10.2, `MPI_Reduce_scatter`). `input` holds rows for all
    /// ranks, in rank order.
    /// - Parameter counts: rows that each rank gets `[size]`, the same on all.
    package func reduceScatter<T: MPIElement>(
        _ input: UnsafePointer<T>, counts: UnsafePointer<Int32>, into output: UnsafeMutablePointer<T>, width: Int
    ) throws(MPIError) {
        try session.checkIntact()
        let result = try withUnsafeTemporaryAllocation(of: Int32.self, capacity: size) {
            (lengths) throws(MPIError) -> Int32 in
            for rank in 0..<size {
                lengths[rank] = try checkedCount(Int(counts[rank]) * width, "MPI_Reduce_scatter")
            }
            return MPI_Reduce_scatter(
                input, output, lengths.baseAddress!, T.elementKind.datatype, Reduction.sum.operation, handle)
        }
        try check(result, "MPI_Reduce_scatter")
    }
}
