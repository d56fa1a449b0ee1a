import Campaigns
import Costs
import Models
import Numbers
import Planner
import Plans
import Reading
import TestSupport
import Testing

@Suite struct CampaignTests {
    static func read(_ text: String) throws(PlanProblems) -> Campaign {
        var files = ReadFiles()
        return try Campaign.read(text: text, path: "c.yaml", library: Checkout.library, files: &files)
    }

    static func problems(_ text: String) -> [PlanProblem] {
        do throws(PlanProblems) {
            _ = try read(text)
            return []
        } catch { return error.problems }
    }

    static let small = """
        name: small
        cluster: h100-80g-sxm
        devices: 8
        model: llama3-8b
        stages:
          - name: base
            kind: pretraining
            tokens: 1B
            batch: 64
            sequence: 2048

        """

    /// A stage costs what the planner says of the same plan.
    @Test func stagesCostWhatThePlannerSays() throws {
        let answer = try CampaignAnswer(Self.read(Self.small))
        let plan = try Plan.read(
            text: """
                model: {name: llama3-8b, sequence: 2048}
                tokens: 1B
                batch: 64
                cluster: h100-80g-sxm
                devices: 8
                layout: auto
                """, path: "p.yaml", library: Checkout.library)
        let run = try #require(try searchBestDeviceCount(plan: plan).candidates.first?.run)
        #expect(abs(answer.days / run.days - 1) < 1e-12)
        #expect(abs(answer.gpuMonths / run.gpuMonths - 1) < 1e-12)
        #expect(answer.cost.map { abs($0 / (run.cost ?? 0) - 1) < 1e-12 } ?? (run.cost == nil))
        #expect(answer.energyMWh.map { abs($0 / (run.wallEnergyMWh ?? 0) - 1) < 1e-12 } == true)
    }

    /// Variants share one search; a stage with other tokens alone needs none.
    @Test func variantsShareTheirPrice() throws {
        let text =
            Self.small + """
                  - name: variants
                    kind: trials
                    after: base
                    tokens: 500M
                    batch: 64
                    sequence: 2048
                    variants: 300
                    atOnce: 2
                """
        let campaign = try Self.read(text)
        let answer = try CampaignAnswer(campaign)
        #expect(answer.searches == 1)
        #expect(answer.schedule.spans.count == 301)
        // Each of them takes the whole pool, so they follow one another.
        #expect(answer.order.criticalPath == [0, 1])
        #expect(abs(answer.days / answer.order.criticalDays - 1) < 1e-9)
        #expect(abs(answer.prices[1].gpuMonths / answer.prices[0].gpuMonths - 150) < 1.5)
    }

    @Test func allProblemsAreFoundAtOnce() {
        let found = Self.problems(
            """
            name: bad
            cluster: h100-80g-sxm
            devices: 16
            modle: llama3-8b
            model: llama3-8b
            stages:
              - name: one
                kind: pretrainig
                tokens: 1B
              - name: two
                kind: pretraining
                tokens: 1B
                devices: 32
                after: three
              - name: three
                kind: fine-tuning
                after: [two, fuor]
                examples: 10
                exampleTokens: 100
                variants: 3
              - name: four
                kind: dpo
                examples: 1K
            """)
        func has(_ field: String, line: Int, _ words: String...) -> Bool {
            found.contains { problem in
                problem.line == line && problem.field.hasSuffix(field)
                    && words.allSatisfy { problem.description.contains($0) }
            }
        }
        #expect(has("modle", line: 4, "did you mean 'model'"))
        #expect(has("kind", line: 8, "did you mean 'pretraining'"))
        #expect(has("devices", line: 13, "more than the pool", "at most 16"))
        #expect(has("after", line: 17, "no such stage", "did you mean 'four'"))
        #expect(has("variants", line: 20, "no key of kind fine-tuning", "trials"))
        #expect(has("exampleTokens", line: 21, "is missing"))
        #expect(found.allSatisfy { $0.kind == .input && $0.file == "c.yaml" })
    }

    @Test func circlesAreReportedByName() {
        let stage = { (name: String, after: String) in
            "  - {name: \(name), kind: pretraining, tokens: 1B, after: \(after)}\n"
        }
        let head = "cluster: h100-80g-sxm\ndevices: 8\nmodel: llama3-8b\nstages:\n"
        let found = Self.problems(head + stage("a", "c") + stage("b", "a") + stage("c", "b"))
        #expect(found.count == 1)
        let words = found.first?.rule ?? ""
        #expect(words.contains("a after c after b after a"), "\(words)")
    }

    /// Exit code 3: all stages that do not fit, with the number that would do.
    @Test func stagesThatDoNotFitSayWhatWould() throws {
        let campaign = try Self.read(
            """
            cluster: h100-80g-sxm
            devices: 64
            model: llama3-70b
            stages:
              - {name: tight, kind: pretraining, tokens: 1B, devices: 1, batch: 64}
              - {name: roomy, kind: pretraining, tokens: 1B, devices: 64, batch: 64}
            """)
        do throws(PlanProblems) {
            _ = try CampaignAnswer(campaign)
            Issue.record("70 billion parameters do not train on one device")
        } catch {
            #expect(error.isMisfitOnly)
            #expect(error.problems.map(\.field) == ["stages.tight"])
            #expect(error.problems.first?.line == 5)
            #expect(error.description.contains("needs at least"), "\(error.description)")
        }
    }

    /// Apart, generation runs beside training: the job takes the longer of the two.
    @Test func reinforcementLearningInTurnAndApart() throws {
        func days(_ extra: String) throws -> JobPrice {
            let campaign = try Self.read(
                """
                cluster: h100-80g-sxm
                devices: 16
                model: llama3-8b
                stages:
                  - {name: rl, kind: grpo, prompts: 2K, answers: 8, promptTokens: 256, outputTokens: 768, batch: 128\(extra)}
                """)
            return try #require(CampaignAnswer(campaign).prices.first?.jobs.first)
        }
        let inTurn = try days("")
        #expect(inTurn.lanes.count == 1)
        #expect(inTurn.parts.map(\.name) == ["answers", "reference", "actor"])
        #expect(abs(inTurn.days - inTurn.parts.reduce(0) { $0 + $1.days }) < 1e-12)
        let apart = try days(", generation: {devices: 8}")
        #expect(apart.lanes.count == 2)
        #expect(apart.parts.allSatisfy { $0.devices == 8 })
        let lanes = apart.lanes.map { $0.reduce(0) { $0 + $1.days } }
        #expect(apart.days == lanes.max())
        // The actor trains on all tokens of all answers once.
        #expect(inTurn.parts.allSatisfy { $0.days > 0 && $0.lowDays < $0.days && $0.days < $0.highDays })
    }

    /// Without a price of labels the cost is left out, and is not zero.
    @Test func missingPricesAreNoZero() throws {
        let head = "cluster: h100-80g-sxm\ndevices: 8\nprice: 2\nstages:\n"
        let free = try CampaignAnswer(
            Self.read(head + "  - {name: labels, kind: preference-data, labels: {number: 1000, perDay: 100}}"))
        #expect(free.cost == nil && free.days == 10)
        let paid = try CampaignAnswer(
            Self.read(head + "  - {name: labels, kind: preference-data, labels: {number: 1000, perDay: 100, price: 3}}")
        )
        #expect(paid.cost == 3000)
    }

    @Test(arguments: ["100b", "post-training", "small-lab", "video-trials", "bank"])
    func committedCampaignsAreRead(name: String) throws {
        var files = ReadFiles()
        let campaign = try Campaign.read(path: "\(Checkout.root)/plans/campaigns/\(name).yaml", files: &files)
        #expect(campaign.name == name)
        #expect(name == "bank" ? campaign.payback != nil : campaign.stages.count >= 1)
    }
}

@Suite struct CampaignRiskTests {
    static func answer(
        days: Double, low: Double, high: Double, repetition: Repetition? = nil, count: Int = 1
    ) -> CampaignAnswer {
        let stage = Stage(
            name: "one", kind: .pretraining, after: [], devices: 4, jobs: [StageJob(count: count, lanes: [])],
            repetition: repetition, place: PlanProblem(field: "", rule: ""))
        let part = PartPrice(
            name: "training", devices: 4, days: days, lowDays: low, highDays: high, pricePerHour: 2, energyMWh: nil,
            words: "")
        let campaign = Campaign(name: "c", pool: 4, device: "d", stages: [stage])
        return CampaignAnswer(
            campaign,
            prices: [StagePrice(stage: stage, jobs: [JobPrice(label: "", count: count, lanes: [[part]])], pool: 4)])
    }

    /// One stage: its band's ends are the 5 and 95 % quantiles, its prediction the median.
    @Test func oneStageHasTheQuantilesOfItsBand() {
        let risk = CampaignRisk(Self.answer(days: 100, low: 90, high: 130), samples: 20_000, seed: 7)
        #expect(abs(risk.days.at(0.05) - 90) < 0.5)
        #expect(abs(risk.days.at(0.5) - 100) < 0.5)
        #expect(abs(risk.days.at(0.95) - 130) < 1)
        // 4 devices for 24 hours at 2 each.
        #expect(abs((risk.cost?.at(0.5) ?? 0) - 192 * risk.days.at(0.5)) < 1e-6)
    }

    @Test func sameSeedSameDigits() {
        let answer = Self.answer(days: 100, low: 90, high: 130, repetition: Repetition(probability: 0.3, share: 0.5))
        let (one, same) = (CampaignRisk(answer, seed: 3), CampaignRisk(answer, seed: 3))
        #expect(one.days == same.days && one.cost == same.cost)
        #expect(one.days != CampaignRisk(answer, seed: 4).days)
    }

    /// Expected days with repetition are days × (1 + p · share); each of 20,000 samples has a standard deviation of
    /// share · √(p(1 − p)) of the days.
    @Test func repetitionHasItsExpectation() {
        let again = Repetition(probability: 0.25, share: 0.5)
        let risk = CampaignRisk(
            Self.answer(days: 100, low: 100, high: 100, repetition: again), samples: 20_000, seed: 5)
        #expect(abs(risk.days.mean - 112.5) < 4 * 50 * (0.1875 / 20_000).squareRoot())
        #expect(risk.days.at(0.5) == 100 && risk.days.at(0.9) == 150)
        #expect(risk.daysWithoutRepeats?.mean == 100)
        // 12.5 days on 4 devices.
        #expect(abs(risk.repeatedGPUMonths - 12.5 * 4 * 24 / 730) < 0.05)
    }
}
