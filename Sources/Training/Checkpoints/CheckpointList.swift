internal import Foundation
package import Plans

/// The checkpoints that lie in folders, looked at without opening their tensors.
package enum CheckpointList {
    /// The manifest of a checkpoint, and its text; nil for one that cannot be read.
    private static func manifest(of path: String) -> (manifest: CheckpointManifest, text: Data)? {
        guard let text = FileManager.default.contents(atPath: path + "/" + CheckpointManifest.name),
            let manifest = try? CheckpointManifest(text, path: path)
        else { return nil }
        return (manifest, text)
    }

    /// The run that a checkpoint says it is of; nil for one that cannot be read.
    private static func run(of path: String) -> String? { manifest(of: path)?.manifest.run }

    /// Steps, bytes and the SHA-256 of the manifest of a checkpoint; nil for one that cannot be read.
    static func facts(of path: String) -> (step: Int, bytes: Int, sha256: String)? {
        manifest(of: path).map { manifest, text in
            (manifest.step, manifest.bytes &+ text.count, SHA256.digits(of: text))
        }
    }

    /// Folders that a killed run was writing or removing.
    static func unfinished(in folder: String) -> [String] {
        let names = (try? FileManager.default.contentsOfDirectory(atPath: folder)) ?? []
        return names.filter { name in
            guard name.hasPrefix("."), let end = [".partial", ".old"].first(where: name.hasSuffix) else { return false }
            return Checkpoint.step(of: String(name.dropFirst().dropLast(end.count))) != nil
        }.map { folder + "/" + $0 }
    }

    /// Whether a folder is a checkpoint of `run`.
    static func isOf(_ run: String?, _ path: String) -> Bool { run != nil && self.run(of: path) == run }

    /// The places of the checkpoints that a manifest in `folder` lists.
    private static func listed(_ manifest: RunManifest?, in folder: String) -> [String] {
        (manifest?.checkpoints ?? []).map { RunFolder.path(of: $0.file, in: folder) }
    }

    /// Whether a checkpoint is of a run: it has the run's number, or cannot be read and lies where the run's manifest says.
    private static func isOf(_ manifest: RunManifest, listed: [String], _ path: String) -> Bool {
        run(of: path).map { $0 == manifest.run } ?? listed.contains(path)
    }

    /// Whether a checkpoint is of the run whose manifest lies in `folder`.
    static func isOf(_ manifest: RunManifest, in folder: String, _ path: String) -> Bool {
        isOf(manifest, listed: listed(manifest, in: folder), path)
    }

    /// The checkpoints that a run goes on from, the newest first. They are all of one run.
    /// - Parameters:
    ///   - path: a checkpoint, a run's folder, or a folder of checkpoints.
    ///   - own: the run that goes on, whose manifest lies in `folder`; nil: a run of its own begins there.
    ///   - besides: a further folder of checkpoints.
    /// - Throws: if they are of several runs, or of another run than the one that goes on.
    package static func resumable(
        at path: String, own: RunManifest?, in folder: String, besides: String? = nil
    ) throws(TrainingError) -> [String] {
        let found = candidates(at: path, besides: besides)
        guard let own else {
            let runs = Dictionary(grouping: found.filter { run(of: $0) != nil }) { run(of: $0) ?? "" }
            guard runs.count > 1 else { return found }
            let newest = runs.values.compactMap(\.first).sorted()
            throw .file(
                path: path,
                reason: "holds checkpoints of \(runs.count) runs; name one of them, or its run's folder "
                    + "(the newest of each: \(newest.joined(separator: ", ")))")
        }
        // The run has gone on from before it since, and its log has no steps up to there.
        if run(of: path) == own.run, (path as NSString).lastPathComponent.hasPrefix(aside) {
            throw .file(
                path: path,
                reason: "was set aside when the run went on from an older one; name another --folder for its run")
        }
        let places = listed(own, in: folder)
        let kept = found.filter { isOf(own, listed: places, $0) || run(of: $0) == nil && $0.hasPrefix(folder + "/") }
        let there = try? RunManifest.read(folder: path)
        guard kept.isEmpty && !found.isEmpty || there != nil && there?.run != own.run else { return kept }
        throw .file(
            path: folder,
            reason: "holds another run than \(path) is of; name another folder with --folder, or replace that run "
                + "with --overwrite")
    }

    /// All checkpoints at a path, the newest first; in a run's folder those of the run.
    /// - Parameters:
    ///   - path: a checkpoint, a run's folder, or a folder of checkpoints.
    ///   - besides: a further folder of checkpoints.
    package static func candidates(at path: String, besides: String? = nil) -> [String] {
        let isNamed = Checkpoint.step(of: (path as NSString).lastPathComponent) != nil
        if Checkpoint.isCheckpoint(path) || isNamed && FileManager.default.fileExists(atPath: path) { return [path] }
        let manifest = try? RunManifest.read(folder: path)
        let listed = listed(manifest, in: path)
        var folders = manifest == nil ? [path] : listed.map { ($0 as NSString).deletingLastPathComponent }
        folders += [path + "/" + RunFolder.checkpoints] + (besides.map { [$0] } ?? [])
        var found: [String] = []
        for folder in Set(folders) {
            for name in Checkpoint.checkpoints(in: folder) where !name.hasSuffix(".safetensors") {
                let place = folder + "/" + name
                if manifest.map({ isOf($0, listed: listed, place) }) ?? true { found.append(place) }
            }
        }
        return found.sorted { step($0) > step($1) }
    }

    /// How the names of checkpoints begin that a run has left behind.
    private static let aside = "abandoned-"

    /// Gives the checkpoints after `step` names under which nothing takes them for the run's: `abandoned-step-000020`.
    /// - Returns: the new names.
    package static func setAside(_ paths: [String], after step: Int) throws(TrainingError) -> [String] {
        let later = paths.filter { self.step($0) > step }.sorted()
        var moved: [String] = []
        for path in later {
            let above = (path as NSString).deletingLastPathComponent
            let first = above + "/" + aside + (path as NSString).lastPathComponent
            var (target, number, status) = (first, 1, stat())
            while lstat(target, &status) == 0 {
                number += 1
                target = "\(first)-\(number)"
            }
            guard rename(path, target) == 0 else {
                // It had two names, through a link.
                if errno == ENOENT { continue }
                throw .write(path: path, reason: InputFile.lastError)
            }
            moved.append(target)
        }
        for folder in Set(moved.map { ($0 as NSString).deletingLastPathComponent }) {
            try DiskFile.sync(folder: folder)
        }
        return moved
    }

    /// Removes the checkpoints that a run has set aside, but the newest of them.
    /// - Parameter new: those that were set aside just now.
    /// - Returns: the new ones that are still there.
    static func removeAbandoned(in folder: String, of run: String, keep: Int, among new: [String]) -> [String] {
        let names = (try? FileManager.default.contentsOfDirectory(atPath: folder)) ?? []
        let own = names.filter { $0.hasPrefix(aside) }.map { folder + "/" + $0 }.filter { isOf(run, $0) }
        // Their names were changed when they were set aside, which is a change of the folder's status.
        let dated = own.map { path in
            var status = stat()
            guard lstat(path, &status) == 0 else { return (path: path, seconds: 0, nanoseconds: 0) }
            return (path: path, seconds: Int(status.st_ctim.tv_sec), nanoseconds: Int(status.st_ctim.tv_nsec))
        }
        let oldest = dated.sorted { ($0.seconds, $0.nanoseconds, $0.path) < ($1.seconds, $1.nanoseconds, $1.path) }
            .dropLast(keep)
        for old in oldest { DiskFile.remove(folder: old.path) }
        let gone = Set(oldest.map(\.path))
        return new.filter { !gone.contains($0) }
    }

    private static func step(_ path: String) -> Int { Checkpoint.step(of: (path as NSString).lastPathComponent) ?? 0 }
}
