internal import Foundation

/// The exclusive right to write into a folder: a lock on a file in it. The system frees the lock when its process ends,
/// in whatever way. `release` removes the file.
package struct RunLock: Sendable {
    /// The reason why a folder could not be locked.
    package enum Refusal: Error, Hashable {
        /// Another process holds the lock; in its own words, where it says who it is.
        case held(String?)
        /// The lock file cannot be made; the text is the system's error.
        case impossible(String)
    }

    /// The locked file's name.
    package static let name = ".trainyard.lock"

    private let path: String
    private let descriptor: Int32
    /// Whether the file system supports locks. If not, the folder counts as locked without one.
    package let isReal: Bool

    /// The first word of a lock file's text.
    private static let mark = "held by "

    /// Locks an existing `folder` and says in the file who holds it. If another process holds the lock, tries again every tenth
    /// of a second, since that process may be just ending.
    package init(folder: String, holder: String? = nil, tries: Int = 20) throws(Refusal) {
        path = folder + "/" + Self.name
        var left = tries
        while true {
            let file = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK, 0o666)
            guard file >= 0 else { throw .impossible(String(cString: strerror(errno))) }
            var opened = stat()
            guard fstat(file, &opened) == 0, opened.st_mode & S_IFMT == S_IFREG else {
                close(file)
                throw .impossible("\(Self.name) is no regular file")
            }
            if flock(file, LOCK_EX | LOCK_NB) == 0 {
                // The previous owner may have removed the file between our `open` and our lock. The lock then counts
                // for nothing.
                var named = stat()
                if stat(path, &named) == 0, named.st_ino == opened.st_ino, named.st_dev == opened.st_dev {
                    (descriptor, isReal) = (file, true)
                    if let holder { Self.write(holder, to: file) }
                    return
                }
            } else if errno == EWOULDBLOCK {
                left -= 1
                if left <= 0 {
                    let holder = Self.holder(file)
                    close(file)
                    throw .held(holder)
                }
                usleep(100_000)
            } else if errno != EINTR {
                (descriptor, isReal) = (file, false)
                return
            }
            close(file)
        }
    }

    /// Gives the lock back, so that other processes may write. Called once.
    package func release() {
        var status = stat()
        // A file with other contents is not ours and stays.
        if fstat(descriptor, &status) == 0, status.st_size == 0 || Self.holder(descriptor) != nil { unlink(path) }
        close(descriptor)
    }

    /// Writes who holds the lock, unless the file holds something else.
    private static func write(_ holder: String, to file: Int32) {
        var status = stat()
        guard fstat(file, &status) == 0, status.st_size == 0 || self.holder(file) != nil else { return }
        let text = Array((mark + holder + "\n").utf8)
        // A lock that says nothing is a lock.
        guard ftruncate(file, 0) == 0 else { return }
        _ = pwrite(file, text, text.count, 0)
    }

    /// The text of a lock file; nil if nobody has written who holds it.
    private static func holder(_ file: Int32) -> String? {
        var bytes = [UInt8](repeating: 0, count: 512)
        let count = pread(file, &bytes, bytes.count, 0)
        let text = String(decoding: bytes.prefix(max(0, count)), as: UTF8.self)
        guard text.hasPrefix(mark), let line = text.split(whereSeparator: \.isNewline).first else { return nil }
        return String(line.filter { !$0.isASCII || $0 >= " " })
    }
}
