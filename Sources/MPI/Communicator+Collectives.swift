internal import CMPI

/// Collective calls on raw buffers (MPI 3.1, chapter 5). Every rank makes them, with buffers of the same size.
extension Communicator {
    /// Gives every rank the root's numbers (section 5.4).
    package func broadcast<T: MPIElement>(
        _ buffer: UnsafeMutableBufferPointer<T>, from root: Int
    ) throws(MPIError) {
        try session.checkIntact()
        let count = try checkedCount(buffer.count, "MPI_Bcast")
        try check(
            MPI_Bcast(buffer.baseAddress, count, T.elementKind.datatype, nonNegative(root), handle), "MPI_Bcast")
    }

    /// Reduces element by element and gives every rank the result (section 5.9.6). The buffers do not overlap.
    package func allReduce<T: MPIElement>(
        _ input: UnsafeBufferPointer<T>, into output: UnsafeMutableBufferPointer<T>, _ reduction: Reduction = .sum
    ) throws(MPIError) {
        try session.checkIntact()
        guard input.count == output.count else {
            throw MPIError.mismatch(
                "\(input.count) elements into a buffer of \(output.count)", call: "MPI_Allreduce")
        }
        let count = try checkedCount(input.count, "MPI_Allreduce")
        try check(
            MPI_Allreduce(
                input.baseAddress, output.baseAddress, count, T.elementKind.datatype, reduction.operation, handle),
            "MPI_Allreduce")
    }

    /// Reduces element by element and gives every rank the result, which replaces the input (section 5.9.6).
    package func allReduceInPlace<T: MPIElement>(
        _ buffer: UnsafeMutableBufferPointer<T>, _ reduction: Reduction = .sum
    ) throws(MPIError) {
        try session.checkIntact()
        let count = try checkedCount(buffer.count, "MPI_Allreduce")
        try check(
            MPI_Allreduce(
                cmpi_in_place(), buffer.baseAddress, count, T.elementKind.datatype, reduction.operation, handle),
            "MPI_Allreduce")
    }

    /// Reduces `size` equal blocks and gives rank r block r (section 5.10.1). `input` holds `size` times as many
    /// elements as `output`; they do not overlap.
    package func reduceScatter<T: MPIElement>(
        _ input: UnsafeBufferPointer<T>, into output: UnsafeMutableBufferPointer<T>, _ reduction: Reduction = .sum
    ) throws(MPIError) {
        try session.checkIntact()
        guard input.count == output.count * size else {
            throw MPIError.mismatch(
                "\(input.count) elements for \(size) ranks into a buffer of \(output.count)",
                call: "MPI_Reduce_scatter_block")
        }
        let count = try checkedCount(output.count, "MPI_Reduce_scatter_block")
        try check(
            MPI_Reduce_scatter_block(
                input.baseAddress, output.baseAddress, count, T.elementKind.datatype, reduction.operation, handle),
            "MPI_Reduce_scatter_block")
    }

    /// Gives every rank the blocks of all ranks, in rank order (section 5.7). `output` holds `size` times as many
    /// elements as `input`; they do not overlap.
    package func allGather<T: MPIElement>(
        _ input: UnsafeBufferPointer<T>, into output: UnsafeMutableBufferPointer<T>
    ) throws(MPIError) {
        try session.checkIntact()
        guard output.count == input.count * size else {
            throw MPIError.mismatch(
                "\(input.count) elements of each of \(size) ranks into a buffer of \(output.count)",
                call: "MPI_Allgather")
        }
        let count = try checkedCount(input.count, "MPI_Allgather")
        let type = T.elementKind.datatype
        try check(
            MPI_Allgather(input.baseAddress, count, type, output.baseAddress, count, type, handle), "MPI_Allgather")
    }

    /// Gives every rank the blocks of all ranks, where rank r's block already lies at block r of its buffer (section 5.7).
    package func allGatherInPlace<T: MPIElement>(_ buffer: UnsafeMutableBufferPointer<T>) throws(MPIError) {
        try session.checkIntact()
        guard buffer.count % size == 0 else {
            throw MPIError.mismatch("\(buffer.count) elements do not divide by \(size) ranks", call: "MPI_Allgather")
        }
        let count = try checkedCount(buffer.count / size, "MPI_Allgather")
        let type = T.elementKind.datatype
        // Count and type of the sender are ignored in place (section 5.7).
        try check(
            MPI_Allgather(cmpi_in_place(), count, type, buffer.baseAddress, count, type, handle), "MPI_Allgather")
    }

    /// Sends block r to rank r and receives each rank's block for this one, in rank order (section 5.8). The buffers
    /// are of one size, which divides by `size`, and do not overlap.
    package func allToAll<T: MPIElement>(
        _ input: UnsafeBufferPointer<T>, into output: UnsafeMutableBufferPointer<T>
    ) throws(MPIError) {
        try session.checkIntact()
        guard input.count == output.count, input.count % size == 0 else {
            throw MPIError.mismatch(
                "\(input.count) elements for \(size) ranks into a buffer of \(output.count)", call: "MPI_Alltoall")
        }
        let count = try checkedCount(input.count / size, "MPI_Alltoall")
        let type = T.elementKind.datatype
        try check(
            MPI_Alltoall(input.baseAddress, count, type, output.baseAddress, count, type, handle), "MPI_Alltoall")
    }

    /// Sends rows to every rank and receives rows from each, in rank order (section 5.8, `MPI_Alltoallv`). Counts are in
    /// rows of `width` elements; the buffers hold as many rows as the counts add up to, and do not overlap.
    package func allToAll<T: MPIElement>(
        _ input: UnsafePointer<T>, sending: UnsafePointer<Int32>, into output: UnsafeMutablePointer<T>,
        receiving: UnsafePointer<Int32>, width: Int
    ) throws(MPIError) {
        try session.checkIntact()
        let (ranks, code) = (size, Int32(clamping: width))
        let result = try withUnsafeTemporaryAllocation(of: Int32.self, capacity: 4 * ranks) {
            (numbers) throws(MPIError) -> Int32 in
            let base = numbers.baseAddress!
            let (sent, sentFrom) = (base, base + ranks)
            let (received, receivedAt) = (base + 2 * ranks, base + 3 * ranks)
            var (start, end) = (0, 0)
            for rank in 0..<ranks {
                (sent[rank], received[rank]) = (sending[rank] &* code, receiving[rank] &* code)
                sentFrom[rank] = try checkedCount(start * width, "MPI_Alltoallv")
                receivedAt[rank] = try checkedCount(end * width, "MPI_Alltoallv")
                start += Int(sending[rank])
                end += Int(receiving[rank])
            }
            _ = try checkedCount(max(start, end) * width, "MPI_Alltoallv")
            let type = T.elementKind.datatype
            return MPI_Alltoallv(input, sent, sentFrom, type, output, received, receivedAt, type, handle)
        }
        try check(result, "MPI_Alltoallv")
    }

    /// Brings the bytes of every rank to the root (section 5.5). The ranks may have different numbers of bytes.
    /// - Returns: one array a rank at the root, nil elsewhere.
    package func gather(_ bytes: [UInt8], to root: Int) throws(MPIError) -> [[UInt8]]? {
        try session.checkIntact()
        let count = try checkedCount(bytes.count, "MPI_Gatherv")
        let counts = try allGather(count)
        var offsets: [Int32] = []
        var total = 0
        for count in counts {
            offsets.append(try checkedCount(total, "MPI_Gatherv"))
            total += Int(count)
        }
        // Every rank knows the counts, so that all of them refuse together.
        _ = try checkedCount(total, "MPI_Gatherv")
        var all = [UInt8](repeating: 0, count: rank == root ? total : 0)
        let type = ElementKind.uint8.datatype
        try check(
            MPI_Gatherv(bytes, count, type, &all, counts, offsets, type, nonNegative(root), handle), "MPI_Gatherv")
        guard rank == root else { return nil }
        return zip(offsets, counts).map { Array(all[Int($0)..<Int($0) + Int($1)]) }
    }
}
