/// What is asked of a model that answers: sequences, their lengths, and the formats of what is stored.
package struct Workload: Hashable, Sendable {
    package var weights: StoredFormat
    /// Format of the embedding and the head.
    package var ends: StoredFormat
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

    package init(
        weights: StoredFormat = .bf16, ends: StoredFormat? = nil, cache: StoredFormat = .bf16, batch: Int = 1,
        prompt: Int, output: Int, chunk: Int = Workload.usualChunk, overlaps: Bool = false
    ) {
        self.weights = weights
        self.ends = ends ?? Self.usualEnds(weights)
        self.cache = cache
        (self.batch, self.prompt, self.output) = (batch, prompt, output)
        self.chunk = chunk
        self.overlaps = overlaps
    }

    /// Tokens of a sequence when its answer is complete.
    package var context: Int { prompt + output }

    /// vLLM's default of `max_num_batched_tokens`, 2,048.
    package static let usualChunk = 2048

    /// Checkpoints in fewer than 16 bits leave the embedding and the head in 16 bits (GPTQ, AWQ, FP8 and NVFP4 checkpoints).
    package static func usualEnds(_ weights: StoredFormat) -> StoredFormat { weights.bits < 16 ? .bf16 : weights }
}
