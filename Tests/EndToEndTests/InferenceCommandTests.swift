import Foundation
import TestSupport
import Testing

/// `trainyard inference`, `fits` and `validate --serving` as they are run.
@Suite struct InferenceCommandTests {
    private func trainyard(_ command: String) throws -> BuiltProgram.Outcome {
        try BuiltProgram("trainyard").run(command.split(separator: " ").map(String.init))
    }

    private func document(_ command: String) throws -> [String: Any] {
        let outcome = try trainyard(command + " --json")
        #expect(outcome.exitCode == 0, "\(outcome.everything)")
        return try #require(try JSONSerialization.jsonObject(with: Data(outcome.output.utf8)) as? [String: Any])
    }

    @Test func noFileIsNeeded() throws {
        let answer = try document("inference --model llama2-7b --gpu H100 --weights fp16")
        let memory = try #require(answer["memory"] as? [String: Double])
        #expect(abs(try #require(memory["weightsGiB"]) - 2 * 6_738_415_616 / 0x1p30) < 1e-9)
        #expect(memory["cacheBytesPerToken"] == 524_288)
        #expect((answer["cluster"] as? [String: Any])?["devices"] as? Int == 1)
    }

    /// What does not fit ends with 3 and says what would; what cannot be read with 2 and says where.
    @Test func exitCodesAndMessages() throws {
        let large = try trainyard("inference --model llama3-70b --gpu H100 --devices 1")
        #expect(large.exitCode == 3 && large.output.isEmpty)
        #expect(large.errors.contains("it fits with 2 devices"), "\(large.errors)")
        let wrong = try trainyard("inference --model llama3-70b --gpu H100 --weights int3 --devices x")
        #expect(wrong.exitCode == 2)
        #expect(wrong.errors.contains("--weights: must be") && wrong.errors.contains("--devices: must be"))
        #expect(try trainyard("inference").exitCode == 2)
        #expect(try trainyard("fits no-such-model").exitCode == 2)
        #expect(try trainyard("fits 1B --tokens 1T").exitCode == 2)
        #expect(try trainyard("fits 1B --tokens 0 --deadline 30d").exitCode == 2)
    }

    /// The phone and the mixture that the page speaks of.
    @Test func committedQuestions() throws {
        #expect(try trainyard("inference plans/inference/phone-2.8b.yaml").exitCode == 0)
        let whole = try trainyard("inference plans/inference/phone-2.8b.yaml --weights fp16 --ends fp16")
        #expect(whole.exitCode == 3, "\(whole.everything)")
        let mixture = try document("inference plans/inference/deepseek-v3-h200.yaml")
        #expect((mixture["cluster"] as? [String: Any])?["devices"] as? Int == 8)
    }

    @Test func explanationIsPrinted() throws {
        let text = try trainyard("inference --model llama3-8b --gpu H100 --explain").output
        for part in ["How the figures come about", "N_b·w + N_e·w_e", "What the symbols stand for"] {
            #expect(text.contains(part), "\(part)")
        }
    }

    /// Half of the published figures are met within a quarter.
    @Test func servingFiguresAreMet() throws {
        let document = try document("validate --serving")
        #expect(try #require(document["figures"] as? [Any]).count >= 8)
        #expect(try #require(document["sources"] as? [Any]).count >= 4)
        #expect(try #require(document["medianError"] as? Double) <= 0.25)
    }

    /// Training all weights needs no fewer devices than adapters, and 16 bits no fewer than 4.
    @Test func fitsIsOrdered() throws {
        let rows = try #require(try document("fits llama3-8b")["rows"] as? [[String: Any]])
        #expect(rows.count > 25)
        for row in rows {
            let devices = try #require(row["devices"] as? [String: Any]).compactMapValues { $0 as? Int }
            for (more, less) in [("full", "lora"), ("lora", "qlora"), ("answer16", "answer8"), ("answer8", "answer4")] {
                if let most = devices[more] { #expect(try #require(devices[less]) <= most, "\(row)") }
            }
        }
    }

    /// A file of a shape is read as its name is.
    @Test func shapesAreGivenByPath() throws {
        let named = try trainyard("fits llama3-8b --gpu H100")
        let given = try trainyard("fits plans/models/llama3-8b.yaml --gpu H100")
        #expect(named.exitCode == 0 && given.output == named.output, "\(given.everything)")
        #expect(try trainyard("fits plans/models/no-such.yaml").exitCode == 2)
    }

    /// The number of devices that ends in time is the one that a sweep finds.
    @Test func fitsEndsInTime() throws {
        let rows = try #require(
            try document("fits llama3-8b --tokens 1T --gpu H100 --deadline 60d")["rows"] as? [[String: Any]])
        let fewest = try #require((rows.first?["byDeadline"] as? [String: Any])?["full"] as? Int)
        let folder = try TemporaryFolder()
        let plan = try folder.write(
            "{model: llama3-8b, cluster: h100-80g-sxm, devices: 8, tokens: 1T, layout: auto}\n", as: "plan.yaml")
        let swept = try document("sweep \(plan) --deadline 60d")
        #expect((swept["cluster"] as? [String: Any])?["devices"] as? Int == fewest, "\(swept)")
    }
}
