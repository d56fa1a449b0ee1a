import Campaigns
import Costs
import Foundation
import Numbers
import Planner
import Plans
import Reading
import TestSupport
import Testing

/// Money, energy and failures of a campaign beside those of the plans that it is made of.
@Suite struct CampaignMoneyTests {
    /// Keys of a plan about money and failures, drawn at random.
    struct Keys: CustomTestStringConvertible {
        var seed: Int
        /// Keys that a plan and a campaign have in common.
        var lines: [String] = []
        var testDescription: String { "keys \(seed)" }

        init(seed: Int) {
            self.seed = seed
            var random = SplitMix64(seed: UInt64(seed))
            func draw(_ range: ClosedRange<Int>) -> Int { Int.random(in: range, using: &random) }
            func odds() -> Bool { draw(0...1) == 0 }
            let rent = Double(draw(50...800)) / 100
            switch draw(0...4) {
            case 0: break
            case 1: lines.append("price: \(rent)")
            case 2: lines.append("price: {perGpuHour: \(rent), range: [\(rent / 2), \(rent * 2)]}")
            case 3: lines.append("price: {perGpuHour: \(rent), billing: spot, preemptionsPerNodeDay: 0.5}")
            default:
                lines.append("price: {perGpuHour: \(rent), currency: CNY}\ncurrency: USD\nexchangeRates: {CNY: 7.1}")
            }
            let (spares, rate) = (draw(0...3), Double(draw(1...20)) / 10)
            switch draw(0...3) {
            case 0: break
            case 1: lines.append("failures: {perDay: \(rate), restart: 20 min}")
            case 2: lines.append("failures: {perNodeDay: \(rate), spareNodes: \(spares), repair: 8 h}")
            default: lines.append("failures: {perDay: \(rate), spareNodes: \(spares), repair: 24 h, detection: 5 min}")
            }
            if odds() { lines.append("gridFactor: 400 g/kWh") }
            if odds() {
                lines.append(
                    "costs: {staff: {people: 3, perMonth: 9000}, storage: {size: 500 TB, perTerabyteMonth: 20}, "
                        + "egress: {size: 3 TB, perTerabyte: 80}, perKilowattHour: 0.1}")
            }
        }
    }

    private static let run = """
        model: {family: llama, layers: 8, hidden: 1024, heads: 8, ffn: 4096, vocab: 32000, sequence: 2048}
        tokens: 100B
        batch: 64
        layout: {data: 16}
        """

    private static func priced(_ keys: Keys) throws -> Estimate {
        let plan = try Plan.read(
            text: ([run, "cluster: h100-80g-sxm", "devices: 16"] + keys.lines).joined(separator: "\n"), path: "p.yaml",
            library: Checkout.library)
        return try price(plan: plan, layout: try #require(plan.layout))
    }

    private static func expectEqual(_ answer: CampaignAnswer, _ run: Estimate.Run, _ what: String) throws {
        func near(_ ours: Double?, _ theirs: Double?) -> Bool {
            guard let ours, let theirs else { return ours == nil && theirs == nil }
            return abs(ours - theirs) <= 1e-9 * max(1e-9, abs(theirs))
        }
        #expect(near(answer.days, run.days), "\(what): days")
        #expect(near(answer.gpuMonths, run.gpuMonths), "\(what): \(answer.gpuMonths) against \(run.gpuMonths)")
        #expect(near(answer.cost, run.cost), "\(what): \(answer.cost ?? -1) against \(run.cost ?? -1)")
        #expect(near(answer.energyMWh, run.wallEnergyMWh), "\(what): energy")
        #expect(near(answer.emissions, run.emissions?.wallTonnes), "\(what): emissions")
        let met = run.interruptions?.failures(in: run.days * 86_400)
        #expect(near(answer.failures, met ?? 0), "\(what): failures")
    }

    /// A campaign of one stage costs and burns what its plan does, whatever is said about money and failures: where the
    /// campaign states the keys, and where a plan file of the stage does.
    @Test(arguments: (1...40).map(Keys.init)) func oneStageIsItsPlan(keys: Keys) throws {
        let run = try #require(try Self.priced(keys).run?.ended)
        let stage = Self.run.split(separator: "\n").map { "    " + $0 }.joined(separator: "\n")
        let inline =
            keys.lines.joined(separator: "\n")
            + "\ncluster: h100-80g-sxm\ndevices: 16\nstages:\n  - name: one\n    kind: pretraining\n\(stage)\n"
        try Self.expectEqual(CampaignAnswer(CampaignTests.read(inline)), run, "keys of the campaign")

        let folder = FileManager.default.temporaryDirectory.appendingPathComponent("campaign-\(UUID().uuidString)")
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(at: folder) }
        let file = folder.appendingPathComponent("own.yaml").path
        try ([Self.run, "cluster: h100-80g-sxm", "devices: 16"] + keys.lines).joined(separator: "\n")
            .write(toFile: file, atomically: true, encoding: .utf8)
        let outer = "cluster: h100-80g-sxm\ndevices: 16\nstages:\n  - {name: one, plan: '\(file)'}\n"
        try Self.expectEqual(CampaignAnswer(CampaignTests.read(outer)), run, "keys of the plan")
    }

    /// With every prediction exact a sample is the plan: money and spare nodes among it.
    @Test func samplesCostWhatThePlanDoes() throws {
        let keys = "failures: {perDay: 0, spareNodes: 2, repair: 24 h}\nprice: 2\n"
        let stage = Self.run.split(separator: "\n").map { "    " + $0 }.joined(separator: "\n")
        let answer = try CampaignAnswer(
            CampaignTests.read(
                keys + "cluster: h100-80g-sxm\ndevices: 16\nstages:\n  - name: one\n    kind: pretraining\n\(stage)\n"))
        let risk = CampaignRisk(answer, samples: 200, seed: 3)
        let cost = try #require(risk.cost)
        // Two spare nodes of eight devices beside sixteen.
        #expect(answer.spareDevices == 16)
        for share in [0.0, 0.3, 1] {
            let days = risk.days.at(share)
            #expect(abs(cost.at(share) / (2 * 24 * days * 32) - 1) < 1e-9)
        }
    }

    /// The pool has the devices of the campaign's cluster, and a stage's plan on others is refused there.
    @Test func aPlanOnOtherDevicesIsRefused() throws {
        let plan = "\(Checkout.root)/plans/100b-3t-1024.yaml"
        let found = CampaignTests.problems(
            "cluster: h100-80g-sxm\ndevices: 1024\nstages:\n  - {name: one, plan: '\(plan)'}\n")
        let problem = try #require(found.first)
        #expect(found.count == 1 && problem.line == 4 && problem.field.hasSuffix(".plan"))
        #expect(problem.description.contains("A100") && problem.description.contains("H100"), "\(problem)")
        #expect(problem.fix.contains("cluster: h100-80g-sxm"))
        let own = try CampaignTests.read(
            "cluster: a100-80g-sxm\ndevices: 1024\nstages:\n  - {name: one, plan: '\(plan)'}\n")
        #expect(own.device.contains("A100") && own.price?.perHour == 1.8)
    }

    /// Different plans are searched side by side, and each is what it is alone.
    @Test func manySearchesAreWhatEachIsAlone() throws {
        func stage(_ layers: Int) -> String {
            "  - {name: v\(layers), kind: trials, variants: 2, tokens: 1B, batch: 64, devices: 8, model: {family: llama, "
                + "layers: \(layers), hidden: 512, heads: 8, ffn: 1408, vocab: 8000, sequence: 1024}}\n"
        }
        let head = "cluster: h100-80g-sxm\ndevices: 16\nstages:\n"
        let layers = Array(4...11)
        let together = try CampaignAnswer(CampaignTests.read(head + layers.map(stage).joined()))
        #expect(together.searches == layers.count)
        for (number, count) in layers.enumerated() {
            let alone = try CampaignAnswer(CampaignTests.read(head + stage(count)))
            #expect(alone.prices[0].jobs == together.prices[number].jobs)
        }
    }

    /// A model that another key than `model` states is named by that key and its stage, with what may stand there.
    @Test(arguments: [
        ("kind: preference-data, prompts: 1K, promptTokens: 100, outputTokens: 100, judge", "judge"),
        ("kind: distillation, tokens: 1B, teacher", "teacher"),
        ("kind: ppo, prompts: 1K, promptTokens: 100, outputTokens: 100, critic", "critic"),
        ("kind: ppo, prompts: 1K, promptTokens: 100, outputTokens: 100, reward", "reward"),
    ]) func modelsOfOtherKeysAreNamed(stage: String, key: String) throws {
        let head = "cluster: h100-80g-sxm\ndevices: 8\nmodel: llama3-8b\nstages:\n"
        let found = CampaignTests.problems(head + "  - {name: one, \(stage): [1]}\n")
        let problem = try #require(found.first { $0.field == "stages.one.\(key)" }, "\(found)")
        #expect(problem.line == 5 && problem.description.contains("\(key): llama3-70b"), "\(problem)")
        let unknown = CampaignTests.problems(head + "  - {name: one, \(stage): no-such}\n")
        #expect(unknown.contains { $0.field == "stages.one.\(key)" }, "\(unknown)")
    }

    @Test(arguments: ["8", "[8]", "yes"]) func generationSaysWhatItTakes(value: String) {
        let found = CampaignTests.problems(
            "cluster: h100-80g-sxm\ndevices: 8\nmodel: llama3-8b\nstages:\n  - {name: one, kind: grpo, prompts: 1K, "
                + "promptTokens: 100, outputTokens: 100, generation: \(value)}\n")
        #expect(found.contains { $0.description.contains("generation: {devices: 4}") }, "\(found)")
    }
}
