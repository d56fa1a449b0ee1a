internal import Foundation
internal import Models
internal import Tensors

/// A checkpoint that is open for reading: its manifest, and where the parts of every tensor lie.
package final class CheckpointFolder {
    /// A part of a tensor, in a file.
    struct Piece {
        var file: Int
        var header: ShardHeader.Piece
    }

    package let path: String
    package let manifest: CheckpointManifest
    /// The pieces of every tensor of the state, by key.
    let pieces: [String: [Piece]]
    /// The texts that it was made of, for other ranks.
    let index: CheckpointIndex
    private let files: ShardFiles
    /// The sources of the tensor that was read last.
    private var latest: (key: String, sources: [Source])?

    /// Opens a checkpoint and checks its files' sizes and headers.
    package convenience init(path: String) throws(CheckpointProblem) {
        try self.init(path: path, index: CheckpointIndex(path: path))
    }

    /// Opens a checkpoint that a user names.
    package static func opened(_ path: String) throws(TrainingError) -> CheckpointFolder {
        do throws(CheckpointProblem) { return try CheckpointFolder(path: path) } catch { throw error.error }
    }

    /// - Parameter index: as another rank has read it.
    init(path: String, index: CheckpointIndex) throws(CheckpointProblem) {
        self.path = path
        self.index = index
        manifest = try CheckpointManifest(index.manifest, path: path)
        guard manifest.files.count == index.headers.count else {
            throw .damaged(path: path, words: "\(index.headers.count) of \(manifest.files.count) files are there")
        }
        var pieces: [String: [Piece]] = [:]
        for (number, (file, header)) in zip(manifest.files, index.headers).enumerated() {
            func damaged(_ words: String) -> CheckpointProblem {
                .damaged(path: path + "/" + file.name, words: words)
            }
            guard SHA256.digits(of: header) == file.header else {
                throw damaged("its header does not match the checksum in \(CheckpointManifest.name)")
            }
            let read: ShardHeader
            do throws(ShardHeader.Problem) {
                read = try ShardHeader(header, size: file.bytes)
            } catch {
                throw damaged(error.words)
            }
            for piece in read.pieces { pieces[piece.key, default: []].append(Piece(file: number, header: piece)) }
        }
        for (key, parts) in pieces {
            let first = parts[0].header
            guard parts.allSatisfy({ $0.header.shape == first.shape && $0.header.format == first.format }) else {
                throw .damaged(path: path, words: "the parts of tensor \(key) have different shapes or formats")
            }
        }
        self.pieces = pieces
        files = ShardFiles(path: path, names: manifest.files.map(\.name))
    }

    /// Bytes read from the tensors so far.
    package var bytesRead: Int { files.bytesRead }

    /// The checksum of a whole tensor, as it was when it was saved.
    func sum(_ key: String) -> UInt64 { (pieces[key] ?? []).reduce(0) { $0 &+ $1.header.sum } }

    /// Where the elements of a tensor lie.
    private struct Source {
        var run: ElementRun
        var file: Int
        /// Place of the piece in its file.
        var start: Int
    }

    /// All runs of a tensor's pieces by their place in the whole tensor.
    /// - Throws: if they overlap.
    private func sources(_ key: String) throws(CheckpointProblem) -> [Source] {
        if let latest, latest.key == key { return latest.sources }
        let parts = pieces[key] ?? []
        // A short header can claim more runs than memory holds.
        var count = 0
        for part in parts {
            count += part.header.runs
            guard count <= RunPattern.most else {
                throw .damaged(path: path, words: "tensor \(key) is in more than \(RunPattern.most) runs")
            }
        }
        let sources = parts.flatMap { piece in
            RunPattern.runs(of: piece.header.patterns).map {
                Source(run: $0, file: piece.file, start: piece.header.range.lowerBound)
            }
        }.sorted { $0.run.whole < $1.run.whole }
        for (one, next) in zip(sources, sources.dropFirst()) where one.run.end > next.run.whole {
            throw .damaged(path: path, words: "parts of tensor \(key) overlap")
        }
        latest = (key, sources)
        return sources
    }

    /// The first source that ends behind an element.
    private static func first(of sources: [Source], endingAfter element: Int) -> Int {
        var (low, high) = (0, sources.count)
        while low < high {
            let middle = (low + high) / 2
            if sources[middle].run.end > element { high = middle } else { low = middle + 1 }
        }
        return low
    }

    /// Reads runs of a tensor. Only these elements are read.
    /// - Parameters:
    ///   - shape: of the whole tensor.
    ///   - place: the memory for a part of the runs.
    func read(
        _ key: String, shape: [Int], format: StateFormat, runs: [ElementRun],
        place: (ElementRun) -> UnsafeMutableRawPointer
    ) throws(CheckpointProblem) {
        guard let header = pieces[key]?.first?.header else {
            throw .damaged(path: path, words: "tensor \(key) is missing")
        }
        guard header.shape == shape else {
            throw .other(
                path: path, field: "the shape of \(key)", theirs: "\(header.shape)", ours: "\(shape)",
                fix: "use the plan that it was made with")
        }
        guard header.format == format else {
            throw .other(
                path: path, field: "the format of \(key)", theirs: header.format.rawValue, ours: format.rawValue,
                fix: "use the plan that it was made with")
        }
        let sources = try sources(key)
        let runs = runs.sorted { $0.whole < $1.whole }
        var next = Self.first(of: sources, endingAfter: runs.first?.whole ?? 0)
        for run in runs {
            var done = run.whole
            while done < run.end {
                while next < sources.count, sources[next].run.end <= done { next += 1 }
                guard next < sources.count, case let source = sources[next], source.run.whole <= done else {
                    throw .damaged(path: path, words: "elements of tensor \(key) from \(done) on are missing")
                }
                let end = min(run.end, source.run.end)
                let part = ElementRun(local: run.local + done - run.whole, whole: done, count: end - done)
                let offset = source.start + (source.run.local + done - source.run.whole) * format.bytes
                let target = UnsafeMutableRawBufferPointer(start: place(part), count: part.count * format.bytes)
                try files.read(source.file, at: offset, into: target)
                done = end
            }
        }
    }

    /// Makes sure that the parts of a tensor have as many elements as it.
    func checkCount(_ key: String, size: Int) throws(CheckpointProblem) {
        var held = 0
        for piece in pieces[key] ?? [] {
            held += piece.header.count
            guard held <= size else { throw .damaged(path: path, words: "parts of tensor \(key) overlap") }
        }
        guard held == size else {
            throw .damaged(path: path, words: "\(size - held) elements of tensor \(key) are missing")
        }
    }

    /// Makes sure that the parts of a tensor of `size` elements are all there, each element once.
    func checkCover(_ key: String, size: Int) throws(CheckpointProblem) {
        let held = try sources(key).reduce(0) { $0 + $1.run.count }
        guard held == size else {
            throw .damaged(path: path, words: "\(size - held) elements of tensor \(key) are missing")
        }
    }

    /// Reads a piece of a file and compares its checksum.
    func check(_ piece: Piece) throws(CheckpointProblem) {
        let header = piece.header
        let room = Storage<UInt8>(count: Self.room)
        var sum = ElementSum()
        for run in RunPattern.runs(of: header.patterns) {
            var done = 0
            while done < run.count {
                let count = min(run.count - done, Self.room / header.format.bytes)
                let target = UnsafeMutableRawBufferPointer(
                    start: room.pointer, count: count * header.format.bytes)
                try files.read(
                    piece.file, at: header.range.lowerBound + (run.local + done) * header.format.bytes, into: target)
                let part = ElementRun(local: 0, whole: run.whole + done, count: count)
                header.format.add(part, at: room.pointer, to: &sum)
                done += count
            }
        }
        guard sum.value == header.sum else {
            throw .damaged(
                path: path + "/" + manifest.files[piece.file].name,
                words: "tensor \(header.key) does not match its checksum")
        }
    }

    private static let room = 1 << 20
}

/// The texts of a checkpoint that are read before its tensors: the manifest and the header of every file. Rank 0 reads it and passes it
/// on.
struct CheckpointIndex {
    var manifest: Data
    var headers: [Data]

    /// Bytes of all texts.
    var bytes: Int { headers.reduce(manifest.count) { $0 + $1.count } }

    /// Reads them, and checks that every file has its size.
    init(path: String) throws(CheckpointProblem) {
        manifest = try Self.bytes(of: path + "/" + CheckpointManifest.name, most: 64 << 20)
        headers = []
        for file in try CheckpointManifest(manifest, path: path).files {
            let name = path + "/" + file.name
            let length = try Self.bytes(of: name, most: 8, size: file.bytes)
            // A header that lies about its length is cut off here and found out by its checksum.
            let count = length.reversed().reduce(UInt64(0)) { $0 << 8 | UInt64($1) }
            let most = min(UInt64(max(0, file.bytes - 8)), min(count, 100_000_000))
            headers.append(try Self.bytes(of: name, most: 8 + Int(most), size: file.bytes))
        }
    }

    /// The first bytes of a plain file.
    /// - Parameter size: bytes that the file must have.
    private static func bytes(of path: String, most: Int, size: Int? = nil) throws(CheckpointProblem) -> Data {
        let (descriptor, bytes): (Int32, Int)
        do throws(TrainingError) {
            (descriptor, bytes) = try InputFile.opened(path) { .file(path: path, reason: $0) }
        } catch {
            throw .damaged(path: path, words: InputFile.words(error))
        }
        defer { close(descriptor) }
        if let size, bytes != size {
            throw .damaged(path: path, words: "it has \(bytes) bytes, \(size) were written")
        }
        var data = Data(count: min(bytes, most))
        let words = data.withUnsafeMutableBytes { InputFile.read(descriptor, at: 0, into: $0) }
        if let words { throw .damaged(path: path, words: words) }
        return data
    }

    /// As one list of bytes: the length of every text, then the text.
    var packed: [UInt8] {
        var packed: [UInt8] = []
        for text in [manifest] + headers {
            withUnsafeBytes(of: UInt64(text.count).littleEndian) { packed.append(contentsOf: $0) }
            packed.append(contentsOf: text)
        }
        return packed
    }

    /// Of bytes that `packed` made; nil for others.
    init?(packed: [UInt8]) {
        var (texts, rest): ([Data], ArraySlice<UInt8>) = ([], packed[...])
        while rest.count >= 8 {
            let count = rest.prefix(8).reversed().reduce(UInt64(0)) { $0 << 8 | UInt64($1) }
            rest = rest.dropFirst(8)
            guard count <= UInt64(rest.count) else { return nil }
            texts.append(Data(rest.prefix(Int(count))))
            rest = rest.dropFirst(Int(count))
        }
        guard let first = texts.first else { return nil }
        (manifest, headers) = (first, Array(texts.dropFirst()))
    }
}
