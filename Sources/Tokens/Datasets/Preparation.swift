internal import Dispatch
internal import Foundation
package import Output
package import Reading
internal import Synchronization

/// Texts made into Megatron-LM's pair of files, by several threads. The files are the same for any number of them.
package struct Preparation: Sendable {
    package enum Failure: Error {
        case input(PlanProblems)
        case output(OutputError)
    }

    package struct Summary: Sendable {
        package var files: [String]
        package var documents = 0
        package var tokens = 0
        /// Of the texts, and of what lies between them in the files.
        package var bytes = 0
        package var seconds = 0.0
        package var width: TokenWidth
    }

    package var tokenizer: Tokenizer
    package var rule: DocumentRule
    /// The key of a line of JSON.
    package var key = "text"
    package var workers = 1
    /// Put behind every document that has tokens; nil: nothing is.
    package var endOfDocument: Int32?
    /// Whether the tokenizer's tokens for the beginning and the end of a text are added.
    package var addsSpecial = false

    package init(tokenizer: Tokenizer, rule: DocumentRule) { (self.tokenizer, self.rule) = (tokenizer, rule) }

    /// Bytes of documents that a thread takes at once.
    private static let batchBytes = 1 << 20

    /// The encoded documents of one batch.
    private struct Batch: Sendable {
        var tokens: [UInt8] = []
        var lengths: [Int32] = []
        var count = 0
    }

    /// The state that the threads of a round share. Every thread has an encoder of its own.
    private final class Round: @unchecked Sendable {
        let batches: [[DocumentPlace]]
        let encoders: [TokenEncoder]
        let next = Atomic<Int>(0)
        let results: Mutex<[Result<Batch, PlanProblems>?]>

        init(_ batches: [[DocumentPlace]], _ encoders: [TokenEncoder]) {
            (self.batches, self.encoders) = (batches, encoders)
            results = Mutex(Array(repeating: nil, count: batches.count))
        }
    }

    /// Writes `prefix.bin` and `prefix.idx`; neither is there before both are whole.
    /// - Parameter progress: called now and then with bytes and tokens so far, and all bytes.
    package func run(
        _ paths: [String], to prefix: String,
        progress: (_ bytes: Int, _ tokens: Int, _ all: Int) -> Void = { _, _, _ in }
    ) throws(Failure) -> Summary {
        let start = Date()
        let names = [prefix + ".bin", prefix + ".idx"]
        var summary = Summary(files: names, width: .megatron(vocabulary: tokenizer.vocabularySize))
        let (files, writers): ([MappedFile], [FileWriter])
        do {
            try CommandFiles(
                written: names.map { NamedPath("--out", $0) }, read: paths.map { NamedPath("a text", $0) }
            ).check()
            let outputs = [try OutputFile(names[0]), try OutputFile(names[1])]
            var mapped: [MappedFile] = []
            for path in paths { mapped.append(try MappedFile(path: path)) }
            files = mapped
            writers = [try FileWriter(outputs[0]), try FileWriter(outputs[1])]
        } catch let error as OutputError {
            throw .output(error)
        } catch {
            throw .input(error as? PlanProblems ?? PlanProblems([]))
        }
        let all = files.reduce(0) { $0 + $1.bytes.count }
        let width = summary.width
        let encoders = (0..<max(1, workers)).map { _ in TokenEncoder(tokenizer) }
        var lengths: [Int32] = []
        // The number of sequences before each document's end: a document without tokens has none.
        var ends: [Int64] = [0]
        var (file, place, done) = (0, 0, 0)
        while file < files.count {
            var batches: [[DocumentPlace]] = []
            while file < files.count, batches.count < 4 * encoders.count {
                let batch = nextBatch(files, &file, &place)
                if !batch.isEmpty { batches.append(batch) }
            }
            let round = Round(batches, encoders)
            DispatchQueue.concurrentPerform(iterations: encoders.count) { worker in
                while true {
                    let index = round.next.wrappingAdd(1, ordering: .relaxed).oldValue
                    guard index < round.batches.count else { return }
                    let result = encode(round.batches[index], round.encoders[worker], width)
                    round.results.withLock { $0[index] = result }
                }
            }
            for result in round.results.withLock({ $0 }) {
                guard let result else { continue }
                let batch: Batch
                do { batch = try result.get() } catch { throw .input(error) }
                do throws(OutputError) {
                    try writers[0].write(batch.tokens)
                } catch {
                    throw .output(error)
                }
                for length in batch.lengths {
                    if length > 0 { lengths.append(length) }
                    ends.append(Int64(lengths.count))
                }
                summary.documents += batch.lengths.count
                summary.tokens += batch.count
            }
            done = files[..<file].reduce(0) { $0 + $1.bytes.count } + place
            progress(done, summary.tokens, all)
        }
        do throws(OutputError) {
            try Self.write(index: writers[1], lengths, ends, summary.width)
            try writers[0].finish()
            try writers[1].finish()
        } catch {
            throw .output(error)
        }
        summary.bytes = all
        summary.seconds = Date().timeIntervalSince(start)
        return summary
    }

    /// The next documents, of one file.
    private func nextBatch(_ files: [MappedFile], _ file: inout Int, _ place: inout Int) -> [DocumentPlace] {
        var batch: [DocumentPlace] = []
        var bytes = 0
        while bytes < Self.batchBytes {
            guard let (document, end) = files[file].withBytes({ rule.next($0, from: place) }) else {
                file += 1
                place = 0
                return batch
            }
            batch.append(DocumentPlace(file: files[file], range: document))
            bytes += end - place
            place = end
        }
        return batch
    }

    private func encode(
        _ documents: [DocumentPlace], _ encoder: TokenEncoder, _ width: TokenWidth
    ) -> Result<Batch, PlanProblems> {
        var batch = Batch()
        var ids: [Int32] = []
        for document in documents {
            ids.removeAll(keepingCapacity: true)
            do {
                if rule == .jsonl {
                    let text = try document.text(key: key)
                    text.withUnsafeBufferPointer { encoder.encode($0, into: &ids) }
                } else {
                    document.withBytes { encoder.encode($0, into: &ids) }
                }
            } catch {
                return .failure(error)
            }
            if addsSpecial { ids = tokenizer.prefix + ids + tokenizer.suffix }
            if let endOfDocument, !ids.isEmpty { ids.append(endOfDocument) }
            guard let length = Int32(exactly: ids.count) else {
                return .failure(
                    PlanProblems([
                        PlanProblem(
                            file: document.file.path, field: "",
                            rule: "a document has \(ids.count) tokens, more than an index can state",
                            fix: "--documents cuts it into smaller ones")
                    ]))
            }
            batch.lengths.append(length)
            batch.count += ids.count
            switch width {
            case .uint16:
                for id in ids {
                    batch.tokens.append(UInt8(truncatingIfNeeded: id))
                    batch.tokens.append(UInt8(truncatingIfNeeded: id >> 8))
                }
            default:
                for id in ids { withUnsafeBytes(of: id.littleEndian) { batch.tokens.append(contentsOf: $0) } }
            }
        }
        return .success(batch)
    }

    private static func write(
        index: FileWriter, _ lengths: [Int32], _ ends: [Int64], _ width: TokenWidth
    ) throws(OutputError) {
        func bytes<Number: FixedWidthInteger>(_ numbers: some Sequence<Number>) -> [UInt8] {
            numbers.flatMap { number in withUnsafeBytes(of: number.littleEndian) { Array($0) } }
        }
        var header = IndexedTokens.magic
        header += bytes(CollectionOfOne(UInt64(1)))
        header.append(width.rawValue)
        header += bytes([UInt64(lengths.count), UInt64(ends.count)])
        try index.write(header)
        let piece = 1 << 16
        for start in stride(from: 0, to: lengths.count, by: piece) {
            try index.write(bytes(lengths[start..<min(lengths.count, start + piece)]))
        }
        var pointer: Int64 = 0
        for start in stride(from: 0, to: lengths.count, by: piece) {
            var pointers: [Int64] = []
            for length in lengths[start..<min(lengths.count, start + piece)] {
                pointers.append(pointer)
                pointer += Int64(length) * Int64(width.bytes)
            }
            try index.write(bytes(pointers))
        }
        for start in stride(from: 0, to: ends.count, by: piece) {
            try index.write(bytes(ends[start..<min(ends.count, start + piece)]))
        }
    }
}
