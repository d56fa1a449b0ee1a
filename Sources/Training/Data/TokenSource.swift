internal import Foundation
internal import Plans
internal import Reading
internal import Tokens

/// The tokens of one file of a corpus: a text's bytes, a text that a tokenizer encoded at the start, or a file of tokens, which
/// is mapped into memory.
final class TokenSource {
    private enum Content {
        case bytes(TextFile)
        case encoded([Int32])
        case mapped(TokenFile, watched: [WatchedFile])
    }

    let path: String
    let count: Int
    /// Hash of the content.
    let digest: UInt64
    /// The largest token; a number that no vocabulary has counts as the largest.
    private(set) var largest: UInt32 = 0
    private let content: Content
    private var bytes: [UInt8] = []
    private let progress: RunProgress?

    /// Opens a file and reads it once.
    /// - Parameters:
    ///   - key: the plan's key that names it.
    ///   - tokenizer: what encodes a text.
    ///   - vocabulary: tokens of the model.
    ///   - progress: is told that a long reading goes on.
    /// - Throws: `TrainingError` for a file that cannot be read, or is not what its name or its beginning says.
    init(
        path: String, key: String = "train.data", tokenizer: Tokenizer, vocabulary: Int, progress: RunProgress? = nil
    ) throws(TrainingError) {
        (self.path, self.progress) = (path, progress)
        guard try Self.holdsTokens(path, key: key) else {
            let file = try TextFile(path: path)
            if tokenizer.digest == Tokenizer.bytes.digest {
                (content, count) = (.bytes(file), file.count)
                if file.isLarge, vocabulary > 255 {
                    (digest, largest) = (try file.digest(), 255)
                } else {
                    let scanned = try file.scan()
                    (digest, largest) = (file.isLarge ? try file.digest() : scanned.digest, UInt32(scanned.largest))
                }
                return
            }
            digest = try file.digest()
            var text = [UInt8](repeating: 0, count: file.count)
            try file.read(from: 0, into: &text)
            var tokens: [Int32] = []
            text.withUnsafeBufferPointer { TokenEncoder(tokenizer).encode($0, into: &tokens) }
            (content, count) = (.encoded(tokens), tokens.count)
            for token in tokens { largest = max(largest, UInt32(bitPattern: token)) }
            return
        }
        let file: TokenFile
        do throws(PlanProblems) {
            file = try TokenFile.open(path)
        } catch {
            throw .corpus(error, key: key)
        }
        var hash = ContentHash()
        var watched: [WatchedFile] = []
        for mapped in file.mappedFiles {
            watched.append(try WatchedFile(mapped))
            hash.update(number: try TextFile(path: mapped.path).digest())
        }
        (content, count, digest) = (.mapped(file, watched: watched), file.count, hash.value)
        var most: UInt32 = 0
        try forEachPiece { tokens, _ in
            for token in tokens { most = max(most, UInt32(bitPattern: token)) }
        }
        largest = most
    }

    /// Whether a path names a file of tokens, and not a text.
    private static func holdsTokens(_ path: String, key: String) throws(TrainingError) -> Bool {
        let manager = FileManager.default
        guard path.hasSuffix(".bin") else {
            return path.hasSuffix(".idx")
                || !TrainSettings.CorpusFile.isFile(path) && manager.fileExists(atPath: path + ".idx")
        }
        let index = String(path.dropLast(4)) + ".idx"
        guard manager.fileExists(atPath: path), !PlainTokens.isOne(path), !manager.fileExists(atPath: index) else {
            return true
        }
        throw .corpus(
            PlanProblem(
                file: path, field: key,
                rule: "is neither a data file of llm.c, nor is there an index \(index)",
                fix: "copy the index beside it; a text must not be called .bin"))
    }

    /// Megatron-LM's pair, where the file is one.
    var indexed: IndexedTokens? {
        if case .mapped(.indexed(let file), _) = content { file } else { nil }
    }

    /// Whether each token is a byte of a text.
    var holdsBytes: Bool {
        if case .bytes = content { true } else { false }
    }

    /// Whether a tokenizer made the tokens before the run began.
    var isPrepared: Bool {
        if case .mapped = content { true } else { false }
    }

    /// The first token that a vocabulary does not have, and its place.
    func tokenBeyond(_ vocabulary: Int) throws(TrainingError) -> (place: Int, token: Int32)? {
        guard Int(largest) >= vocabulary else { return nil }
        var found: (place: Int, token: Int32)?
        try forEachPiece { tokens, first in
            guard found == nil else { return }
            if let place = tokens.firstIndex(where: { $0 < 0 || Int($0) >= vocabulary }) {
                found = (first + place, tokens[place])
            }
        }
        return found
    }

    /// Reads tokens.
    /// - Parameter range: within `0..<count`.
    /// - Throws: `TrainingError.textChanged` for a file that has become shorter.
    func read(_ range: Range<Int>, into target: UnsafeMutablePointer<Int32>) throws(TrainingError) {
        switch content {
        case .bytes(let file):
            if bytes.count != range.count { bytes = [UInt8](repeating: 0, count: range.count) }
            try file.read(from: range.lowerBound, into: &bytes)
            for (place, byte) in bytes.enumerated() { target[place] = Int32(byte) }
        case .encoded(let tokens):
            for (place, index) in range.enumerated() { target[place] = tokens[index] }
        case .mapped(let file, let watched):
            for one in watched { try one.check() }
            file.read(range, into: target)
        }
    }

    /// Calls `body` with all tokens, piece by piece, and with the number of each piece's first.
    func forEachPiece(_ body: (_ tokens: [Int32], _ first: Int) -> Void) throws(TrainingError) {
        var tokens: [Int32] = []
        var start = 0
        while start < count {
            progress?.mark()
            let end = min(count, start + 1 << 16)
            if tokens.count != end - start { tokens = [Int32](repeating: 0, count: end - start) }
            let range = start..<end
            let result = tokens.withUnsafeMutableBufferPointer { buffer in
                Result { () throws(TrainingError) in
                    if let target = buffer.baseAddress { try read(range, into: target) }
                }
            }
            try result.get()
            body(tokens, start)
            start = end
        }
    }
}

/// A mapped file whose length is looked at before it is read.
final class WatchedFile {
    private let path: String
    private let count: Int
    private let descriptor: Int32

    init(_ file: MappedFile) throws(TrainingError) {
        (path, count) = (file.path, file.count)
        let path = path
        (descriptor, _) = try InputFile.opened(path) { .text(path: path, reason: $0) }
    }

    deinit { close(descriptor) }

    /// - Throws: `TrainingError.textChanged` for a file that has become shorter.
    func check() throws(TrainingError) {
        var status = stat()
        guard fstat(descriptor, &status) == 0, Int(status.st_size) >= count else {
            throw .textChanged(path: path, reason: "it was cut from \(count) to \(Int(status.st_size)) bytes")
        }
    }
}
