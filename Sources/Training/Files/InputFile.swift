internal import Foundation
internal import Reading

/// Files that somebody else wrote.
enum InputFile {
    /// Opens a regular file that is not empty. The caller closes it.
    /// - Parameter refusal: the error to throw for a reason.
    static func opened(
        _ path: String, refusal: (String) -> TrainingError
    ) throws(TrainingError) -> (descriptor: Int32, bytes: Int) {
        let opened: (descriptor: Int32, bytes: Int)
        do throws(RegularFile.Refusal) {
            opened = try RegularFile.opened(path)
        } catch {
            throw refusal(words(error))
        }
        if opened.bytes == 0 {
            close(opened.descriptor)
            throw refusal("the file is empty")
        }
        return opened
    }

    /// Maps a regular file that is not empty into memory.
    static func mapped(_ path: String) throws(TrainingError) -> MappedFile {
        let (descriptor, size) = try opened(path) { .file(path: path, reason: $0) }
        defer { close(descriptor) }
        do throws(RegularFile.Refusal) {
            return try MappedFile(path: path, descriptor: descriptor, count: size)
        } catch {
            throw .file(path: path, reason: words(error))
        }
    }

    private static func words(_ refusal: RegularFile.Refusal) -> String {
        switch refusal {
        case .system(let words): words
        case .notRegular: "not a regular file"
        }
    }

    /// The system's message for the last failed call.
    static var lastError: String { String(cString: strerror(errno)) }
}
