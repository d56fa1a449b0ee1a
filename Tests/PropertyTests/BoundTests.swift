import Costs
import Models
import Plans
import PricingSupport
import Schedules
import Testing

/// What no software can beat: times from the bytes that must travel, memory from what must exist.
@Suite struct BoundTests {
    @Test(arguments: properties) func holds(_ property: Property) { property.expectToHold(Corpus.plans) }

    static let properties: [Property] = [
        Property(name: "no reduction is faster than the bytes that must leave a node", share: 40) { plan, layout in
            try reduction(plan, layout)
        },
        Property(name: "sharded gradients exist whole while their block is at work", share: 30) { plan, layout in
            try unshardedGradients(plan, layout)
        },
        Property(name: "no optimizer is faster than its bytes", share: 99) { plan, layout in
            // Adam reads a gradient and reads and writes a master weight and two moments, 4 bytes each but the gradient.
            // Other optimizers keep less, and matrices of Muon have no second moment.
            let first = plan.optimizer.keepsFirst ? CountedState.bytes(plan.optimizer.firstMoment) : 0
            let second = plan.optimizer.name == .adamw ? CountedState.bytes(plan.optimizer.secondMoment) : 0
            let has32 = plan.precision == .fp32 || CountedState.storesFP32(plan)
            let bytes = 2 * (first + second + (has32 ? 4 : max(CountedState.master(plan.optimizer), 1)))
            let held = Inventory(plan.model).held(layout, try PlacedBlocks(plan, layout))
            let answer = try Answer(plan, layout)
            var layout = layout
            if layout.outerSharding != .none { layout.shardGroup = nil }
            let spread = layout
            let most =
                held.map { held in
                    spread.sharding == .none
                        ? held.dense + held.experts
                        : held.dense / Double(CountedState.denseGroup(spread))
                            + held.experts / Double(CountedState.expertGroup(spread))
                }.max() ?? 0
            return Property.atMost(
                "seconds of the optimizer", bytes * most / plan.cluster.device.memoryBytesPerSecond,
                answer.time.breakdown.optimizer)
        },
    ]

    /// Without overlap. In an all-reduce of S bytes every node sends S at least: the sums of what others end up with, and
    /// its own results once (a ring of n sends 2S(n−1)/n). Members of the group on the node share that out, each over its
    /// own share of the node's cards. Inside one node a device sends S(n−1)/n at least, where switches add for it.
    private static func reduction(_ plan: Plan, _ layout: Layout) throws -> Property.Outcome {
        // What is reduced after every micro-batch may run while a rank waits for the others.
        let isOnce = layout.sharding == .none || layout.sharding == .optimizer || layout.pipeline == 1
        let blocking = plan.with { $0.overlap.data = false }
        guard let layout = blocking.layout, isOnce, layout.data * layout.context > 1, layout.gradients != .fp8 else {
            return .silent
        }
        let held = Inventory(plan.model).held(layout, try PlacedBlocks(plan, layout))
        let format = layout.gradients ?? (plan.precision == .fp16 ? .fp16 : .fp32)
        // Gradients may be all-reduced, or scattered and the weights gathered: the smaller of both halves.
        let bytes = min(format == .fp32 ? 4.0 : 2.0, plan.precision == .fp32 ? 4 : 2)
        let grid = RankGrid(layout)
        let placement = NodePlacement(plan, layout)
        var least = 0.0
        for (rank, held) in held.enumerated() {
            let first = grid.rank(at: .init(pipeline: rank))
            let ranks = (0..<layout.data * layout.context).map { first + $0 * layout.tensor }
            least = max(least, placement.leastSeconds(bytes * held.dense, over: ranks, plan.cluster))
            // Copies of an expert: every expert · expertTensor-th rank of the stage (Megatron-Core).
            let (stage, step) = (layout.tensor * layout.context * layout.data, layout.expert * layout.expertTensor)
            let copies = stride(from: first, to: first + stage, by: step).map(\.self)
            least = max(least, placement.leastSeconds(bytes * held.experts, over: copies, plan.cluster))
        }
        return Property.atMost("seconds of the reduction", least, try Answer(blocking).time.breakdown.dataComm)
    }

    /// A block's gradients are whole before they are scattered (Rajbhandari et al. 2020, section 5.2; FSDP's
    /// SHARD_GRAD_OP; Megatron-FSDP), in the narrower of the weights' format and their own at least. Where a rank has
    /// hardly more than that block, no more is counted than the part that other ranks go on to hold.
    private static func unshardedGradients(_ plan: Plan, _ layout: Layout) throws -> Property.Outcome {
        let group = CountedState.denseGroup(layout.withSharding(.gradients))
        guard group > 1 else { return .silent }
        let fixed = plan.fixed(layout)
        let inventory = Inventory(plan.model)
        let placed = try PlacedBlocks(plan, layout)
        let held = inventory.held(layout, placed)
        let (whole, sharded) = (
            try Answer(fixed.with { $0.sharding = .optimizer }), try Answer(fixed.with { $0.sharding = .gradients })
        )
        let format = layout.gradients ?? (plan.precision == .fp16 ? .fp16 : .fp32)
        let bytes = min(format == .fp32 ? 4.0 : format == .fp8 ? 1 : 2, plan.precision == .fp32 ? 4 : 2)
        return .all(
            (0..<layout.pipeline).map { rank in
                let largest =
                    placed.stages(of: rank).flatMap { placed.layers[$0] }.map { layer in
                        var held = HeldParameters()
                        held.add(inventory.tensors(ofBlock: layer), layout)
                        return held.dense
                    }.max() ?? 0
                let elsewhere = held[rank].dense * (1 - 1 / Double(group))
                return Property.atMost(
                    "bytes of a block's gradients on rank \(rank)", bytes * min(largest, 0.9 * elsewhere),
                    sharded.memory[rank].other - whole.memory[rank].other)
            })
    }
}

extension Layout {
    fileprivate func withSharding(_ sharding: Sharding) -> Layout {
        var layout = self
        layout.sharding = sharding
        return layout
    }
}

extension NodePlacement {
    /// Seconds below which `ranks` cannot add up `bytes` that each of them holds.
    func leastSeconds(_ bytes: Double, over ranks: [Int], _ cluster: Cluster) -> Double {
        guard let inner = cluster.networks.first, let outer = cluster.networks.last, ranks.count > 1 else { return 0 }
        func rate(_ network: Network) -> Double {
            network.bytesPerSecond * max(network.efficiency, network.allReduceEfficiency)
        }
        let members = Dictionary(grouping: ranks) { $0 / node }.values.map(\.count)
        guard members.count > 1, let fewest = members.min(), cluster.networks.count == 2 else {
            let count = Double(ranks.count)
            return bytes * (count - 1) / count / max(rate(inner), rate(outer))
        }
        return bytes / (Double(fewest) * rate(outer))
    }
}
