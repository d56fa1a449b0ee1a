internal import Foundation
internal import Plans

/// The checkpoints that lie in folders, looked at without opening their tensors.
package enum CheckpointList {
    /// The run that a checkpoint says it is of; nil for one that cannot be read.
    private static func run(of path: String) -> String? {
        guard let text = FileManager.default.contents(atPath: path + "/" + CheckpointManifest.name) else { return nil }
        return (try? CheckpointManifest(text, path: path))?.run
    }

    /// Steps, bytes and the SHA-256 of the manifest of a checkpoint; nil for one that cannot be read.
    static func facts(of path: String) -> (step: Int, bytes: Int, sha256: String)? {
        guard let text = FileManager.default.contents(atPath: path + "/" + CheckpointManifest.name),
            let manifest = try? CheckpointManifest(text, path: path)
        else { return nil }
        return (manifest.step, manifest.bytes &+ text.count, SHA256.digits(of: text))
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

    /// Whether a run's folder, or a checkpoint, is of the run whose manifest lies in `folder`.
    static func belongs(_ path: String, to manifest: RunManifest, in folder: String) -> Bool {
        path == folder || path.hasPrefix(folder + "/")
            || manifest.checkpoints.contains { RunFolder.path(of: $0.file, in: folder).hasPrefix(path) }
            || isOf(manifest.run, path)
    }

    /// The checkpoints that a run may go on from, the newest first.
    /// - Parameters:
    ///   - path: a checkpoint, a run's folder, or a folder of checkpoints.
    ///   - besides: a further folder of checkpoints.
    package static func candidates(at path: String, besides: String? = nil) -> [String] {
        let isNamed = Checkpoint.step(of: (path as NSString).lastPathComponent) != nil
        if Checkpoint.isCheckpoint(path) || isNamed && FileManager.default.fileExists(atPath: path) { return [path] }
        let manifest = try? RunManifest.read(folder: path)
        let listed = (manifest?.checkpoints ?? []).map { RunFolder.path(of: $0.file, in: path) }
        var folders = manifest == nil ? [path] : listed.map { ($0 as NSString).deletingLastPathComponent }
        folders += [path + "/" + RunFolder.checkpoints] + (besides.map { [$0] } ?? [])
        var found: [String] = []
        for folder in Set(folders) {
            for name in Checkpoint.checkpoints(in: folder) where !name.hasSuffix(".safetensors") {
                let place = folder + "/" + name
                // One that cannot be read counts where it is known to be the run's.
                if manifest == nil || listed.contains(place) || isOf(manifest?.run, place) { found.append(place) }
            }
        }
        return found.sorted { step($0) > step($1) }
    }

    private static func step(_ path: String) -> Int { Checkpoint.step(of: (path as NSString).lastPathComponent) ?? 0 }
}
