#if canImport(Glibc)
    internal import Glibc
#endif

/// A file mapped into memory, unmapped when the last user goes.
package final class MappedFile {
    package let bytes: UnsafeRawBufferPointer

    /// Maps `path` for reading. Throws `TrainingError.file` when it is missing, a directory, unreadable or empty.
    package init(path: String) throws(TrainingError) {
        // A FIFO would be waited for; what is no regular file is refused below.
        let descriptor = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC)
        guard descriptor >= 0 else { throw TrainingError.file(path: path, reason: MappedFile.lastError) }
        defer { close(descriptor) }
        var status = stat()
        guard fstat(descriptor, &status) == 0 else {
            throw TrainingError.file(path: path, reason: MappedFile.lastError)
        }
        guard status.st_mode & S_IFMT == S_IFREG else {
            throw TrainingError.file(path: path, reason: "not a regular file")
        }
        guard status.st_size > 0 else { throw TrainingError.file(path: path, reason: "the file is empty") }
        let size = Int(status.st_size)
        guard let address = mmap(nil, size, PROT_READ, MAP_PRIVATE, descriptor, 0), address != MAP_FAILED else {
            throw TrainingError.file(path: path, reason: MappedFile.lastError)
        }
        bytes = UnsafeRawBufferPointer(start: address, count: size)
    }

    deinit { munmap(UnsafeMutableRawPointer(mutating: bytes.baseAddress), bytes.count) }

    /// The system's word for the last failed call.
    package static var lastError: String { String(cString: strerror(errno)) }

}
