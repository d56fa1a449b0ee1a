internal import ArgumentParser
internal import Foundation
internal import Numbers
internal import Options
internal import Output
internal import Plans
internal import Reading

/// A real run, started again where it fails with anything that a new start can cure.
struct SupervisedRun {
    let planPath: String
    let layout: Layout
    let settings: TrainSettings
    let options: RunOptions
    /// The run's folder.
    let records: String
    /// The file of the last step's timeline.
    let timeline: String
    /// The processes that the user asks for; nil: those of the layout.
    let processes: Int?
    let hostfile: String?
    /// New starts after failures, at most.
    let restarts: Int

    /// How the run ended.
    struct Outcome {
        var ended: Launcher.Ending
        /// When its last start began.
        var began: Date
        /// The layout of its last start.
        var layout: Layout
        /// New starts after failures.
        var starts: Int
        /// Whether a signal came between two starts, when a part of the run was saved.
        var isResumable = false
    }

    /// The processes of a start and where they run.
    private struct Team {
        var layout: Layout
        var processes: Int
        /// mpirun's hostfile, and whether it is one that this process has written.
        var hostfile: String?
        var isWritten = false
    }

    private var saves: Bool { settings.checkpoint != nil }

    /// Runs to the end, or to a failure that no further start can cure.
    func run() throws -> Outcome {
        let signals = SignalForwarding(saves: saves)
        defer { signals.stop() }
        let program = try Launcher.trainProgram()
        var next = options
        if restarts > 0 { next.skipsFailedSaves = true }
        var starts = 0
        while true {
            let began = Date()
            let team = try team(program, signals)
            defer { if team.isWritten, let file = team.hostfile { unlink(file) } }
            // The ranks write into mpirun's pipes: an environment variable tells them that standard error is a terminal.
            var exports = [LauncherBeat.variable: "1"]
            if isatty(STDERR_FILENO) == 1 { exports["TRAINYARD_TTY"] = "1" }
            let command = try Launcher.mpirun(
                processes: team.processes, hostfile: team.hostfile, program: program,
                arguments: [planPath, "--timeline", timeline] + next.arguments(folder: records), exports: exports)
            var ended = try Launcher.run(
                command, launcherWords: true, saves: saves, signals: signals, stallLimit: options.stallLimit)
            ended.wasInterrupted = signals.wasAsked
            let outcome = Outcome(ended: ended, began: began, layout: team.layout, starts: starts)
            guard ended.code != 0, !ended.wasInterrupted, ended.code != RunManifest.stopped else { return outcome }
            RunEnding.settle(records, began: began, wasInterrupted: false)
            guard starts < restarts, isCurable(ended, began: began, isFirst: starts == 0) else { return outcome }
            starts += 1
            let manifest = try? RunManifest.read(folder: records)
            let step = manifest?.stepsDone(in: records) ?? ended.signs.steps ?? 0
            Console.write(
                "restart \(starts) of \(restarts): \(Self.words(ended)), after step \(step)"
                    + (manifest?.checkpoints.last.map { " (saved: \($0.step))" } ?? ""))
            next = later(next, began: began, ended.signs)
            // What the job has left on the machine goes in the meantime.
            usleep(300_000)
            if signals.wasAsked {
                var stopped = outcome
                stopped.ended.wasInterrupted = true
                stopped.isResumable = (try? RunManifest.read(folder: records)).map(hasSaved) ?? false
                return stopped
            }
        }
    }

    /// How a start ended, in words.
    static func words(_ ended: Launcher.Ending) -> String {
        ended.signs.words ?? ended.reason.map { "mpirun: \($0.text)" } ?? words(ofCode: ended.code)
    }

    /// How a start ended of which nobody said why.
    static func words(ofCode code: Int32) -> String {
        code > 128 ? "signal \(code - 128) ended a rank or mpirun" : "a rank failed (exit code \(code))"
    }

    // MARK: what a new start can cure

    private func isCurable(_ ended: Launcher.Ending, began: Date, isFirst: Bool) -> Bool {
        let isOfRanks = ended.reason == nil
        // Bad input, and a layout that does not fit; the ranks have said why.
        if isOfRanks, [Failure.badInput, Failure.doesNotFit].contains(ended.code) { return false }
        if isFirst, ended.reason?.isInput == true { return false }
        return fresh(since: began)?.cause == nil
    }

    /// The run's manifest, if it was written since a start began.
    private func fresh(since began: Date) -> RunManifest? {
        guard let manifest = try? RunManifest.read(folder: records),
            manifest.updated.timeIntervalSince1970 >= began.timeIntervalSince1970.rounded(.down)
        else { return nil }
        return manifest
    }

    /// The options of the start after one that has failed.
    private func later(_ options: RunOptions, began: Date, _ signs: JobSigns) -> RunOptions {
        var next = options
        for text in signs.injected {
            // Once is enough: what has been done is not done again in the steps that are repeated.
            next.inject.firstIndex { $0.text == text }.map { _ = next.inject.remove(at: $0) }
        }
        let manifest = fresh(since: began)
        // A start that ended before its run began has changed nothing: the next is the same. Where ranks have trained and no
        // manifest is here, it lies on another machine.
        guard manifest != nil || (signs.steps ?? 0) > 0 else { return next }
        if let path = options.resume, !path.isEmpty, let manifest, manifest.checkpoints.isEmpty, !hasSaved(manifest) {
            // The run had gone on from another's checkpoint, and has none of its own yet.
            next.overwrite = true
        } else {
            next.overwrite = false
            next.resume = ""
        }
        return next
    }

    /// Whether a checkpoint of the run lies in its folder of checkpoints; one may be there before the manifest names it, and so
    /// may those of other runs.
    private func hasSaved(_ manifest: RunManifest) -> Bool {
        if !manifest.checkpoints.isEmpty { return true }
        struct Owner: Decodable { var run: String }
        let folder = settings.checkpointFolder(of: records)
        let names = (try? FileManager.default.contentsOfDirectory(atPath: folder)) ?? []
        return names.filter { $0.hasPrefix("step-") }.contains { name in
            let text = FileManager.default.contents(atPath: folder + "/" + name + "/" + RunFolder.checkpointManifest)
            let owner = text.flatMap { try? JSONDecoder().decode(Owner.self, from: $0) }
            return owner != nil && owner?.run == manifest.run
        }
    }

    // MARK: who takes part

    /// The processes of the next start.
    private func team(_ program: String, _ signals: SignalForwarding) throws -> Team {
        let wanted = processes ?? layout.devices
        guard options.elastic else { return Team(layout: layout, processes: wanted, hostfile: hostfile) }
        var team = Team(layout: layout, processes: wanted, hostfile: hostfile)
        if let hostfile, let file = Hostfile(path: hostfile) {
            let living = file.living()
            guard !living.isEmpty else {
                Console.error("--hostfile \(hostfile): none of its \(file.hosts.count) hosts answers")
                throw ExitCode(Failure.failedWhileRunning)
            }
            team.processes = min(wanted, file.slots(of: living, ranks: layout.devices))
            if living.count < file.hosts.count {
                let lost = file.hosts.filter { !living.contains($0) }.map(\.name)
                Console.note(
                    "\(lost.joined(separator: ", ")) of \(hostfile) do\(lost.count == 1 ? "es" : "") not answer")
                let path =
                    FileManager.default.temporaryDirectory.path + "/trainyard-hosts-\(getpid())-\(UUID().uuidString)"
                try OutputFile.write(living.map(\.line).joined(separator: "\n") + "\n", to: path)
                (team.hostfile, team.isWritten) = (path, true)
            }
        }
        guard team.processes != layout.devices else { return team }
        let chosen = try Launcher.run(
            [program, "elastic-layout", planPath, "--processes", "\(max(1, team.processes))"], capture: true,
            signals: signals)
        guard chosen.code == 0 else { throw ExitCode(chosen.code) }
        do {
            team.layout = try JSONDecoder().decode(Layout.self, from: chosen.output)
        } catch {
            throw Launcher.Failure(description: "\(program) is of another release: make build")
        }
        team.processes = team.layout.devices
        return team
    }
}
