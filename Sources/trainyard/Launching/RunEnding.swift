internal import Foundation
internal import Output
internal import Plans

/// The final state in a run's manifest. A rank 0 that a signal ended could not write the cause, or nothing at all; the
/// launcher knows it.
enum RunEnding {
    /// Whether a run that was interrupted has saved all it has trained.
    static func isSaved(_ folder: String, began: Date) -> Bool {
        guard let manifest = try? RunManifest.read(folder: folder) else { return false }
        return manifest.state == .interrupted && manifest.isSaved
            && manifest.updated.timeIntervalSince1970 >= began.timeIntervalSince1970.rounded(.down)
    }

    static func settle(_ folder: String, began: Date, wasInterrupted: Bool) {
        guard let first = try? RunManifest.read(folder: folder),
            // The manifest may be another run's, because of which this run was refused. It has whole seconds.
            first.host == ProcessInfo.processInfo.hostName,
            first.updated.timeIntervalSince1970 >= began.timeIntervalSince1970.rounded(.down),
            let lock = try? RunLock(folder: folder)
        else { return }
        // Releasing the lock also removes its file, where rank 0 could not.
        defer { lock.release() }
        // Rank 0 may have written its last words while the lock was waited for.
        guard var manifest = try? RunManifest.read(folder: folder), manifest.process == first.process else { return }
        guard manifest.state == .running || manifest.state == .interrupted && !wasInterrupted else { return }
        manifest.state = wasInterrupted ? .interrupted : .failed
        manifest.step = manifest.stepsDone(in: folder)
        manifest.updated = Date()
        guard let text = try? manifest.json() else { return }
        try? OutputFile.write(String(decoding: text, as: UTF8.self), to: folder + "/" + RunFolder.manifest)
    }
}
