internal import Foundation
package import Plans

/// The folder of a run as its rank 0 writes it: who owns it, the records, the checkpoints. Nothing is replaced or removed
/// that the folder's manifest does not name, unless the command line says so by name (`--overwrite`).
package final class RunRecorder {
    package let folder: String
    /// `log.jsonl` of the folder, and the file the command line names.
    private let logs: [MetricsLog]
    private var manifest: RunManifest
    private let checkpoint: TrainSettings.Checkpoint?
    /// Where the checkpoints go.
    private let directory: String

    /// What a run is to leave, and where.
    package struct Request {
        /// `--log`: a second log, besides `log.jsonl` in the folder.
        package var log: String?
        /// Whether a run that lies there may be replaced.
        package var overwrites: Bool
        /// The plan file.
        package var planPath: String
        package var program: String
        package var identity: String
        package var processes: Int

        package init(
            log: String?, overwrites: Bool, planPath: String, program: String, identity: String, processes: Int
        ) {
            self.log = log
            self.overwrites = overwrites
            self.planPath = planPath
            self.program = program
            self.identity = identity
            self.processes = processes
        }
    }

    /// Takes the folder, checks that everything can be written, and writes what is known.
    /// - Throws: `TrainingError.file` or `PlanProblems` for what is in the way.
    package init(_ request: Request, plan: Plan, settings: TrainSettings) throws {
        let isClaimed: Bool
        (folder, isClaimed) = try RunFolder.take(settings.folder, for: plan.name, overwrites: request.overwrites)
        checkpoint = settings.checkpoint
        directory = settings.checkpoint?.path ?? folder + "/" + RunFolder.checkpoints
        manifest = RunManifest(
            plan: plan.name, identity: request.identity, program: request.program, steps: settings.steps,
            processes: request.processes, data: RunFolder.absolute(settings.data),
            host: ProcessInfo.processInfo.hostName, process: getpid(), started: Date())
        // As the user spells it, which messages repeat.
        let ownLog = folder + "/" + RunFolder.log
        let logs = [ownLog, request.log].compactMap(\.self).filter { $0 == ownLog || RunFolder.absolute($0) != ownLog }
        do {
            try RecordFolder.prepare(folder, "this folder for the run")
            let old = try RunManifest.read(folder: folder)
            if let old { try Self.mayReplace(old, in: folder, request.overwrites, host: manifest.host) }
            let owned = Set((old?.files ?? []) + (old?.checkpoints.map(\.file) ?? [])).map { [folder] in
                RunFolder.path(of: $0, in: folder)
            }
            let planCopy = folder + "/" + RunFolder.plan
            if !owned.contains(planCopy) { try Self.refuseExisting(planCopy, "is another's file", fix: "") }
            if !owned.contains(ownLog) { try Self.refuseExisting(ownLog, "is another's file", fix: "") }
            for log in logs.dropFirst() where !request.overwrites { try Self.refuseExisting(log, "is there already") }
            if settings.checkpoint != nil {
                try RecordFolder.prepare(directory, "this directory for checkpoints")
                if !request.overwrites { try Self.refuseCheckpoints(in: directory, settings) }
            }
            for path in owned where path != planCopy && path.hasPrefix(folder + "/") {
                try? FileManager.default.removeItem(atPath: path)
            }
            self.logs = try logs.map(MetricsLog.init(path:))
            try Self.copy(request.planPath, to: planCopy)
        } catch {
            // A folder claimed for nothing.
            if isClaimed { rmdir(folder) }
            throw error
        }
        manifest.files = [RunFolder.plan] + logs.map(relative)
        try save()
    }

    // MARK: what the run writes

    /// Logs a step. `modelFLOPs`: of the whole step.
    package func log(_ report: StepReport, modelFLOPs: Double) throws {
        for log in logs { try log.write(report, modelFLOPs: modelFLOPs) }
    }

    /// Files of the run besides log and checkpoints.
    package func own(_ paths: [String]) throws {
        for path in paths.map(relative) where !manifest.files.contains(path) { manifest.files.append(path) }
        try save()
    }

    /// Where the checkpoint after `steps` steps goes.
    package func checkpointPath(steps: Int) -> String { directory + "/" + Checkpoint.name(step: steps) }

    /// Notes a finished checkpoint, then removes the run's oldest beyond those it keeps.
    package func add(_ saved: SavedFile, at path: String, steps: Int) throws {
        let entry = RunManifest.Checkpoint(
            step: steps, file: relative(path), bytes: saved.bytes, sha256: saved.sha256)
        manifest.checkpoints.removeAll { $0.file == entry.file }
        manifest.checkpoints.append(entry)
        manifest.step = steps
        try save()
        let surplus = manifest.checkpoints.dropLast(max(checkpoint?.keep ?? 1, 1))
        guard !surplus.isEmpty else { return }
        for old in surplus {
            try? FileManager.default.removeItem(atPath: RunFolder.path(of: old.file, in: folder))
        }
        manifest.checkpoints.removeFirst(surplus.count)
        try save()
    }

    /// Says how the run ended, after `steps` steps.
    package func end(_ state: RunManifest.State, steps: Int) throws {
        manifest.state = state
        manifest.step = steps
        try save()
    }

    /// Before the first step: takes the run's files away again, and the folder where nothing else lies in it.
    package func discard() {
        for file in manifest.files + [RunFolder.manifest] { unlink(RunFolder.path(of: file, in: folder)) }
        rmdir(folder + "/" + RunFolder.checkpoints)
        rmdir(folder)
    }

    private func relative(_ path: String) -> String {
        let path = RunFolder.absolute(path)
        return path.hasPrefix(folder + "/") ? String(path.dropFirst(folder.count + 1)) : path
    }

    private func save() throws {
        manifest.updated = Date()
        // The folder was there when the run began.
        try Self.write(manifest.json(), to: folder + "/" + RunFolder.manifest, begun: true)
    }

    // MARK: what lies there

    private static func mayReplace(_ old: RunManifest, in folder: String, _ overwrites: Bool, host: String) throws {
        if old.state == .running, old.host == host, stays(old.process) {
            throw TrainingError.file(
                path: folder,
                reason:
                    "a run of \(old.plan) is writing here (process \(old.process)); name another folder with --folder"
            )
        }
        guard !overwrites else { return }
        throw TrainingError.file(
            path: folder,
            reason: "holds a run of \(old.plan) (\(old.state.rawValue), \(old.step) of \(old.steps) steps); "
                + "name another folder with --folder or train.folder, or replace that run with --overwrite")
    }

    /// Whether a rank 0 of that number is at work, and not just about to end.
    private static func stays(_ process: Int32) -> Bool {
        for _ in 0..<20 {
            // What has ended, and only waits to be noticed, has no words left.
            let words = FileManager.default.contents(atPath: "/proc/\(process)/cmdline") ?? Data()
            guard process != getpid(), String(decoding: words, as: UTF8.self).contains("trainyard-train") else {
                return false
            }
            usleep(100_000)
        }
        return true
    }

    private static func refuseExisting(
        _ path: String, _ what: String, fix: String = ", or replace it with --overwrite"
    ) throws(TrainingError) {
        var status = stat()
        guard stat(path, &status) == 0, status.st_mode & S_IFMT == S_IFREG, status.st_size > 0 else { return }
        throw .file(path: path, reason: "\(what); name another place" + fix)
    }

    /// Another run's checkpoints of the same names would be replaced.
    private static func refuseCheckpoints(in directory: String, _ settings: TrainSettings) throws(TrainingError) {
        let names = (try? FileManager.default.contentsOfDirectory(atPath: directory)) ?? []
        for name in names.sorted() {
            guard let step = Checkpoint.step(of: name), step <= settings.steps, settings.savesCheckpoint(after: step)
            else { continue }
            throw .file(
                path: directory + "/" + name,
                reason: "is another run's checkpoint, which this one would replace; name another train.checkpoint.path "
                    + "(or none: then it is the run's own folder), or replace it with --overwrite")
        }
    }

    private static func copy(_ source: String, to target: String) throws(TrainingError) {
        guard let text = FileManager.default.contents(atPath: source) else {
            throw .file(path: source, reason: "cannot be read")
        }
        try write(text, to: target)
    }

    private static func write(_ bytes: Data, to path: String, begun: Bool = false) throws(TrainingError) {
        let file = try RecordFile(path: path, grows: false, begun: begun)
        try file.write(bytes)
        try file.finish()
    }
}
