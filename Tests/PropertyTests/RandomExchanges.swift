import Models
import Numbers
import Plans
import TestSupport

/// Draws how ranks exchange rows: those of a sequence, and those that hold experts; and what replicas of shards share.
///
/// Numbers of its own, so that models and degrees of all plans stay as they were.
struct RandomExchanges {
    private var numbers: SplitMix64

    init(seed: UInt64) { numbers = SplitMix64(seed: SplitMix64.mixed(seed ^ 0xe8c4)) }

    mutating func add(to layout: inout Layout, _ model: Model) {
        if layout.context > 1, numbers.chance(0.7) {
            let ring = layout
            layout.contextExchange = numbers.pick(Layout.ContextExchange.allCases)
            if layout.contextExchange == .headsAndRing {
                layout.contextHeads = numbers.pick(Divisors.of(layout.context).filter { $0 > 1 })
            }
            if layout.contextHeads == layout.context || !layout.dividesHeads(model) { layout = ring }
        }
        shards(&layout)
        let mixtures = Inventory(model).usedShapes.compactMap(\.moe)
        if !mixtures.isEmpty, numbers.chance(0.5) { layout.dispatcher = numbers.pick(Layout.Dispatcher.allCases) }
        if mixtures.contains(where: { $0.shared > 0 }), !layout.overlap.expert {
            layout.overlap.sharedExperts = numbers.chance(0.4)
        }
    }

    /// Shard groups that hold all experts, and replicas that share out the optimizer's state.
    private mutating func shards(_ layout: inout Layout) {
        guard layout.sharding != .none else { return }
        let (ranks, slices) = (layout.data * layout.context, layout.expert * layout.expertTensor)
        if layout.expert > 1, numbers.chance(0.4) {
            let groups = Divisors.of(ranks).filter { $0 * layout.tensor % slices == 0 }
            if !groups.isEmpty { layout.shardGroup = numbers.pick(groups) }
        }
        if layout.sharding == .parameters, layout.shardRanks < ranks, numbers.chance(0.5) {
            layout.outerSharding = .optimizer
        }
    }
}
