import Costs
import Models
import Planner
import Plans
import PricingSupport
import Schedules
import Simulator
import TestSupport
import Testing

/// Searches and simulations on clusters of several groups.
@Suite struct GroupSearchTests {
    private static let link = GroupLink(name: "ethernet", bytesPerSecond: 5e9, latencySeconds: 2e-5, efficiency: 0.8)

    /// A small model on two nodes of H100 and two of A100.
    private func plan(memory: Double? = nil, reversed: Bool = false) throws -> Plan {
        let model = Model(
            family: .llama, layers: 10, hidden: 4096, heads: 32, kvHeads: 8, ffn: 14336, vocab: 32000, sequence: 4096)
        var plan = try Shipped.plan(model, on: "h100-80g-sxm", devices: 32, batch: 64)
        let fast = plan.cluster
        var slow = try Cluster.read("a100-80g-sxm", library: Checkout.library)
        if let memory { slow.device.memoryBytes = memory }
        let groups = [fast, slow].map { ClusterGroups.Group(cluster: $0, nodes: 2) }
        plan.cluster = Cluster(
            name: "mixed", groups: ClusterGroups(reversed ? groups.reversed() : groups, between: Self.link))
        return plan
    }

    /// No division of the blocks beats the one by speed, of all that there are.
    @Test func noDivisionIsFasterThanTheOneBySpeed() throws {
        for reversed in [false, true] {
            let plan = try plan(reversed: reversed)
            let layout = Layout(data: 2, tensor: 8, pipeline: 2, sequenceParallel: true)
            let pricer = try Pricer(plan: plan)
            let balanced = try pricer.balanced(layout, usable: Estimate.usableShare)
            let sizes = try #require(balanced.layersPerStage)
            #expect(reversed ? sizes[0] < sizes[1] : sizes[0] > sizes[1])
            let best = try price(plan: plan, layout: balanced).iteration.seconds
            for first in 1..<10 {
                var other = layout
                other.layersPerStage = [first, 10 - first]
                #expect(try price(plan: plan, layout: other).iteration.seconds >= best * (1 - 1e-9), "\(first)")
            }
        }
    }

    /// Each strategy takes the best order of the groups, and one without a pipeline says that groups need one.
    @Test func comparisonsTakeTheBestOrderOfTheGroups() throws {
        func rows(reversed: Bool) throws -> [ComparedStrategy] {
            try compare(plan: try plan(reversed: reversed), strategies: Strategy.all)
        }
        let (one, other) = (try rows(reversed: false), try rows(reversed: true))
        #expect(one.contains { $0.estimate != nil })
        for (a, b) in zip(one, other) {
            #expect(a.estimate?.iteration.seconds == b.estimate?.iteration.seconds, "\(a.strategy.name)")
        }
        let flat = one.filter { $0.strategy.space.pipeline.fixed == 1 && $0.estimate == nil }
        #expect(!flat.isEmpty)
        #expect(flat.contains { $0.verdict.contains("2 groups of unlike devices") })
        #expect(!flat.contains { $0.verdict.contains("do not divide a batch") })
    }

    /// Blocks that do not fit on their rank go to the others.
    @Test func memoryLimitsTheBlocksOfARank() throws {
        let layout = Layout(data: 2, tensor: 8, pipeline: 2, sequenceParallel: true)
        let free = try Pricer(plan: try plan()).balanced(layout, usable: Estimate.usableShare)
        let before = try #require(free.layersPerStage)
        var fewer = free
        fewer.layersPerStage = [before[0] + 1, before[1] - 1]
        // Room for one block less than the second rank holds, not for all of them.
        let peaks = try [free, fewer].map { try price(plan: try plan(), layout: $0).memoryByRank[1].peak }
        let small = try plan(memory: (peaks[0] + peaks[1]) / 2 / Estimate.usableShare)
        let tight = try Pricer(plan: small).balanced(layout, usable: Estimate.usableShare)
        let after = try #require(tight.layersPerStage)
        #expect(after[1] < before[1] && after.reduce(0, +) == 10)
        let estimate = try price(plan: small, layout: tight)
        #expect(estimate.fits)
        #expect(!(try price(plan: small, layout: free)).fits)
        #expect(try price(plan: small, layout: free).tightestGroup == 1)
    }

    /// The search's answer fits, fills both groups in the better order, and is not slower than what it tried.
    @Test func theSearchTriesBothOrders() throws {
        let (plan, other) = (try plan(), try plan(reversed: true))
        var settings = SearchSettings()
        settings.top = 5
        let found = try search(plan: plan, settings: settings)
        let best = try #require(found.candidates.first)
        #expect(best.fits && best.plan.cluster.groups?.devices == 32)
        let again = try #require(try search(plan: other, settings: settings).candidates.first)
        #expect(again.iteration.seconds == best.iteration.seconds)
        for candidate in found.candidates {
            #expect(candidate.iteration.seconds >= best.iteration.seconds && candidate.fits)
            let priced = try price(plan: candidate.plan, layout: candidate.layout)
            #expect(priced.iteration.seconds == candidate.iteration.seconds)
            #expect(candidate.layout.groupProblems(candidate.plan.cluster).isEmpty)
        }
        // Even stages, in both orders.
        for plan in [plan, other] {
            let even = Layout(data: 2, tensor: 8, pipeline: 2, sharding: .optimizer, sequenceParallel: true)
            #expect(try price(plan: plan, layout: even).iteration.seconds >= best.iteration.seconds)
        }
        settings.threads = 1
        #expect(try search(plan: plan, settings: settings).candidates.map(\.layout) == found.candidates.map(\.layout))
    }

    @Test func comparisonsCountsAndSchedulesAnswer() throws {
        let plan = try plan()
        let rows = try compare(plan: plan, strategies: [try #require(Strategy.all.first { $0.name == Strategy.auto })])
        #expect(rows.first?.fits == true && rows.first?.traffic.last?.network == "ethernet")
        let layout = Layout(data: 1, tensor: 8, pipeline: 4)
        let choice = try chooseSchedule(plan: plan, layout: layout)
        #expect(choice.estimate.fits)
        let optimal = try optimalIteration(plan: plan, layout: layout, effort: 20_000)
        #expect(optimal.iteration.timeline.places?.count == 4)
        #expect(DeviceCounts(plan).between(1, 1_000) == [32] && DeviceCounts(plan).between(1, 31).isEmpty)
        var alone = SearchSettings()
        alone.space.pipeline.fixed = 1
        #expect {
            try search(plan: plan, settings: alone)
        } throws: { "\($0)".contains("must divide the devices of every group, 16, 16") }
        #expect(throws: PlannerError.self) { try price(plan: plan.using(16), layout: Layout(tensor: 8, pipeline: 2)) }
        #expect(throws: PlannerError.self) { try price(plan: plan, layout: Layout(data: 4, tensor: 8)) }
    }

    /// Three runs of OPT-350M over nodes of three kinds of consumer devices, with the times of their layers alone.
    ///
    /// Strati et al. 2025, "Sailor: Automating Distributed Training over Dynamic, Heterogeneous, and Geo-distributed
    /// Clusters" (SOSP; github.com/eth-easl/sailor, cf2c8e3): iteration times in
    /// `simulations/validation/mit/*/plan_config_N*_D1.json` (`real`); times of layers by device and tensor degree in
    /// `sailor_planner/profiles/OPT-350`, added up by stage here; bandwidth between their nodes of two kinds,
    /// 0.1149 GB/s, in `providers/multizone_bandwidths_het.json`. Messages are fp32, 2 · 2,048 · 1,024 numbers.
    struct PublishedRun {
        var name: String
        /// Seconds of a micro-batch on each stage.
        var forward, backward: [Double]
        var update: Double
        var microbatches: Int
        var measured: Double
    }

    static let runs = [
        PublishedRun(
            name: "RTX 3090, Titan RTX", forward: [0.062911, 0.235985], backward: [0.143407, 0.413531],
            update: 0.059794, microbatches: 128, measured: 119.83914),
        PublishedRun(
            name: "RTX 3090, RTX 2080, Titan RTX", forward: [0.281564, 0.149454, 0.11643],
            backward: [0.277474, 0.181125, 0.152708], update: 0.013221, microbatches: 72, measured: 59.45533),
        PublishedRun(
            name: "RTX 3090, RTX 2080, Titan RTX, RTX 2080", forward: [0.168998, 0.116242, 0.097223, 0.105846],
            backward: [0.158536, 0.140875, 0.12187, 0.135382], update: 0.010283, microbatches: 128,
            measured: 83.76622),
    ]

    /// Nothing is tuned. The simulator is below all three, because DeepSpeed's pipeline also waits for what it receives.
    @Test(arguments: runs) func publishedRunsOnUnlikeDevices(_ run: PublishedRun) throws {
        let ranks = run.forward.count
        let message = 4.0 * 2 * 2048 * 1024 / 0.1149e9
        var costs = ActionCosts(
            forward: run.forward, backwardInput: run.backward, backwardWeight: run.backward.map { _ in 0 },
            backward: run.backward, transfer: message, transferMode: .blocking)
        let schedule = try ScheduleName.oneForwardOneBackward.schedule(
            ranks: ranks, virtualStages: 1, microbatches: run.microbatches)
        let uniform = try Simulator.makespan(schedule, costs: costs)
        costs.transfers = [Double](repeating: message, count: ranks - 1)
        let seconds = try Simulator.makespan(schedule, costs: costs)
        #expect(seconds == uniform)
        let error = (seconds + run.update) / run.measured - 1
        #expect((-0.17 ... -0.11).contains(error), "\(run.name): \(error)")
    }
}
