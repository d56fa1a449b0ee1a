import Costs
import Foundation
import Models
import Planner
import Plans
import TestSupport
import Testing

/// Whole published runs, each predicted by figures that its organisation had no part in.
@Suite struct PublishedPracticeTests {
    private static func runs(_ tables: [String]? = nil) throws -> [PublishedRun] {
        let folder = "\(Checkout.root)/plans/published"
        let all = try FileManager.default.contentsOfDirectory(atPath: folder).filter { $0.hasSuffix(".yaml") }.sorted()
        return try all.filter { tables?.contains($0.replacing(".yaml", with: "")) ?? true }.flatMap {
            try PublishedRun.read(path: "\(folder)/\($0)", library: Checkout.library)
        }
    }

    /// Predicted once for all tests.
    private static let whole = Result { WholeRuns(try runs()) }

    @Test func mediansAndBandsHold() throws {
        let whole = try Self.whole.get()
        for (name, figures, least) in [("searched", whole.auto, 29), ("stated", whole.stated, 19)] {
            #expect(figures.count >= least, "\(name)")
            #expect((0.95...1.05).contains(figures.median), "\(name): \(figures.median)")
            #expect(figures.covered >= 0.85, "\(name): \(figures.covered)")
            #expect(figures.halfWidth <= 0.45, "\(name): \(figures.halfWidth)")
        }
    }

    @Test func constantsAreTheMedians() throws {
        let medians = try Self.whole.get().practice.medians()
        #expect(abs(medians.named / RunShares.Practice.named - 1) < 0.03, "\(medians.named)")
        #expect(abs(medians.assumed / RunShares.Practice.assumed - 1) < 0.03, "\(medians.assumed)")
        #expect(abs(medians.unfused / RunShares.Practice.unfused - 1) < 0.03, "\(medians.unfused)")
        #expect(abs(medians.idle - RunShares.usualIdle) < 0.015, "\(medians.idle)")
    }

    /// Reports of an organisation have no part in its own predictions, and a part in those of others.
    @Test func noOrganisationPredictsItself() throws {
        let honest = try Self.runs(["whole-runs", "llm-foundry", "bloom-tuning", "torchtitan"])
        var slower = honest
        for index in slower.indices where slower[index].organisation == "MosaicML" {
            slower[index].seconds = slower[index].seconds.map { 10 * $0 }
            if let hours = slower[index].whole?.gpuHours { slower[index].whole?.gpuHours = 10 * hours }
        }
        let (before, after) = (WholeRuns(honest), WholeRuns(slower))
        var others = 0
        for (one, other) in zip(before.rows, after.rows) {
            let isEqual = one.auto?.gpuHours == other.auto?.gpuHours
            if one.run.organisation == "MosaicML" {
                #expect(isEqual && one.stated?.gpuHours == other.stated?.gpuHours)
            } else if !isEqual {
                others += 1
            }
        }
        #expect(others > 0)
    }

    /// A number of steps times the time of one counts neither failures nor stops.
    @Test func stepsHaveNoRestarts() throws {
        let whole = try Self.whole.get()
        let row = try #require(whole.rows.first { $0.run.name == "nemotron4-15b" })
        let plan = try #require(row.run.plan)
        let step = try price(plan: plan, layout: try #require(plan.layout)).iteration.seconds
        let steps = (try #require(plan.tokens) / plan.tokensPerStep).rounded(.up)
        let hours = steps * step * Double(plan.devices) / 3600
        #expect(abs(try #require(row.stated).gpuHours / hours - 1) < 1e-9)
    }

    /// A layout that a search picks promises what teams took over it, and a written answer keeps that.
    @Test func searchedLayoutsPromiseWhatTeamsReached() throws {
        var plan = try Shipped.plan(.shaped(parameters: 1e9), on: "a100-80g-sxm", devices: 16, batch: 256, tokens: 2e10)
        let best = try #require(try search(plan: plan).candidates.first)
        #expect(best.plan.run.practice == RunShares.Practice.assumed)
        let read = try Plan.read(
            text: best.plan.yaml(library: Checkout.library), path: "plan.yaml", library: Checkout.library)
        #expect(read.run == best.plan.run)
        plan.frameworks.named = Frameworks.unfusedMegatron
        #expect(try search(plan: plan).candidates.first?.plan.run.practice == RunShares.Practice.unfused)
        // A team that has a layout of its own runs another as well as its own.
        plan.layout = best.layout
        let beside = try search(plan: plan)
        #expect(beside.candidates.first?.plan.run.practice == RunShares.Practice.picked)
        #expect(beside.own?.estimate.run?.parts.practice == 0)
        plan.layout = nil
        plan.run.practice = 1
        let own = try #require(try search(plan: plan).candidates.first)
        #expect(own.run?.parts.practice == 0)
        #expect(try price(plan: plan, layout: own.layout).run?.days == own.run?.days)
    }
}
