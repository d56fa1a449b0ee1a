import Costs
import Models
import Plans
import PricingSupport
import Testing

/// Money, emissions and failures of whole runs.
@Suite struct RunMoneyTests {
    private func run(hours: Double, devices: Int = 384, _ change: (inout Plan) -> Void) throws -> Estimate.Run {
        var cluster = TestCluster.a100()
        cluster.meanTimeBetweenFailures = nil
        let model = TestModel.tiny
        var plan = Plan(
            name: "", model: model, tokens: 1000 * 384 * Double(model.sequence), cluster: cluster, devices: devices,
            batch: 384, precision: .bf16, layout: nil)
        plan.run = .none
        change(&plan)
        let work = try Pricer(plan: plan).work(Layout(data: devices))
        return try #require(RunTotals(work).run(seconds: hours * 3600 / Double(devices) / 1000))
    }

    /// Costs beside devices, as a plan states them.
    private static func costs(_ fields: String) throws -> RunCosts {
        try Plan.read(
            text: """
                model: {family: llama, layers: 4, hidden: 256, heads: 4, ffn: 512, vocab: 1000, sequence: 512}
                batch: 8
                layout: {data: 8}
                cluster: h100-80g-sxm
                costs: {\(fields)}
                """, path: "costs.yaml"
        ).money.costs
    }

    /// BLOOM (Luccioni et al. 2022, table 1): 433,196 kWh at 57 g/kWh are 24.69 t.
    /// Llama 2 (model card): 3,311,616 hours at 400 W with a data centre's 1.1 and LLaMA's 385 g/kWh are 539 t, 34B at 350 W
    /// among them.
    @Test func emissionsMatchPublishedTotals() throws {
        let bloom = try run(hours: 1_082_990) { $0.cluster.gridFactor = 57 }
        #expect(abs(try #require(bloom.emissions?.boardTonnes) - 24.69) < 0.01)
        let cards = try run(hours: 3_311_616 - 1_038_336) { $0.cluster.gridFactor = 385 * 1.1 }
        let smaller = try run(hours: 1_038_336) {
            $0.cluster.gridFactor = 385 * 1.1
            $0.cluster.device.watts = 350
        }
        let tonnes = (cards.emissions?.boardTonnes ?? 0) + (smaller.emissions?.boardTonnes ?? 0)
        #expect(abs(tonnes / 539 - 1) < 0.005, "\(tonnes)")
    }

    @Test func noFactorMeansNoEmissions() throws {
        #expect(try run(hours: 1000) { _ in }.emissions == nil)
        #expect(
            try run(hours: 1000) {
                $0.cluster.gridFactor = 57
                $0.cluster.device.watts = nil
            }.emissions == nil)
    }

    /// 730 hours of 384 devices are a month: 2 dollars an hour, 100 TB at 20, 5 TB at 80, and three people at 10,000.
    @Test func costsAddUp() throws {
        let costs = try Self.costs(
            "storage: {size: 100 TB, perTerabyteMonth: 20}, egress: {size: 5 TB, perTerabyte: 80}, "
                + "staff: {people: 3, perMonth: 10000}")
        let run = try run(hours: 730 * 384) {
            $0.money.costs = costs
        }
        let parts = try #require(run.costs)
        #expect(abs(parts.devices - 2 * 730 * 384) < 1e-3)
        #expect(abs(parts.storage - 2_000) < 1e-6 && parts.egress == 400 && abs(parts.staff - 30_000) < 1e-6)
        #expect(run.cost == parts.total)
        #expect(parts.added.map(\.name) == ["storage", "egress", "staff"])
    }

    /// Staff is counted only where the devices have a price: a sum without them would be no cost of the run.
    @Test func withoutPriceTheCostIsLeftOut() throws {
        let costs = try Self.costs("staff: {people: 3, perMonth: 10000}")
        let run = try run(hours: 1000) {
            $0.cluster.price = nil
            $0.money.costs = costs
        }
        #expect(run.cost == nil && run.costs == nil)
    }

    /// A node a day, half an hour each with a checkpoint of a minute: Daly's interval and goodput by hand.
    @Test func statedFailuresReplaceTheDefaults() throws {
        let run = try run(hours: 384 * 1000) {
            var failures = Failures()
            (failures.perDay, failures.detection, failures.restart) = (1, 600, 1200)
            failures.checkpointTime = 60
            $0.cluster.failures = failures
        }
        let met = try #require(run.interruptions)
        #expect(met.between == 86_400 && met.restart == 1_800 && met.checkpoint == 60 && met.wait == 0)
        // τ = √(2·60·86400)·(1 + √(60/172800)/3 + 60/172800/9) − 60 = 3,180.06.
        #expect(abs(met.interval - 3_180.06) < 0.01)
        #expect(abs(run.goodput - 0.94333) < 2e-5, "\(run.goodput)")
    }

    /// Storage that takes less than the nodes can write makes checkpoints longer; spare nodes are paid for.
    @Test func storageAndSparesCount() throws {
        let plain = try run(hours: 10_000) {
            $0.cluster.failures = Failures(); $0.cluster.failures?.perDay = 1
        }
        let slow = try run(hours: 10_000) {
            $0.cluster.failures = Failures()
            $0.cluster.failures?.perDay = 1
            $0.cluster.failures?.storageWrite = 1e6
        }
        let (one, other) = (try #require(plain.interruptions), try #require(slow.interruptions))
        #expect(abs(other.checkpoint / one.checkpoint - 48 * 1.2e9 / 1e6) < 1e-6 * 48 * 1.2e3)
        let spared = try run(hours: 10_000) {
            $0.cluster.failures = Failures()
            $0.cluster.failures?.perDay = 1
            $0.cluster.failures?.spareNodes = 4
        }
        #expect(abs(spared.gpuHours / plain.gpuHours - 416.0 / 384) < 1e-9)
        #expect(spared.energyMWh == plain.energyMWh)
    }
}
