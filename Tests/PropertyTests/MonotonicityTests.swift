import Costs
import Models
import Plans
import PricingSupport
import Schedules
import Testing

/// What may only make a step faster, or memory smaller.
@Suite struct MonotonicityTests {
    @Test(arguments: hardware + memory + overlaps) func holds(_ property: Property) {
        property.expectToHold(Corpus.plans)
    }

    // MARK: - Hardware

    /// The plan on `better` is at least as fast.
    private static func faster(
        _ name: String, share: Double = 99, _ better: @escaping @Sendable (inout Cluster) -> Void
    ) -> Property {
        Property(name: name, share: share) { plan, layout in
            // Without waiting for the slowest node, whose length is that of the slowest rank's own work and not of what
            // the pipeline waits for.
            let even = plan.withEvenNodes(layout)
            let (now, then) = (try Answer(even, layout), try Answer(even.on(better), layout))
            return Property.atMost("seconds", then.seconds, now.seconds)
        }
    }

    static let hardware: [Property] = [
        faster("a faster outer network is never slower") { $0.networks[$0.networks.count - 1].bytesPerSecond *= 2 },
        faster("a faster inner network is never slower") { $0.networks[0].bytesPerSecond *= 2 },
        faster("lower latencies are never slower") { cluster in
            for level in cluster.networks.indices { cluster.networks[level].latencySeconds /= 2 }
        },
        faster("faster memory is never slower") { $0.device.memoryBytesPerSecond *= 2 },
        faster("a higher peak is never slower") { $0.device.peakFLOPs = $0.device.peakFLOPs.mapValues { $0 * 2 } },
        faster("cheaper launches are never slower") { $0.device.launchSeconds /= 2 },
        Property(name: "a plan inside one node does not depend on what joins nodes", share: 10) { plan, layout in
            guard plan.cluster.networks.count > 1, NodePlacement(plan, layout).isInside else { return .silent }
            let slow = plan.on { cluster in
                cluster.networks[cluster.networks.count - 1].bytesPerSecond /= 100
                cluster.networks[cluster.networks.count - 1].latencySeconds *= 100
            }
            return Property.equal(
                "seconds", try Answer(slow, layout).seconds, try Answer(plan, layout).seconds, tolerance: 1e-12)
        },
        Property(name: "a tensor group across nodes waits for what joins them", share: 2) { plan, layout in
            // At a hundredth of its speed nothing hides the network. A cluster may have two levels beyond the node.
            guard NodePlacement(plan, layout).tensorCrosses, !layout.overlap.tensor else { return .silent }
            let slow = plan.on { cluster in
                for level in cluster.networks.indices.dropFirst() { cluster.networks[level].bytesPerSecond /= 100 }
            }
            let (now, then) = (try Answer(plan, layout), try Answer(slow, layout))
            return now.time.breakdown.tensorComm * 1.01 < then.time.breakdown.tensorComm
                ? .holds
                : .fails(
                    "tensorComm: \(now.time.breakdown.tensorComm), \(then.time.breakdown.tensorComm) over a slow network"
                )
        },
        Property(name: "bytes cross the outer network where a group crosses it, and nowhere else", share: 30) {
            plan, layout in
            guard plan.cluster.networks.count > 1 else { return .silent }
            let work = try Pricer(plan: plan).work(layout)
            let placement = NodePlacement(plan, layout)
            let outer = (0..<layout.pipeline).reduce(0.0) {
                $0 + NetworkTraffic.sent(work, rank: $1).dropFirst().reduce(0) { $0 + $1.bytes }
            }
            if placement.isInside {
                return outer == 0 ? .holds : .fails("\(outer) bytes leave a node that holds the whole layout")
            }
            guard placement.tensorCrosses, (0..<layout.pipeline).contains(where: { Traffic(work, rank: $0).tensor > 0 })
            else { return .silent }
            // Every group that crosses has at least one hop out and one back, also where it is the one that sends least.
            let least = (0..<layout.pipeline).map { Traffic(work, rank: $0).tensor }.filter { $0 > 0 }.min() ?? 0
            return Property.atMost(
                "a hop's share of the tensor bytes on one node boundary",
                least * Double(layout.pipeline) / Double(layout.devices), outer)
        },
        Property(name: "no step is faster than its causal products at the devices' peak", share: 99) { plan, layout in
            // Experts compute the rows that they take.
            let counted = CountedFLOPs(Inventory(plan.model), sequences: plan.batch, layout: layout)
            let causal = counted.model + 3 * counted.beyond.reduce(0, +) - 1.5 * counted.cores.reduce(0, +)
            let peak = (plan.cluster.device.peakFLOPs[plan.precision] ?? .infinity) * Double(plan.devices)
            return Property.atMost("seconds at the peak", causal / peak, try Answer(plan, layout).seconds)
        },
    ]

    // MARK: - Memory

    static let memory: [Property] = [
        Property(name: "every stage of ZeRO needs no more memory than the one before", share: 40) { plan, layout in
            guard layout.data * layout.context > 1 else { return .silent }
            // A table of which some entries alone have gradients is whole again where it is cut into slices.
            guard plan.framework(for: layout).memory.lookedUp == nil || plan.model.tiedEmbeddings else {
                return .silent
            }
            let fixed = plan.fixed(layout)
            let peaks = try Layout.Sharding.allCases.map { sharding in
                try Answer(fixed.with { $0.sharding = sharding }).peak
            }
            // What is shared out must outweigh what has to exist whole beside the shards: the gradients of a unit at
            // work, and of sharded parameters the unit and the next one (a model of one block has no more).
            let units = try unitsSaved(plan, layout)
            return .all(
                peaks.indices.dropFirst().map { stage in
                    guard stage == 1 || units >= Double(stage - 1) else { return .silent }
                    return Property.atMost(
                        "peak bytes of ZeRO-\(stage) beside ZeRO-\(stage - 1)", peaks[stage], peaks[stage - 1])
                })
        },
        Property(name: "recomputing more keeps less and takes longer", share: 80) { plan, layout in
            // Of a split backward this project's runtime keeps less with selective recomputation than with full.
            guard !CountTests.allocatesByItsOwnCode(plan, layout) else { return .silent }
            // A network that runs again keeps its input in 16 bits, which may be more than a narrow network frees.
            let runsNetwork = layout.recomputeModules.contains(.network)
            guard CountedRecipe(plan) == nil || !runsNetwork else { return .silent }
            let fixed = plan.fixed(layout)
            let answers = try Layout.Recompute.allCases.map { recompute in
                try Answer(
                    fixed.with {
                        $0.recompute = recompute
                        $0.recomputeLayers = nil
                    })
            }
            // Where the host sets the pace it hides recomputation. What changes then is how a split backward is split, and
            // with it the bubble, either way.
            func seconds(_ answer: Answer) -> Double {
                answer.seconds - (layout.schedule.splitsBackward ? answer.time.breakdown.pipelineBubble : 0)
            }
            return .all(
                (1..<answers.count).flatMap { more in
                    [
                        Property.atMost(
                            "seconds with recompute \(Layout.Recompute.allCases[more - 1])", seconds(answers[more - 1]),
                            seconds(answers[more]))
                    ]
                        + (0..<layout.pipeline).map { rank in
                            Property.atMost(
                                "bytes kept by rank \(rank) with recompute \(Layout.Recompute.allCases[more])",
                                LayoutMemory(answers[more].work).blockActivationBytes(rank: rank),
                                LayoutMemory(answers[more - 1].work).blockActivationBytes(rank: rank))
                        }
                })
        },
        Property(name: "recomputing one more block keeps no more and takes no less", share: 8) { plan, layout in
            guard layout.recompute == .full, let some = layout.recomputeLayers else { return .silent }
            let (now, then) = (try Answer(plan), try Answer(plan.with { $0.recomputeLayers = some + 1 }))
            return .all(
                [Property.atMost("seconds", now.seconds, then.seconds)]
                    + (0..<layout.pipeline).map { rank in
                        Property.atMost(
                            "bytes kept by rank \(rank)", LayoutMemory(then.work).blockActivationBytes(rank: rank),
                            LayoutMemory(now.work).blockActivationBytes(rank: rank))
                    })
        },
        Property(name: "more micro-batches take longer", share: 40) { plan, layout in
            let count = plan.batch / (layout.data * layout.microbatch)
            guard layout.scheduleProblem(microbatches: 2 * count) == nil else { return .silent }
            var twice = plan
            twice.batch *= 2
            return Property.atMost("seconds", try Answer(plan).seconds, try Answer(twice).seconds)
        },
        Property(name: "one more block a stage takes longer and keeps more", share: 15) { plan, layout in
            guard layout.layersPerStage == nil, plan.model.layers % layout.stages == 0, plan.model.moe == nil,
                plan.model.kinds.isEmpty
            else {
                return .silent
            }
            var deeper = plan
            deeper.model.layers += layout.stages
            let (now, then) = (
                try Answer(plan.with { $0.recomputeLayers = nil }),
                try Answer(deeper.with { $0.recomputeLayers = nil })
            )
            // With overlap a bucket that more blocks fill may hide what stood alone before.
            return .all([
                layout.overlap.data ? .silent : Property.atMost("seconds", now.seconds, then.seconds),
                Property.atMost("peak", now.peak, then.peak),
            ])
        },
    ]

    /// How many of a rank's largest units (a block, a word table) sharding takes off it, on the rank with the fewest.
    private static func unitsSaved(_ plan: Plan, _ layout: Layout) throws -> Double {
        let inventory = Inventory(plan.model)
        let placed = try PlacedBlocks(plan, layout)
        var sharded = layout
        if sharded.sharding == .none { sharded.sharding = .parameters }
        let groups = (CountedState.denseGroup(sharded), CountedState.expertGroup(sharded))
        return inventory.held(layout, placed).enumerated().map { rank, held in
            let units = placed.stages(of: rank).flatMap { placed.layers[$0] }.map { layer in
                var unit = HeldParameters()
                unit.add(inventory.tensors(ofBlock: layer), layout)
                return unit.dense + unit.experts
            }
            let table = Double((plan.model.vocab / layout.tensor + 128) * plan.model.hidden)
            let largest = max(units.max() ?? 0, table)
            return (held.dense * (1 - 1 / Double(groups.0)) + held.experts * (1 - 1 / Double(groups.1))) / largest
        }.min() ?? 0
    }

    // MARK: - Overlap

    private static func overlap(_ what: String, _ flag: any WritableKeyPath<Layout.Overlap, Bool> & Sendable)
        -> Property
    {
        Property(name: "overlap of \(what) is never slower than without", share: 99) { plan, layout in
            func seconds(_ isOn: Bool) throws -> Double {
                try Answer(plan.with { $0.overlap[keyPath: flag] = isOn }).seconds
            }
            return Property.atMost("seconds with overlap", try seconds(true), try seconds(false))
        }
    }

    static let overlaps: [Property] = [
        overlap("data", \.data), overlap("tensor", \.tensor), overlap("pipeline", \.pipeline),
        overlap("expert", \.expert), overlap("shared experts", \.sharedExperts),
    ]
}
