internal import Foundation

/// The right to write into a folder: a lock on a file in it, which the system takes back when its owner ends, however that
/// is. The file goes when the lock is given back.
package struct RunLock: Sendable {
    /// Why there is no lock.
    package enum Refusal: Error, Hashable {
        /// Another process has it.
        case held
        /// The file cannot be made; the system's word.
        case impossible(String)
    }

    /// The locked file's name.
    package static let name = ".trainyard.lock"

    private let path: String
    private let descriptor: Int32
    /// Whether the file system has locks at all.
    package let isReal: Bool

    /// Locks `folder`, which is there. A process that is just ending is waited for, a tenth of a second a try.
    package init(folder: String, tries: Int = 20) throws(Refusal) {
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
                // Its last owner may have removed it in the meantime.
                var named = stat()
                if stat(path, &named) == 0, named.st_ino == opened.st_ino, named.st_dev == opened.st_dev {
                    (descriptor, isReal) = (file, true)
                    return
                }
            } else if errno == EWOULDBLOCK {
                left -= 1
                if left <= 0 {
                    close(file)
                    throw .held
                }
                usleep(100_000)
            } else if errno != EINTR {
                (descriptor, isReal) = (file, false)
                return
            }
            close(file)
        }
    }

    /// Lets others write. Called once.
    package func release() {
        var status = stat()
        // Nobody writes into the file: one that holds something is not ours.
        if fstat(descriptor, &status) == 0, status.st_size == 0 { unlink(path) }
        close(descriptor)
    }
}
