/// What is asked of a model that answers: sequences, their lengths, and the formats of what is stored.
package struct Workload: Hashable, Sendable {
    package var weights: StoredFormat
    /// Format of the head; and of the embedding's table, where that is another matrix.
    package var ends: StoredFormat
    package var table: StoredFormat
    package var cache: StoredFormat
    /// Sequences at the same time, over all devices.
    package var batch: Int
    /// Tokens of a prompt, and of an answer.
    package var prompt: Int
    package var output: Int
    /// Most tokens of prompts that a device reads in one pass.
    package var chunk: Int
    /// Whether the rows of one half of a batch travel to their experts while the other half is computed.
    package var overlaps: Bool

    /// - Parameter ends: of the embedding and the head; nil: as is usual with such weights.
    package init(
        weights: StoredFormat = .bf16, ends: StoredFormat? = nil, cache: StoredFormat = .bf16, batch: Int = 1,
        prompt: Int, output: Int, chunk: Int = Workload.usualChunk, overlaps: Bool = false
    ) {
        self.weights = weights
        self.ends = ends ?? weights.usualEnds.head
        table = ends ?? weights.usualEnds.table
        self.cache = cache
        (self.batch, self.prompt, self.output) = (batch, prompt, output)
        self.chunk = chunk
        self.overlaps = overlaps
    }

    /// Tokens of a sequence when its answer is complete.
    package var context: Int { prompt + output }

    /// vLLM's default of `max_num_batched_tokens`, 2,048.
    package static let usualChunk = 2048
}
