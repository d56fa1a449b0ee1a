import Campaigns
import Costs
import Foundation
import Numbers
import Planner
import Plans
import Reading
import Testing

@Suite struct RiskTests {
    private static func estimate(_ keys: String = "") throws -> Estimate {
        let plan = try Plan.read(
            text: """
                name: risk
                model: {family: llama, layers: 8, hidden: 1024, heads: 8, ffn: 4096, vocab: 32000, sequence: 2048}
                tokens: 100B
                devices: 64
                batch: 256
                layout: {data: 64}
                cluster: h100-80g-sxm
                price: {perGpuHour: 2, range: [1.5, 3]}
                \(keys)
                """, path: "risk.yaml")
        return try price(plan: plan, layout: try #require(plan.layout))
    }

    /// Means over samples with drawn failures agree with Daly's closed form, from rare failures to those that take most of
    /// the time.
    @Test(arguments: [
        "failures: {perDay: 2, restart: 15 min, checkpointTime: 60 s}",
        "failures: {perDay: 40, restart: 10 min, checkpointTime: 60 s}",
        "failures: {perDay: 200, restart: 5 min, checkpointTime: 120 s}",
        "failures: {perDay: 20, restart: 10 min, checkpointTime: 60 s, repair: 2 h, spareNodes: 1}",
    ]) func failuresAloneAgreeWithTheClosedForm(keys: String) throws {
        let estimate = try Self.estimate(keys)
        let run = try #require(estimate.run)
        let uncertain = try #require(UncertainRun(estimate))
        var random = SplitMix64(seed: 7)
        let count = 20_000
        let drawn = (0..<count).map { _ in uncertain.sample(&random, varying: [.failures]) }
        let mean = drawn.reduce(0) { $0 + $1.days } / Double(count)
        let variance = drawn.reduce(0) { $0 + ($1.days - mean) * ($1.days - mean) } / Double(count)
        let error = (variance / Double(count)).squareRoot()
        #expect(abs(mean - run.days) < 4 * error + 1e-9, "\(mean) against \(run.days), standard error \(error)")
        let failures = drawn.reduce(0) { $0 + $1.failures } / Double(count)
        let met = try #require(run.interruptions).failures(in: run.days * 86_400)
        #expect(abs(failures / met - 1) < 0.02, "\(failures) against \(met)")
    }

    /// With nothing left to chance, a sample is the estimate.
    @Test func nothingVaryingIsTheEstimate() throws {
        let estimate = try Self.estimate("failures: {perDay: 5}\ncosts: {staff: {people: 3, perMonth: 10000}}")
        let run = try #require(estimate.run)
        var random = SplitMix64(seed: 1)
        let sample = try #require(UncertainRun(estimate)).sample(&random, varying: [])
        #expect(abs(sample.days / run.days - 1) < 1e-9)
        #expect(abs(sample.gpuHours / run.gpuHours - 1) < 1e-9)
        #expect(abs(try #require(sample.cost) / (try #require(run.cost)) - 1) < 1e-9)
    }

    @Test func theSameSeedGivesTheSameDigits() throws {
        let estimate = try Self.estimate("failures: {perDay: 5}")
        let one = try #require(RunRisk(estimate, samples: 1_000, seed: 3))
        let two = try #require(RunRisk(estimate, samples: 1_000, seed: 3))
        let other = try #require(RunRisk(estimate, samples: 1_000, seed: 4))
        #expect(one.days == two.days && one.cost == two.cost)
        #expect(one.days != other.days)
    }

    /// The band of the prediction alone comes back: 5 % of the samples are below it, 5 % above.
    @Test func thePredictionSpreadsAsItsBand() throws {
        let estimate = try Self.estimate()
        let run = try #require(estimate.run)
        let uncertain = try #require(UncertainRun(estimate))
        var random = SplitMix64(seed: 5)
        let days = Quantiles((0..<40_000).map { _ in uncertain.sample(&random, varying: [.prediction]).days })
        #expect(abs(days.share(atMost: run.lowDays) - 0.05) < 0.006)
        #expect(abs(days.share(atMost: run.highDays) - 0.95) < 0.006)
        #expect(abs(days.at(0.5) / run.days - 1) < 0.01)
    }

    /// The range of the price alone comes back in the cost and leaves the days alone.
    @Test func thePriceSpreadsAsItsRange() throws {
        let estimate = try Self.estimate()
        let run = try #require(estimate.run)
        let uncertain = try #require(UncertainRun(estimate))
        var random = SplitMix64(seed: 6)
        let drawn = (0..<40_000).map { _ in uncertain.sample(&random, varying: [.price]) }
        let cost = Quantiles(drawn.compactMap(\.cost))
        let hours = run.gpuHours
        #expect(abs(cost.share(atMost: 1.5 * hours) - 0.05) < 0.006)
        #expect(abs(cost.share(atMost: 3 * hours) - 0.95) < 0.006)
        #expect(drawn.allSatisfy { abs($0.days / run.days - 1) < 1e-9 })
        let risk = try #require(RunRisk(estimate, samples: 500, seed: 1))
        #expect(abs(risk.shares.reduce(0) { $0 + $1.days } - 1) < 1e-9)
        #expect(abs(risk.shares.reduce(0) { $0 + ($1.cost ?? 0) } - 1) < 1e-9)
        #expect(risk.shares.first { $0.source == .price }?.days == 0)
    }

    @Test func withoutPriceThereIsNoCost() throws {
        var estimate = try Self.estimate()
        estimate.plan.cluster.price = nil
        let unpriced = try price(plan: estimate.plan, layout: estimate.layout)
        #expect(unpriced.run?.cost == nil)
        #expect(try #require(RunRisk(unpriced, samples: 100, seed: 1)).cost == nil)
    }

    /// Llama 3's rate, 419 in 54 days on 16,384 devices, is that of the shipped H100.
    @Test func publishedRatesHoldTheShippedOne() throws {
        let llama = try #require(FailureRates.published.first { $0.name == "Llama 3 405B" })
        let shipped = try #require(try Cluster.read("h100-80g-sxm", library: .standard()).meanTimeBetweenFailures)
        #expect(abs(86_400 / llama.perDeviceDay / shipped - 1) < 1e-4)
        // Six clusters: numpy.std(numpy.log(rates), ddof=1).
        #expect(abs(FailureRates.logarithmicSpread - 0.6335) < 0.001)
    }
}
