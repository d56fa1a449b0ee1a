internal import Foundation

/// Files that somebody else wrote.
enum InputFile {
    /// Opens a regular file that is not empty. The caller closes it.
    /// - Parameter refusal: the error to throw for a reason.
    static func opened(
        _ path: String, refusal: (String) -> TrainingError
    ) throws(TrainingError) -> (descriptor: Int32, bytes: Int) {
        // A FIFO would be waited for; what is no regular file is refused below.
        let descriptor = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC)
        guard descriptor >= 0 else { throw refusal(lastError) }
        var status = stat()
        var problem: String?
        if fstat(descriptor, &status) != 0 {
            problem = lastError
        } else if status.st_mode & S_IFMT != S_IFREG {
            problem = "not a regular file"
        } else if status.st_size == 0 {
            problem = "the file is empty"
        }
        if let problem {
            close(descriptor)
            throw refusal(problem)
        }
        return (descriptor, Int(status.st_size))
    }

    /// The system's message for the last failed call.
    static var lastError: String { String(cString: strerror(errno)) }
}
