import Campaigns
import Foundation
import Models
import Plans
import Reading
import TestSupport
import Testing

@Suite struct LadderTests {
    static let lines = [
        "name: tiny", "text: {words: 100, successors: 2, follows: 0.3, seed: 2}", "layers: 1", "headSize: 8",
        "sequence: 32", "batch: 8", "widths: [8, 16, 24]", "tokens: [1K, 2K, 4K]", "baseWidth: 16", "heldOut: 2K",
        "rates: {widths: [8, 16], tokens: 1K, tried: [0.01, 0.03]}", "next: {width: 40, tokens: 4K, processes: 2}",
    ]

    static func read(changing key: String = "", to line: String? = nil) throws -> Ladder {
        let changed = lines.compactMap { $0.hasPrefix(key + ":") && !key.isEmpty ? line : $0 }
        return try Ladder.read(text: changed.joined(separator: "\n"), path: "ladder.yaml")
    }

    @Test func theCommittedLadderIsWhatIsAskedOfOne() throws {
        var files = ReadFiles()
        let ladder = try Ladder.read(path: "\(Checkout.root)/plans/campaigns/ladder.yaml", files: &files)
        #expect(ladder.widths.count >= 6 && ladder.tokens.count >= 2 && ladder.rates.widths.count >= 2)
        func parameters(_ run: LadderRun) throws -> Int {
            let plan = try Plan.read(
                text: ladder.plan(of: run, data: "a.bin", heldOut: "b.bin"), path: "p.yaml", isRun: true)
            #expect(MaximalUpdate.problem(plan) == nil && plan.name == run.name)
            return plan.model.parameters().total
        }
        let largest = try ladder.rungs(learningRate: 0.01).map(parameters).max() ?? 0
        #expect(try parameters(ladder.nextRun(learningRate: 0.01)) >= 2 * largest)
    }

    @Test func runsAreListedOnce() throws {
        let ladder = try Self.read()
        let runs = ladder.rateRuns + ladder.rungs(learningRate: 0.01) + [ladder.nextRun(learningRate: 0.01)]
        #expect(runs.count == 2 * 2 * 2 + 3 * 3 + 1 && Set(runs.map(\.name)).count == runs.count)
        let next = ladder.nextRun(learningRate: 0.01)
        #expect(next.processes == 2 && next.steps == 15 && ladder.tokens(of: next) == 3840)
        let plan = try Plan.read(
            text: ladder.plan(of: next, data: "a.bin", heldOut: "b.bin"), path: "p.yaml", isRun: true)
        #expect(plan.train?.mup == MaximalUpdate(baseWidth: 16) && plan.layout?.data == 2)
        #expect(plan.model.hidden == 40 && plan.model.heads == 5 && !plan.model.tiedEmbeddings)
        let plain = ladder.rateRuns.first { !$0.isMup }
        let other = try Plan.read(
            text: ladder.plan(of: try #require(plain), data: "a.bin", heldOut: "b.bin"), path: "p.yaml", isRun: true)
        #expect(other.train?.mup == nil)
    }

    @Test(
        arguments: [
            ("text", nil, "text: is missing"), ("text", "text: {words: 3}", "text.words: must be"),
            ("text", "text: {words: 100, follows: 2}", "text.follows: must be at most 1"),
            ("text", "text: {words: 100, letters: 3}", "text.letters: unknown key"),
            ("layers", nil, "layers: is missing"), ("layers", "layers: nan", "layers: must be"),
            ("headSize", "headSize: 0", "headSize: must be"), ("batch", "batch: -1", "batch: must be"),
            ("batch", "batch: 9", "next.processes: must divide the batch of 9"),
            ("widths", "widths: [8, 16]", "widths: cannot fix a law"),
            ("widths", "widths: []", "widths: must be a list of different numbers"),
            ("widths", "widths: [8, 16, 16]", "widths: must be a list of different numbers"),
            ("widths", "widths: [8, 16, 20]", "widths: must be a multiple of headSize 8"),
            ("tokens", "tokens: [4K, 2K, 1K]", "tokens: must be a list of different numbers"),
            ("tokens", "tokens: [100, 2K, 4K]", "tokens: is less than a step of 256 tokens"),
            ("tokens", "tokens: [1K, 1e300, inf]", "tokens[1]: must be a whole number"),
            ("tokens", "tokens: [1K, 1100, 1200]", "tokens: cannot fix a law"),
            ("rates", "rates: {widths: [8], tokens: 1K, tried: [0.01, 0]}", "rates.tried[1]: must be"),
            ("rates", "rates: {widths: [8], tokens: 1K, tried: [0.03, 0.01]}", "rates.tried: must be a list"),
            ("rates", "rates: {widths: [8], tokens: 1K}", "rates.tried: is missing"),
            ("next", "next: {width: 24, tokens: 4K}", "next.width: must be above the widths"),
            ("next", "next: {width: 40}", "next.tokens: is missing"), ("next", nil, "next: is missing"),
            ("name", "nmae: x", "nmae: unknown key; did you mean 'name'?"),
        ] as [(String, String?, String)])
    func badFilesAreRefused(key: String, line: String?, words: String) throws {
        let problems = #expect(throws: PlanProblems.self) { try Self.read(changing: key, to: line) }
        #expect(problems?.description.contains(words) == true, "\(problems?.description ?? "")")
        #expect(problems?.description.contains("ladder.yaml") == true)
    }

    @Test(arguments: ["", "[]", "a: [", "3"]) func whatIsNoLadderIsRefused(text: String) {
        #expect(throws: PlanProblems.self) { try Ladder.read(text: text, path: "ladder.yaml") }
    }

    /// Losses of a known law are fitted and predicted; a run off the law is told from one on it.
    @Test func aKnownLawIsPredicted() throws {
        let ladder = try Self.read()
        func loss(_ parameters: Double, _ tokens: Double) -> Double {
            0.9 + 12 / pow(parameters, 0.35) + 60 / pow(tokens, 0.4)
        }
        let sizes = [8: 2000, 16: 6000, 24: 14_000]
        var points: [LadderOutcome.Point] = []
        for (number, run) in ladder.rungs(learningRate: 0.01).enumerated() {
            let parameters = try #require(sizes[run.width])
            let noise = [1.0002, 0.9998, 1.0001, 0.9999][number % 4]
            points.append(
                LadderOutcome.Point(
                    run, of: ladder, parameters: parameters,
                    loss: noise * loss(Double(parameters), Double(ladder.tokens(of: run))), seconds: 1))
        }
        var outcome = LadderOutcome(name: "tiny", entropy: 0.9, learningRate: 0.01, rates: [], rungs: points)
        outcome.prediction = try outcome.fitted(parameters: 40_000, tokens: 4096)
        let prediction = try #require(outcome.prediction)
        let truth = loss(40_000, 4096)
        #expect(abs(prediction.loss / truth - 1) < 0.03, "\(prediction)")
        #expect(prediction.low < prediction.loss && prediction.loss < prediction.high && prediction.points == 9)
        #expect(outcome.error == nil && outcome.isInside == nil)
        let next = ladder.nextRun(learningRate: 0.01)
        outcome.next = LadderOutcome.Point(
            next, of: ladder, parameters: 40_000, loss: prediction.loss * 1.0001, seconds: 1)
        #expect(outcome.isInside == true && abs(outcome.error ?? 1) < 0.0002)
        outcome.next?.loss = 2 * truth
        #expect(outcome.isInside == false && (outcome.error ?? 0) > 0.9)
        let again = try JSONDecoder().decode(LadderOutcome.self, from: JSONEncoder().encode(outcome))
        #expect(again == outcome)
    }
}
