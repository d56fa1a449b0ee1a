#if canImport(Darwin)
    internal import Darwin
#elseif canImport(Musl)
    internal import Musl
#else
    internal import Glibc
#endif

/// A file mapped into memory, unmapped when the last user goes.
package final class MappedFile {
    package let bytes: UnsafeRawBufferPointer

    /// Maps `path` for reading.
    /// - Throws: `TrainingError.file` when it is missing, a directory, unreadable or empty.
    package init(path: String) throws(TrainingError) {
        let (descriptor, size) = try InputFile.opened(path) { .file(path: path, reason: $0) }
        defer { close(descriptor) }
        guard let address = mmap(nil, size, PROT_READ, MAP_PRIVATE, descriptor, 0), address != MAP_FAILED else {
            throw TrainingError.file(path: path, reason: InputFile.lastError)
        }
        bytes = UnsafeRawBufferPointer(start: address, count: size)
    }

    deinit { munmap(UnsafeMutableRawPointer(mutating: bytes.baseAddress), bytes.count) }
}
