import Costs
import Models
import Plans
import PricingSupport
import Schedules
import Testing

/// Prices on clusters of several groups, counted by hand.
@Suite struct GroupCostTests {
    private static let link = GroupLink(name: "ethernet", bytesPerSecond: 2e9, latencySeconds: 3e-5, efficiency: 0.5)

    /// Two nodes of H100 and four of A100 with four devices each, smaller memory and another price.
    private func plan(_ link: GroupLink = link, tied: Bool = true) -> Plan {
        let fast = TestCluster.h100()
        var slow = TestCluster.a100(nodes: 4)
        slow.device.memoryBytes /= 2
        slow.price = Price(perHour: 1.25)
        slow.meanTimeBetweenFailures = 2e4 * 3600
        slow.powerUsageEffectiveness = 1.4
        var model = TestModel.gpt22B
        model.tiedEmbeddings = tied
        var plan = Plan(
            name: "mixed", model: model, tokens: 1e10,
            cluster: Cluster(
                name: "mixed",
                groups: ClusterGroups([.init(cluster: fast, nodes: 2), .init(cluster: slow, nodes: 4)], between: link)),
            devices: 32, batch: 64, precision: .bf16, layout: nil)
        // Nodes that are all equally fast.
        plan.frameworks.known["even"] = Framework(name: "even")
        plan.frameworks.named = "even"
        return plan
    }

    private let layout = Layout(data: 2, tensor: 4, pipeline: 4)

    /// The plan with all devices of one group's kind.
    private func flat(_ group: Int) -> Plan {
        var flat = plan()
        flat.cluster = flat.cluster.parts[group].cluster
        return flat
    }

    /// Every rank's passes, update and memory are those on its own devices.
    @Test func ranksAreThoseOfTheirGroup() throws {
        let mixed = try Pricer(plan: plan()).work(layout)
        let own = try [0, 1].map { try Pricer(plan: flat($0)).work(layout) }
        for rank in 0..<4 {
            let group = rank / 2
            #expect(LayoutMemory(mixed).rank(rank) == LayoutMemory(own[group]).rank(rank))
            #expect(
                ActionCosts(mixed).backwardWeight[rank].isClose(to: ActionCosts(own[group]).backwardWeight[rank]))
        }
        // The rank that takes longest on the slower devices may lie on the faster ones.
        #expect(OptimizerTime(mixed).seconds <= OptimizerTime(own[1]).seconds)
        #expect(OptimizerTime(mixed).seconds >= OptimizerTime(own[0]).seconds)
        // The slowest rank is one of the slower devices.
        #expect(IterationTime(mixed).bottleneck >= 2)
    }

    /// A message between groups takes the joining network, one within a group its own.
    @Test func messagesTakeTheNetworkBetweenTheirRanks() throws {
        var plan = plan()
        // Nothing is lost while messages are on their way.
        plan.frameworks.known["even"]?[.contention] = 0
        let work = try Pricer(plan: plan).work(layout)
        let flights = try #require(ActionCosts(work).transfers)
        let bytes = 2.0 * 2048 * 6144
        #expect(flights.count == 3)
        // In parts, which the receiver gathers: nothing of the pipeline is faster whole over so slow a network.
        let gather = max(
            DeviceGroup(size: 4, stride: 1, cluster: plan.cluster.parts[0].cluster).gather(bytes: bytes),
            DeviceGroup(size: 4, stride: 1, cluster: plan.cluster.parts[1].cluster).gather(bytes: bytes))
        #expect(flights[1].isClose(to: 3e-5 + bytes / 4 / 1e9 + gather))
        // Stages of eight devices: within a group from node to node over InfiniBand.
        let own = DeviceGroup(size: 4, stride: 1, cluster: plan.cluster.parts[0].cluster).gather(bytes: bytes)
        #expect(flights[0].isClose(to: 10e-6 + bytes / 4 / (50e9 * 0.85) + own))
        var faster = GroupCostTests.link
        faster.bytesPerSecond = 4e9
        let then = try #require(ActionCosts(try Pricer(plan: self.plan(faster)).work(layout)).transfers)
        #expect(then[1] < flights[1])
    }

    /// The tied table is added up over the joining network: an all-reduce of two.
    @Test func theTiedTableCrossesGroups() throws {
        let (tied, untied) = (plan(), plan(tied: false))
        let difference =
            DataParallelTime(try Pricer(plan: tied).work(layout)).exposed
            - DataParallelTime(try Pricer(plan: untied).work(layout)).exposed
        // Two devices pass 4 bytes a number of a table cut in four, once each way, over 1 GB/s.
        let bytes = 4.0 * 51200 * 6144 / 4
        #expect(difference > 0.9 * bytes / 1e9 && difference < 1.2 * bytes / 1e9 + 1e-3)
        let sent = NetworkTraffic.sent(try Pricer(plan: tied).work(layout), rank: 0)
        #expect(sent.map(\.network) == ["NVSwitch", "HDR InfiniBand", "ethernet"])
        #expect(sent[2].bytes == bytes)
    }

    /// Memory is held against each group's own; the tightest group is named.
    @Test func theTightestGroupIsTheOneWithLeastRoom() throws {
        let answer = try estimate(plan: plan(), layout: layout)
        let shares = answer.memoryByRank.map { $0.peak / (80.0 * 0x1p30 / ($0.rank < 2 ? 1 : 2)) }
        let fullest = try #require(shares.indices.max { shares[$0] < shares[$1] })
        #expect(answer.fullest?.rank == fullest && answer.tightestGroup == fullest / 2)
        #expect(answer.capacity == 80.0 * 0x1p30 / (fullest < 2 ? 1 : 2))
        #expect(answer.peakMemory == answer.memoryByRank[fullest].peak)
        #expect(answer.fits == (shares[fullest] <= 0.95))
        #expect(answer.tightestDevice == (fullest < 2 ? "H100-SXM5-80GB" : "A100-SXM4-80GB"))
    }

    /// Peak, cost, energy and failures are sums over the groups.
    @Test func totalsAreSumsOverTheGroups() throws {
        let answer = try estimate(plan: plan(), layout: layout)
        let run = try #require(answer.run)
        let hours = run.days * 24
        #expect(answer.clusterPeak == 16 * 989.4e12 + 16 * 312e12)
        #expect(answer.mfu == answer.iteration.modelFLOPs / answer.iteration.seconds / answer.clusterPeak)
        #expect(run.gpuHours.isClose(to: 32 * hours))
        #expect(run.cost?.isClose(to: hours * (16 * 2 + 16 * 1.25)) == true)
        #expect(run.energyMWh?.isClose(to: hours * (16 * 700 + 16 * 400) / 1e6) == true)
        let wall = 16 * 700.0 * 970 / 700 * 1.1 + 16 * 400.0 * 970 / 700 * 1.4
        #expect(run.wallEnergyMWh?.isClose(to: hours * wall / 1e6) == true)
        let groups = try #require(answer.groupTotals)
        #expect(groups.reduce(0) { $0 + $1.gpuHours }.isClose(to: run.gpuHours))
        #expect(groups.reduce(0) { $0 + ($1.cost ?? 0) }.isClose(to: run.cost ?? 0))
        #expect(groups.reduce(0) { $0 + ($1.energyMWh ?? 0) }.isClose(to: run.energyMWh ?? 0))
        #expect(groups.reduce(0) { $0 + ($1.wallEnergyMWh ?? 0) }.isClose(to: run.wallEnergyMWh ?? 0))
        // Failures a second add up; six nodes write a checkpoint.
        let failing = 1 / (16 / (5e4 * 3600.0) + 16 / (2e4 * 3600.0))
        let work = try Pricer(plan: plan()).work(layout)
        let bytes = 14.0 * answer.parameters
        #expect(RunTotals(work).checkpointSeconds.isClose(to: bytes / (6 * 1.2e9)))
        let interruptions = Interruptions(
            between: failing, checkpoint: RunTotals(work).checkpointSeconds, restart: 900)
        #expect(run.goodput.isClose(to: interruptions.goodput))
        // Without one price there is no sum.
        var unpriced = plan()
        unpriced.cluster.changeKinds { if $0.device.name.hasPrefix("A100") { $0.price = nil } }
        #expect(try estimate(plan: unpriced, layout: layout).run?.cost == nil)
        #expect(try estimate(plan: unpriced, layout: layout).run?.energyMWh != nil)
    }

    /// Interleaved stages lie on their rank's group; folded ones too.
    @Test(arguments: [ScheduleName.interleaved, .zeroBubbleV]) func virtualStagesLieOnTheirRanksGroup(
        _ schedule: ScheduleName
    ) throws {
        var layout = layout
        (layout.schedule, layout.virtualStages) = (schedule, 2)
        let mixed = ActionCosts(try Pricer(plan: plan()).work(layout))
        let own = try [0, 1].map { ActionCosts(try Pricer(plan: flat($0)).work(layout)) }
        for stage in 0..<8 {
            let rank = schedule == .zeroBubbleV && stage > 3 ? 7 - stage : stage % 4
            #expect(mixed.backwardWeight[stage].isClose(to: own[rank / 2].backwardWeight[stage]), "\(stage)")
        }
        // From the last group back to the first, but not at the fold.
        let transfers = try #require(mixed.transfers)
        #expect(transfers[1] > 2 * transfers[0])
        #expect(schedule == .zeroBubbleV ? transfers[3] == 0 : transfers[3] == transfers[1])
    }

    @Test func whatCannotBePricedSaysWhy() throws {
        func message(_ layout: Layout, _ plan: Plan) -> String {
            do { return "\(try estimate(plan: plan, layout: layout).microbatches)" } catch { return error.description }
        }
        #expect(message(Layout(data: 8, tensor: 4), plan()).contains("do not divide the devices of every group"))
        #expect(
            message(Layout(tensor: 8, pipeline: 4, virtualStages: 2, schedule: .chimera), plan()).contains(
                "lie in different groups"))
        var other = plan()
        other.devices = 64
        #expect(message(layout, other).contains("have 32 devices, the plan 64"))
    }

    /// Explanations of a mixed cluster give the answer's own figures.
    @Test func everyFigureIsExplained() throws {
        let answer = try estimate(plan: plan(), layout: layout).explained()
        func value(_ symbol: String) -> Double? { answer.explanation.last { $0.symbol == symbol }?.value }
        #expect(value("seconds")?.isClose(to: answer.iteration.seconds) == true)
        #expect(value("peak")?.isClose(to: answer.peakMemory) == true)
        #expect(value("MFU")?.isClose(to: answer.mfu) == true)
        #expect(value("days")?.isClose(to: answer.run?.days ?? 0) == true)
        #expect(value("cost")?.isClose(to: answer.run?.cost ?? 0) == true)
        #expect(value("wall")?.isClose(to: answer.run?.wallEnergyMWh ?? 0) == true)
        #expect(answer.explanation.allSatisfy { !$0.value.isNaN })
    }
}

extension Double {
    fileprivate func isClose(to other: Double) -> Bool { abs(self - other) <= 1e-9 * max(abs(self), abs(other)) }
}
