internal import Foundation

/// A folder that a run writes into; `what` names it in errors.
enum RecordFolder {
    /// Makes the folder, and those above it, where there is none.
    static func make(_ path: String, _ what: String) throws(TrainingError) {
        do {
            try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
        } catch {
            throw .file(path: path, reason: "cannot make " + what)
        }
    }

    /// Makes sure, before hours of training, that there is such a folder and files can be made in it.
    static func prepare(_ path: String, _ what: String) throws(TrainingError) {
        try make(path, what)
        guard access(path, W_OK | X_OK) == 0 else { throw .file(path: path, reason: what + " is not writable") }
    }
}
