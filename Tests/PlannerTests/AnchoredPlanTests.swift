import Costs
import Foundation
import Models
import Planner
import Plans
import Reading
import TestSupport
import Testing

/// Plans with measured steps.
@Suite struct AnchoredPlanTests {
    private func plan(_ measured: String, layout: String = "{tensor: 2, sharding: optimizer}") throws -> Plan {
        try Plan.read(
            text: """
                model: llama3-8b
                tokens: 1T
                cluster: h100-80g-sxm
                devices: 512
                batch: 1024
                precision: bf16
                framework: nemo
                run: {idle: 0}
                layout: \(layout)
                measured: \(measured)

                """, path: "plan.yaml", library: Checkout.library)
    }

    private func run(_ plan: Plan) throws -> (days: Double, low: Double, high: Double, reason: String, seconds: Double)
    {
        let anchored = try plan.anchored()
        let estimate = try price(plan: anchored, layout: try #require(plan.layout))
        let run = try #require(estimate.run)
        #expect(abs(run.parts.total / run.days - 1) < 1e-9)
        return (run.days, run.lowDays, run.highDays, run.bandReason, estimate.iteration.seconds)
    }

    /// The plan's own step, a tenth slower than predicted: the days follow, the step stays, the band is narrow.
    @Test func theOwnStepShiftsTheDays() throws {
        let open = try run(plan("{seconds: 1}"))
        let known = try plan("{seconds: \(1.1 * open.seconds)}")
        let (free, measured) = (try run(plan("[]")), try run(known))
        #expect(measured.seconds == free.seconds)
        #expect((1.09...1.1).contains(measured.days / free.days))
        #expect(measured.high / measured.days < 1.04 && free.high / free.days > 1.2)
        #expect(measured.reason == "one measured step of this layout")
    }

    /// A step on an eighth of the devices, and one of another layout, say less.
    @Test func fewerDevicesAndOtherLayoutsSayLess() throws {
        let free = try run(plan("[]"))
        func shifted(_ keys: String) throws -> (days: Double, width: Double) {
            let own = try plan("{seconds: 1, \(keys)}")
            let measurement = try #require(own.measurements.first)
            var alone = own
            (alone.devices, alone.batch, alone.layout) = (measurement.devices, measurement.batch, measurement.layout)
            (alone.measurements, alone.measured) = ([], nil)
            let seconds = try price(plan: alone, layout: measurement.layout).iteration.seconds
            let found = try run(plan("{seconds: \(1.1 * seconds), \(keys)}"))
            return (found.days / free.days, found.high / found.days)
        }
        let fewer = try shifted("devices: 64, batch: 128")
        let other = try shifted("devices: 64, batch: 128, layout: {tensor: 4, sharding: optimizer}")
        #expect((1.07...1.09).contains(fewer.days) && (1.04...1.05).contains(other.days))
        #expect(fewer.width < other.width && other.width < free.high / free.days)
        // A layout that is searched for takes what measured layouts say.
        let searched = try plan("{seconds: 3, devices: 64, batch: 128, layout: {tensor: 4}}", layout: "auto").anchored()
        #expect(searched.anchor?.points.count == 1)
    }

    /// The answer names the shift and the measurement that narrows the band most.
    @Test func theNextMeasurementIsNamed() throws {
        let anchored = try plan("{seconds: 3, devices: 64, batch: 128, layout: {tensor: 4, sharding: optimizer}}")
            .anchored()
        let estimate = try price(plan: anchored, layout: try #require(anchored.layout))
        let remarks = estimate.anchorRemarks()
        #expect(remarks.map(\.code) == [.anchored, .measureNext])
        #expect(remarks[1].text.contains("some minutes of this layout on"))
        let exact = try plan("{seconds: 3}").anchored()
        let own = try price(plan: exact, layout: try #require(exact.layout)).anchorRemarks()
        #expect(own.map(\.code) == [.anchored])
    }

    /// A written plan keeps its measured steps.
    @Test func measuredStepsAreWritten() throws {
        let text = "[{seconds: 9}, {seconds: 3, devices: 64, batch: 128, layout: {tensor: 4, sharding: optimizer}}]"
        let plan = try plan(text)
        let again = try Plan.read(
            text: plan.yaml(library: Checkout.library), path: "plan.yaml", library: Checkout.library)
        #expect(again.measurements == plan.measurements && plan.measurements.count == 2)
        #expect(try run(again).days == run(plan).days)
    }

    /// A plan whose devices follow from its degrees, and a step of it that differs in its batch alone.
    @Test func devicesFollowFromTheDegrees() throws {
        func measured(_ devices: String, _ text: String) throws -> Plan.Measurement? {
            try Plan.read(
                text: """
                    model: llama3-8b
                    cluster: h100-80g-sxm
                    batch: 512
                    \(devices)
                    layout: {tensor: 2, data: 32, sharding: optimizer}
                    measured: \(text)

                    """, path: "plan.yaml", library: Checkout.library
            ).measurements.first
        }
        for text in ["{seconds: 9, batch: 256}", "{seconds: 9}", "{seconds: 9, layout: {tensor: 4, data: 16}}"] {
            let (open, stated) = (try measured("", text), try measured("devices: 64", text))
            #expect(open == stated && open?.devices == 64, "\(text)")
        }
        #expect(try measured("", "{seconds: 9, layout: {tensor: 4}}")?.devices == 64)
        #expect(try measured("", "{seconds: 9, devices: 16}")?.layout.data == 8)
    }

    /// A written plan of another layout, or of other devices, keeps the step as one of the layout that was measured.
    @Test func theOwnStepStaysWithItsLayout() throws {
        let plan = try plan("{seconds: 9, memory: 40 GiB}")
        var (other, scaled) = (plan, plan)
        other.layout = Layout(data: 128, tensor: 4, sharding: .optimizer)
        scaled.devices = 256
        scaled.layout?.data = 128
        for changed in [other, scaled] {
            let again = try Plan.read(
                text: changed.yaml(library: Checkout.library), path: "plan.yaml", library: Checkout.library)
            #expect(again.measurements.map(\.layout) == plan.measurements.map(\.layout))
            #expect(again.measurements.map(\.devices) == [512] && again.measured == nil)
        }
        var found = try self.plan("{seconds: 3}", layout: "auto")
        found.layout = other.layout
        #expect(!found.yaml(library: Checkout.library).contains("measured"))
    }

    /// Steps of other batches, hundreds of them, are read without reading the files of models, clusters and software again.
    @Test func manyStepsAreReadFast() throws {
        let steps = (1...1_500).map { "{seconds: 3, devices: 512, batch: \(256 * $0)}" }.joined(separator: ", ")
        let clock = ContinuousClock()
        let began = clock.now
        let plan = try plan("[\(steps)]")
        #expect(plan.measurements.count == 1_500)
        // A minute when every step read them.
        #expect(clock.now - began < .seconds(10))
        let anchor = Anchor(
            points: plan.measurements.map {
                Anchor.Point(layout: $0.layout, devices: $0.devices, batch: $0.batch, residual: 0.1)
            })
        let layout = try #require(plan.layout)
        let found = anchor.expectation(layout, devices: 512, batch: 1, deviation: 0.14)
        #expect((0.09...0.1).contains(found.shift) && clock.now - began < .seconds(12))
    }

    /// A layout that was measured is ranked by its step, whatever its price, and a remark names both.
    @Test func measuredLayoutsAreRankedByTheirSteps() throws {
        let open = try plan("[]").open
        var settings = SearchSettings()
        settings.top = 5
        let best = try #require(try search(plan: open, settings: settings).candidates.first)
        let layout = "{tensor: 4, sharding: optimizer}"
        let own = try price(plan: plan("[]", layout: layout), layout: try #require(plan("[]", layout: layout).layout))
        #expect(own.iteration.seconds > 1.05 * best.iteration.seconds)
        // Another measured layout keeps what is expected of the others near their prices.
        let other = "{seconds: \(best.iteration.seconds), layout: {\(Self.degrees(best.layout))}}"
        let measured = "[{seconds: \(0.8 * best.iteration.seconds)}, \(other)]"
        let anchored = try plan(measured, layout: layout).anchored()
        let found = try search(plan: anchored, settings: settings)
        #expect(found.candidates.first?.layout == own.layout)
        #expect(found.candidates.first?.measuredSeconds.map { abs($0 / best.iteration.seconds - 0.8) < 1e-9 } == true)
        #expect(found.remarks.count == 1)
        #expect(found.remarks[0].text.contains("the layout tensor 4") && found.remarks[0].code == .anchored)
        #expect(found.own?.verdict == "the fastest")
        // Restrictions hold for measured layouts too; the plan's own stands beside them, and is said to be faster.
        settings.space.tensor.fixed = 2
        let narrow = try search(plan: anchored, settings: settings)
        #expect(narrow.candidates.allSatisfy { $0.layout.tensor == 2 } && narrow.remarks.count == 1)
        #expect(narrow.own?.verdict.contains("faster than the best found") == true)
        // A comparison's answer is that of the search.
        settings.space.tensor.fixed = nil
        let rows = try compare(plan: anchored, strategies: Strategy.named("auto"), settings: settings)
        #expect(rows.first?.estimate?.layout == own.layout)
    }

    private static func degrees(_ layout: Layout) -> String {
        "tensor: \(layout.tensor), pipeline: \(layout.pipeline), microbatch: \(layout.microbatch), "
            + "recompute: \(layout.recompute.rawValue), sharding: \(layout.sharding.rawValue)"
    }

    /// A table of runs takes the steps of a plan that differ from it.
    @Test func stepsThatDifferAreRuns() throws {
        let folder = try TemporaryFolder()
        let head = "model: llama3-8b\ncluster: h100-80g-sxm\ndevices: 64\nbatch: 128\nlayout: {sharding: optimizer}\n"
        func runs(_ measured: String) throws -> [PublishedRun] {
            let path = try folder.write(head + "measured: \(measured)\n", as: "plan.yaml")
            return try PublishedRun.read(path: path, library: Checkout.library)
        }
        let others = try runs("[{seconds: 3, devices: 32, batch: 64}, {seconds: 2, layout: {tensor: 4}}]")
        #expect(others.map(\.seconds) == [3, 2] && others.map { $0.plan?.devices } == [32, 64])
        #expect(others[1].plan?.layout?.tensor == 4)
        #expect(others[0].name == "plan: 32 devices, batch 64, t1 p1 d32")
        #expect(try runs("[{seconds: 3, devices: 32, batch: 64}, {seconds: 5}]").map(\.seconds) == [5, 3])
    }

    /// A step that nobody measured is an error rather than an answer.
    @Test(arguments: [1e-9, 1e9]) func absurdStepsAreRefused(_ seconds: Double) throws {
        let plan = try plan("{seconds: \(seconds)}")
        #expect(throws: PlannerError.self) { try plan.anchored() }
    }

    @Test(arguments: [
        ("7", "measured: must be a map, or a list of maps"), ("[7]", "measured[0]: must be a map of keys and values"),
        ("{devices: 64}", "measured.seconds: is missing"),
        ("{seconds: 3, device: 64}", "measured.device: unknown key; did you mean 'devices'?"),
        ("[{seconds: 3}, {seconds: 4}]", "measured[1].seconds: is a second step of the plan itself"),
        ("[{seconds: 3, devices: 63}]", "plan.yaml:10:34: measured[0].devices: "),
        ("{seconds: 3, layout: {tensor: 5}}", "plan.yaml:10:41: measured.layout.tensor: "),
        ("{seconds: 3, layout: {tensr: 4}}", "plan.yaml:10:33: measured.layout.tensr: unknown key"),
        ("{seconds: 3, batch: 100}", "plan.yaml:10:31: measured.batch: a plan with it is wrong, layout.microbatch: "),
        ("[{seconds: 3}, {seconds: 3, batch: 0}]", "plan.yaml:10:46: measured[1].batch: must be a whole number"),
    ])
    func saysWhatIsWrong(_ measured: String, _ said: String) throws {
        let problems = #expect(throws: PlanProblems.self) { try plan(measured) }
        #expect(problems?.description.contains(said) == true, "\(problems?.description ?? "")")
    }

    @Test func anOpenPlanSaysWhichLayoutWasMeasured() throws {
        let problems = #expect(throws: PlanProblems.self) { try plan("{seconds: 3, devices: 64}", layout: "auto") }
        #expect(problems?.description.contains("must say which layout was measured") == true)
        #expect(
            try plan("{seconds: 3}", layout: "auto").remarks.contains { $0.text.hasPrefix("measured says nothing") })
    }

    /// Published runs of one layout on other devices are predicted better once one of them is measured: in the median of
    /// every source that has such runs.
    @Test func oneRowOfASourceAnchorsTheOthers() throws {
        var (before, after): ([Double], [Double]) = ([], [])
        for file in ["dgx-cloud-h100", "llm-foundry-scales", "vtrain-multi-node"] {
            let runs = try PublishedRun.read(
                path: "\(Checkout.root)/plans/published/\(file).yaml", library: Checkout.library)
            let rows = validate(runs).timed.compactMap { row -> (plan: Plan, layout: Layout, residual: Double)? in
                guard let plan = row.run.plan, let layout = plan.layout, let error = row.error else { return nil }
                return (plan, layout, -log(1 + error))
            }
            for group in Dictionary(grouping: rows, by: { [$0.plan.model.name ?? "", $0.plan.precision.rawValue] })
                .values
            {
                guard let first = group.first else { continue }
                let anchor = Anchor(points: [
                    Anchor.Point(
                        layout: first.layout, devices: first.plan.devices, batch: first.plan.batch,
                        residual: first.residual)
                ])
                for row in group.dropFirst() {
                    let shift = anchor.expectation(
                        row.layout, devices: row.plan.devices, batch: row.plan.batch, deviation: 0.14
                    ).shift
                    before.append(abs(row.residual))
                    after.append(abs(row.residual - shift))
                }
            }
        }
        func median(_ values: [Double]) -> Double { values.sorted()[values.count / 2] }
        #expect(before.count > 100)
        #expect(median(after) < median(before), "\(median(before)) \(median(after))")
    }
}
