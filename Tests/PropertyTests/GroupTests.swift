import Costs
import Models
import Planner
import Plans
import PricingSupport
import Schedules
import TestSupport
import Testing

/// Random plans whose cluster is made two groups.
@Suite struct GroupTests {
    @Test(arguments: equal + unlike) func holds(_ property: Property) { property.expectToHold(Corpus.plans) }

    static let equal: [Property] = [
        Property(name: "two equal groups take as long as one cluster of all", share: 3) { plan, layout in
            guard let halves = Halves(plan, layout) else { return .silent }
            let plan = plan.fixed(layout)
            let (one, two) = (try Answer(plan, layout), try Answer(halves.plan(plan), layout))
            // Where neighbours of a group share a node, the whole cluster takes the slowest pair for all.
            guard halves.neighboursAreInOtherNodes else {
                return Property.atMost("seconds", two.seconds, one.seconds, tolerance: 1e-9)
            }
            return .all(
                [Property.equal("seconds", two.seconds, one.seconds, tolerance: 1e-12)]
                    + zip(two.memory, one.memory).map { Property.equal("peak", $0.peak, $1.peak, tolerance: 0) })
        },
        Property(name: "two equal groups send, cost and run as one cluster of all", share: 3) { plan, layout in
            guard let halves = Halves(plan, layout), halves.neighboursAreInOtherNodes else { return .silent }
            let plan = plan.fixed(layout)
            let (one, two) = (
                try estimate(plan: plan, layout: layout), try estimate(plan: halves.plan(plan), layout: layout)
            )
            func sent(_ plan: Plan) throws -> Double {
                let work = try Pricer(plan: plan).work(layout)
                return (0..<layout.pipeline).reduce(0) {
                    $0 + NetworkTraffic.sent(work, rank: $1).reduce(0) { $0 + $1.bytes }
                }
            }
            return .all([
                Property.equal("peak rate", two.clusterPeak, one.clusterPeak, tolerance: 1e-12),
                Property.equal("bytes", try sent(halves.plan(plan)), try sent(plan)),
                Property.equal("days", two.run?.days ?? 0, one.run?.days ?? 0),
                Property.equal("cost", two.run?.cost ?? 0, one.run?.cost ?? 0),
                Property.equal("energy", two.run?.energyMWh ?? 0, one.run?.energyMWh ?? 0),
                Property.equal("wall energy", two.run?.wallEnergyMWh ?? 0, one.run?.wallEnergyMWh ?? 0),
                Property.equal("goodput", two.run?.goodput ?? 0, one.run?.goodput ?? 0),
            ])
        },
        Property(name: "a plan on two groups reads back as it was written", share: 3) { plan, layout in
            guard let halves = Halves(plan, layout) else { return .silent }
            let two = halves.plan(plan, halves.slower(plan.cluster))
            let read = try Plan.reading(two.yaml(library: Checkout.library))
            guard read.cluster == two.cluster, read.devices == plan.devices else {
                return .fails("another cluster: \(read.cluster.name)")
            }
            return .holds
        },
    ]

    static let unlike: [Property] = [
        Property(name: "faster devices of one group are not slower", share: 3) { plan, layout in
            guard let halves = Halves(plan, layout) else { return .silent }
            // Split backwards end their input gradients earlier than their last weight gradients, which hide reductions.
            guard !layout.schedule.splitsBackward else { return .silent }
            let even = plan.withEvenNodes(layout)
            var faster = even.cluster
            faster.device.peakFLOPs = faster.device.peakFLOPs.mapValues { 2 * $0 }
            faster.device.memoryBytesPerSecond *= 1.5
            let seconds = try [halves.slower(even.cluster), even.cluster, faster].map {
                try Answer(halves.plan(even, $0), layout).seconds
            }
            // Reductions hide behind backwards. Those of a faster rank are shorter and hide less, even where it then waits.
            return .all([
                Property.atMost("seconds of the same devices", seconds[1], seconds[0], tolerance: 5e-2),
                Property.atMost("seconds of faster devices", seconds[2], seconds[1], tolerance: 5e-2),
            ])
        },
        Property(name: "ranks of each group take the times and the memory of its own devices", share: 3) {
            plan, layout in
            guard let halves = Halves(plan, layout), halves.neighboursAreInOtherNodes else { return .silent }
            let plan = plan.fixed(layout)
            let slower = halves.slower(plan.cluster)
            let mixed = try Pricer(plan: halves.plan(plan, slower)).work(layout)
            let memory = LayoutMemory(mixed)
            let stages = ActionCosts(mixed)
            let placement = layout.schedule.placement(mixed.shape).stageToRank
            var outcomes: [Property.Outcome] = []
            for (group, cluster) in [plan.cluster, slower].enumerated() {
                var alone = plan
                alone.cluster = cluster
                let work = try Pricer(plan: alone).work(layout)
                let (own, costs) = (LayoutMemory(work), ActionCosts(work))
                // The compute of a pass hides one kind of transfers or another, what is fastest for all ranks.
                guard work.hides == mixed.hides else { return .silent }
                for rank in halves.ranks(group) {
                    outcomes.append(
                        Property.equal(
                            "peak of rank \(rank)", memory.rank(rank).peak, own.rank(rank).peak, tolerance: 0))
                }
                for (stage, rank) in placement.enumerated() where halves.ranks(group).contains(rank) {
                    outcomes += [
                        Property.equal("forward of \(stage)", stages.forward[stage], costs.forward[stage]),
                        Property.equal("backward of \(stage)", stages.backward[stage], costs.backward[stage]),
                    ]
                }
            }
            return .all(outcomes)
        },
        Property(name: "every figure of two groups is explained, as document and in words", share: 1) { plan, layout in
            guard let halves = Halves(plan, layout) else { return .silent }
            let two = halves.plan(plan.fixed(layout), halves.slower(plan.cluster))
            let answer = try price(plan: two, layout: layout)
            return .all([try ExplainedValues.document(answer), try ExplainedValues.text(answer)])
        },
        Property(name: "what crosses groups is what stages on both sides pass on", share: 3) { plan, layout in
            guard let halves = Halves(plan, layout) else { return .silent }
            let work = try Pricer(plan: halves.plan(plan.fixed(layout))).work(layout)
            let placement = layout.schedule.placement(work.shape).stageToRank
            let crossings = zip(placement, placement.dropFirst()).count { halves.group($0) != halves.group($1) }
            var beyond = 0.0
            for rank in 0..<layout.pipeline { beyond += NetworkTraffic.sent(work, rank: rank).last?.bytes ?? 0 }
            // Every crossing is passed by an activation and a gradient of each micro-batch.
            let rows = Double(layout.microbatch * plan.model.sequence / layout.context)
            let is32 = plan.precision == .fp32 || plan.framework(for: layout).memory.storesFP32
            let whole = (is32 ? 4 : 2) * rows * Double(plan.model.hidden)
            let part = whole / Double(layout.tensor)
            let messages = Double(2 * crossings * work.shape.microbatches)
            // The two ends of a pipeline add up a table that both hold: each sends as much as it has.
            let table = halves.tiedTable(plan, layout, placement)
            guard !plan.model.hasPicture, plan.model.tuning == nil else { return .silent }
            let possible = layout.sequenceParallel ? [part] : [part, whole]
            let counts = possible.map { messages * $0 + table }
            return counts.contains { abs($0 - beyond) <= 1e-9 * max($0, beyond) }
                ? .holds : .fails("\(beyond) bytes cross, counted \(counts)")
        },
    ]
}

/// A plan's cluster as two groups of half its devices.
private struct Halves {
    let nodes: Int
    let pipeline: Int
    /// Devices of a stage, and of a node.
    private let stage: Int
    private let node: Int

    /// nil: the layout's stages do not fill two halves of whole nodes, or halves are not alike in the cluster's networks.
    init?(_ plan: Plan, _ layout: Layout) {
        let cluster = plan.cluster
        node = cluster.devicesPerNode
        stage = layout.tensor * layout.context * layout.data
        pipeline = layout.pipeline
        let half = layout.devices / 2
        guard layout.pipeline % 2 == 0, !layout.schedule.isBidirectional, layout.vocabularyParallel == nil,
            half % node == 0,
            cluster.networks.count == 2, cluster.networks[0].devices == node
        else { return nil }
        nodes = half / node
    }

    /// Whether every message between neighbouring ranks crosses nodes, if the devices of a stage fill nodes.
    var neighboursAreInOtherNodes: Bool { stage % node == 0 }

    func group(_ rank: Int) -> Int { rank < pipeline / 2 ? 0 : 1 }

    func ranks(_ group: Int) -> Range<Int> { group * pipeline / 2..<(group + 1) * pipeline / 2 }

    /// The plan on two groups of its cluster, the second one with other devices.
    func plan(_ plan: Plan, _ second: Cluster? = nil) -> Plan {
        let (cluster, outer) = (plan.cluster, plan.cluster.networks[1])
        let narrow = outer.bytesPerSecond / cluster.networks[0].oversubscription
        let link = GroupLink(
            name: "between", bytesPerSecond: narrow, latencySeconds: outer.latencySeconds,
            efficiency: outer.efficiency, allReduceEfficiency: outer.allReduceEfficiency,
            inNetworkReduction: outer.inNetworkReduction)
        var halves = plan
        halves.cluster = Cluster(
            name: "halves",
            groups: ClusterGroups(
                [.init(cluster: cluster, nodes: nodes), .init(cluster: second ?? cluster, nodes: nodes)],
                between: link))
        return halves
    }

    /// The cluster with slower devices of less memory.
    func slower(_ cluster: Cluster) -> Cluster {
        var slower = cluster
        slower.name += "-slower"
        slower.device.peakFLOPs = cluster.device.peakFLOPs.mapValues { 0.5 * $0 }
        slower.device.memoryBytesPerSecond *= 0.6
        slower.device.memoryBytes *= 0.75
        return slower
    }

    /// Bytes that both ends of a pipeline send to add up a table of tokens that both hold.
    func tiedTable(_ plan: Plan, _ layout: Layout, _ placement: [Int]) -> Double {
        let model = plan.model
        guard model.tiedEmbeddings || model.mtp != nil, let last = placement.last, group(last) != group(0) else {
            return 0
        }
        let multiple = 128 * layout.tensor
        let rows = (model.vocab + multiple - 1) / multiple * multiple
        let bytes = CountedState.bytes(CountedState.reduced(plan, layout))
        return 2 * bytes * Double(rows) * Double(model.embeddingSize ?? model.hidden) / Double(layout.tensor)
    }
}
