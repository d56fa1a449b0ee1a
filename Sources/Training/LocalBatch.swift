/// The tokens one data-parallel rank needs for a step, `[microbatches · sequences, sequence]`.
final class LocalBatch {
    private let data: TextData
    private let shape: MicrobatchShape
    private let microbatches: Int
    private let first: Int
    private let inputTokens: UnsafeMutablePointer<Int32>
    private let targetTokens: UnsafeMutablePointer<Int32>

    /// `first`: this rank's first sequence of the global batch.
    init(data: TextData, shape: MicrobatchShape, microbatches: Int, first: Int) {
        self.data = data
        self.shape = shape
        self.microbatches = microbatches
        self.first = first
        inputTokens = .allocate(capacity: microbatches * shape.rows)
        targetTokens = .allocate(capacity: microbatches * shape.rows)
    }

    deinit {
        inputTokens.deallocate()
        targetTokens.deallocate()
    }

    /// Reads the sequences of `step`.
    func load(step: Int) {
        data.fill(
            step: step, first: first, count: microbatches * shape.sequences, inputs: inputTokens, targets: targetTokens)
    }

    func inputs(microbatch: Int) -> UnsafePointer<Int32> { UnsafePointer(inputTokens + microbatch * shape.rows) }
    func targets(microbatch: Int) -> UnsafePointer<Int32> { UnsafePointer(targetTokens + microbatch * shape.rows) }
}
