/// The part of a model that training changes, by kinds of block and ends: the parameters with gradients and optimizer state, and
/// those that are stored in few bits.
package final class TunedParts: Sendable {
    /// Parameters of a block of each kind that training changes, and those that are quantized.
    private let trained: [BlockParameters]
    private let quantized: [BlockParameters]
    /// Bytes of a quantized weight; 0 if none is.
    package let quantizedBytes: Double
    private let embedding: End
    private let head: End
    private let isTied: Bool

    init(_ model: Model, _ blocks: [Block], embedding: End, head: End) {
        func all(_ list: KeyPath<TunedBlock, BlockParameters>) -> [BlockParameters] {
            blocks.map { $0.tuned.map { $0[keyPath: list] } ?? $0.parameters }
        }
        trained = all(\.trained)
        quantized = all(\.quantized)
        quantizedBytes = model.tuning?.quantized?.bytes ?? 0
        (self.embedding, self.head) = (embedding, head)
        isTied = model.tiedEmbeddings
    }

    /// Parameters that one device of a pipeline rank trains, routed experts excluded.
    package func deviceParameters(
        blocks counts: [Int], tensor: Int, vocabulary: Int, holdsEmbedding: Bool, holdsHead: Bool
    ) -> Double {
        let t = Double(tensor)
        var total = 0.0
        for (count, kind) in zip(counts, trained) { total += Double(count) * kind.held(tensor: t) }
        if holdsEmbedding { total += embedding.trained(vocabulary: vocabulary, tensor: t) }
        if holdsHead {
            total +=
                Model.hasHeadTable(isTied: isTied, holdsEmbedding: holdsEmbedding)
                ? head.trained(vocabulary: vocabulary, tensor: t) : Double(head.tuned?.whole ?? 0)
        }
        return total
    }

    /// Parameters of routed experts that one device trains.
    package func expertParameters(blocks counts: [Int], pieces: Int) -> Double {
        zip(counts, trained).reduce(0) { $0 + Double($1.0) * $1.1.heldExperts(pieces: Double(pieces)) }
    }

    /// Quantized parameters that one device of a pipeline rank holds: of routed experts, and all others.
    package func quantizedParameters(blocks counts: [Int], tensor: Int, pieces: Int) -> (dense: Double, experts: Double)
    {
        zip(counts, quantized).reduce((0, 0)) { sum, kind in
            (
                sum.0 + Double(kind.0) * kind.1.held(tensor: Double(tensor)),
                sum.1 + Double(kind.0) * kind.1.heldExperts(pieces: Double(pieces))
            )
        }
    }
}

extension Model {
    /// The model of which training changes what `tuning` says; nil: all.
    package mutating func tune(_ tuning: Tuning?) {
        self.tuning = tuning
        guard let tuning, !tuning.isEmpty else {
            self.tuning = nil
            return
        }
        guard !changesEmbedding else { return }
        // Each shape is looked at once.
        var known: [BlockShape: Bool] = [:]
        var first = 0
        while first < layers {
            let shape = shape(ofBlock: first)
            let changes = known[shape] ?? shape.hasTrainedWeights(self)
            known[shape] = changes
            if changes { break }
            first += 1
        }
        self.tuning?.firstTrained = first
    }

    /// The tensor of a block of the shape `block`, marked if training leaves it as it is.
    func marked(_ tensor: TensorSpec, in prefix: String = "") -> TensorSpec {
        guard let tuning = block.tuning, tuning.freezes(prefix + tensor.module) else { return tensor }
        var tensor = tensor
        tensor.isTrainable = false
        return tensor
    }

    /// The adapters of a block of the shape `block`, and of one of its routed experts.
    var adapters: [Adapter] { tunedBlock?.adapters ?? [] }
    var expertAdapters: [Adapter] { tunedBlock?.expertAdapters ?? [] }

    /// The lists of a block of the shape `block` as training changes it; nil: it changes all.
    var tunedBlock: TunedBlock? { block.tuning.map { TunedBlock(self, $0, BlockModules(self)) } }
}
