package import Models

/// How the ranks of one pipeline stage share out its experts: the pieces of an expert innermost, then the experts, then
/// their copies (Megatron-Core's order for experts), whatever these ranks are to the layers between.
///
/// A *seat* is a rank's number among the tensor · context · data ranks of its stage.
package struct ExpertGrid: Hashable, Sendable {
    /// A seat's place along each degree.
    package struct Coordinates: Hashable, Sendable {
        /// Which piece of every expert.
        package var tensor: Int
        /// Which of the experts.
        package var expert: Int
        /// Which of those with the same piece of the same experts.
        package var copy: Int

        package init(tensor: Int, expert: Int, copy: Int = 0) {
            self.tensor = tensor
            self.expert = expert
            self.copy = copy
        }
    }

    /// Ranks that share one expert's matrices.
    package let tensor: Int
    /// Ranks that share out the experts.
    package let expert: Int
    /// Ranks with the same piece of the same experts.
    package let copies: Int

    package init(_ layout: Layout) {
        tensor = layout.expertTensor
        expert = layout.expert
        copies = max(1, layout.tensor * layout.context * layout.data / (layout.expertTensor * layout.expert))
    }

    /// Copies of an expert's piece that hold one set of its shards between them: those in the ranks that share out
    /// everything else's.
    package func shardedCopies(_ layout: Layout) -> Int {
        guard layout.sharding != .none else { return 1 }
        return min(copies, max(1, layout.shardRanks * layout.tensor / (tensor * expert)))
    }

    /// Distance between neighbours of a group in seats, and so in ranks.
    package var tensorStride: Int { 1 }
    package var expertStride: Int { tensor }
    package var copyStride: Int { tensor * expert }

    package func coordinates(ofSeat seat: Int) -> Coordinates {
        Coordinates(
            tensor: seat / tensorStride % tensor, expert: seat / expertStride % expert, copy: seat / copyStride)
    }

    package func seat(at place: Coordinates) -> Int {
        place.tensor * tensorStride + place.expert * expertStride + place.copy * copyStride
    }
}

extension Layout {
    /// Ranks that hold the same piece of the same experts of `model`; 1 where it has none.
    ///
    /// They share out experts' state and reduce experts' gradients, also where no ranks do so with everything else
    /// (Megatron-Core: expert data parallelism, tensor · data · context over expert · expertTensor).
    package func expertCopies(_ model: Model) -> Int { model.mixtureLayers > 0 ? ExpertGrid(self).copies : 1 }

    /// Whether any parameters are held by several ranks of one direction of the pipeline: experts or all others.
    package func hasReplicas(_ model: Model) -> Bool { data * context > 1 || expertCopies(model) > 1 }
}

extension RankGrid {
    /// A rank's number among those of its stage.
    package func seat(of place: Coordinates) -> Int {
        (place.data * context + place.context) * tensor + place.tensor
    }
}
