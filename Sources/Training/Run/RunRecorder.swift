internal import Foundation
internal import Output
package import Plans

/// The folder of a run as its rank 0 writes it: manifest, logs and checkpoints. Only files that the folder's manifest names
/// are replaced or removed, and those only with `--overwrite`. Before the run begins nothing is.
package final class RunRecorder {
    package let folder: String
    private let record: RunRecord
    /// The locked folders, and the files of the run that is replaced.
    private let claim: RunClaim
    /// `log.jsonl` of the folder, and the file the command line names.
    private var logs: [MetricsLog] = []
    private let checkpoint: TrainSettings.Checkpoint?
    /// The folder of the checkpoints.
    private let directory: String

    /// The records that a run is to leave.
    package struct Request {
        /// The files that the run reads and writes.
        package var files: RunFiles
        /// `--log`: a second log, besides `log.jsonl` in the folder.
        package var log: String?
        /// Whether a run that lies there may be replaced.
        package var overwrites: Bool
        package var program: String
        package var identity: String
        package var processes: Int

        package init(
            files: RunFiles, log: String?, overwrites: Bool, program: String, identity: String, processes: Int
        ) {
            self.files = files
            self.log = log
            self.overwrites = overwrites
            self.program = program
            self.identity = identity
            self.processes = processes
        }
    }

    /// Claims the folder, and checks that every record can be written. Files in it stay until `openRecords`.
    /// - Throws: `TrainingError.file`, `OutputError` or `PlanProblems` for a file in the way.
    package init(_ request: Request, plan: Plan, settings: TrainSettings) throws {
        let isClaimed: Bool
        (folder, isClaimed) = try RunFolder.take(settings.folder, for: plan.name, overwrites: request.overwrites)
        checkpoint = settings.checkpoint
        directory = settings.checkpoint?.path ?? folder + "/" + RunFolder.checkpoints
        let manifest = RunManifest(
            plan: plan.name, identity: request.identity, program: request.program, steps: settings.steps,
            processes: request.processes, data: RunFolder.absolute(settings.data),
            host: ProcessInfo.processInfo.hostName, process: getpid(), started: Date())
        let record = RunRecord(manifest, folder: folder)
        self.record = record
        if isClaimed { record.made(folders: [folder]) }
        do {
            claim = try RunClaim(
                request, settings, folder: folder, directory: settings.checkpoint == nil ? nil : directory,
                host: manifest.host, record: record)
        } catch {
            record.discard()
            throw error
        }
        TerminationSignals.listen { record.interrupt() }
    }

    /// Removes the run that is replaced, opens the logs, and writes plan and manifest. Called when the first step can follow.
    /// - Parameter more: makes a further record of the run and returns its path.
    package func openRecords(more: () throws -> String?) throws {
        // As the user spells it, which messages repeat.
        let ownLog = folder + "/" + RunFolder.log
        let others = [claim.request.log].compactMap(\.self).filter { RunFolder.absolute($0) != ownLog }
        let further = try more()
        if let further { record.made(file: further) }
        if !claim.request.overwrites { for log in others { try RunClaim.refuseExisting(log, "is there already") } }
        let otherLogs = try others.map { log in try record.make(log) { try MetricsLog(path: log) } }
        claim.clear()
        logs = [try record.make(ownLog) { try MetricsLog(path: ownLog) }] + otherLogs
        try copyPlan()
        let files = [RunFolder.plan, RunFolder.log].map { folder + "/" + $0 } + others + [further].compactMap(\.self)
        try record.writeFirst(files: files.filter(Self.isRegular).map(relative))
    }

    // MARK: records of a step

    /// Logs a step.
    /// - Parameter modelFLOPs: of the whole step.
    package func log(_ report: StepReport, modelFLOPs: Double) throws {
        for log in logs { try log.write(report, modelFLOPs: modelFLOPs) }
        record.note(step: report.step + 1)
    }

    /// Adds files to the manifest, besides log and checkpoints.
    package func add(_ paths: [String]) throws {
        let names = paths.filter(Self.isRegular).map(relative)
        try record.change { manifest in
            for name in names where !manifest.files.contains(name) { manifest.files.append(name) }
        }
    }

    /// The path of the checkpoint after `steps` steps.
    package func checkpointPath(steps: Int) -> String { directory + "/" + Checkpoint.name(step: steps) }

    /// Adds a checkpoint to the manifest, then removes the run's oldest beyond those it keeps.
    package func addCheckpoint(_ saved: SavedFile, at path: String, steps: Int) throws {
        let entry = RunManifest.Checkpoint(
            step: steps, file: relative(path), bytes: saved.bytes, sha256: saved.sha256)
        try record.change { manifest in
            manifest.checkpoints.removeAll { $0.file == entry.file }
            manifest.checkpoints.append(entry)
            manifest.step = steps
        }
        let surplus = record.manifest.checkpoints.dropLast(max(checkpoint?.keep ?? 1, 1))
        guard !surplus.isEmpty else { return }
        for old in surplus { unlink(RunFolder.path(of: old.file, in: folder)) }
        try record.change { $0.checkpoints.removeFirst(surplus.count) }
    }

    /// Writes into the manifest how the run ended, after `steps` steps.
    package func writeEnd(_ state: RunManifest.State, steps: Int) throws { try record.writeEnd(state, steps: steps) }

    /// Before the first step: removes the files that this process made, and the folder unless something else lies in it.
    package func discard() { record.discard() }

    private func relative(_ path: String) -> String {
        let path = RunFolder.absolute(path)
        guard path.hasPrefix(folder + "/"), !path.split(separator: "/").contains("..") else { return path }
        return String(path.dropFirst(folder.count + 1))
    }

    private static func isRegular(_ path: String) -> Bool {
        var status = stat()
        return stat(path, &status) == 0 && status.st_mode & S_IFMT == S_IFREG
    }

    /// Copies the plan file into the folder. The plan may be the copy of the run that is replaced.
    private func copyPlan() throws {
        let (source, target) = (claim.request.files.plan, folder + "/" + RunFolder.plan)
        if let same = FileIdentity(source), same == FileIdentity(target) { return }
        guard let text = FileManager.default.contents(atPath: source) else {
            throw TrainingError.file(path: source, reason: "cannot be read")
        }
        try record.make(target) {
            let file = try RecordFile(path: target, grows: false)
            try file.write(text)
            try file.commit()
        }
    }
}
