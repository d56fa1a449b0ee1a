import Costs
import Models
import Plans
import Testing

/// Energy as published totals count it, and what the site draws beside.
@Suite struct EnergyTests {
    /// Watts of a board, hours of all boards and their published energy in MWh.
    static let published: [(String, Double, Double, Double)] = [
        // Luccioni et al. 2022, BLOOM: 1,082,990 hours at 400 W.
        ("BLOOM", 400, 1_082_990, 433.196),
        // Touvron et al. 2023, LLaMA, table 15, without the factor of 1.1 it gives the data centre.
        ("LLaMA 65B", 400, 1_022_362, 449 / 1.1),
        ("LLaMA 7B", 400, 82_432, 36 / 1.1),
    ]

    private func run(hours: Double, _ change: (inout Cluster) -> Void) throws -> Estimate.Run {
        var cluster = TestCluster.a100()
        cluster.meanTimeBetweenFailures = nil
        change(&cluster)
        let model = TestModel.tiny
        var plan = Plan(
            name: "", model: model, tokens: 1000 * 64 * Double(model.sequence), cluster: cluster, devices: 8, batch: 64,
            precision: .bf16, layout: nil)
        // Published totals are of whole runs, and these steps take all of their hours.
        plan.run = .none
        let work = try Pricer(plan: plan).work(Layout(data: 8))
        // 1,000 steps on eight devices.
        return try #require(RunTotals(work).run(seconds: hours * 3600 / 8 / 1000))
    }

    @Test(arguments: published)
    func boardsMatchPublishedTotals(_ name: String, _ watts: Double, _ hours: Double, _ energy: Double) throws {
        let run = try run(hours: hours) { $0.device.watts = watts }
        #expect(abs(run.gpuHours / hours - 1) < 1e-9)
        #expect(abs(try #require(run.energyMWh) / energy - 1) < 0.01, "\(name)")
    }

    /// Nodes of eight H100 draw 76 % of 10.2 kW while training (Newkirk et al. 2025), 970 W for each board of 700 W; others
    /// as much over their boards. LLaMA gives a data centre a factor of 1.1.
    @Test func theWallCountsNodesAndCooling() throws {
        func wall(_ change: (inout Cluster) -> Void) throws -> Double? { try run(hours: 1e6, change).wallEnergyMWh }
        let share = 0.76 * 10_200 / 8 / 970
        #expect(abs(share - 1) < 0.002)
        let measured = try #require(
            try wall {
                $0.device.nodeWatts = 970
                $0.powerUsageEffectiveness = 1
            })
        #expect(abs(measured / 970 - 1) < 1e-9)
        let ruled = try #require(try wall { $0.device.watts = 700 })
        #expect(abs(ruled / (970 * 1.1) - 1) < 1e-9)
        let other = try #require(try wall { $0.powerUsageEffectiveness = 1.56 })
        let expected: Double = 400 / 700 * 970 * 1.56
        #expect(abs(other / expected - 1) < 1e-9)
        #expect(try wall { $0.device.watts = nil } == nil)
        let unpowered = try run(hours: 1) {
            $0.device.watts = nil
            $0.device.nodeWatts = 500
        }
        #expect(unpowered.energyMWh == nil && unpowered.wallEnergyMWh != nil)
    }
}
