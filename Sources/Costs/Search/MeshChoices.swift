package import Models
package import Plans

/// The choices that every mesh of a search is tried with.
///
/// A mesh is a layout whose degrees are fixed, with the settings that all layouts of the search share. Its micro-batch,
/// schedule, recomputation and sharding are still open.
package struct MeshChoices: Hashable, Sendable {
    /// Flash attention, overlap and gradient format of all layouts.
    package var base: Layout
    package var recompute: [Layout.Recompute]
    /// Kinds of sharding tried without a pipeline.
    package var sharding: [Layout.Sharding]
    /// Kinds of sharding tried with a pipeline, for which some software supports fewer.
    package var shardingWithPipeline: [Layout.Sharding]
    /// Sizes of shard groups that are tried in addition to the group of all data-parallel ranks.
    package var shardGroups: [Int]
    package var sequenceParallel: [Bool]
    /// Whether tensor parallelism requires sequence parallelism, since the model has blocks with experts.
    package var expertsNeedSequenceParallel: Bool
    /// Whether fully sharded parameters are also tried with one shard group of all data-parallel ranks.
    package var wholeSharding: Bool
    /// Exchanges among context ranks. Each mesh takes the one that exposes least.
    package var contextExchanges = [Layout.ContextExchange.ring]
    /// Largest number of neighbouring devices on the innermost network, within which heads are exchanged if rings join
    /// several such groups.
    package var innerReach = 1
    /// Whether a schedule is tried that hides the experts' exchange unless a plan says otherwise.
    package var someHideExchange = false
    /// Whether every pipeline rank of a layout has a block, and with full recomputation one that is recomputed.
    package var allRanksRecompute = true
    /// The schedules and stages of pipelines that are tried; nil: any.
    package var pipelines: PipelineTable.Choice?

    package init(
        base: Layout, recompute: [Layout.Recompute], sharding: [Layout.Sharding], shardGroups: [Int],
        sequenceParallel: [Bool], wholeSharding: Bool, shardingWithPipeline: [Layout.Sharding],
        expertsNeedSequenceParallel: Bool = false
    ) {
        self.expertsNeedSequenceParallel = expertsNeedSequenceParallel
        self.shardingWithPipeline = shardingWithPipeline
        self.wholeSharding = wholeSharding
        self.base = base
        self.recompute = recompute
        self.sharding = sharding
        self.shardGroups = shardGroups
        self.sequenceParallel = sequenceParallel
    }

    /// Whether layouts of `mesh` are tried with sequence parallelism, or without.
    @inline(__always)
    package func allows(_ isSequenceParallel: Bool, _ mesh: Layout, _ model: Model) -> Bool {
        guard sequenceParallel.contains(isSequenceParallel) else { return false }
        guard isSequenceParallel else {
            return mesh.tensor == 1 || !expertsNeedSequenceParallel
        }
        let ranks = mesh.tensor * mesh.context
        return mesh.tensor > 1 && model.sequence % ranks == 0 && model.streamsAreDivided(by: ranks)
    }

    /// `mesh` with every exchange among its context ranks that is tried.
    package func exchanges(_ mesh: Layout, _ model: Model) -> [Layout] {
        guard mesh.context > 1 else { return [mesh] }
        return contextExchanges.compactMap { exchange in
            var layout = mesh
            layout.contextExchange = exchange
            if exchange == .headsAndRing {
                // As many as fit on the fastest network.
                let sizes = (2..<max(2, mesh.context)).filter {
                    mesh.context % $0 == 0 && mesh.tensor * $0 <= innerReach
                }
                guard
                    let size = sizes.last(where: { size in
                        layout.contextHeads = size
                        return layout.dividesHeads(model)
                    })
                else { return nil }
                layout.contextHeads = size
            }
            return layout.dividesHeads(model) ? layout : nil
        }
    }

    /// The kinds of sharding that are tried with layouts of `mesh`. What is offloaded as shards is sharded even where one rank
    /// has all of them; else sharding needs replicas.
    package func shardings(of mesh: Layout, _ model: Model) -> [Layout.Sharding] {
        let shards = mesh.hasReplicas(model) || base.offload?.needsShards == true
        return sharding(pipeline: mesh.pipeline).filter { $0 == .none || shards }
    }

    /// The modules that layouts with this recomputation recompute by themselves; nil: it is not tried. Flash attention keeps no
    /// scores, so that recomputing it alone would cost time and save nothing.
    package func modules(_ recompute: Layout.Recompute, on framework: Framework) -> RecomputeModules? {
        guard recompute == .selective else { return .nothing }
        let modules = base.recomputeModules
        return !base.flashAttention || framework.selectiveOperations || modules != .nothing ? modules : nil
    }

    /// The kinds of sharding for a pipeline of this many ranks.
    func sharding(pipeline: Int) -> [Layout.Sharding] { pipeline > 1 ? shardingWithPipeline : sharding }
}
