#if canImport(Darwin)
    internal import Darwin
#elseif canImport(Musl)
    internal import Musl
#else
    internal import Glibc
#endif

/// A text that is read piece by piece, however large it is. It is not mapped into memory: a mapped file that somebody cuts
/// short ends the process with SIGBUS. A text that is removed while it is open can still be read.
final class TextFile {
    let path: String
    /// Bytes when it was opened.
    let count: Int
    private let descriptor: Int32

    /// Throws `TrainingError.text` when it is missing, no regular file, unreadable or empty.
    init(path: String) throws(TrainingError) {
        self.path = path
        (descriptor, count) = try InputFile.opened(path) { .text(path: path, reason: $0) }
    }

    deinit { close(descriptor) }

    /// Fills `bytes` with the text from byte `start` on.
    func read(from start: Int, into bytes: inout [UInt8]) throws(TrainingError) {
        var filled = 0
        while filled < bytes.count {
            let wanted = bytes.count - filled
            let got = bytes.withUnsafeMutableBytes {
                pread(descriptor, $0.baseAddress! + filled, wanted, off_t(start + filled))
            }
            if got < 0 {
                if errno == EINTR { continue }
                throw .textChanged(path: path, reason: "it could not be read (\(InputFile.lastError))")
            }
            guard got > 0 else {
                var status = stat()
                let now = fstat(descriptor, &status) == 0 ? Int(status.st_size) : 0
                throw .textChanged(path: path, reason: "it was cut from \(count) to \(now) bytes")
            }
            filled += got
        }
    }

    /// Bytes up to which a file's whole content counts in its digest.
    private static let mostHashed = 1 << 30
    /// A larger file's digest is of its length and of so many pieces, evenly spaced from its beginning to its end.
    private static let (samples, sampleBytes) = (4096, 1 << 16)

    /// Whether the digest is of samples.
    var isLarge: Bool { count > Self.mostHashed }

    /// A hash of the content, or of samples of a large file's.
    func digest() throws(TrainingError) -> UInt64 {
        guard isLarge else { return try scan().digest }
        var hash = ContentHash()
        hash.update(number: UInt64(count))
        var piece = [UInt8](repeating: 0, count: Self.sampleBytes)
        let last = count - Self.sampleBytes
        for sample in 0..<Self.samples {
            let (high, low) = last.multipliedFullWidth(by: sample)
            let start = (Self.samples - 1).dividingFullWidth((high, low)).quotient
            try read(from: start, into: &piece)
            piece.withUnsafeBytes { hash.update($0) }
        }
        return hash.value
    }

    /// Reads the whole text once.
    /// - Returns: a hash of the content, and the largest byte.
    func scan() throws(TrainingError) -> (digest: UInt64, largest: Int) {
        var hash = ContentHash()
        var largest: UInt8 = 0
        var start = 0
        var piece = [UInt8](repeating: 0, count: min(count, 1 << 20))
        while start < count {
            if count - start < piece.count { piece.removeLast(piece.count - (count - start)) }
            try read(from: start, into: &piece)
            piece.withUnsafeBytes {
                hash.update($0)
                for byte in $0 { largest = max(largest, byte) }
            }
            start += piece.count
        }
        return (hash.value, Int(largest))
    }
}
