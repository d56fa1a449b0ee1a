#if canImport(Darwin)
    internal import Darwin
#elseif canImport(Musl)
    internal import Musl
#else
    internal import Glibc
#endif
package import Reading

/// A regular file mapped into memory, unmapped when the last user goes. An empty file has no bytes.
///
/// The file must not be cut while it is mapped: reading behind its new end would end the process.
package final class MappedFile: @unchecked Sendable {
    package let path: String
    /// Read only, and valid as long as the object lives, which a use of the bytes alone does not see to.
    let bytes: UnsafeRawBufferPointer

    /// - Throws: a problem that names the file when it is missing, no regular file or unreadable.
    package init(path: String) throws(PlanProblems) {
        self.path = path
        func refuse(_ reason: String) -> PlanProblems {
            PlanProblems([PlanProblem(file: path, field: "", rule: "cannot be read: \(reason)")])
        }
        if path.isEmpty || path.utf8.contains(0) { throw refuse("the path is empty or holds a zero byte") }
        // A pipe without a writer would otherwise wait for one.
        let descriptor = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK)
        guard descriptor >= 0 else { throw refuse(String(cString: strerror(errno))) }
        defer { close(descriptor) }
        var status = stat()
        guard fstat(descriptor, &status) == 0 else { throw refuse(String(cString: strerror(errno))) }
        guard status.st_mode & S_IFMT == S_IFREG else { throw refuse("it is not a regular file") }
        let size = Int(status.st_size)
        guard size > 0 else {
            bytes = UnsafeRawBufferPointer(start: nil, count: 0)
            return
        }
        guard let address = mmap(nil, size, PROT_READ, MAP_PRIVATE, descriptor, 0), address != MAP_FAILED else {
            throw refuse(String(cString: strerror(errno)))
        }
        bytes = UnsafeRawBufferPointer(start: address, count: size)
    }

    package var count: Int { bytes.count }

    /// Gives the bytes, which are valid until `body` returns.
    package func withBytes<Result, Failure: Error>(
        _ body: (UnsafeBufferPointer<UInt8>) throws(Failure) -> Result
    ) throws(Failure) -> Result {
        defer { withExtendedLifetime(self) {} }
        return try body(bytes.bindMemory(to: UInt8.self))
    }

    deinit {
        if let start = bytes.baseAddress { munmap(UnsafeMutableRawPointer(mutating: start), bytes.count) }
    }
}
