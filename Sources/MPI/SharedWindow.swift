internal import CMPI

#if canImport(Darwin)
    internal import Darwin
#elseif canImport(Musl)
    internal import Musl
#else
    internal import Glibc
#endif

/// Memory that every rank of a communicator can read and write directly (MPI 3.1, section 11.2.3): one segment a rank.
/// Only ranks of one node can have it.
///
/// Writes of one rank are seen by another after both have called `synchronize`. All calls are collective. The memory stays
/// until it is freed (`Communicator.free`), or until `World.finalize`.
package final class SharedWindow {
    /// Bytes of one rank's segment.
    package let bytesPerRank: Int
    private let communicator: Communicator
    private let segments: [UnsafeMutableRawPointer]

    /// Segments of `bytesPerRank` zeroed bytes, aligned to 64.
    /// - Returns: nil, on every rank alike, when the ranks do not all share one memory or it has no room
    ///   (`Communicator.sharedMemoryShortage`).
    package init?(_ communicator: Communicator, bytesPerRank: Int) throws(MPIError) {
        guard try communicator.sharesMemory(), try communicator.hasRoom(bytesPerRank: bytesPerRank) else { return nil }
        self.communicator = communicator
        self.bytesPerRank = bytesPerRank
        var made: MPI_Win? = cmpi_win_null()
        var own: UnsafeMutableRawPointer?
        let padded = Self.padded(bytesPerRank)
        try check(
            MPI_Win_allocate_shared(MPI_Aint(padded), 1, cmpi_info_null(), communicator.handle, &own, &made),
            "MPI_Win_allocate_shared")
        if let made { communicator.session.own(window: made) }
        var found: [UnsafeMutableRawPointer] = []
        for rank in 0..<communicator.size {
            var size = MPI_Aint(0)
            var unit: Int32 = 0
            var base: UnsafeMutableRawPointer?
            try check(MPI_Win_shared_query(made, Int32(rank), &size, &unit, &base), "MPI_Win_shared_query")
            guard let base else { throw MPIError.mismatch("no segment of rank \(rank)", call: "MPI_Win_shared_query") }
            found.append(base)
        }
        segments = found
        segments[communicator.rank].initializeMemory(as: UInt8.self, repeating: 0, count: padded)
        try synchronize()
    }

    fileprivate static func padded(_ bytes: Int) -> Int { (max(bytes, 1) + 4095) / 4096 * 4096 }

    /// The segment of `rank`.
    package func segment<T: MPIElement>(of rank: Int, as type: T.Type = T.self) -> UnsafeMutablePointer<T> {
        segments[rank].assumingMemoryBound(to: T.self)
    }

    /// Returns when every rank has called it. All writes before are then there to read.
    package func synchronize() throws(MPIError) {
        cmpi_fence()
        try communicator.barrier()
        cmpi_fence()
    }
}

extension Communicator {
    /// Whether all ranks run on one node (MPI 3.1, section 6.4.2, `MPI_COMM_TYPE_SHARED`). Collective.
    package func sharesMemory() throws(MPIError) -> Bool {
        try session.checkIntact()
        var made: MPI_Comm?
        try check(
            MPI_Comm_split_type(handle, cmpi_comm_type_shared(), Int32(clamping: rank), cmpi_info_null(), &made),
            "MPI_Comm_split_type")
        var local: Int32 = 0
        try check(MPI_Comm_size(made, &local), "MPI_Comm_size")
        MPI_Comm_free(&made)
        // Nodes of different sizes must come to one answer.
        return try allReduce(Int32(Int(local) == size ? 1 : 0), .min) == 1
    }
}

/// A shared window that found no room on its node.
package struct SharedMemoryShortage: Hashable, Sendable, CustomStringConvertible {
    package var wanted: Int
    package var free: Int

    package var description: String {
        // Room for Open MPI's own segments, 4 MiB a rank, comes on top.
        let size = max(64, wanted >> 18)
        return "\(SharedMemoryShortage.place) has \(free >> 10) KiB free where \(wanted >> 10) are wanted; MPI's own "
            + "collectives serve instead, which are slower. Enlarge it: mount -o remount,size=\(size)m "
            + "\(SharedMemoryShortage.place), docker run --shm-size \(size)m"
    }

    /// The file system where Open MPI puts the memory that ranks share.
    static let place = "/dev/shm"
}

extension Communicator {
    /// The first window that this rank did without for lack of room; nil where all had room.
    package var sharedMemoryShortage: SharedMemoryShortage? { session.shortage }

    /// Whether every rank's node has room for windows of this size, and some to spare. Collective. Memory is taken only when
    /// it is written to, and a rank that finds none then ends with SIGBUS, so this asks before.
    fileprivate func hasRoom(bytesPerRank: Int) throws(MPIError) -> Bool {
        var disk = statvfs()
        var fits = true
        if statvfs(SharedMemoryShortage.place, &disk) == 0, disk.f_blocks > 0 {
            let free = Int(clamping: disk.f_bavail).multipliedReportingOverflow(by: Int(clamping: disk.f_frsize))
            // All groups of a node make their windows at about the same time.
            let ranks = max(size, getenv("OMPI_COMM_WORLD_LOCAL_SIZE").flatMap { Int(String(cString: $0)) } ?? size)
            let wanted = SharedWindow.padded(bytesPerRank).multipliedReportingOverflow(by: ranks)
            fits = free.overflow || (!wanted.overflow && wanted.partialValue / 4 * 5 <= free.partialValue)
            if !fits, session.shortage == nil {
                session.shortage = SharedMemoryShortage(
                    wanted: wanted.overflow ? .max >> 8 : wanted.partialValue / 4 * 5, free: free.partialValue)
            }
        }
        return try allReduce(Int32(fits ? 1 : 0), .min) == 1
    }
}
