internal import Tensors

/// The tokens that one rank needs for a step, L of every sequence of its micro-batches. With context parallelism a rank holds
/// its pieces of every sequence.
final class LocalBatch {
    private let data: SequenceStream
    private let shape: MicrobatchShape
    private let microbatches: Int
    private let first: Int
    private let pieces: SequencePieces
    private let inputTokens: Storage<Int32>
    private let targetTokens: Storage<Int32>
    /// The token that ends a document; nil: sequences are not packed.
    private let endOfDocument: Int32?
    /// The documents of every micro-batch of the step.
    private var packed: [PackedDocuments] = []

    /// - Parameter first: this rank's first sequence of the global batch.
    init(
        data: SequenceStream, shape: MicrobatchShape, microbatches: Int, first: Int, pieces: SequencePieces,
        endOfDocument: Int? = nil
    ) {
        self.endOfDocument = endOfDocument.map { Int32(truncatingIfNeeded: $0) }
        self.data = data
        self.shape = shape
        self.microbatches = microbatches
        self.first = first
        self.pieces = pieces
        inputTokens = Storage(count: microbatches * shape.rows)
        targetTokens = Storage(count: microbatches * shape.rows)
    }

    /// Reads this rank's sequences of a global batch.
    /// - Parameter serial: number of the batch's first sequence.
    func load(serial: Int) throws(TrainingError) {
        try data.fill(
            first: serial + first, count: microbatches * shape.sequences, pieces: pieces, inputs: inputTokens.pointer,
            targets: targetTokens.pointer)
        guard let endOfDocument else { return }
        packed = (0..<microbatches).map {
            PackedDocuments(
                tokens: inputs(microbatch: $0), sequences: shape.sequences, length: shape.sequence, end: endOfDocument)
        }
    }

    /// The documents of a micro-batch; nil: its sequences are not packed.
    func documents(microbatch: Int) -> PackedDocuments? {
        packed.indices.contains(microbatch) ? packed[microbatch] : nil
    }

    /// The input tokens of a micro-batch [R].
    func inputs(microbatch: Int) -> UnsafePointer<Int32> {
        UnsafePointer(inputTokens.pointer + microbatch * shape.rows)
    }
    /// The target tokens of a micro-batch [R].
    func targets(microbatch: Int) -> UnsafePointer<Int32> {
        UnsafePointer(targetTokens.pointer + microbatch * shape.rows)
    }
}
