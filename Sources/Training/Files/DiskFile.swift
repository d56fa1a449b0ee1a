internal import Foundation
internal import Plans

/// A new file whose bytes are on the disk when `sync` returns; and the system calls around folders that must be there after a
/// crash.
final class DiskFile {
    private let path: String
    private let descriptor: Int32
    /// Bytes written so far.
    private(set) var written = 0

    /// Creates a file that is not there yet.
    init(creating path: String) throws(TrainingError) {
        self.path = path
        descriptor = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0o666)
        guard descriptor >= 0 else { throw .write(path: path, reason: InputFile.lastError) }
    }

    deinit { close(descriptor) }

    func write(_ bytes: UnsafeRawBufferPointer) throws(TrainingError) {
        var rest = bytes[...]
        while !rest.isEmpty {
            let part = UnsafeRawBufferPointer(rebasing: rest)
            let count = Foundation.write(descriptor, part.baseAddress, part.count)
            if count > 0 {
                rest = rest.dropFirst(count)
                written += count
            } else if count < 0, errno != EINTR {
                throw .write(path: path, reason: InputFile.lastError)
            }
        }
    }

    func write(data: some ContiguousBytes) throws(TrainingError) {
        var problem: TrainingError?
        data.withUnsafeBytes { bytes in
            do throws(TrainingError) { try write(bytes) } catch { problem = error }
        }
        if let problem { throw problem }
    }

    /// Waits until the disk holds the file. Some file systems tell only now that they are full.
    func sync() throws(TrainingError) {
        guard fsync(descriptor) == 0 || errno == EINVAL || errno == EROFS else {
            throw .write(path: path, reason: InputFile.lastError)
        }
    }

    /// Waits until the disk holds the names in a folder.
    static func sync(folder: String) throws(TrainingError) {
        let descriptor = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
        guard descriptor >= 0 else { throw .write(path: folder, reason: InputFile.lastError) }
        defer { close(descriptor) }
        guard fsync(descriptor) == 0 || errno == EINVAL || errno == EROFS else {
            throw .write(path: folder, reason: InputFile.lastError)
        }
    }

    /// Removes a checkpoint's own files from a folder, and the folder if nothing else lies in it.
    static func remove(folder: String) {
        let files = (try? FileManager.default.contentsOfDirectory(atPath: folder)) ?? []
        for name in files where name == RunFolder.checkpointManifest || name.hasSuffix(".safetensors") {
            unlink(folder + "/" + name)
        }
        rmdir(folder)
    }

    /// Removes a checkpoint: first its name, so that half of one is never taken for one.
    static func remove(checkpoint path: String) {
        let gone = hidden(path) + ".old"
        remove(folder: gone)
        if Foundation.rename(path, gone) == 0 { remove(folder: gone) }
    }

    /// Gives a complete folder its name, instead of one that lies there, and flushes the folder above.
    /// - Parameters:
    ///   - old: the name that the other takes meanwhile. Where the new one cannot have its own, the other keeps it.
    ///   - remove: removes what was there.
    static func rename(
        _ folder: String, to path: String, besides old: String, remove: (String) -> Void
    ) throws(TrainingError) {
        let replaces = Foundation.rename(path, old) == 0
        guard Foundation.rename(folder, path) == 0 else {
            let reason = InputFile.lastError
            if replaces { Foundation.rename(old, path) }
            throw .write(path: path, reason: reason)
        }
        if replaces { remove(old) }
        try sync(folder: (path as NSString).deletingLastPathComponent)
    }

    /// The name beside `path` of something that is not complete.
    static func hidden(_ path: String) -> String {
        (path as NSString).deletingLastPathComponent + "/." + (path as NSString).lastPathComponent
    }

    /// Bytes that this user may still write to the disk of a folder; nil if the system does not say.
    static func freeBytes(folder: String) -> Int? {
        var status = statvfs()
        guard statvfs(folder, &status) == 0 else { return nil }
        let (bytes, isHuge) = UInt64(status.f_bavail).multipliedReportingOverflow(by: UInt64(status.f_frsize))
        return isHuge ? nil : Int(exactly: bytes)
    }
}
