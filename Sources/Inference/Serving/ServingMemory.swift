internal import Costs
internal import Models
internal import Plans

/// Bytes on the fullest device of a model that answers.
package struct ServingMemory: Hashable, Codable, Sendable {
    package var weights: Double
    /// What is kept of all sequences: keys, values, latents and states.
    package var cache: Double
    /// Results of the widest block for the rows of one pass, and logits.
    package var activations: Double
    /// Driver, libraries and communicators.
    package var reserved: Double
    /// Bytes of the device's memory, and what may be filled of it.
    package var capacity: Double
    package var usable: Double

    package var total: Double { weights + cache + activations + reserved }
    package var fits: Bool { total <= usable }
}

/// The memory of a layout, for any number of sequences.
struct MemoryPrice {
    private let served: ServedModel
    private let work: Workload
    private let layout: ServingLayout
    private let device: Device
    private let stages: [[Int]]
    /// Parameters of every stage on one device: those of blocks, of the embedding's table, and of the head.
    private let parameters: [(blocks: Double, table: Double, head: Double)]

    init(_ served: ServedModel, _ cluster: Cluster, _ work: Workload, _ layout: ServingLayout) {
        (self.served, self.work, self.layout) = (served, work, layout)
        device = cluster.device
        let stages = served.stages(layout.pipeline)
        self.stages = stages
        let (parts, model) = (served.parts, served.model)
        let vocabulary = model.paddedVocab(tensor: layout.tensor)
        parameters = stages.enumerated().map { stage, counts in
            let blocks = parts.deviceParameters(
                blocks: counts, tensor: layout.tensor, vocabulary: vocabulary, holdsEmbedding: false, holdsHead: false)
            func held(head: Bool) -> Double {
                parts.deviceParameters(
                    blocks: counts, tensor: layout.tensor, vocabulary: vocabulary, holdsEmbedding: stage == 0,
                    holdsHead: head)
            }
            let isLast = stage == layout.pipeline - 1
            let (whole, table) = (held(head: isLast), stage == 0 ? held(head: false) - blocks : 0)
            var routed = 0.0
            for (count, block) in zip(counts, parts.blocks) {
                guard let mixture = block.mixture else { continue }
                let one = Double(block.parameters.routed) / Double(mixture.experts)
                let held = (Double(mixture.experts) / Double(layout.expert)).rounded(.up)
                routed += Double(count) * one * held / Double(layout.expertTensor)
            }
            // A tied matrix is stored once, as the head.
            let own = model.tiedEmbeddings ? 0 : table
            return (blocks + routed, own, whole - blocks - own)
        }
    }

    /// The memory of the fullest device with `batch` sequences of `context` tokens over all devices.
    func memory(batch: Int, context: Int) -> ServingMemory {
        let sequences = self.sequences(batch)
        let stage = fullest(batch: batch, context: context)
        return ServingMemory(
            weights: weights(stage), cache: sequences * sequenceBytes(stage, context: context),
            activations: activations(sequences), reserved: device.reservedBytes, capacity: device.memoryBytes,
            usable: Estimate.usableShare * device.memoryBytes)
    }

    /// What the fullest device holds.
    func held(batch: Int, context: Int) -> ServingEstimate.Held {
        let stage = fullest(batch: batch, context: context)
        return ServingEstimate.Held(
            blocks: parameters[stage].blocks, table: parameters[stage].table, head: parameters[stage].head,
            sequence: sequenceBytes(stage, context: context))
    }

    /// Sequences of one copy of the blocks.
    private func sequences(_ batch: Int) -> Double { (Double(batch) / Double(layout.data)).rounded(.up) }

    private func weights(_ stage: Int) -> Double {
        parameters[stage].blocks * work.weights.bytes + parameters[stage].table * work.table.bytes
            + parameters[stage].head * work.ends.bytes
    }

    /// Bytes that a device of a stage keeps of a sequence.
    private func sequenceBytes(_ stage: Int, context: Int) -> Double {
        zip(stages[stage], served.parts.blocks).reduce(0) { sum, kind in
            sum
                + Double(kind.0)
                * kind.1.cache.bytes(tokens: Double(context), tensor: Double(layout.tensor), format: work.cache)
        }
    }

    private func fullest(batch: Int, context: Int) -> Int {
        let sequences = self.sequences(batch)
        let bytes = stages.indices.map { weights($0) + sequences * sequenceBytes($0, context: context) }
        return bytes.indices.max { bytes[$0] < bytes[$1] } ?? 0
    }

    /// The results of all products of the widest block and three rows of the residual stream, for the rows of one pass; and
    /// logits in fp32, of which only the last token of a sequence has some.
    private func activations(_ sequences: Double) -> Double {
        let prompts = sequences * Double(work.prompt)
        let rows = max(min(prompts, Double(work.chunk)), sequences)
        func division(_ mixture: Model.Mixture?) -> Division {
            Division(
                tokens: rows, tensor: Double(layout.tensor), sequence: 1, expertTensor: Double(layout.expertTensor),
                mixture: mixture)
        }
        let number: Double = work.weights == .fp32 ? 4 : 2
        let widest =
            served.parts.blocks.map { block in
                let division = division(block.mixture)
                return (block.products + block.expertProducts).reduce(0) { $0 + division.numbers($1.result) }
            }.max() ?? 0
        let stream = 3 * rows * Double(served.model.hidden)
        let logits = 4 * sequences * Double(served.model.paddedVocab(tensor: layout.tensor)) / Double(layout.tensor)
        return number * (widest + stream) + logits
    }

    /// The largest batch that fits with sequences of `context` tokens; nil: not even one sequence.
    func largestBatch(context: Int) -> Int? {
        largest(in: 1...Self.mostSequences) { memory(batch: $0, context: context).fits }
    }

    /// The longest context that fits with `batch` sequences; nil: not even one token.
    func largestContext(batch: Int) -> Int? {
        largest(in: 1...Self.mostTokens) { memory(batch: batch, context: $0).fits }
    }

    /// Bounds of what is looked for: of `batch`, and of the context in a file.
    static let mostSequences = 1 << 24
    static let mostTokens = 1 << 30

    /// The largest number for which `fits` holds, if it holds for all smaller ones.
    private func largest(in range: ClosedRange<Int>, _ fits: (Int) -> Bool) -> Int? {
        guard fits(range.lowerBound) else { return nil }
        var (low, high) = (range.lowerBound, range.upperBound + 1)
        while high - low > 1 {
            let middle = low + (high - low) / 2
            if fits(middle) { low = middle } else { high = middle }
        }
        return low
    }
}
