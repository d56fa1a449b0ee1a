internal import Foundation

/// The files of a checkpoint, opened when they are first read.
final class ShardFiles {
    private let path: String
    private let names: [String]
    private var open: [Int: Int32] = [:]
    private(set) var bytesRead = 0

    /// Files that are open at once.
    private static let most = 64

    init(path: String, names: [String]) {
        self.path = path
        self.names = names
    }

    deinit { for descriptor in open.values { close(descriptor) } }

    /// Fills `target` with the bytes from `offset` on.
    func read(
        _ file: Int, at offset: Int, into target: UnsafeMutableRawBufferPointer
    ) throws(CheckpointProblem) {
        let descriptor = try descriptor(file)
        if let words = InputFile.read(descriptor, at: offset, into: target) {
            throw .damaged(path: path + "/" + names[file], words: words)
        }
        bytesRead += target.count
    }

    private func descriptor(_ file: Int) throws(CheckpointProblem) -> Int32 {
        if let descriptor = open[file] { return descriptor }
        if open.count >= Self.most {
            for descriptor in open.values { close(descriptor) }
            open = [:]
        }
        let name = path + "/" + names[file]
        do throws(TrainingError) {
            let opened = try InputFile.opened(name) { .file(path: name, reason: $0) }
            open[file] = opened.descriptor
            return opened.descriptor
        } catch {
            throw .damaged(path: name, words: InputFile.words(error))
        }
    }
}

extension InputFile {
    /// Fills `target` with the bytes of a file from `offset` on.
    /// - Returns: the reason if it could not.
    static func read(_ descriptor: Int32, at offset: Int, into target: UnsafeMutableRawBufferPointer) -> String? {
        var done = 0
        while done < target.count {
            let part = UnsafeMutableRawBufferPointer(rebasing: target[done...])
            let count = pread(descriptor, part.baseAddress, part.count, off_t(offset + done))
            if count > 0 {
                done += count
            } else if count == 0 {
                return "it is cut short"
            } else if errno != EINTR {
                return lastError
            }
        }
        return nil
    }

    /// The system's message in an error of `opened`.
    static func words(_ error: TrainingError) -> String {
        if case .file(_, let reason) = error { return reason }
        return error.description
    }
}
