internal import Foundation
internal import Plans

/// A folder that a run writes into. Errors call it `what`.
enum RecordFolder {
    /// Makes the folder and the folders above it, unless they are there.
    /// - Returns: the folders that were made.
    @discardableResult
    static func make(_ path: String, _ what: String) throws(TrainingError) -> [String] {
        guard let made = RunFolder.make(path) else { throw .file(path: path, reason: "cannot make " + what) }
        return made
    }

    /// Makes sure, before hours of training, that the folder is there and files can be made in it.
    /// - Returns: the folders that were made.
    static func prepare(_ path: String, _ what: String) throws(TrainingError) -> [String] {
        let made = try make(path, what)
        guard access(path, W_OK | X_OK) == 0 else { throw .file(path: path, reason: what + " is not writable") }
        return made
    }
}
