internal import Foundation
package import MPI
internal import Numbers
internal import Plans
internal import Synchronization
internal import Tensors

/// What a save has written.
package struct SavedCheckpoint: Hashable, Sendable {
    package var path: String
    package var step: Int
    /// Bytes of all files.
    package var bytes: Int
    /// SHA-256 of the checkpoint's manifest.
    package var sha256: String
    package var files: Int
    /// Seconds for which the run waited.
    package var blocked: Double
    /// Seconds until everything was on the disk.
    package var seconds: Double
    /// Bytes of all tensors, and the most that one rank wrote of them.
    package var stateBytes: Int
    package var mostStateBytes: Int
}

/// Saves the state of a run: every rank writes its own share into a temporary folder, which rank 0 completes with the manifest
/// and renames. Every rank makes the same calls.
package final class CheckpointSaver {
    private let world: Communicator
    private let state: StateDictionary
    /// Whether a thread writes a copy of the state.
    package let isAsynchronous: Bool
    private var pending: Pending?
    /// Memory of the last copy. A save begins when the one before is complete.
    private var room: Storage<UInt8>?
    private let share: Int

    /// A save that has begun.
    private struct Pending {
        var path: String
        var manifest: CheckpointManifest?
        var writing: ShareWriting
        var began: Double
        var blocked: Double
    }

    /// - Parameter isAsynchronous: whether a thread writes a copy of the state while the run goes on.
    init(world: Communicator, state: StateDictionary, isAsynchronous: Bool) {
        self.world = world
        self.state = state
        self.isAsynchronous = isAsynchronous
        share = state.ownedBytes
    }

    /// Whether this rank has nothing left to write of a save that has begun.
    package var isWritten: Bool { pending?.writing.isDone ?? true }
    package var isPending: Bool { pending != nil }

    /// Collective. Bytes that all ranks together write for a checkpoint.
    package func totalBytes() throws(MPIError) -> Int { Int(try world.allReduce(Int64(share))) }

    /// Begins a save into the folder `path`, which rank 0 names with its manifest. Without `asynchronous` it returns when all of
    /// this rank's share is on the disk.
    /// - Throws: `TrainingError.write` on every rank if one rank cannot write.
    func begin(_ path: String, _ manifest: CheckpointManifest?) throws {
        precondition(pending == nil, "a save begins while another is under way")
        let began = MonotonicClock.seconds()
        let folder = world.rank == 0 ? Self.partial(path) : ""
        try agree(on: world.rank == 0 ? Self.make(folder) : nil)
        let place = String(decoding: try world.broadcast(bytes: Array(folder.utf8), from: 0), as: UTF8.self)
        let file = place + "/" + Self.fileName(rank: world.rank, of: world.size)
        let share = StateShare(state, copies: isAsynchronous, room: room)
        room = share.copy
        let writing = ShareWriting(share, path: file)
        if isAsynchronous { writing.start() } else { writing.run() }
        pending = Pending(
            path: path, manifest: manifest, writing: writing, began: began, blocked: MonotonicClock.seconds() - began)
    }

    /// Collective. Completes a save that has begun: waits for this rank's share, then rank 0 writes the manifest and gives the
    /// folder its name.
    /// - Returns: what was written, on rank 0.
    package func finish() throws -> SavedCheckpoint? {
        guard let save = pending else { return nil }
        pending = nil
        let began = MonotonicClock.seconds()
        let result = save.writing.wait()
        var mine: [UInt8] = []
        var problem: String?
        switch result {
        case .success(let share): mine = Array((try? JSONEncoder().encode(share)) ?? Data())
        case .failure(let error): problem = error.description
        }
        let folder = Self.partial(save.path)
        do {
            try agree(on: problem)
        } catch {
            if world.rank == 0 { DiskFile.remove(folder: folder) }
            throw error
        }
        let all = try world.gather(mine, to: 0)
        var saved: SavedCheckpoint?
        if let all, var manifest = save.manifest {
            do throws(TrainingError) {
                let shares = all.compactMap { try? JSONDecoder().decode(WrittenShare.self, from: Data($0)) }
                saved = try Self.complete(shares, &manifest, at: save.path)
            } catch {
                problem = error.description
                DiskFile.remove(folder: folder)
            }
        }
        try agree(on: problem)
        let now = MonotonicClock.seconds()
        saved?.seconds = now - save.began
        saved?.blocked = save.blocked + now - began
        return saved
    }

    /// Completes a checkpoint whose shares lie in the temporary folder: writes the manifest, then gives the folder its name.
    package static func complete(
        _ shares: [WrittenShare], _ manifest: inout CheckpointManifest, at path: String
    ) throws(TrainingError) -> SavedCheckpoint {
        let folder = partial(path)
        manifest.files = shares.enumerated().map { rank, share in
            CheckpointManifest.File(
                name: fileName(rank: rank, of: shares.count), bytes: share.bytes, header: share.header)
        }
        guard let text = try? manifest.text() else { throw .write(path: path, reason: "a figure is no number") }
        let file = try DiskFile(creating: folder + "/" + CheckpointManifest.name)
        try file.write(data: text)
        try file.sync()
        try DiskFile.sync(folder: folder)
        // Of an older run that began again, or a damaged one that this run fell back from.
        let old = DiskFile.hidden(path) + ".old"
        DiskFile.remove(folder: old)
        try DiskFile.rename(folder, to: path, besides: old) { DiskFile.remove(folder: $0) }
        return SavedCheckpoint(
            path: path, step: manifest.step, bytes: manifest.bytes &+ text.count, sha256: SHA256.digits(of: text),
            files: shares.count, blocked: 0, seconds: 0, stateBytes: shares.reduce(0) { $0 &+ $1.state },
            mostStateBytes: shares.map(\.state).max() ?? 0)
    }

    /// Collective. All ranks throw the problem of the first rank that has one.
    private func agree(on problem: String?) throws {
        if let first = try world.firstProblem(problem) { throw TrainingError.saving(first) }
    }

    // MARK: names

    package static func fileName(rank: Int, of ranks: Int) -> String {
        func digits(_ number: Int) -> String { Figures.padded(String(number), to: 5) }
        return "state-\(digits(rank + 1))-of-\(digits(ranks)).safetensors"
    }

    /// The folder that a checkpoint is written in before it has its name.
    package static func partial(_ path: String) -> String {
        DiskFile.hidden(path) + ".partial"
    }

    /// Makes the temporary folder, instead of one that a killed run left.
    /// - Returns: the reason if it cannot.
    private static func make(_ folder: String) -> String? {
        DiskFile.remove(folder: folder)
        guard mkdir(folder, 0o777) == 0 else {
            return TrainingError.write(path: folder, reason: InputFile.lastError).description
        }
        return nil
    }
}

/// The writing of one rank's share, here or on a thread.
private final class ShareWriting: Sendable {
    private let path: String
    // Only one thread reads it, and nobody changes what it refers to: a share that is written on a thread is a copy.
    nonisolated(unsafe) private let share: StateShare
    private let result = Mutex<Result<WrittenShare, TrainingError>?>(nil)
    private let finished = DispatchSemaphore(value: 0)

    init(_ share: StateShare, path: String) {
        self.share = share
        self.path = path
    }

    var isDone: Bool { result.withLock { $0 != nil } }

    func run() {
        let written: Result<WrittenShare, TrainingError>
        do throws(TrainingError) {
            written = .success(try share.write(to: path))
        } catch {
            written = .failure(error)
        }
        result.withLock { $0 = written }
        finished.signal()
    }

    func start() { Thread.detachNewThread { self.run() } }

    func wait() -> Result<WrittenShare, TrainingError> {
        finished.wait()
        return result.withLock { $0 } ?? .failure(.write(path: path, reason: "the thread that wrote it ended"))
    }
}
