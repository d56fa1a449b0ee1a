internal import Foundation
internal import Plans

/// The checkpoints that lie in folders, looked at without opening their tensors.
package enum CheckpointList {
    /// The run that a checkpoint says it is of; nil for one that cannot be read.
    private static func run(of path: String) -> String? {
        guard let text = FileManager.default.contents(atPath: path + "/" + CheckpointManifest.name) else { return nil }
        return (try? CheckpointManifest(text, path: path))?.run
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
