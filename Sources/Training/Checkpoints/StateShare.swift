internal import Foundation
internal import Models
package import Tensors

/// The part of a run's state that one rank writes: a safetensors file of its own. It is read from the live state, or from a copy
/// of it, so that the run can go on while a thread writes.
package struct StateShare {
    /// A tensor of the file.
    private struct Piece {
        var entry: StateDictionary.Entry
        var runs: [ElementRun]
        var count: Int
    }

    private let pieces: [Piece]
    /// The elements of all pieces, one behind the other; nil: they are read where the run keeps them.
    let copy: Storage<UInt8>?
    /// Bytes of the elements.
    let bytes: Int

    /// - Parameters:
    ///   - copies: whether the elements are copied now.
    ///   - room: memory for the copy, of an earlier share that nobody reads any more.
    package init(_ state: StateDictionary, copies: Bool, room: Storage<UInt8>? = nil) {
        var pieces = state.entries.map { entry in
            let runs = entry.owned
            return Piece(entry: entry, runs: runs, count: runs.reduce(0) { $0 + $1.count })
        }.filter { $0.count > 0 }
        // Wider numbers first: every tensor then starts on a multiple of its number's size.
        pieces = pieces.filter { $0.entry.format == .fp32 } + pieces.filter { $0.entry.format != .fp32 }
        self.pieces = pieces
        let bytes = pieces.reduce(0) { $0 + $1.count * $1.entry.format.bytes }
        self.bytes = bytes
        guard copies else {
            copy = nil
            return
        }
        let storage = room.flatMap { $0.count >= bytes ? $0 : nil } ?? Storage<UInt8>(count: bytes)
        var target = UnsafeMutableRawPointer(storage.pointer)
        for piece in pieces {
            for run in piece.runs {
                let count = run.count * piece.entry.format.bytes
                target.copyMemory(from: piece.entry.address(run.local), byteCount: count)
                target += count
            }
        }
        copy = storage
    }

    /// Calls `body` with the number of a piece and the elements of one of its runs, in the order of the file.
    private func forEachRun<Failure: Error>(
        _ body: (Int, ElementRun, UnsafeRawPointer) throws(Failure) -> Void
    ) throws(Failure) {
        var source = copy.map { UnsafeRawPointer($0.pointer) }
        for (index, piece) in pieces.enumerated() {
            for run in piece.runs {
                try body(index, run, source ?? UnsafeRawPointer(piece.entry.address(run.local)))
                if let place = source { source = place + run.count * piece.entry.format.bytes }
            }
        }
    }

    /// The checksum of every piece, in their order.
    private func sums() -> [UInt64] {
        var sums = pieces.map { _ in ElementSum() }
        forEachRun { index, run, source in pieces[index].entry.format.add(run, at: source, to: &sums[index]) }
        return sums.map(\.value)
    }

    /// Writes the file and returns when the disk has it.
    package func write(to path: String) throws(TrainingError) -> WrittenShare {
        let header = try header(path)
        let file = try DiskFile(creating: path)
        try file.write(data: header)
        // Small runs are joined, so that the disk sees few writes.
        var buffer: [UInt8] = []
        buffer.reserveCapacity(Self.joined)
        try forEachRun { (index, run, source) throws(TrainingError) in
            let bytes = UnsafeRawBufferPointer(start: source, count: run.count * pieces[index].entry.format.bytes)
            if buffer.count + bytes.count > Self.joined {
                try file.write(data: buffer)
                buffer.removeAll(keepingCapacity: true)
            }
            if bytes.count >= Self.joined { return try file.write(bytes) }
            buffer.append(contentsOf: bytes)
        }
        try file.write(data: buffer)
        try file.sync()
        return WrittenShare(
            bytes: file.written, headerBytes: header.count, header: SHA256.digits(of: header), state: bytes)
    }

    private static let joined = 1 << 20

    private func header(_ path: String) throws(TrainingError) -> Data {
        var header = ShardHeader()
        for (piece, sum) in zip(pieces, sums()) {
            header.add(
                ShardHeader.Piece(
                    key: piece.entry.key, format: piece.entry.format, shape: piece.entry.tensor.shape,
                    patterns: RunPattern.patterns(of: piece.runs), sum: sum))
        }
        guard let data = header.data else { throw .write(path: path, reason: "a tensor's name is no text") }
        return data
    }
}

/// A share that is on the disk.
package struct WrittenShare: Hashable, Codable, Sendable {
    /// Bytes of the file, and of its header.
    package var bytes: Int
    package var headerBytes: Int
    /// SHA-256 of the file's header, which holds the checksums of its tensors.
    package var header: String
    /// Bytes of the tensors.
    package var state: Int
}
