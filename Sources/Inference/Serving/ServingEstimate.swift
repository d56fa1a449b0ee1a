internal import Costs
package import Models
package import Plans

/// The answer to a question about serving: memory, times and money of one layout.
package struct ServingEstimate: Hashable, Sendable {
    package var model: Model
    package var cluster: Cluster
    /// What is asked, with the batch that is answered.
    package var work: Workload
    package var layout: ServingLayout
    package var memory: ServingMemory
    /// Of the fullest device.
    var held: Held
    /// The largest batch that fits with sequences of this length, and the longest context that fits with this batch; nil:
    /// none.
    package var largestBatch: Int?
    package var largestContext: Int?
    /// Bytes that one token adds to what is kept of a sequence, over all devices of a copy, while no window is full.
    package var cacheBytesPerToken: Double
    /// The parts of reading all prompts, and of one token of every sequence in the middle of the answer.
    package var prefill: PassSeconds
    package var decode: PassSeconds
    /// Seconds until all prompts of the batch are read and each has its first token.
    package var prefillSeconds: Double
    /// Seconds of one more token of every sequence, at the first, in the middle and at the last of an answer.
    package var tokenSeconds: Tokens

    /// What the fullest device holds: parameters of blocks, of the embedding's table and of the head, and bytes of a
    /// sequence.
    struct Held: Hashable, Sendable {
        var blocks, table, head, sequence: Double
    }

    package struct Tokens: Hashable, Codable, Sendable {
        package var first, middle, last: Double

        /// Mean over an answer: exact where the time grows evenly with the context on both sides of the middle.
        package var mean: Double { (first + 2 * middle + last) / 4 }
    }

    /// The largest `largestContext` that is looked for.
    package static var mostTokens: Int { MemoryPrice.mostTokens }

    package var devices: Int { layout.devices }
    package var batch: Int { work.batch }

    /// Seconds of all tokens of the answers but the first.
    package var decodeSeconds: Double { Double(max(0, work.output - 1)) * tokenSeconds.mean }
    /// Seconds from the prompts of a batch to the last tokens of its answers.
    package var answerSeconds: Double { prefillSeconds + decodeSeconds }

    /// Tokens of answers a second, of all sequences together.
    package var outputTokensPerSecond: Double {
        answerSeconds > 0 ? Double(batch) * Double(work.output) / answerSeconds : 0
    }
    package var outputTokensPerSecondPerDevice: Double { outputTokensPerSecond / Double(devices) }
    /// Tokens of prompts a second while prompts are read.
    package var promptTokensPerSecond: Double {
        prefillSeconds > 0 ? Double(batch) * Double(work.prompt) / prefillSeconds : 0
    }
    /// Tokens of answers a second in the middle of answers, while no prompts are read.
    package var decodeTokensPerSecond: Double { tokenSeconds.middle > 0 ? Double(batch) / tokenSeconds.middle : 0 }

    /// Price of a second of all devices; nil: the cluster states none.
    package var pricePerSecond: Double? { cluster.pricePerDeviceHour.map { $0 * Double(devices) / 3600 } }
    /// Price of a million tokens of prompts, and of answers, each for the time it takes.
    package var pricePerMillionInput: Double? {
        pricePerSecond.map { $0 * prefillSeconds / (Double(batch) * Double(work.prompt)) * 1e6 }
    }
    package var pricePerMillionOutput: Double? {
        pricePerSecond.map { $0 * decodeSeconds / (Double(batch) * Double(work.output)) * 1e6 }
    }

    /// Seconds in which these devices answer `sequences` prompts, batch after batch. A last batch that is not full takes as
    /// long as a full one.
    package func seconds(sequences: Double) -> Double {
        guard sequences > 0 else { return 0 }
        return (sequences / Double(batch)).rounded(.up) * answerSeconds
    }
}

/// Prices one layout of a model that answers.
struct ServingPrice {
    let served: ServedModel
    let cluster: Cluster
    let work: Workload
    let layout: ServingLayout
    private let passes: PassPrice
    private let bytes: MemoryPrice

    init(_ served: ServedModel, _ cluster: Cluster, _ work: Workload, _ layout: ServingLayout) throws(ServingError) {
        (self.served, self.cluster, self.work, self.layout) = (served, cluster, work, layout)
        passes = try PassPrice(served, cluster, work, layout)
        bytes = MemoryPrice(served, cluster, work, layout)
    }

    /// Sequences of one copy of the blocks, in as many groups as there are stages, so that all stages have something to do.
    private var groups: (count: Double, sequences: Double) {
        let own = (Double(work.batch) / Double(layout.data)).rounded(.up)
        let count = min(Double(layout.pipeline), own)
        return (count, (own / count).rounded(.up))
    }

    /// Seconds of every stage, each from the first block to the last.
    private func stages(_ rows: PassPrice.Rows, sequences: Double) -> [PassSeconds] {
        let stages = served.stages(layout.pipeline)
        return stages.enumerated().map { stage, counts in
            var sum = passes.pass(rows, blocks: counts)
            if stage == 0 { sum = sum + passes.embedding(rows) }
            if stage == stages.count - 1 { sum = sum + passes.head(sequences: sequences) }
            return sum
        }
    }

    /// One more token of every sequence. Groups of sequences follow one another through the stages: a group's next token
    /// waits for its last, and a stage for all groups.
    private func token(context: Double) -> (seconds: Double, parts: PassSeconds) {
        let (count, sequences) = groups
        let rows = PassPrice.Rows.next(sequences: sequences, tokens: context)
        let stages = stages(rows, sequences: sequences)
        let transfer = passes.transfer(rows)
        let slowest = stages.map(\.total).max() ?? 0
        let way = stages.reduce(0) { $0 + $1.total } + Double(layout.pipeline) * transfer
        let parts = stages.reduce(PassSeconds(), +)
        return (max(way, count * (slowest + transfer)), parts)
    }

    /// All prompts of the batch, in passes of at most `chunk` tokens that follow one another through the stages.
    private func prompts() -> (seconds: Double, parts: PassSeconds) {
        let own = (Double(work.batch) / Double(layout.data)).rounded(.up)
        let tokens = own * Double(work.prompt)
        let count = (tokens / Double(max(1, work.chunk))).rounded(.up)
        let rows = PassPrice.Rows.prompts(rows: tokens / count, tokens: Double(work.prompt))
        let stages = stages(rows, sequences: own / count)
        let transfer = passes.transfer(rows)
        let slowest = stages.map(\.total).max() ?? 0
        let way = stages.reduce(0) { $0 + $1.total } + Double(layout.pipeline - 1) * transfer
        return (way + (count - 1) * (slowest + transfer), count * stages.reduce(PassSeconds(), +))
    }

    /// Bytes of the fullest device.
    func memory(batch: Int? = nil, context: Int? = nil) -> ServingMemory {
        bytes.memory(batch: batch ?? work.batch, context: context ?? work.context)
    }

    func largestBatch() -> Int? { bytes.largestBatch(context: work.context) }
    func largestContext() -> Int? { bytes.largestContext(batch: work.batch) }

    func estimate() -> ServingEstimate {
        let (prefill, parts) = prompts()
        let steps = [work.prompt + 1, work.prompt + max(1, work.output / 2), work.context].map {
            token(context: Double($0))
        }
        return ServingEstimate(
            model: served.model, cluster: cluster, work: work, layout: layout, memory: memory(),
            held: bytes.held(batch: work.batch, context: work.context),
            largestBatch: largestBatch(), largestContext: largestContext(),
            cacheBytesPerToken: served.cacheBytes(tokens: 1, format: work.cache)
                - served.cacheBytes(tokens: 0, format: work.cache),
            prefill: parts, decode: steps[1].parts, prefillSeconds: prefill,
            tokenSeconds: .init(first: steps[0].seconds, middle: steps[1].seconds, last: steps[2].seconds))
    }
}
