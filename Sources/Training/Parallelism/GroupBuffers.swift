internal import MPI
internal import Tensors

/// Sums and gathers among a few ranks: through memory they share where they run on one node, by MPI's own collectives
/// elsewhere. Sums add in the order of ranks, so every rank gets the same bits.
///
/// Through shared memory: each rank puts its part into its segment of a window, all meet once, and each reads what it
/// needs from the others' segments. Two halves of the window take turns: whoever writes into a half has passed the
/// meeting behind which nobody reads its older contents any more.
final class GroupBuffers {
    let group: Communicator
    private let window: SharedWindow?
    /// Numbers one half of a segment holds.
    private let capacity: Int
    private var turn = 0
    /// Without a window: where a partial sum is written, and a gathered tensor's own part.
    private let ownBuffer: FloatStorage?

    /// - Parameter capacity: the most numbers handed over in one piece by `partial` and `gather`; longer sums go in
    ///   pieces.
    init(_ group: Communicator, capacity: Int, sharesMemory: Bool) throws(MPIError) {
        self.group = group
        self.capacity = (capacity + 15) / 16 * 16
        let window =
            sharesMemory && group.size > 1 ? try SharedWindow(group, bytesPerRank: 2 * 4 * self.capacity) : nil
        self.window = window
        ownBuffer = window == nil && group.size > 1 ? FloatStorage(count: self.capacity) : nil
    }

    /// Whether the ranks meet in shared memory.
    var sharesMemory: Bool { window != nil }

    /// Where this rank writes its part before `sum`.
    var partial: UnsafeMutablePointer<Float> { half(of: group.rank) ?? ownBuffer!.pointer }

    private func half(of rank: Int) -> UnsafeMutablePointer<Float>? {
        window.map { $0.segment(of: rank) + (turn & 1) * capacity }
    }

    private func meet() throws(MPIError) {
        try window?.meet()
        turn += 1
    }

    /// Sums the ranks' `partial` of `count` numbers; `output` gets numbers `range` of the sum.
    func sum(count: Int, range: Range<Int>, into output: UnsafeMutablePointer<Float>) throws(MPIError) {
        guard window != nil else {
            try group.allReduceInPlace(UnsafeMutableBufferPointer(start: ownBuffer!.pointer, count: count))
            output.update(from: ownBuffer!.pointer + range.lowerBound, count: range.count)
            return
        }
        let turn = turn
        try meet()
        add(turn: turn, range: range, into: output)
    }

    private func add(turn: Int, range: Range<Int>, into output: UnsafeMutablePointer<Float>) {
        guard let window else { return }
        for rank in 0..<group.size {
            let part: UnsafeMutablePointer<Float> = window.segment(of: rank) + (turn & 1) * capacity + range.lowerBound
            if rank == 0 {
                output.update(from: part, count: range.count)
            } else {
                VectorMath.add(into: output, from: part, count: range.count)
            }
        }
    }

    /// Puts the ranks' parts of `count` numbers one behind the other into `output`.
    func gather(_ part: UnsafePointer<Float>, count: Int, into output: UnsafeMutablePointer<Float>) throws(MPIError) {
        guard let window else {
            try group.allGather(
                UnsafeBufferPointer(start: part, count: count),
                into: UnsafeMutableBufferPointer(start: output, count: count * group.size))
            return
        }
        let shift = (turn & 1) * capacity
        (window.segment(of: group.rank, as: Float.self) + shift).update(from: part, count: count)
        try meet()
        for rank in 0..<group.size {
            (output + rank * count).update(from: window.segment(of: rank, as: Float.self) + shift, count: count)
        }
    }

    /// `values` become their sums over the ranks, piece by piece.
    func allReduce(_ values: UnsafeMutablePointer<Float>, count: Int) throws(MPIError) {
        guard group.size > 1 else { return }
        guard window != nil else {
            return try group.allReduceInPlace(UnsafeMutableBufferPointer(start: values, count: count))
        }
        var start = 0
        while start < count {
            let piece = min(capacity, count - start)
            partial.update(from: values + start, count: piece)
            try sum(count: piece, range: 0..<piece, into: values + start)
            start += piece
        }
    }

    /// `slice`, slice `rank` of `size` equal ones, gets (or with `adds` is increased by) the sums over the ranks of that
    /// slice of `values`.
    func reduceScatter(
        _ values: UnsafePointer<Float>, count: Int, into slice: UnsafeMutablePointer<Float>, adds: Bool,
        scratch: UnsafeMutablePointer<Float>
    ) throws(MPIError) {
        let length = count / group.size
        guard group.size > 1 else {
            if adds {
                VectorMath.add(into: slice, from: values, count: count)
            } else {
                slice.update(from: values, count: count)
            }
            return
        }
        guard window != nil else {
            try group.reduceScatter(
                UnsafeBufferPointer(start: values, count: count),
                into: UnsafeMutableBufferPointer(start: adds ? scratch : slice, count: length))
            if adds { VectorMath.add(into: slice, from: scratch, count: length) }
            return
        }
        // A piece of every rank's slice at a time, so that all have something to add.
        let most = capacity / group.size / 16 * 16
        var start = 0
        while start < length {
            let piece = min(most, length - start)
            for rank in 0..<group.size {
                (partial + rank * piece).update(from: values + rank * length + start, count: piece)
            }
            let own = group.rank * piece
            if adds {
                try sum(count: piece * group.size, range: own..<own + piece, into: scratch)
                VectorMath.add(into: slice + start, from: scratch, count: piece)
            } else {
                try sum(count: piece * group.size, range: own..<own + piece, into: slice + start)
            }
            start += piece
        }
    }

    /// Puts the ranks' slices of `length` numbers one behind the other into `output`, piece by piece. `slice` may be the
    /// rank's own part of `output`.
    func gatherSlices(
        _ slice: UnsafePointer<Float>, length: Int, into output: UnsafeMutablePointer<Float>
    ) throws(MPIError) {
        guard group.size > 1 else {
            if UnsafePointer(output) != slice { output.update(from: slice, count: length) }
            return
        }
        guard let window else {
            let target = output + group.rank * length
            if UnsafePointer(target) != slice { target.update(from: slice, count: length) }
            return try group.allGatherInPlace(UnsafeMutableBufferPointer(start: output, count: length * group.size))
        }
        var start = 0
        while start < length {
            let piece = min(capacity, length - start)
            let shift = (turn & 1) * capacity
            (window.segment(of: group.rank, as: Float.self) + shift).update(from: slice + start, count: piece)
            try meet()
            for rank in 0..<group.size where rank != group.rank || UnsafePointer(output + rank * length) != slice {
                (output + rank * length + start).update(
                    from: window.segment(of: rank, as: Float.self) + shift, count: piece)
            }
            start += piece
        }
    }
}
