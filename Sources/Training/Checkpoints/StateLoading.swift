internal import Foundation
internal import MPI
internal import Models
internal import Tensors

extension StateDictionary {
    /// Fills everything that this rank holds from a checkpoint of any layout.
    /// - Returns: bytes of the tensors that were read.
    package func load(from folder: CheckpointFolder) throws(CheckpointProblem) -> Int {
        let before = folder.bytesRead
        for entry in entries { entry.touched?.forget() }
        for entry in entries {
            if entry.touched != nil {
                try entry.loadTouched(from: folder)
            } else {
                try folder.read(
                    entry.key, shape: entry.tensor.shape, format: entry.format, runs: entry.runs,
                    place: { entry.address($0.local) })
            }
        }
        return folder.bytesRead - before
    }

    /// Collective. Compares the checksum of every tensor, of which each rank has a part in memory, with the checkpoint's.
    /// - Returns: the first tensor that differs, on every rank; nil: all are as they were saved.
    func difference(from folder: CheckpointFolder, over world: Communicator) throws(MPIError) -> String? {
        let keys = folder.pieces.keys.sorted()
        let numbers = Dictionary(uniqueKeysWithValues: keys.enumerated().map { ($1, $0) })
        var sums = [Int64](repeating: 0, count: keys.count)
        for entry in entries {
            guard let number = numbers[entry.key] else { continue }
            sums[number] &+= Int64(bitPattern: entry.sum(entry.owned))
        }
        // The sum of ranks wraps around as the sum of elements does.
        try world.allReduceInPlace(&sums)
        return keys.indices.first { UInt64(bitPattern: sums[$0]) != folder.sum(keys[$0]) }.map { keys[$0] }
    }
}

extension StateDictionary.Entry {
    /// Bytes that are read at a time.
    private static let room = 1 << 20
    /// Bytes of a page of memory.
    private static let page = 4096

    /// Loads moments of a table most of whose rows may be zero. Pages of zeros are not written to where they are zero already:
    /// untouched memory takes no room. Where a later state lies, they are.
    fileprivate func loadTouched(from folder: CheckpointFolder) throws(CheckpointProblem) {
        let room = Storage<UInt8>(count: Self.room)
        let most = Self.room / format.bytes
        for run in runs {
            var done = 0
            while done < run.count {
                let count = min(run.count - done, most)
                let part = ElementRun(local: run.local + done, whole: run.whole + done, count: count)
                try folder.read(
                    key, shape: tensor.shape, format: format, runs: [part],
                    place: { UnsafeMutableRawPointer(room.pointer) + ($0.whole - part.whole) * format.bytes })
                let source = UnsafeRawPointer(room.pointer)
                for start in stride(from: 0, to: count * format.bytes, by: Self.page) {
                    let bytes = min(Self.page, count * format.bytes - start)
                    let page = UnsafeRawBufferPointer(start: source + start, count: bytes)
                    let isZero = !page.contains { $0 != 0 }
                    let there = UnsafeRawBufferPointer(start: address(part.local) + start, count: bytes)
                    if isZero, !there.contains(where: { $0 != 0 }) { continue }
                    address(part.local).advanced(by: start).copyMemory(from: source + start, byteCount: bytes)
                    guard !isZero else { continue }
                    let first = part.local + start / format.bytes
                    touched?.remember(elements: first..<first + bytes / format.bytes)
                }
                done += count
            }
        }
    }
}
