internal import Foundation
internal import Plans
internal import Synchronization

/// The manifest of a run, and the files, folders and locks of its process. Rank 0 keeps it up to date while it trains. A
/// thread that hears a signal may write it last.
final class RunRecord: Sendable {
    private enum Stage {
        /// The folder is locked, and nothing in it has been changed.
        case claimed
        case running, ended
    }

    private struct State {
        var manifest: RunManifest
        var stage = Stage.claimed
        var locks: [RunLock] = []
        /// Folders this process made, the outermost first.
        var folders: [String] = []
        /// Files this process made.
        var files: [String] = []
    }

    private let folder: String
    private let state: Mutex<State>

    init(_ manifest: RunManifest, folder: String) {
        self.folder = folder
        state = Mutex(State(manifest: manifest))
    }

    var manifest: RunManifest { state.withLock { $0.manifest } }

    /// Remembers folders that this process made.
    func made(folders: [String]) { state.withLock { $0.folders += folders } }

    /// Remembers a file that this process made.
    func made(file: String) { state.withLock { $0.files.append(file) } }

    /// Remembers a lock, to release it at the end.
    func holds(_ lock: RunLock) { state.withLock { $0.locks.append(lock) } }

    /// Calls `write`, which makes or replaces the file at `path`, and remembers the file where there was none.
    func make<Result, Failure>(_ path: String, _ write: () throws(Failure) -> Result) throws(Failure) -> Result {
        var before = stat()
        let isNew = lstat(path, &before) != 0 && errno == ENOENT
        let result = try write()
        if isNew { state.withLock { $0.files.append(path) } }
        return result
    }

    /// Writes the manifest for the first time, with these files besides its checkpoints.
    /// - Parameter checkpoints: those of the run that goes on.
    func writeFirst(files: [String], checkpoints: [RunManifest.Checkpoint], step: Int) throws {
        try state.withLock { state throws in
            state.manifest.files = files
            state.manifest.checkpoints = checkpoints
            state.manifest.step = step
            try save(&state.manifest)
            state.stage = .running
        }
    }

    /// Takes on the number and the beginning of the run that goes on.
    func goesOn(run: String?, started: Date) {
        state.withLock { state in
            if let run { state.manifest.run = run }
            state.manifest.started = started
        }
    }

    /// Changes the manifest and writes it.
    func change(_ change: (inout RunManifest) -> Void) throws {
        try state.withLock { state throws in
            change(&state.manifest)
            try save(&state.manifest)
        }
    }

    /// Remembers the steps done, for the next time the manifest is written.
    func note(step: Int) { state.withLock { $0.manifest.step = step } }

    /// Remembers what the run's time went into, for the next time the manifest is written.
    func note(seconds: RunManifest.Seconds) { state.withLock { $0.manifest.seconds = seconds } }

    /// Writes into the manifest how the run ended, and unlocks the folder.
    /// - Parameter cause: why it failed, where a new start would fail again.
    func writeEnd(_ ending: RunManifest.State, steps: Int?, cause: RunManifest.Cause? = nil) throws {
        try state.withLock { state throws in
            guard state.stage == .running else { return }
            state.stage = .ended
            state.manifest.state = ending
            state.manifest.cause = cause
            if let steps { state.manifest.step = steps }
            defer { Self.release(&state) }
            try save(&state.manifest)
        }
    }

    /// Before the first step: removes the files and folders that this process made, and nothing else.
    func discard() { state.withLock { Self.discard(&$0) } }

    /// Records that a signal asked the run to stop. It may still save its state, or be killed before.
    func noteInterruption() {
        state.withLock { state in
            guard state.stage == .running else { return }
            state.manifest.state = .interrupted
            try? save(&state.manifest)
        }
    }

    /// Records that a signal ends this process.
    func interrupt() {
        let isRunning = state.withLock { $0.stage == .running }
        if isRunning { try? writeEnd(.interrupted, steps: nil) } else { discard() }
    }

    private static func discard(_ state: inout State) {
        guard state.stage == .claimed else { return }
        state.stage = .ended
        for path in state.files {
            var status = stat()
            if lstat(path, &status) == 0, status.st_mode & S_IFMT == S_IFREG { unlink(path) }
        }
        release(&state)
        for folder in state.folders.reversed() { rmdir(folder) }
    }

    private static func release(_ state: inout State) {
        for lock in state.locks { lock.release() }
        state.locks = []
    }

    private func save(_ manifest: inout RunManifest) throws {
        manifest.updated = Date()
        // The folder was there when the run began.
        let file = try RecordFile(path: folder + "/" + RunFolder.manifest, grows: false, begun: true)
        try file.write(manifest.json())
        try file.commit()
    }
}
