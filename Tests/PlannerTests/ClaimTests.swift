import Costs
import Models
import Planner
import Plans
import Reading
import TestSupport
import Testing

/// Published figures of well-known models, and the files that state them.
@Suite struct ClaimTests {
    private let written: TemporaryFolder

    init() throws { written = try TemporaryFolder() }

    private static let runs = ["whole-runs"].flatMap {
        (try? PublishedRun.read(path: "\(Checkout.root)/plans/published/\($0).yaml", library: Checkout.library)) ?? []
    }

    private static func shipped(_ name: String) throws -> [Claim] {
        var files = ReadFiles()
        return try Claim.read(
            path: "\(Checkout.root)/plans/claims/\(name).yaml", runs: runs, library: Checkout.library, files: &files)
    }

    private func read(_ text: String) throws -> [Claim] {
        var files = ReadFiles()
        return try Claim.read(
            path: written.write(text, as: "claims.yaml"), runs: Self.runs, library: Checkout.library, files: &files)
    }

    /// The problems of a file, one line each, without the place.
    private func problems(_ text: String) throws -> [String] {
        do {
            _ = try read(text)
            return []
        } catch let error as PlanProblems {
            return error.problems.map { "\($0.field): \($0.rule)" }
        }
    }

    private static let head = "sources: {a: {title: A, reference: arXiv}}\n"

    /// A claim about a model that needs no training.
    private func ours(_ entry: String, about subject: String = "model: gpt3-175b") throws -> Double? {
        let text = Self.head + "claims: {x: {\(subject), source: a, published: [{\(entry), where: here}]}}\n"
        return ClaimCheck(try read(text)).rows.first?.ours
    }

    // MARK: Figures by hand

    /// BLOOM: 1,082,990 h × 400 W are 433.196 MWh, and × 57 g/kWh 24.69 t (Luccioni et al. 2022, table 1 and section 4.2).
    @Test func energyOfBLOOM() throws {
        let energy = try #require(try ours("energyMWh: 433, hours: 1082990, watts: 400"))
        #expect(abs(energy - 433.196) < 1e-9)
        let co2 = try #require(try ours("co2Tonnes: 24.69, hours: 1082990, watts: 400, gramsPerKWh: 57"))
        #expect(abs(co2 - 24.692172) < 1e-9)
    }

    /// Llama 2's 31.22, 62.44, 153.90 and 291.42 t are hours × watts × 1.1 × 385 g (table 2; LLaMA, section 6),
    /// some of them cut rather than rounded.
    @Test(arguments: [(184_320, 400, 31.22), (368_640, 400, 62.44), (1_038_336, 350, 153.90), (1_720_320, 400, 291.42)])
    func co2OfLlama2(hours: Int, watts: Int, published: Double) throws {
        let entry =
            "co2Tonnes: \(published), hours: \(hours), watts: \(watts), powerUsageEffectiveness: 1.1, gramsPerKWh: 385"
        #expect(abs(try #require(try ours(entry)) - published) < 0.01)
    }

    /// OLMo 2 13B: 257 MWh × 1.12 × 352 g are 101 t (table 19).
    @Test func co2OfAStatedEnergy() throws {
        let entry = "co2Tonnes: 101, mwh: 257, powerUsageEffectiveness: 1.12, gramsPerKWh: 352"
        #expect(abs(try #require(try ours(entry)) - 101.31968) < 1e-9)
    }

    /// DeepSeek-V3: 2,788,000 h at $2 (table 1).
    @Test func moneyOfDeepSeekV3() throws {
        #expect(try ours("dollars: 5.576M, hours: 2788K, dollarsPerHour: 2") == 5_576_000)
    }

    /// GPT-3: 6 × 174.6 billion × 300 billion are 3.14e23 (table D.1). The shape has 12 · 96 · 12288² weights of products, biases,
    /// norms and a vocabulary of 51,200.
    @Test func operationsOfGPT3() throws {
        let parameters = try #require(try ours("parameters: 174.6B"))
        #expect(abs(parameters / 174.6e9 - 1) < 1e-3)
        #expect(try ours("flops: 3.14e23, counting: weights, tokens: 300B") == 6 * parameters * 300e9)
        // Narayanan et al. 2021, equation 3: 96 B s l h² (1 + s/6h + V/16lh), with everything recomputed.
        let (s, l, h, v) = (2048.0, 96.0, 12288.0, 51200.0)
        let formula = 96 * 300e9 * l * h * h * (1 + s / (6 * h) + v / (16 * l * h))
        let again = try #require(try ours("flops: 4.3e23, counting: recomputed, tokens: 300B"))
        #expect(abs(again / formula - 1) < 1e-12)
        let once = try #require(try ours("flops: 3.2e23, counting: model, tokens: 300B"))
        #expect(once < again && once > 6 * 173e9 * 300e9)
    }

    /// Hours that are not published are the planner's, and the same training has one price.
    @Test func whatIsPredictedAgrees() throws {
        let plan = "plan: plans/gpt3-175b-1024-a100.yaml"
        let hours = try #require(try ours("gpuHours: 1M", about: plan))
        let days = try #require(try ours("days: 40", about: plan))
        #expect(abs(hours / (days * 24 * 1024) - 1) < 1e-12)
        #expect(abs(try #require(try ours("energyMWh: 400", about: plan)) / (hours * 400 / 1e6) - 1) < 1e-12)
        #expect(abs(try #require(try ours("dollars: 2M, dollarsPerHour: 3", about: plan)) / (3 * hours) - 1) < 1e-12)
        let read = try Plan.read(path: "\(Checkout.root)/plans/gpt3-175b-1024-a100.yaml", library: Checkout.library)
        let estimate = try price(plan: read, layout: try #require(read.layout))
        #expect(estimate.run?.gpuHours == hours)
        #expect(try ours("mfu: 40 %", about: plan) == estimate.mfu)
        // Twice the tokens take twice the time, to a step.
        let twice = try #require(try ours("gpuHours: 1M, tokens: 600B", about: plan))
        #expect(abs(twice / (2 * hours) - 1) < 1e-4)
    }

    // MARK: Errors

    @Test func aRangeHasNoErrorInside() throws {
        let text =
            Self.head
            + "claims: {x: {model: gpt3-175b, source: a, published: [{parameters: [100B, 200B], where: here}]}}\n"
        let claim = try #require(try read(text).first)
        #expect(claim.isRange)
        #expect(claim.error(of: 150e9) == 0)
        #expect(abs(claim.error(of: 50e9) + 0.5) < 1e-12)
        #expect(abs(claim.error(of: 300e9) - 0.5) < 1e-12)
    }

    // MARK: The shipped files

    @Test func theShippedClaimsAreRead() throws {
        let claims = try Self.shipped("models")
        #expect(Set(claims.map(\.subject.title)).count >= 30)
        #expect(claims.count >= 100)
        for quantity in Claim.Quantity.allCases {
            #expect(claims.contains { $0.quantity == quantity }, "nothing claims \(quantity)")
        }
        #expect(claims.allSatisfy { !$0.reference.isEmpty && !$0.place.isEmpty })
        #expect(try Self.shipped("questions").contains { $0.isRange })
    }

    /// Parameters that are printed to the last digit are met to the last digit, arithmetic to its rounding.
    @Test func figuresWithoutPredictionAreMet() throws {
        let claims = try Self.shipped("models").filter { claim in
            switch claim.quantity {
            case .parameters, .activeParameters, .flops: true
            case .energyMWh, .co2Tonnes, .dollars: claim.bill.hours != nil || claim.bill.energyMWh != nil
            case .mfu, .gpuHours, .days: false
            }
        }
        let rows = ClaimCheck(claims).rows
        #expect(rows.allSatisfy { $0.ours != nil })
        for row in rows where row.claim.reason == nil {
            let error = try #require(row.error)
            #expect(abs(error) < 0.03, "\(row.claim.subject.title), \(row.claim.quantity): \(error)")
        }
        for row in rows where row.claim.place == "weights on Hugging Face" {
            #expect(row.ours == row.claim.low, "\(row.claim.subject.title)")
        }
    }

    // MARK: Mistakes

    /// What stands behind `sources`, and the problem.
    private static let files: [(text: String, said: String)] = [
        ("", "claims: is missing"),
        ("claims: {x: {published: []}}", "claims.x.model: is missing"),
        (
            "claims: {x: {model: gpt3-175b, run: bloom-176b, published: []}}",
            "claims.x.run: a claim is about one of model, run and plan"
        ),
        ("claims: {x: {model: gpt3-175b}}", "claims.x.published: is missing"),
        ("claims: {x: {run: bloom-177b, published: []}}", "claims.x.run: no run of that name in plans/published/"),
        (
            "claims: {x: {model: gpt3-175b, devices: 8, published: []}}",
            "claims.x.devices: changes the devices of a plan alone"
        ),
        ("claims: {x: {plan: nowhere.yaml, published: []}}", "claims.x.plan: no such file"),
        ("claims: {x: {model: gpt3-175b, publishd: []}}", "claims.x.publishd: unknown key"),
    ]

    /// An entry about a shape, the key that is wrong in it, and the problem.
    private static let entries: [(entry: String, key: String, said: String)] = [
        ("parameters: 175B, wher: here", "where", "is missing"),
        ("parameters: 175B, wher: here", "wher", "unknown key"),
        ("where: here", "", "an entry states one of"),
        ("parameters: 175B, days: 3, where: here", "days", "an entry states one of"),
        ("parameters: 175B, watts: 400, where: here", "watts", "says nothing of parameters"),
        ("parameters: 175B, source: b, where: here", "source", "no source of that name"),
        ("parameters: -1, where: here", "parameters", "must be above 0"),
        ("parameters: [2B, 1B], where: here", "parameters", "a range has two ends, the lower one first"),
        ("flops: 3e23, where: here", "counting", "is missing"),
        ("flops: 3e23, counting: weights, where: here", "tokens", "is missing"),
        ("gpuHours: 3M, where: here", "gpuHours", "is of a training, and only a model is named"),
        ("energyMWh: 3, hours: 3M, where: here", "watts", "is missing"),
        ("co2Tonnes: 3, hours: 3M, watts: 400, where: here", "gramsPerKWh", "is missing"),
        ("dollars: 3, hours: 3M, where: here", "dollarsPerHour", "is missing"),
    ]

    @Test func mistakesAreNamed() throws {
        #expect(try problems("claims: {}").contains("sources: is missing"))
        for (text, expected) in Self.files {
            let said = try problems(Self.head + text)
            #expect(said.contains(expected), "\(text): \(said)")
        }
        for (entry, key, expected) in Self.entries {
            let said = try problems(Self.head + "claims: {x: {model: gpt3-175b, source: a, published: [{\(entry)}]}}")
            let line = "claims.x.published[0]" + (key.isEmpty ? "" : ".\(key)") + ": \(expected)"
            #expect(said.contains { $0.hasPrefix(line) }, "\(entry): \(said)")
        }
    }
}
