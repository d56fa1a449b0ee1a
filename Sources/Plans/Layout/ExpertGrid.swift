package import Models

/// The distribution of a stage's experts over its ranks: slices of an expert innermost, then experts, then replicas
/// (Megatron-Core's order for experts), independently of the role these ranks play for dense layers.
///
/// A *seat* is a rank's number among the tensor · context · data ranks of its stage.
package struct ExpertGrid: Hashable, Sendable {
    /// A seat's coordinates along the degrees of expert parallelism.
    package struct Coordinates: Hashable, Sendable {
        /// Number of the slice that the seat holds of each of its experts.
        package var tensor: Int
        /// Number of the seat's group of experts.
        package var expert: Int
        /// Number of the seat among those that hold the same slices of the same experts.
        package var copy: Int

        package init(tensor: Int, expert: Int, copy: Int = 0) {
            self.tensor = tensor
            self.expert = expert
            self.copy = copy
        }
    }

    /// Ranks that share the matrices of one expert.
    package let tensor: Int
    /// Ranks among which the experts are distributed.
    package let expert: Int
    /// Ranks that hold the same slices of the same experts.
    package let copies: Int

    package init(_ layout: Layout) {
        tensor = layout.expertTensor
        expert = layout.expert
        copies = max(1, layout.tensor * layout.context * layout.data / (layout.expertTensor * layout.expert))
    }

    /// Replicas of an expert slice that share one set of optimizer and weight shards: those inside one dense shard
    /// group.
    package func shardedCopies(_ layout: Layout) -> Int {
        guard layout.sharding != .none else { return 1 }
        return min(copies, max(1, layout.shardRanks * layout.tensor / (tensor * expert)))
    }

    /// Distance in seats, and so in ranks, between neighbours of a group.
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
    /// Ranks that hold the same slices of the same experts of `model`; 1 if it has no experts.
    ///
    /// These ranks shard the experts' state and reduce the experts' gradients, even if dense layers have no
    /// data-parallel ranks (Megatron-Core: expert data parallelism, tensor · data · context over expert ·
    /// expertTensor).
    package func expertCopies(_ model: Model) -> Int { model.mixtureLayers > 0 ? ExpertGrid(self).copies : 1 }

    /// Whether several ranks in one direction of the pipeline hold the same parameters, of experts or of dense layers.
    package func hasReplicas(_ model: Model) -> Bool { data * context > 1 || expertCopies(model) > 1 }
}

extension RankGrid {
    /// The number of a rank among those of its stage.
    package func seat(of place: Coordinates) -> Int {
        (place.data * context + place.context) * tensor + place.tensor
    }
}
