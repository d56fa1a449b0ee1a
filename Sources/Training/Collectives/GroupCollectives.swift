internal import MPI
internal import Tensors

/// Sums and gathers among a few ranks: through memory they share where they run on one node, by MPI's own collectives
/// elsewhere. Sums add in the order of ranks, so every rank gets the same bits.
///
/// Through shared memory, each rank writes its part into its segment of a window, all ranks meet at a barrier, and each
/// reads what it needs from the others' segments.
final class GroupCollectives {
    let group: Communicator
    private let window: SharedWindow?
    /// Numbers that one half of a segment holds.
    private let capacity: Int
    /// The ranks' segments by rank, once for each half.
    private let halves: [[UnsafeMutablePointer<Float>]]
    /// Without a window: the parts that this rank writes.
    private let ownBuffer: Storage<Float>?
    private var exchanges = 0

    /// - Parameter capacity: the most numbers of one `sum` or `gather`; longer all-reduces go in pieces.
    init(_ group: Communicator, capacity: Int, sharesMemory: Bool) throws(MPIError) {
        self.group = group
        self.capacity = (capacity + 15) / 16 * 16
        let window =
            sharesMemory && group.size > 1 ? try SharedWindow(group, bytesPerRank: 2 * 4 * self.capacity) : nil
        self.window = window
        let capacity = self.capacity
        halves = (0..<2).map { half in
            (0..<group.size).compactMap { rank in
                window.map { $0.segment(of: rank, as: Float.self) + half * capacity }
            }
        }
        ownBuffer = window == nil ? Storage(count: self.capacity) : nil
    }

    /// Whether the ranks meet in shared memory.
    var sharesMemory: Bool { window != nil }

    // MARK: exchanges

    /// The memory of one exchange. Each rank writes its part there, and the others read it after the barrier.
    ///
    /// Exchanges alternate between the two halves of a segment (double buffering). A half is written again two exchanges
    /// later, when the barrier of the exchange between lies behind every read of it.
    struct Exchange {
        /// This rank's part, for it to write.
        let part: UnsafeMutablePointer<Float>
        /// The parts of all ranks by rank, in shared memory; empty without.
        fileprivate let parts: [UnsafeMutablePointer<Float>]
    }

    /// The memory of the next exchange. Every rank starts the same exchanges in the same order, and ends each before the
    /// next.
    func nextExchange() -> Exchange {
        if let ownBuffer { return Exchange(part: ownBuffer.pointer, parts: []) }
        let parts = halves[exchanges & 1]
        exchanges += 1
        return Exchange(part: parts[group.rank], parts: parts)
    }

    /// Sums `count` numbers of every rank's part; `output` gets numbers `range` of the sum.
    func sum(
        _ exchange: Exchange, count: Int, range: Range<Int>, into output: UnsafeMutablePointer<Float>
    ) throws(MPIError) {
        guard let window else {
            try group.allReduceInPlace(UnsafeMutableBufferPointer(start: exchange.part, count: count))
            output.update(from: exchange.part + range.lowerBound, count: range.count)
            return
        }
        try window.synchronize()
        for (rank, part) in exchange.parts.enumerated() {
            if rank == 0 {
                output.update(from: part + range.lowerBound, count: range.count)
            } else {
                VectorMath.add(into: output, from: part + range.lowerBound, count: range.count)
            }
        }
    }

    // MARK: collectives

    /// Puts the ranks' parts of `count` numbers one behind the other into `output`.
    func gather(_ part: UnsafePointer<Float>, count: Int, into output: UnsafeMutablePointer<Float>) throws(MPIError) {
        guard let window else {
            try group.allGather(
                UnsafeBufferPointer(start: part, count: count),
                into: UnsafeMutableBufferPointer(start: output, count: count * group.size))
            return
        }
        let exchange = nextExchange()
        exchange.part.update(from: part, count: count)
        try window.synchronize()
        for (rank, part) in exchange.parts.enumerated() { (output + rank * count).update(from: part, count: count) }
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
            let exchange = nextExchange()
            exchange.part.update(from: values + start, count: piece)
            try sum(exchange, count: piece, range: 0..<piece, into: values + start)
            start += piece
        }
    }

    /// Sums `values` over the ranks; `slice` gets this rank's slice of the sum, or with `adds` is increased by it. Each of
    /// the group's ranks has an equal slice.
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
            let exchange = nextExchange()
            for rank in 0..<group.size {
                (exchange.part + rank * piece).update(from: values + rank * length + start, count: piece)
            }
            let own = group.rank * piece
            let target = adds ? scratch : slice + start
            try sum(exchange, count: piece * group.size, range: own..<own + piece, into: target)
            if adds { VectorMath.add(into: slice + start, from: scratch, count: piece) }
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
            let exchange = nextExchange()
            exchange.part.update(from: slice + start, count: piece)
            try window.synchronize()
            for (rank, part) in exchange.parts.enumerated()
            where rank != group.rank || UnsafePointer(output + rank * length) != slice {
                (output + rank * length + start).update(from: part, count: piece)
            }
            start += piece
        }
    }
}
