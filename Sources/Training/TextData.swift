package import Plans

#if canImport(Glibc)
    internal import Glibc
#endif

/// A file mapped into memory, unmapped when the last user goes.
package final class MappedFile {
    package let bytes: UnsafeRawBufferPointer

    /// Maps `path` for reading. Throws `TrainingError.file` when it is missing, a directory, unreadable or empty.
    package init(path: String) throws(TrainingError) {
        let descriptor = open(path, O_RDONLY)
        guard descriptor >= 0 else { throw TrainingError.file(path: path, reason: MappedFile.lastError) }
        defer { close(descriptor) }
        var status = stat()
        guard fstat(descriptor, &status) == 0 else {
            throw TrainingError.file(path: path, reason: MappedFile.lastError)
        }
        guard status.st_mode & S_IFMT == S_IFREG else {
            throw TrainingError.file(path: path, reason: "not a regular file")
        }
        guard status.st_size > 0 else { throw TrainingError.file(path: path, reason: "the file is empty") }
        let size = Int(status.st_size)
        guard let address = mmap(nil, size, PROT_READ, MAP_PRIVATE, descriptor, 0), address != MAP_FAILED else {
            throw TrainingError.file(path: path, reason: MappedFile.lastError)
        }
        bytes = UnsafeRawBufferPointer(start: address, count: size)
    }

    deinit { munmap(UnsafeMutableRawPointer(mutating: bytes.baseAddress), bytes.count) }

    /// The system's word for the last failed call.
    package static var lastError: String { String(cString: strerror(errno)) }
}

/// Sequences of byte tokens drawn from a text file, the same on every rank.
package final class TextData {
    package let path: String
    package let sequence: Int
    package let batch: Int
    private let file: MappedFile
    private let order: TrainSettings.Order
    private let seed: UInt64
    private var epoch = -1
    private var permutation: [Int32] = []

    /// Throws when the file cannot be read or holds fewer than `sequence` + 2 bytes.
    package init(
        path: String, sequence: Int, batch: Int, order: TrainSettings.Order, seed: UInt64
    ) throws(TrainingError) {
        do {
            file = try MappedFile(path: path)
        } catch {
            guard case .file(let path, let reason) = error else { throw error }
            throw TrainingError.text(path: path, reason: reason)
        }
        guard file.bytes.count >= sequence + 2 else {
            throw TrainingError.textTooShort(path: path, tokens: file.bytes.count, needed: sequence + 2)
        }
        self.path = path
        self.sequence = sequence
        self.batch = batch
        self.order = order
        self.seed = seed
    }

    package var tokens: Int { file.bytes.count }

    /// Largest token in the text, to be checked against the vocabulary once.
    package var largestToken: Int { Int(file.bytes.max() ?? 0) }

    /// First token of sequence `index` (0..<batch) of `step`.
    package func start(step: Int, index: Int) -> Int {
        let serial = step * batch + index
        switch order {
        case .sequential:
            return (serial * sequence) % (tokens - sequence - 1)
        case .shuffled:
            let sequences = (tokens - 1) / sequence
            shuffle(epoch: serial / sequences, sequences: sequences)
            return Int(permutation[serial % sequences]) * sequence
        }
    }

    /// Copies `count` sequences of `step` from `first` on: `inputs` and the next-token `targets`, `[count, sequence]`;
    /// with `pieces` only those of each sequence. Either may be nil.
    package func fill(
        step: Int, first: Int, count: Int, pieces: SequencePieces? = nil, inputs: UnsafeMutablePointer<Int32>?,
        targets: UnsafeMutablePointer<Int32>?
    ) {
        let pieces = pieces ?? SequencePieces(sequence: sequence)
        for index in 0..<count {
            let begin = start(step: step, index: first + index)
            for local in 0..<pieces.length {
                let position = begin + pieces.position(ofLocal: local)
                inputs?[index * pieces.length + local] = Int32(file.bytes[position])
                targets?[index * pieces.length + local] = Int32(file.bytes[position + 1])
            }
        }
    }

    /// A Fisher–Yates shuffle of the non-overlapping sequences, new every epoch.
    private func shuffle(epoch: Int, sequences: Int) {
        guard epoch != self.epoch else { return }
        self.epoch = epoch
        permutation = (0..<Int32(sequences)).map { $0 }
        let key = Initialisation.mix(seed ^ UInt64(epoch) << 32 ^ 0xDA7A)
        for index in stride(from: sequences - 1, to: 0, by: -1) {
            let random = Initialisation.mix(key &+ UInt64(index))
            permutation.swapAt(index, Int(random.multipliedFullWidth(by: UInt64(index + 1)).high))
        }
    }
}
