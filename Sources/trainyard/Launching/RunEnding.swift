internal import Foundation
internal import Output
internal import Plans

/// What the manifest of a run says once its ranks have gone. A rank 0 that was ended from outside could only say that, or
/// nothing at all; why, its launcher knows.
enum RunEnding {
    static func settle(_ folder: String, began: Date, wasInterrupted: Bool) {
        guard var manifest = try? RunManifest.read(folder: folder),
            // Not another run, on which this one was refused. A manifest knows whole seconds.
            manifest.host == ProcessInfo.processInfo.hostName,
            manifest.started.timeIntervalSince1970 >= began.timeIntervalSince1970.rounded(.down),
            let lock = try? RunLock(folder: folder)
        else { return }
        // Which takes away the lock's file too, where rank 0 could not.
        defer { lock.release() }
        guard manifest.state == .running || manifest.state == .interrupted && !wasInterrupted else { return }
        manifest.state = wasInterrupted ? .interrupted : .failed
        manifest.step = manifest.stepsDone(in: folder)
        manifest.updated = Date()
        guard let text = try? manifest.json() else { return }
        try? OutputFile.write(String(decoding: text, as: UTF8.self), to: folder + "/" + RunFolder.manifest)
    }
}
