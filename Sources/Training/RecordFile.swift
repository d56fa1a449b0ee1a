#if canImport(Glibc)
    internal import Glibc
#endif

/// A file a run writes: every failure says the system's word and the path.
final class RecordFile {
    let path: String
    private let descriptor: Int32
    /// Whether the file must keep a name: one that was removed while the run goes on is no record.
    private let isRegular: Bool

    /// Creates the file, or empties the one that is there. Devices and pipes are written to as they are.
    /// - Throws: `TrainingError.file`.
    init(path: String) throws(TrainingError) {
        self.path = path
        descriptor = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0o666)
        guard descriptor >= 0 else {
            throw .file(path: path, reason: "cannot be written: " + MappedFile.lastError)
        }
        var status = stat()
        isRegular = fstat(descriptor, &status) == 0 && status.st_mode & S_IFMT == S_IFREG
    }

    deinit { close(descriptor) }

    /// Appends all of `bytes`.
    /// - Throws: `TrainingError.write`: a full disk, a removed folder.
    func write(_ bytes: UnsafeRawBufferPointer) throws(TrainingError) {
        var status = stat()
        if isRegular, fstat(descriptor, &status) == 0, status.st_nlink == 0 {
            throw .write(path: path, reason: "it was removed while the run went on")
        }
        var rest = bytes[...]
        while !rest.isEmpty {
            let part = UnsafeRawBufferPointer(rebasing: rest)
            // One call writes at most 2 GiB.
            let written = Glibc.write(descriptor, part.baseAddress, min(part.count, 1 << 30))
            if written < 0 {
                if errno == EINTR { continue }
                throw .write(path: path, reason: MappedFile.lastError)
            }
            rest = rest.dropFirst(written)
        }
    }

    func write(_ bytes: some Sequence<UInt8>) throws(TrainingError) {
        let bytes = Array(bytes)
        let outcome = bytes.withUnsafeBytes { (raw) -> Result<Void, TrainingError> in
            do throws(TrainingError) { return .success(try write(raw)) } catch { return .failure(error) }
        }
        try outcome.get()
    }

    /// Returns when the disk has the bytes: some disks report only here that they are full.
    func synchronize() throws(TrainingError) {
        guard isRegular, fsync(descriptor) != 0, errno != EINVAL, errno != ENOTSUP else { return }
        throw .write(path: path, reason: MappedFile.lastError)
    }

    /// Gives a finished file its name.
    static func rename(_ partial: String, to path: String) throws(TrainingError) {
        guard Glibc.rename(partial, path) == 0 else { throw .write(path: path, reason: MappedFile.lastError) }
    }
}
