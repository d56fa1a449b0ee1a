internal import Foundation
internal import Numbers
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
    private let tokenizer: String
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
        /// What the run goes on from: a run's folder, a checkpoint or a folder of them; empty: the run's own folder. nil: it
        /// begins.
        package var resume: String?
        /// The plan's name.
        package var name: String
        package var program: String
        package var identity: String
        package var processes: Int

        package init(
            files: RunFiles, log: String?, overwrites: Bool, resume: String?, name: String, program: String,
            identity: String, processes: Int
        ) {
            self.resume = resume
            self.name = name
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
        (folder, isClaimed) = try RunFolder.take(
            settings.folder, for: plan.name, overwrites: request.overwrites, resume: request.resume)
        checkpoint = settings.checkpoint
        tokenizer = settings.tokenizer
        directory = settings.checkpointFolder(of: folder)
        var manifest = RunManifest(
            plan: plan.name, identity: request.identity, program: request.program, steps: settings.steps,
            processes: request.processes,
            data: settings.files.map { RunFolder.absolute($0.path) }.joined(separator: ", "),
            host: ProcessInfo.processInfo.hostName, process: getpid(), started: Date())
        manifest.run = UUID().uuidString.lowercased()
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
        // What the folder holds is known for sure only under its lock.
        let earlier = claim.resumed
        if let earlier { record.goesOn(run: earlier.run, started: earlier.started) }
        let first: @Sendable () -> Void = { record.noteInterruption() }
        TerminationSignals.listen(first: checkpoint == nil ? nil : first) { record.interrupt() }
        guard let resume = request.resume, !request.overwrites || !resume.isEmpty else { return }
        do throws(TrainingError) {
            candidates = try Self.candidates(resume, plan: plan.name, earlier, in: folder, directory)
        } catch {
            record.discard()
            throw error
        }
    }

    /// The checkpoints that a run may go on from, the newest first; none: it begins.
    /// - Parameters:
    ///   - resume: what the user names; empty: the run's own folder.
    ///   - earlier: the run that lies in the folder.
    ///   - directory: the folder of the run's checkpoints.
    private static func candidates(
        _ resume: String, plan: String, _ earlier: RunManifest?, in folder: String, _ directory: String
    ) throws(TrainingError) -> [String] {
        let found = try CheckpointList.resumable(
            at: resume.isEmpty ? folder : RunFolder.absolute(resume), own: earlier, in: folder,
            besides: earlier == nil ? nil : directory)
        if !found.isEmpty { return found }
        if let reason = whyNoRun(resume, folder: folder) { throw .file(path: resume, reason: reason) }
        // Only a run that has saved nothing yet may begin again in its folder.
        guard let earlier else { return [] }
        guard earlier.checkpoints.isEmpty else {
            throw .file(
                path: folder,
                reason: "the run's checkpoints are gone, or are weights alone, which earlier releases saved; "
                    + "--overwrite begins again")
        }
        guard earlier.state == .finished || earlier.plan != plan else { return [] }
        throw .file(
            path: folder,
            reason: "holds a run of \(earlier.plan) (\(earlier.state.rawValue), \(earlier.stepsDone(in: folder)) of "
                + "\(earlier.steps) steps) that has saved no state to go on from; name another folder with --folder, or "
                + "replace that run with --overwrite")
    }

    /// Why there can be no run at a path that was named to go on from; nil: there is one, or the run's own folder, which may be
    /// yet to come.
    private static func whyNoRun(_ path: String, folder: String) -> String? {
        let place = RunFolder.absolute(path)
        guard !path.isEmpty, place != folder else { return nil }
        var isFolder: ObjCBool = false
        guard FileManager.default.fileExists(atPath: place, isDirectory: &isFolder) else {
            return "there is no such checkpoint or run to go on from"
        }
        if !isFolder.boolValue { return "is a file; name the run's folder or that of one of its checkpoints" }
        return (try? RunManifest.read(folder: place)) == nil
            ? "is neither a run's folder nor a checkpoint, and holds no checkpoints" : nil
    }

    /// The checkpoints that the run may go on from, the newest first.
    package private(set) var candidates: [String] = []
    /// The checkpoints that the run has left behind by going on from an older one, by their new names.
    package private(set) var abandoned: [String] = []
    package var program: String { claim.request.program }
    /// The number of the run, which its checkpoints repeat.
    package var run: String { record.manifest.run ?? "" }

    /// Files that an earlier start of the run has written.
    package var earlierFiles: [String] {
        (claim.resumed?.files ?? []).map { RunFolder.path(of: $0, in: folder) }
    }

    /// Removes the run that is replaced, opens the logs, and writes plan and manifest. Called when the first step can follow.
    /// - Parameters:
    ///   - start: steps done before; the logs keep theirs.
    ///   - more: makes a further record of the run and returns its path.
    package func openRecords(from start: Int, more: () throws -> String?) throws {
        // As the user spells it, which messages repeat.
        let ownLog = folder + "/" + RunFolder.log
        let others = [claim.request.log].compactMap(\.self).filter { RunFolder.absolute($0) != ownLog }
        func owns(_ path: String) -> Bool { RunClaim.owns(path, claim.resumed, in: folder) }
        if !claim.request.overwrites {
            for log in others where !owns(log) { try RunClaim.refuseExisting(log, "is there already") }
        }
        // Before the logs are cut: a later start would go on from these, behind a gap in the logs.
        let own =
            claim.resumed == nil
            ? []
            : CheckpointList.candidates(at: folder, besides: directory).filter {
                CheckpointList.isOf(run, $0) || ownCheckpoint(relative($0)) != nil
            }
        abandoned = try CheckpointList.setAside(own, after: start)
        let further = try more()
        if let further { record.made(file: further) }
        let otherLogs = try others.map { log in
            try record.make(log) { try MetricsLog(path: log, from: owns(log) ? start : 0) }
        }
        claim.clear()
        if checkpoint != nil {
            abandoned = CheckpointList.removeAbandoned(
                in: directory, of: run, keep: max(checkpoint?.keep ?? 1, 1), among: abandoned)
        }
        if claim.resumed != nil || claim.request.overwrites {
            for path in CheckpointList.unfinished(in: directory) { DiskFile.remove(folder: path) }
        }
        logs = [try record.make(ownLog) { try MetricsLog(path: ownLog, from: start) }] + otherLogs
        try copyPlan()
        try copyTokenizer()
        let files =
            [RunFolder.plan, RunFolder.log, RunFolder.tokenizer, RunFolder.tokenizerConfiguration].map {
                folder + "/" + $0
            } + others
            + [further].compactMap(\.self)
        var names = files.filter(Self.isRegular).map(relative)
        for name in claim.resumed?.files ?? [] where !names.contains(name) { names.append(name) }
        try record.writeFirst(files: names, checkpoints: resumedCheckpoints(own, until: start), step: start)
    }

    /// The checkpoints of the run that goes on, the oldest first: those that its manifest names, and those that it had saved when
    /// it was killed before it could name them. Each is there once.
    private func resumedCheckpoints(_ own: [String], until step: Int) -> [RunManifest.Checkpoint] {
        guard let resumed = claim.resumed else { return [] }
        var found: [RunManifest.Checkpoint] = []
        func add(_ entry: RunManifest.Checkpoint) {
            let place = FileIdentity(RunFolder.path(of: entry.file, in: folder))
            let isKnown = found.contains { other in
                other.file == entry.file
                    || place != nil && FileIdentity(RunFolder.path(of: other.file, in: folder)) == place
            }
            if !isKnown { found.append(entry) }
        }
        for entry in resumed.checkpoints { add(entry) }
        for path in own where CheckpointList.isOf(resumed.run, path) {
            guard let (step, bytes, sum) = CheckpointList.facts(of: path) else { continue }
            add(RunManifest.Checkpoint(step: step, file: relative(path), bytes: bytes, sha256: sum))
        }
        return found.filter { $0.step <= step }.sorted { $0.step < $1.step }
    }

    // MARK: going back

    /// The checkpoints that the run may go back to, the newest first.
    package var ownCheckpoints: [String] {
        record.manifest.checkpoints.compactMap { ownCheckpoint($0.file) }.reversed()
    }

    /// Cuts the steps from `start` on off the logs, and sets later checkpoints aside.
    /// - Returns: the new names of the latter.
    package func goBack(to start: Int) throws -> [String] {
        let own = record.manifest.checkpoints.filter { $0.step > start }.compactMap { ownCheckpoint($0.file) }
        let aside = try CheckpointList.setAside(own, after: start)
        // A log is locked while it is open.
        let paths = logs.map(\.path)
        logs = []
        logs = try paths.map { try MetricsLog(path: $0, from: start) }
        try record.change { manifest in
            manifest.checkpoints.removeAll { $0.step > start }
            manifest.step = start
        }
        return aside
    }

    /// Remembers for how long the run has trained, waited for saves, and checked its state.
    package func note(_ seconds: RunManifest.Seconds) { record.note(seconds: seconds) }

    /// The losses of the steps before `step` that spikes are told by, as the log has them.
    package func losses(before step: Int) -> [Double] {
        guard step > 0, let text = FileManager.default.contents(atPath: folder + "/" + RunFolder.log) else { return [] }
        // Skipped steps have none.
        let lines = text.split(separator: 0x0A).suffix(2 * LossSpikes.window)
        let decoder = JSONDecoder()
        return lines.compactMap { try? decoder.decode(StepMetrics.self, from: $0) }.filter { $0.step < step }.map(
            \.loss)
    }

    /// The newest checkpoint that is not of a later step.
    package func checkpoint(until step: Int) -> String? {
        record.manifest.checkpoints.last { $0.step <= step }.flatMap { ownCheckpoint($0.file) }
    }

    // MARK: records of a step

    /// Logs a step.
    /// - Parameters:
    ///   - modelFLOPs: of the whole step.
    ///   - isSpike: whether the loss is far above that of the steps before.
    package func log(_ report: StepReport, modelFLOPs: Double, isSpike: Bool) throws {
        for log in logs { try log.write(report, modelFLOPs: modelFLOPs, isSpike: isSpike) }
        record.note(step: report.step + 1)
    }

    /// Adds files to the manifest, besides log and checkpoints.
    package func add(_ paths: [String]) throws {
        let names = paths.filter(Self.isRegular).map(relative)
        try record.change { manifest in
            for name in names where !manifest.files.contains(name) { manifest.files.append(name) }
        }
    }

    /// Why a checkpoint of `bytes` bytes finds no room; nil: it does.
    package func problemOfRoom(_ bytes: Int) -> TrainingError? {
        guard checkpoint != nil, let free = DiskFile.freeBytes(folder: directory), free < bytes else { return nil }
        return .file(
            path: directory,
            reason:
                "a checkpoint takes \(Figures.size(bytes)) and the disk has \(Figures.size(free)) left; make room, or "
                + "name another train.checkpoint.path")
    }

    /// The path of the checkpoint after `steps` steps.
    package func checkpointPath(steps: Int) -> String { directory + "/" + Checkpoint.name(step: steps) }

    /// Adds a checkpoint to the manifest, then removes the run's oldest beyond those it keeps.
    package func addCheckpoint(_ saved: SavedCheckpoint) throws {
        let entry = RunManifest.Checkpoint(
            step: saved.step, file: relative(saved.path), bytes: saved.bytes, sha256: saved.sha256)
        try record.change { manifest in
            manifest.checkpoints.removeAll { $0.file == entry.file }
            manifest.checkpoints.append(entry)
            manifest.step = max(manifest.step, saved.step)
        }
        let surplus = record.manifest.checkpoints.dropLast(max(checkpoint?.keep ?? 1, 1))
        guard !surplus.isEmpty else { return }
        let kept = FileIdentity(saved.path)
        for old in surplus {
            guard let path = ownCheckpoint(old.file), FileIdentity(path) != kept else { continue }
            DiskFile.remove(checkpoint: path)
        }
        try record.change { $0.checkpoints.removeFirst(surplus.count) }
    }

    /// The path of a checkpoint that the manifest lists, if it lies in the run's folder or in its directory of checkpoints.
    /// Anyone can have written a manifest that names others.
    private func ownCheckpoint(_ file: String) -> String? {
        let path = RunFolder.path(of: file, in: folder)
        for root in [folder, directory] where path.hasPrefix(root + "/") {
            let name = String(path.dropFirst(root.count + 1))
            guard Checkpoint.step(of: (name as NSString).lastPathComponent) != nil else { continue }
            if let own = RunFolder.ownFolder(name, in: root) { return own }
        }
        return nil
    }

    /// Writes into the manifest how the run ended, after `steps` steps.
    /// - Parameter cause: why it failed, where a new start would fail again.
    package func writeEnd(_ state: RunManifest.State, steps: Int, cause: RunManifest.Cause? = nil) throws {
        try record.writeEnd(state, steps: steps, cause: cause)
    }

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

    /// Copies the tokenizer into the folder, with the file that names special tokens where it lies in a folder with one. Where it
    /// is two files of other names, there is no copy.
    private func copyTokenizer() throws {
        guard let source = ExportFolder.tokenizerFile(at: tokenizer) else { return }
        try copy(source, as: RunFolder.tokenizer)
        let beside = tokenizer + "/" + RunFolder.tokenizerConfiguration
        if source != tokenizer, FileManager.default.fileExists(atPath: beside) {
            try copy(beside, as: RunFolder.tokenizerConfiguration)
        }
    }

    /// Copies the plan file into the folder.
    private func copyPlan() throws { try copy(claim.request.files.plan, as: RunFolder.plan) }

    /// Copies a file into the folder. It may be the copy of the run that is replaced.
    private func copy(_ source: String, as name: String) throws {
        let target = folder + "/" + name
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
