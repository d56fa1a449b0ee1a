import Costs
import Inference
import Models
import Plans
import TestSupport
import Testing

/// Memory and times of models that answer.
@Suite struct ServingTests {
    private static func cluster(_ name: String) throws -> Cluster { try Cluster.read(name, library: Checkout.library) }

    private static func question(
        _ model: String, _ cluster: String, _ work: Workload, devices: Int? = nil
    ) throws -> ServingQuestion {
        ServingQuestion(
            model: try Model.read(model, library: Checkout.library), cluster: try Self.cluster(cluster), work: work,
            devices: devices)
    }

    /// 6,738,415,616 parameters in the files of Llama 2 7B (Hugging Face), two bytes each.
    @Test func weightsAreTheParametersTimesTheirBytes() throws {
        let one = try Self.question("llama2-7b", "h100-80g-sxm", Workload(prompt: 1, output: 1), devices: 1).estimate()
        #expect(one.memory.weights == 2 * 6_738_415_616)
        // With 8 bits, embedding and head stay in 16: 2 · 32,000 · 4,096 parameters and the final norm.
        let work = Workload(weights: .fp8, prompt: 1, output: 1)
        let narrow = try Self.question("llama2-7b", "h100-80g-sxm", work, devices: 1).estimate()
        #expect(narrow.memory.weights == 6_738_415_616 + 2 * 32_000 * 4096 + 4096)
    }

    /// With one sequence every weight of the products is read once for a token: no device is faster than its memory.
    @Test(arguments: ["h100-80g-sxm", "a100-80g-sxm", "mi300x", "rtx-4090"])
    func aTokenTakesAtLeastTheReadingOfTheWeights(name: String) throws {
        let work = Workload(prompt: 16, output: 16)
        let estimate = try Self.question("llama2-7b", name, work, devices: 1).estimate()
        let read = 2.0 * (6_738_415_616 - 32_000 * 4096)
        let bandwidth = estimate.cluster.device.memoryBytesPerSecond
        #expect(estimate.tokenSeconds.middle > read / bandwidth)
        #expect(estimate.tokenSeconds.middle < 2 * read / bandwidth)
    }

    /// Rows of few tokens touch few experts: with one sequence 8 of 256, with many all.
    @Test func moreRowsTouchMoreExperts() throws {
        func seconds(_ batch: Int) throws -> Double {
            var question = try Self.question(
                "deepseek-v3", "h200-141g-sxm", Workload(weights: .fp8, batch: batch, prompt: 16, output: 16),
                devices: 8)
            (question.tensor, question.pipeline, question.expert) = (8, 1, 1)
            return try question.estimate().decode.experts
        }
        // 1 − (1 − 8/256)^b of the experts are read.
        let (one, sixteen) = (try seconds(1), try seconds(16))
        #expect(sixteen / one > 8 && sixteen / one < 16 * (1 - 8.0 / 256) + 1)
    }

    @Test func doesNotFitSaysWhatWould() throws {
        let work = Workload(prompt: 1024, output: 1024)
        do {
            _ = try Self.question("llama3-70b", "h100-80g-sxm", work, devices: 1).estimate()
            Issue.record("70 billion parameters in 16 bits do not fit 80 GiB")
        } catch let error as ServingError {
            guard case .doesNotFit(let reason) = error else {
                Issue.record("\(error)")
                return
            }
            #expect(reason.enough == 2)
            #expect(reason.largestBatch == nil && reason.largestContext == nil)
            let narrower = try #require(reason.narrower.flatMap(StoredFormat.init(named:)))
            var narrow = work
            (narrow.weights, narrow.ends) = (narrower, .bf16)
            #expect(try Self.question("llama3-70b", "h100-80g-sxm", narrow, devices: 1).estimate().memory.fits)
            #expect(try Self.question("llama3-70b", "h100-80g-sxm", work, devices: 2).estimate().memory.fits)
        }
    }

    @Test func largestBatchAndContextAreTheLast() throws {
        let question = try Self.question("llama3-8b", "rtx-4090", Workload(prompt: 512, output: 512), devices: 1)
        let estimate = try question.estimate()
        let batch = try #require(estimate.largestBatch)
        func fits(_ batch: Int, output: Int = 512) -> Bool {
            var question = question
            (question.work.batch, question.work.output) = (batch, output)
            return (try? question.estimate()) != nil
        }
        #expect(fits(batch) && !fits(batch + 1))
        let context = try #require(estimate.largestContext)
        #expect(fits(1, output: context - 512) && !fits(1, output: context - 511))
    }

    @Test func wholeBatchesAnswerOneAfterTheOther() throws {
        let work = Workload(batch: 8, prompt: 64, output: 64)
        let estimate = try Self.question("llama3-8b", "h100-80g-sxm", work, devices: 1).estimate()
        #expect(estimate.seconds(sequences: 0) == 0)
        #expect(estimate.seconds(sequences: 8) == estimate.answerSeconds)
        #expect(estimate.seconds(sequences: 17) == 3 * estimate.answerSeconds)
    }

    @Test func moneyIsPriceTimesTime() throws {
        let work = Workload(batch: 4, prompt: 100, output: 50)
        let estimate = try Self.question("llama3-8b", "h100-80g-sxm", work, devices: 2).estimate()
        let price = try #require(estimate.cluster.pricePerDeviceHour)
        let all = try #require(estimate.pricePerMillionInput) * 400 + #require(estimate.pricePerMillionOutput) * 200
        #expect(abs(all / 1e6 / (2 * price / 3600 * estimate.answerSeconds) - 1) < 1e-12)
    }

    /// Formulas and printed values agree, and every symbol is defined.
    @Test func explanationGivesTheFigures() throws {
        let work = Workload(weights: .int4, batch: 32, prompt: 700, output: 300)
        let estimate = try Self.question("qwen3-235b-a22b", "h100-80g-sxm", work, devices: 8).estimate()
        let lines = estimate.explanation
        #expect(lines.allSatisfy { $0.value.isFinite })
        func value(_ symbol: String) throws -> Double { try #require(lines.first { $0.symbol == symbol }).value }
        func agree(_ a: Double, _ b: Double) -> Bool { abs(a - b) <= 1e-9 * abs(b) }
        #expect(agree(try value("peak"), estimate.memory.total))
        #expect(agree(try value("prefill"), estimate.prefillSeconds))
        #expect(agree(try value("answer"), estimate.answerSeconds))
        #expect(agree(try value("rate"), estimate.outputTokensPerSecond))
        #expect(agree(try value("price_o"), try #require(estimate.pricePerMillionOutput)))
    }
}
