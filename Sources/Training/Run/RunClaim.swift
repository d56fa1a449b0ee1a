internal import Foundation
internal import Output
internal import Plans

/// A claim on the folders that a run will write to. They are locked and looked through, and nothing in them is changed yet.
struct RunClaim {
    let request: RunRecorder.Request
    /// Files of the run that is replaced.
    private let old: [String]
    /// Its checkpoints, folders with files of their own.
    private let oldCheckpoints: [String]
    /// The run that goes on.
    let resumed: RunManifest?

    /// - Parameters:
    ///   - directory: the folder of checkpoints; nil for a run without any.
    ///   - record: remembers the folders that are made and the locks.
    init(
        _ request: RunRecorder.Request, _ settings: TrainSettings, folder: String, directory: String?, host: String,
        record: RunRecord
    ) throws {
        self.request = request
        record.made(folders: try RecordFolder.prepare(folder, "this folder for the run"))
        let holder = "\(request.program), process \(getpid()) on \(host), \(request.name)"
        let isLocked = try Self.lock(folder, holder, record) { Self.busy(folder, $0) }
        let manifest = try RunManifest.read(folder: folder)
        if let manifest {
            let isGone = isLocked || manifest.host == host && !Self.stays(manifest.process)
            try Self.mayReplace(
                manifest, in: folder, request.overwrites || request.resume != nil, isGone: isGone)
        }
        // A run goes on where it has begun; another checkpoint begins a run of its own.
        resumed = request.resume != nil && !request.overwrites ? manifest : nil
        let names = Set((manifest?.files ?? []) + (manifest?.checkpoints.map(\.file) ?? []))
        let copiesTokenizer = settings.tokenizer != "bytes"
        let own =
            [RunFolder.plan, RunFolder.log]
            + (copiesTokenizer ? [RunFolder.tokenizer, RunFolder.tokenizerConfiguration] : [])
        let timeline = folder + "/" + RunFolder.timeline
        let leavesTimeline = request.files.options.contains { $0.path == timeline }
        for name in own + (leavesTimeline ? [RunFolder.timeline] : []) {
            let path = folder + "/" + name
            if !names.contains(name) { try Self.refuseExisting(path, "is another's file", fix: "") }
            try Self.refuseSpecial(path)
        }
        if let log = request.log, RunFolder.absolute(log) != folder + "/" + RunFolder.log, !request.overwrites,
            !Self.owns(log, resumed, in: folder)
        {
            try Self.refuseExisting(log, "is there already")
        }
        // The old log goes rather than being emptied: it may have another name elsewhere.
        let kept = [RunFolder.plan, RunFolder.manifest, RunLock.name]
        old =
            resumed != nil
            ? [] : names.filter { !kept.contains($0) }.sorted().compactMap { RunFolder.ownFile($0, in: folder) }
        oldCheckpoints =
            resumed != nil
            ? []
            : (manifest?.checkpoints ?? []).compactMap { RunFolder.ownFolder($0.file, in: folder) }
                .filter(Checkpoint.isCheckpoint)
        var checkpoints: [String] = []
        if let directory {
            record.made(folders: try RecordFolder.prepare(directory, "this directory for checkpoints"))
            if FileIdentity(directory) != FileIdentity(folder) {
                _ = try Self.lock(directory, holder, record) { holder in
                    .file(
                        path: directory,
                        reason: "another run is writing its checkpoints here\(Self.words(holder)); "
                            + "name another train.checkpoint.path")
                }
            }
            checkpoints = Self.checkpoints(in: directory, settings, besides: request.files.options.map(\.path))
            if !request.overwrites {
                try Self.refuseCheckpoints(
                    checkpoints.filter { path in resumed.map { !CheckpointList.isOf($0, in: folder, path) } ?? true })
            }
        }
        try checkInputs(checkpoints)
    }

    /// Removes the files of the run that is replaced.
    func clear() {
        for path in old { unlink(path) }
        for path in oldCheckpoints { DiskFile.remove(checkpoint: path) }
    }

    /// Refuses a run that would write a checkpoint over a file it reads, or over a file of one of its options, and a run that
    /// reads a file of the run it replaces.
    private func checkInputs(_ checkpoints: [String]) throws {
        var files = CommandFiles(
            written: checkpoints.map { NamedPath("a checkpoint of the run", $0) },
            removed: (old + oldCheckpoints).map { NamedPath("--overwrite", $0) }, read: request.files.read)
        try files.check()
        // One by one: an existing checkpoint has other names of its own.
        for checkpoint in files.written {
            files = CommandFiles(written: [checkpoint] + request.files.options)
            try files.check()
        }
    }

    // MARK: who writes there

    /// Locks a folder.
    /// - Returns: whether the folder is really locked. Some file systems have no locks.
    private static func lock(
        _ folder: String, _ holder: String, _ record: RunRecord, busy: (String?) -> TrainingError
    ) throws(TrainingError) -> Bool {
        do throws(RunLock.Refusal) {
            let lock = try RunLock(folder: folder, holder: holder)
            record.holds(lock)
            return lock.isReal
        } catch {
            switch error {
            case .held(let holder): throw busy(holder)
            case .impossible(let words): throw .file(path: folder, reason: "cannot be locked: " + words)
            }
        }
    }

    private static func words(_ holder: String?) -> String { holder.map { " (\($0))" } ?? "" }

    /// Whether a file is one of the run's own.
    static func owns(_ path: String, _ run: RunManifest?, in folder: String) -> Bool {
        (run?.files ?? []).contains { RunFolder.path(of: $0, in: folder) == RunFolder.absolute(path) }
    }

    private static func busy(_ folder: String, _ holder: String? = nil) -> TrainingError {
        let manifest = try? RunManifest.read(folder: folder)
        let who =
            manifest.map { $0.state == .running ? " of \($0.plan) (process \($0.process) on \($0.host))" : "" }
            ?? words(holder)
        return .file(
            path: folder,
            reason: "another run\(who) is writing here; name another folder with --folder, or wait for its end")
    }

    private static func mayReplace(
        _ old: RunManifest, in folder: String, _ overwrites: Bool, isGone: Bool
    ) throws(TrainingError) {
        if old.state == .running, !isGone { throw busy(folder) }
        guard !overwrites else { return }
        let state = old.state == .running ? "ended without a word (killed?)" : old.state.rawValue
        throw .file(
            path: folder,
            reason: "holds a run of \(old.plan) (\(state), \(old.stepsDone(in: folder)) of \(old.steps) steps); "
                + (old.checkpoints.isEmpty ? "" : "go on with it with --resume, ")
                + "name another folder with --folder or train.folder, or replace that run with --overwrite")
    }

    /// Whether a process of that number is a rank 0 at work. Asked where there are no locks.
    private static func stays(_ process: Int32) -> Bool {
        let words = FileManager.default.contents(atPath: "/proc/\(process)/cmdline") ?? Data()
        return process != getpid() && String(decoding: words, as: UTF8.self).contains("trainyard-train")
    }

    // MARK: what lies there

    static func refuseExisting(
        _ path: String, _ what: String, fix: String = ", or replace it with --overwrite"
    ) throws(TrainingError) {
        var status = stat()
        guard stat(path, &status) == 0, status.st_mode & S_IFMT == S_IFREG, status.st_size > 0 else { return }
        throw .file(path: path, reason: "\(what); name another place" + fix)
    }

    /// Refuses a path that is no plain file. Through a link a run would write elsewhere.
    private static func refuseSpecial(_ path: String) throws(TrainingError) {
        var status = stat()
        guard lstat(path, &status) == 0, status.st_mode & S_IFMT != S_IFREG else { return }
        throw .file(path: path, reason: "is no plain file, as a run's own is; name another folder with --folder")
    }

    /// The checkpoints of this run's names that lie in the directory already, or that one of `others` could be.
    private static func checkpoints(
        in directory: String, _ settings: TrainSettings, besides others: [String]
    ) -> [String] {
        let names = (try? FileManager.default.contentsOfDirectory(atPath: directory)) ?? []
        let further = others.map { ($0 as NSString).lastPathComponent }
        return Set(names + further).sorted().filter { name in
            guard let step = Checkpoint.step(of: name), Checkpoint.name(step: step) == name else { return false }
            return (1...max(1, settings.steps)).contains(step) && settings.savesCheckpoint(after: step)
        }.map { directory + "/" + $0 }
    }

    /// Refuses a run that would replace another run's checkpoints of the same names.
    private static func refuseCheckpoints(_ checkpoints: [String]) throws(TrainingError) {
        for path in checkpoints {
            var status = stat()
            guard lstat(path, &status) == 0 else { continue }
            throw .file(
                path: path,
                reason: "is another run's checkpoint, which this one would replace; name another train.checkpoint.path "
                    + "(or none: then it is the run's own folder), or replace it with --overwrite")
        }
    }
}
