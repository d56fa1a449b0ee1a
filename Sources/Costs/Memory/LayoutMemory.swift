internal import Models
internal import Plans
internal import Schedules

/// Memory of every pipeline rank of a layout.
package struct LayoutMemory {
    private let work: LayoutWork
    private let terms: ActivationTerms
    /// Fullest moments of each rank: those at which it may hold most.
    private let moments: [[HeldBlocks]]
    private let logits: HeldLogits
    /// Memory on the devices of each place of a cluster of several groups; nil: all devices are alike.
    private let places: [LayoutMemory]?

    package init(_ work: LayoutWork) {
        places = work.mixed.map { $0.works.map(LayoutMemory.init) }
        self.work = work
        terms = ActivationTerms(work)
        moments = work.fullestMoments
        logits = HeldLogits(work.layout.schedule, work.shape)
    }

    /// Bytes on every device of `rank` at its fullest moment.
    package func rank(_ rank: Int) -> RankMemory { on(rank).memory(rank: rank, moments: moments[rank]) }

    /// Memory as the devices of `rank` have it.
    private func on(_ rank: Int) -> LayoutMemory {
        guard let places, let place = work.mixed?.placeOfRank[rank] else { return self }
        return places[place]
    }

    /// Bytes on every device of `rank` while it holds `inFlight` activations of its mean stage.
    package func rank(_ rank: Int, inFlight: Int) -> RankMemory {
        on(rank).memory(rank: rank, moments: [work.shares.mean(rank, inFlight: inFlight, work.shape)])
    }

    /// Memory of every rank at its fullest moment.
    package var ranks: [RankMemory] { moments.indices.map(rank) }

    /// Bytes of the fullest rank.
    package var peak: Double { ranks.reduce(0) { max($0, $1.peak) } }

    private func memory(rank: Int, moments: [HeldBlocks]) -> RankMemory {
        let share = work.shares.ranks[rank]
        let held = StateMemory(of: share, work)
        let vocabulary = VocabularyMemory(work, self.terms)
        let terms = terms.bytes(
            of: vocabulary == nil ? share : share.withoutHead, moments: moments, logits: logits,
            isBidirectional: work.layout.schedule.isBidirectional,
            runs: work.shares.runs?.ofRanks[rank])
        let activations = terms.activations + (vocabulary?.activations(rank: rank) ?? 0)
        let buffers = terms.buffers + (vocabulary?.buffers ?? 0) + StateMemory.gathered(by: share, work)
        let unused = work.framework.fragmentation * (activations + buffers)
        let outside = StateMemory.outside(work)
        return RankMemory(
            rank: rank, weights: held.weights, gradients: held.gradients, optimizer: held.optimizer,
            activations: activations, other: buffers + unused + outside, unused: unused, outside: outside,
            host: held.host + (self.terms.isOffloaded ? self.terms.onHost(moments) : 0))
    }

    // MARK: Parts of the activations

    /// Bytes that the blocks of `rank` keep at their fullest moment.
    package func blockActivationBytes(rank: Int) -> Double {
        moments[rank].reduce(0) { max($0, terms.held.blocks($1)) }
    }

    /// Bytes of the masks of the embedding's dropout on the first rank.
    package func embeddingMaskBytes(rank: Int) -> Double {
        moments[rank].reduce(0) { max($0, terms.held.masks($1)) }
    }

    /// Bytes of the inputs of the final norm and of the head, for all micro-batches whose head has work left.
    package func headInputBytes(rank: Int) -> Double {
        if let vocabulary = VocabularyMemory(work, terms) { return vocabulary.activations(rank: rank) }
        return work.shares.ranks[rank].holdsHead ? (logits.pending + logits.deferred) * terms.ends.headInputs : 0
    }

    /// Bytes of the fp32 logits of the micro-batches whose loss is pending.
    package func logitBytes(rank: Int) -> Double {
        if let vocabulary = VocabularyMemory(work, terms) { return vocabulary.logits }
        return work.shares.ranks[rank].holdsHead ? logits.pending * terms.ends.logits : 0
    }
}
