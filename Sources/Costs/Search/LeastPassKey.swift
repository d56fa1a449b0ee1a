internal import Plans

extension LeastPasses {
    /// The settings of a layout that decide about the passes of one micro-batch.
    struct Key: Hashable {
        var tensor: Int
        var context: Int
        var expert: Int
        var expertTensor: Int
        var microbatch: Int
        var sequenceParallel: Bool
        var recomputes: Bool

        init(_ mesh: Layout, microbatch: Int, sequenceParallel: Bool, recomputes: Bool) {
            (tensor, context) = (mesh.tensor, mesh.context)
            (expert, expertTensor) = (mesh.expert, mesh.expertTensor)
            (self.microbatch, self.sequenceParallel, self.recomputes) = (microbatch, sequenceParallel, recomputes)
        }

        /// A layout of `mesh` with the settings of the key.
        func layout(_ mesh: Layout) -> Layout {
            var layout = mesh
            (layout.microbatch, layout.sequenceParallel) = (microbatch, sequenceParallel)
            (layout.recompute, layout.recomputeLayers, layout.sharding) = (recomputes ? .full : .none, nil, .none)
            return layout
        }
    }
}
