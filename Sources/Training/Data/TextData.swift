internal import Numbers
package import Plans

/// Sequences of byte tokens drawn from a text file, the same on every rank.
package final class TextData {
    package let path: String
    package let sequence: Int
    package let batch: Int
    /// The step that the run goes on from, and the sequences that were trained on before it.
    package var origin: (step: Int, sequences: Int) = (0, 0)
    /// Hash of the file's content, to be compared over ranks.
    package let digest: UInt64
    /// Largest token in the text, to be checked against the vocabulary once.
    package let largestToken: Int
    private let file: TextFile
    private let order: TrainSettings.Order
    private let seed: UInt64
    private var epoch = -1
    private var permutation: [Int32] = []
    /// One sequence and the token after it.
    private var bytes: [UInt8]

    /// Reads the whole file once.
    /// - Throws: `TrainingError` when it cannot be read, or holds fewer than `sequence` + 1 bytes: one sequence and the token
    ///   after it.
    package init(
        path: String, sequence: Int, batch: Int, order: TrainSettings.Order, seed: UInt64
    ) throws(TrainingError) {
        file = try TextFile(path: path)
        guard file.count > sequence else {
            throw TrainingError.textTooShort(path: path, tokens: file.count, needed: sequence + 1)
        }
        (digest, largestToken) = try file.scan()
        self.path = path
        self.sequence = sequence
        self.batch = batch
        self.order = order
        self.seed = seed
        bytes = [UInt8](repeating: 0, count: sequence + 1)
    }

    package var tokens: Int { file.count }

    /// Sequences that are trained on before `step`.
    package func sequences(before step: Int) -> Int { origin.sequences + (step - origin.step) * batch }

    /// First token of sequence `index` (0..<batch) of `step`.
    package func start(step: Int, index: Int) -> Int {
        let serial = sequences(before: step) + index
        switch order {
        case .sequential:
            // A text of exactly one sequence has one start.
            return (serial * sequence) % max(1, tokens - sequence - 1)
        case .shuffled:
            let sequences = (tokens - 1) / sequence
            shuffle(epoch: serial / sequences, sequences: sequences)
            return Int(permutation[serial % sequences]) * sequence
        }
    }

    /// inputs, targets [count · L] or nil: copies the input tokens and the tokens that follow them, of `count` sequences of
    /// `step` from `first` on.
    /// - Parameter pieces: the pieces of each sequence that are copied; nil copies whole sequences.
    /// - Throws: `TrainingError.textChanged` for a file that has become shorter.
    package func fill(
        step: Int, first: Int, count: Int, pieces: SequencePieces? = nil, inputs: UnsafeMutablePointer<Int32>?,
        targets: UnsafeMutablePointer<Int32>?
    ) throws(TrainingError) {
        let pieces = pieces ?? SequencePieces(sequence: sequence)
        for index in 0..<count {
            try file.read(from: start(step: step, index: first + index), into: &bytes)
            for local in 0..<pieces.length {
                let position = pieces.position(ofLocal: local)
                inputs?[index * pieces.length + local] = Int32(bytes[position])
                targets?[index * pieces.length + local] = Int32(bytes[position + 1])
            }
        }
    }

    /// Shuffles the non-overlapping sequences anew for every epoch (Fisher–Yates).
    private func shuffle(epoch: Int, sequences: Int) {
        guard epoch != self.epoch else { return }
        self.epoch = epoch
        permutation = (0..<Int32(sequences)).map { $0 }
        let key = SplitMix64.first(seed: seed ^ UInt64(epoch) << 32 ^ 0xDA7A)
        for index in stride(from: sequences - 1, to: 0, by: -1) {
            let random = SplitMix64.first(seed: key &+ UInt64(index))
            permutation.swapAt(index, Int(random.multipliedFullWidth(by: UInt64(index + 1)).high))
        }
    }
}
