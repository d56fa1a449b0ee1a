package import Foundation
package import Reading

/// The folder that a real run owns: its place and the names of its files.
package enum RunFolder {
    package static let manifest = "manifest.json"
    package static let plan = "plan.yaml"
    package static let log = "log.jsonl"
    package static let checkpoints = "checkpoints"
    /// A copy of the tokenizer of the run's text, where that is a tokenizer.json.
    package static let tokenizer = "tokenizer.json"
    /// A copy of the file beside it that names special tokens.
    package static let tokenizerConfiguration = "tokenizer_config.json"
    /// In the folder of a checkpoint: what it is of.
    package static let checkpointManifest = "checkpoint.json"
    /// The measured timeline of the last step, in our own JSON.
    package static let timeline = "timeline.json"
    /// The parent folder of all runs unless the plan or the command line names another folder.
    package static let parent = "runs"

    /// The name of a folder for a plan of this name.
    package static func name(of plan: String) -> String {
        let kept = plan.map { $0.isLetter || $0.isNumber || "._-+".contains($0) ? $0 : "-" }
        let name = String(kept.prefix(100)).trimmingPrefix { $0 == "." }
        return name.isEmpty ? "run" : String(name)
    }

    /// The folder that a run of `plan` takes: `wanted`, or else a folder with the plan's name. That folder is a new one
    /// unless the run `overwrites`.
    /// - Parameter resume: what the run goes on from; empty: the newest run of the plan. nil: it begins.
    /// - Returns: an absolute path, and whether the folder was just made and so belongs to no other run.
    package static func take(
        _ wanted: String?, for plan: String, overwrites: Bool, resume: String? = nil
    ) throws(PlanProblems) -> (path: String, isClaimed: Bool) {
        if let wanted { return (absolute(wanted), false) }
        if let resume, !overwrites, let folder = begun(resume, plan: plan) { return (folder, false) }
        return overwrites ? (preferred(for: plan), false) : (try claim(for: plan), true)
    }

    /// The folder of the run that goes on: `path` itself, the run that the checkpoint at `path` lies in, or the newest run of
    /// `plan`. nil: there is none, and the run takes a new folder.
    private static func begun(_ path: String, plan: String) -> String? {
        guard path.isEmpty else {
            var folder = absolute(path)
            // RUN, RUN/checkpoints or RUN/checkpoints/step-000200.
            for _ in 0..<3 {
                if (try? RunManifest.read(folder: folder)) != nil { return folder }
                folder = (folder as NSString).deletingLastPathComponent
            }
            return nil
        }
        let first = preferred(for: plan)
        var newest: (folder: String, updated: Date)?
        // Any of them may have been removed.
        for folder in folders(like: first) {
            guard let manifest = try? RunManifest.read(folder: folder), manifest.plan == plan else { continue }
            if newest.map({ $0.updated <= manifest.updated }) ?? true { newest = (folder, manifest.updated) }
        }
        return newest?.folder
    }

    /// The folders `first`, `first-2`, `first-3` and so on that are there, in this order.
    private static func folders(like first: String) -> [String] {
        let name = (first as NSString).lastPathComponent
        let above = (first as NSString).deletingLastPathComponent
        let names = (try? FileManager.default.contentsOfDirectory(atPath: above)) ?? []
        let numbers = names.compactMap { other -> Int? in
            if other == name { return 1 }
            guard other.hasPrefix(name + "-"), let number = Int(other.dropFirst(name.count + 1)), number > 1,
                other == "\(name)-\(number)"
            else { return nil }
            return number
        }
        return numbers.sorted().map { $0 == 1 ? first : "\(first)-\($0)" }
    }

    /// The folder `runs/NAME` in the working directory.
    package static func preferred(for plan: String) -> String { absolute(parent + "/" + name(of: plan)) }

    /// Makes a new folder: `runs/NAME`, or `runs/NAME-2`, `-3` and so on if that name is taken.
    private static func claim(for plan: String) throws(PlanProblems) -> String {
        let first = preferred(for: plan)
        let above = absolute(parent)
        if mkdir(above, 0o777) != 0, errno != EEXIST { throw refusal(above, "cannot be made: " + systemWord()) }
        for number in 1...9999 {
            let path = number == 1 ? first : "\(first)-\(number)"
            if mkdir(path, 0o777) == 0 { return path }
            if errno != EEXIST { throw refusal(path, "cannot be made: " + systemWord()) }
        }
        throw refusal(first, "there are 9,999 runs of this name already")
    }

    /// The path as an absolute one, which holds in every working directory.
    package static func absolute(_ path: String) -> String {
        let here = FileManager.default.currentDirectoryPath
        let whole = self.path(of: path, in: here == "/" ? "" : here)
        // Empty parts and `.` mean nothing and go. `..` stays: after links only the system knows where it leads.
        return "/" + whole.split(separator: "/").filter { $0 != "." }.joined(separator: "/")
    }

    /// The path of a file `name` that the manifest of `folder` lists. nil: the name is not of a plain file inside the
    /// folder, links followed. The check is needed because anyone can have written the manifest.
    package static func ownFile(_ name: String, in folder: String) -> String? { own(name, in: folder, S_IFREG) }

    /// The path of a folder `name` that the manifest of `folder` lists, with the same cautions.
    package static func ownFolder(_ name: String, in folder: String) -> String? { own(name, in: folder, S_IFDIR) }

    private static func own(_ name: String, in folder: String, _ kind: mode_t) -> String? {
        let parts = name.split(separator: "/", omittingEmptySubsequences: false)
        guard !parts.contains(where: { $0.isEmpty || $0 == "." || $0 == ".." }), !name.utf8.contains(0) else {
            return nil
        }
        let path = folder + "/" + name
        var status = stat()
        guard lstat(path, &status) == 0, status.st_mode & S_IFMT == kind else { return nil }
        let above = parts.dropLast().joined(separator: "/")
        guard let inside = real(folder + "/" + above), let root = real(folder),
            inside == root || inside.hasPrefix(root == "/" ? root : root + "/")
        else { return nil }
        return path
    }

    /// A folder's path without links.
    private static func real(_ path: String) -> String? {
        guard let found = realpath(path, nil) else { return nil }
        defer { free(found) }
        return String(cString: found)
    }

    /// Makes a folder and its missing parents.
    /// - Returns: the folders that were made, the outermost first; nil if the folder cannot be made.
    package static func make(_ path: String) -> [String]? {
        var missing: [String] = []
        var folder = path
        while !folder.isEmpty, !FileManager.default.fileExists(atPath: folder) {
            missing.append(folder)
            folder = (folder as NSString).deletingLastPathComponent
        }
        var made: [String] = []
        for folder in missing.reversed() {
            if mkdir(folder, 0o777) == 0 {
                made.append(folder)
            } else if errno != EEXIST {
                for folder in made.reversed() { rmdir(folder) }
                return nil
            }
        }
        var status = stat()
        return stat(path, &status) == 0 && status.st_mode & S_IFMT == S_IFDIR ? made : nil
    }

    /// The path of `file`, which is absolute or relative to `folder`.
    package static func path(of file: String, in folder: String) -> String {
        file.hasPrefix("/") ? file : folder + "/" + file
    }

    private static func systemWord() -> String { String(cString: strerror(errno)) }

    private static func refusal(_ path: String, _ rule: String) -> PlanProblems {
        PlanProblems([
            PlanProblem(field: path, rule: rule, fix: "name another folder for the run with --folder or train.folder")
        ])
    }
}

/// `manifest.json`: the state of a run, its progress, and the files it owns. Files that no manifest names are never
/// replaced or removed. The manifest is written after the files it names, first under another name and then renamed, so
/// that it is complete at any moment.
package struct RunManifest: Hashable, Codable, Sendable {
    package enum State: String, Hashable, Codable, Sendable {
        case running, finished, failed
        /// A signal ended rank 0: Ctrl-C, or mpirun because a rank had failed.
        case interrupted
    }

    /// A failure that a new start cannot cure.
    package enum Cause: String, Hashable, Codable, Sendable {
        /// The loss was no number.
        case diverged
        /// The state could not be saved at the end.
        case saving
    }

    /// A saved state, as the manifest lists it.
    package struct Checkpoint: Hashable, Codable, Sendable {
        /// Steps trained before the state was saved.
        package var step: Int
        /// The folder's path: relative to the run's folder, or absolute if it lies elsewhere.
        package var file: String
        /// Bytes of all files in it.
        package var bytes: Int
        /// SHA-256 of its `checkpoint.json`, which holds the checksums of the rest, as `sha256sum` prints it.
        package var sha256: String

        package init(step: Int, file: String, bytes: Int, sha256: String) {
            self.step = step
            self.file = file
            self.bytes = bytes
            self.sha256 = sha256
        }
    }

    /// Version of the manifest's format.
    package var format = 1
    /// The plan's name.
    package var plan: String
    /// A number of the run's own, which its checkpoints repeat. nil: the run is of a release that wrote weights alone.
    package var run: String?
    /// A hash of everything that the run's numbers depend on: plan, text, program.
    package var identity: String
    /// The program's name and version.
    package var program: String
    package var state = State.running
    /// Steps that the run was asked to train.
    package var steps: Int
    /// Steps done when the manifest was written.
    package var step = 0
    /// Processes of the job.
    package var processes: Int
    /// The absolute path of the training text.
    package var data: String
    /// The host of the process that writes the manifest.
    package var host: String
    package var process: Int32
    package var started: Date
    package var updated: Date
    /// Why the run failed, where a new start would fail again.
    package var cause: Cause?
    /// The run's files other than checkpoints: relative to the run's folder, or absolute if they lie elsewhere.
    package var files: [String] = []
    /// Checkpoints, the oldest first.
    package var checkpoints: [Checkpoint] = []
    /// Of the last start; nil until it ends.
    package var seconds: Seconds?

    /// The parts of a run's time, in seconds of rank 0.
    package struct Seconds: Hashable, Codable, Sendable {
        /// All steps, checks included.
        package var steps: Double
        /// Waits for checkpoints, between steps.
        package var saving: Double
        /// Checks of the state for bits that changed by themselves.
        package var checking: Double

        package init(steps: Double, saving: Double, checking: Double) {
            (self.steps, self.saving, self.checking) = (steps, saving, checking)
        }
    }

    package init(
        plan: String, identity: String, program: String, steps: Int, processes: Int, data: String, host: String,
        process: Int32, started: Date
    ) {
        self.plan = plan
        self.identity = identity
        self.program = program
        self.steps = steps
        self.processes = processes
        self.data = data
        self.host = host
        self.process = process
        self.started = started
        updated = started
    }

    /// The exit code of a run that a signal stopped and that can go on (EX_TEMPFAIL of sysexits.h).
    package static let stopped: Int32 = 75

    /// Whether the run has saved all that it has trained.
    package var isSaved: Bool { step > 0 && checkpoints.last?.step == step }

    /// The manifest of `folder`; nil if there is none.
    /// - Throws: one problem if the file is not a manifest.
    package static func read(folder: String) throws(PlanProblems) -> RunManifest? {
        let path = folder + "/" + RunFolder.manifest
        var status = stat()
        guard lstat(path, &status) == 0 else { return nil }
        guard status.st_mode & S_IFMT == S_IFREG else {
            throw PlanProblems([PlanProblem(file: path, field: "", rule: "is not the manifest of a run")])
        }
        let decoder = JSONDecoder()
        decoder.dateDecodingStrategy = .iso8601
        do {
            let text = try YAMLFile.text(path: path)
            return try decoder.decode(RunManifest.self, from: Data(text.utf8))
        } catch let problems as PlanProblems {
            throw problems
        } catch {
            throw PlanProblems([PlanProblem(file: path, field: "", rule: "is not the manifest of a run")])
        }
    }

    /// Steps that the run of `folder` has done: the number in the manifest, or a higher one that the log shows.
    package func stepsDone(in folder: String) -> Int {
        let noted = max(step, checkpoints.map(\.step).max() ?? 0)
        guard let log = RunFolder.ownFile(RunFolder.log, in: folder), let file = FileHandle(forReadingAtPath: log),
            let end = try? file.seekToEnd(), (try? file.seek(toOffset: end > 65_536 ? end - 65_536 : 0)) != nil,
            let text = try? file.readToEnd()
        else { return noted }
        // The last line may be incomplete.
        let last = text.split(separator: 0x0A).suffix(2).compactMap { StepMetrics.step(ofLine: $0) }
        return last.map { max(noted, $0 + 1) }.max() ?? noted
    }

    /// The text of the manifest file.
    package func json() throws -> Data {
        let encoder = JSONEncoder()
        encoder.dateEncodingStrategy = .iso8601
        encoder.outputFormatting = [.prettyPrinted, .sortedKeys, .withoutEscapingSlashes]
        return try encoder.encode(self) + Data("\n".utf8)
    }
}
