#if canImport(Darwin)
    internal import Darwin
#elseif canImport(Musl)
    internal import Musl
#else
    internal import Glibc
#endif

/// Writes an `OutputFile` piece by piece.
package final class FileWriter {
    /// When the bytes of a regular file become visible under its name.
    package enum Visibility: Hashable, Sendable {
        /// At `finish`, all at once; never without it.
        case whenComplete
        /// With every write: a log that is read while it grows. The file is emptied at the start, and refused while
        /// another process writes it in this way.
        case atOnce
        /// With every write, behind the first so many bytes of the file, which stay. What lies behind them is cut off.
        case continued(after: Int)

        /// Bytes that stay of a file that is written in place; nil: the file is replaced.
        var kept: Int? {
            switch self {
            case .whenComplete: nil
            case .atOnce: 0
            case .continued(let bytes): bytes
            }
        }
    }

    private let place: String
    private var descriptor: Int32
    private let closes: Bool
    /// The partial file, and the name it takes at the end.
    private var partial: (path: String, final: String)?

    package init(_ file: OutputFile, visible: Visibility = .whenComplete) throws(OutputError) {
        place = file.path
        switch file.target {
        case .descriptor(let number):
            descriptor = number
            closes = false
        case .opened(let path):
            let empties = visible.kept == nil ? O_TRUNC : 0
            descriptor = open(path, O_WRONLY | empties | O_NOCTTY | O_CLOEXEC)
            closes = true
        case .replaced(let path, _) where visible.kept != nil:
            descriptor = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0o666)
            closes = true
        case .replaced(let path, let permissions):
            let name = path.split(separator: "/").last.map { String($0.prefix(180)) } ?? ""
            let beside = OutputFile.folder(of: path) + "/.\(name).\(getpid()).partial"
            unlink(beside)
            descriptor = open(beside, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, permissions.map { $0 & 0o700 } ?? 0o666)
            closes = true
            if descriptor >= 0 {
                partial = (beside, path)
                Self.copyOwner(of: path, permissions, to: descriptor)
            }
        }
        guard descriptor >= 0 else { throw OutputError(file.path, System.words(errno), .writing) }
        if let kept = visible.kept { try takeWhole(keeping: kept) }
    }

    /// Cuts a regular file that only this process writes.
    private func takeWhole(keeping bytes: Int) throws(OutputError) {
        var status = stat()
        guard closes, fstat(descriptor, &status) == 0, System.isKind(status, S_IFREG) else { return }
        if flock(descriptor, LOCK_EX | LOCK_NB) != 0, errno == EWOULDBLOCK {
            abandon()
            throw OutputError(place, "another process is writing it", .before)
        }
        let kept = min(off_t(bytes), status.st_size)
        guard ftruncate(descriptor, kept) == 0, lseek(descriptor, kept, SEEK_SET) == kept else { throw failure(errno) }
    }

    deinit { abandon() }

    /// Appends `bytes`. After an error, the partial file of `whenComplete` is removed.
    package func write(_ bytes: UnsafeRawBufferPointer) throws(OutputError) {
        let code = System.write(bytes, to: descriptor)
        guard code == 0 else { throw failure(code) }
    }

    package func write(_ bytes: some Sequence<UInt8>) throws(OutputError) {
        let code = Array(bytes).withUnsafeBytes { System.write($0, to: descriptor) }
        guard code == 0 else { throw failure(code) }
    }

    /// Whether somebody has removed the regular file that is being written.
    package var wasRemoved: Bool {
        var status = stat()
        return descriptor >= 0 && fstat(descriptor, &status) == 0 && System.isKind(status, S_IFREG)
            && status.st_nlink == 0
    }

    /// Gives the file its name. Nothing can be written afterwards.
    ///
    /// - Parameter durable: waits until the disk holds the file, so that a crash of the machine does not lose it.
    package func finish(durable: Bool = false) throws(OutputError) {
        if durable, closes, fsync(descriptor) != 0, errno != EINVAL, errno != EROFS { throw failure(errno) }
        // Some file systems report a full disk only on close.
        if closes {
            let closed = close(descriptor)
            descriptor = -1
            if closed != 0, errno != EINTR { throw failure(errno) }
        }
        guard let (path, final) = partial else { return }
        guard rename(path, final) == 0 else { throw failure(errno) }
        partial = nil
    }

    private func failure(_ code: Int32) -> OutputError {
        abandon()
        return OutputError(place, System.words(code), .writing, isClosedPipe: code == EPIPE)
    }

    private func abandon() {
        if closes, descriptor >= 0 { close(descriptor) }
        descriptor = -1
        if let (path, _) = partial { unlink(path) }
        partial = nil
    }

    /// Gives the new file the owner and the permissions of the file it replaces, as far as the process may.
    private static func copyOwner(of path: String, _ permissions: mode_t?, to descriptor: Int32) {
        guard let permissions, let old = System.status(path, followingLinks: false) else { return }
        if old.st_uid != geteuid() || old.st_gid != getegid() { _ = fchown(descriptor, old.st_uid, old.st_gid) }
        _ = fchmod(descriptor, permissions)
    }
}
