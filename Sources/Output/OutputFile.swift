#if canImport(Darwin)
    internal import Darwin
#elseif canImport(Musl)
    internal import Musl
#else
    internal import Glibc
#endif

/// A file that the user asked for, checked before the work that fills it.
///
/// A regular file is replaced only when its new contents are complete, and keeps its permissions. A link stays and its
/// target is replaced. A device, a pipe or a stream of this process is written through.
package struct OutputFile: Hashable, Sendable {
    /// How the file is written.
    enum Target: Hashable, Sendable {
        /// A temporary file beside `path` takes its name at the end, with the permissions of the file it replaces.
        case replaced(path: String, permissions: mode_t?)
        /// An existing file, device or pipe that is opened and written through.
        case opened(path: String)
        /// An open descriptor of this process (`/dev/stdout`, `/dev/fd/3`).
        case descriptor(Int32)
    }

    /// The path as the user wrote it.
    package let path: String
    let target: Target

    /// Checks whether `path` can be written, without making or opening anything.
    ///
    /// - Parameter moment: what the error counts as: bad input before the work, a failure after it.
    package init(_ path: String, _ moment: OutputError.Moment = .before) throws(OutputError) {
        self.path = path
        func refuse(_ reason: String) -> OutputError { OutputError(path, reason, moment) }
        if path.isEmpty { throw refuse("the path is empty") }
        if path.utf8.contains(0) { throw refuse("the path holds a zero byte") }
        var end = path
        // The system follows as many links before it gives up.
        for _ in 0..<40 {
            if let descriptor = Self.descriptor(named: end) {
                let flags = fcntl(descriptor, F_GETFL)
                guard flags != -1, flags & O_ACCMODE != O_RDONLY else {
                    throw refuse("descriptor \(descriptor) is not open for writing")
                }
                target = .descriptor(descriptor)
                return
            }
            guard let status = System.status(end, followingLinks: false), System.isKind(status, S_IFLNK) else { break }
            guard let link = System.link(end) else { throw refuse("its link cannot be read") }
            end = link.hasPrefix("/") ? link : Self.folder(of: end) + "/" + link
        }
        let folder = Self.folder(of: end)
        guard let status = System.status(end, followingLinks: false) else {
            let code = errno
            guard code == ENOENT || code == ENOTDIR else { throw refuse(System.words(code)) }
            guard let parent = System.status(folder, followingLinks: true) else {
                throw refuse("there is no folder \(folder)")
            }
            guard System.isKind(parent, S_IFDIR) else { throw refuse("\(folder) is not a folder") }
            if end.hasSuffix("/") { throw refuse("it names a folder") }
            guard access(folder, W_OK | X_OK) == 0 else { throw refuse("\(folder): \(System.words(errno))") }
            target = .replaced(path: end, permissions: nil)
            return
        }
        if System.isKind(status, S_IFLNK) { throw refuse(System.words(ELOOP)) }
        if System.isKind(status, S_IFDIR) { throw refuse("it is a directory") }
        if System.isKind(status, S_IFSOCK) { throw refuse("it is a socket") }
        guard access(end, W_OK) == 0 else { throw refuse(System.words(errno)) }
        // Where the folder takes no new file, the file is written in place.
        let isReplaced = System.isKind(status, S_IFREG) && access(folder, W_OK | X_OK) == 0
        target =
            isReplaced ? .replaced(path: end, permissions: status.st_mode & 0o7777) : .opened(path: end)
    }

    /// The path of the regular file that will be replaced; nil if there is none.
    package var existingFile: String? {
        guard case .replaced(let path, _?) = target else { return nil }
        return path
    }

    /// Writes the whole text to `path`. A regular file is left as it was when that fails.
    package static func write(_ text: String, to path: String) throws(OutputError) {
        let writer = try FileWriter(OutputFile(path, .writing))
        try writer.write(text.utf8)
        try writer.finish()
    }

    /// The descriptor that `path` is another name of; nil for other paths.
    static func descriptor(named path: String) -> Int32? {
        switch path {
        case "/dev/stdin": return STDIN_FILENO
        case "/dev/stdout": return STDOUT_FILENO
        case "/dev/stderr": return STDERR_FILENO
        default: break
        }
        for folder in ["/dev/fd/", "/proc/self/fd/", "/proc/\(getpid())/fd/"] where path.hasPrefix(folder) {
            return Int32(path.dropFirst(folder.count))
        }
        return nil
    }

    /// The folder that `path` lies in.
    static func folder(of path: String) -> String {
        var body = Substring(path)
        while body.count > 1, body.hasSuffix("/") { body.removeLast() }
        guard let slash = body.lastIndex(of: "/") else { return "." }
        return slash == body.startIndex ? "/" : String(body[..<slash])
    }
}
