#if canImport(Darwin)
    internal import Darwin
#elseif canImport(Musl)
    internal import Musl
#else
    internal import Glibc
#endif

/// The opening of files that somebody else wrote.
package enum RegularFile {
    /// Why a file is not opened.
    package enum Refusal: Error, Hashable, Sendable {
        /// The system's message.
        case system(String)
        case notRegular
    }

    /// Opens a regular file for reading. The caller closes it.
    package static func opened(_ path: String) throws(Refusal) -> (descriptor: Int32, bytes: Int) {
        // A FIFO would be waited for; what is no regular file is refused below.
        let descriptor = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK)
        guard descriptor >= 0 else { throw .system(String(cString: strerror(errno))) }
        var status = stat()
        let refusal: Refusal? =
            fstat(descriptor, &status) != 0
            ? .system(String(cString: strerror(errno))) : status.st_mode & S_IFMT == S_IFREG ? nil : .notRegular
        if let refusal {
            close(descriptor)
            throw refusal
        }
        return (descriptor, Int(status.st_size))
    }
}

/// A regular file mapped into memory, unmapped when the last user goes. An empty file has no bytes.
///
/// The file must not be cut while it is mapped: reading behind its new end ends the process (`MappedFault`).
package final class MappedFile: @unchecked Sendable {
    package let path: String
    /// Read only, and valid as long as the object lives, which a use of the bytes alone does not see to: `withBytes` does.
    package let bytes: UnsafeRawBufferPointer

    /// - Throws: a problem that names the file when it is missing, no regular file or unreadable.
    package convenience init(path: String) throws(PlanProblems) {
        func refuse(_ reason: String) -> PlanProblems {
            PlanProblems([PlanProblem(file: path, field: "", rule: "cannot be read: \(reason)")])
        }
        if path.isEmpty || path.utf8.contains(0) { throw refuse("the path is empty or holds a zero byte") }
        do throws(RegularFile.Refusal) {
            let (descriptor, size) = try RegularFile.opened(path)
            defer { close(descriptor) }
            try self.init(path: path, descriptor: descriptor, count: size)
        } catch {
            switch error {
            case .system(let words): throw refuse(words)
            case .notRegular: throw refuse("it is not a regular file")
            }
        }
    }

    /// Maps a file that is open; it may be closed afterwards.
    package init(path: String, descriptor: Int32, count: Int) throws(RegularFile.Refusal) {
        self.path = path
        guard count > 0 else {
            bytes = UnsafeRawBufferPointer(start: nil, count: 0)
            return
        }
        guard let address = mmap(nil, count, PROT_READ, MAP_PRIVATE, descriptor, 0), address != MAP_FAILED else {
            throw .system(String(cString: strerror(errno)))
        }
        bytes = UnsafeRawBufferPointer(start: address, count: count)
        MappedFault.add(bytes, path)
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
        MappedFault.remove(bytes)
        if let start = bytes.baseAddress { munmap(UnsafeMutableRawPointer(mutating: start), bytes.count) }
    }
}
