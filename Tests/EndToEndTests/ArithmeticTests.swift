import Foundation
import TestSupport
import Testing

/// `trainyard arithmetic` and `trainyard evaluate` on a model that learns to add digits.
@Suite(.serialized) struct ArithmeticTests {
    private struct Report: Decodable {
        let checkpoints: [Scores]
    }

    private struct Scores: Decodable {
        struct Group: Decodable {
            let name: String
            let questions: Int
            let exactMatch: Double
            let tokenProbability: Double
            let tokenLogProbability: Double
        }
        let step: Int
        let groups: [Group]
    }

    /// One layer, and sequences of two lines of sums of one digit.
    private static let plan = """
        name: digits
        model: {family: gpt, layers: 1, hidden: 64, heads: 4, vocab: 128, sequence: 14}
        batch: 64
        precision: fp32
        layout: {data: 2, microbatch: 32}
        train:
          data: additions.txt
          steps: 300
          learningRate: 1e-2
          warmup: 20
          weightDecay: 0
          checkpoint: {every: 100, keep: 10}
        """

    private func run(_ arguments: [String], in folder: TemporaryFolder) throws -> BuiltProgram.Outcome {
        try BuiltProgram("trainyard").run(arguments, in: folder.url)
    }

    @Test func bothMeasuresComeFromTheSameCheckpoints() throws {
        let folder = try TemporaryFolder()
        try folder.write(Data(Self.plan.utf8), as: "plan.yaml")
        let options = ["--digits", "1", "--examples", "3000", "--questions", "20", "--out", "sums"]
        let trained = try run(["arithmetic", "plan.yaml", "--json"] + options, in: folder)
        try #require(trained.exitCode == 0, "\(trained.everything)")
        let scores = try JSONDecoder().decode(Report.self, from: Data(trained.output.utf8)).checkpoints
        #expect(scores.map(\.step) == [100, 200, 300])
        for score in scores {
            #expect(score.groups.map(\.name) == ["1 digit", "2 digits", "1 and 2"])
            for group in score.groups {
                #expect(group.questions == 20 && (0...1).contains(group.exactMatch))
                // The mean of logarithms is at most the logarithm of the mean.
                #expect(group.tokenLogProbability <= log(group.tokenProbability) + 1e-9)
            }
        }
        let last = try #require(scores.last?.groups.first)
        // The end of the line and the first digit are soon known; of 128 tokens one would be right by chance.
        #expect(last.tokenProbability > 0.4)
        #expect(try Data(contentsOf: folder.url.appending(path: "sums/scores.json")) == Data(trained.output.utf8))
        let drawing = try String(contentsOf: folder.url.appending(path: "sums/curves.svg"), encoding: .utf8)
        #expect(drawing.components(separatedBy: "<polyline").count == 7)

        // What the model writes by itself is right as often.
        let questions = try String(contentsOf: folder.url.appending(path: "sums/questions.jsonl"), encoding: .utf8)
            .split(separator: "\n").prefix(20).map { try JSONSerialization.jsonObject(with: Data($0.utf8)) }
            .map { try #require($0 as? [String: String]) }
        var asked: [String] = []
        for question in questions { asked += ["--prompt", try #require(question["prompt"])] }
        let written = try run(
            ["generate", "sums/run", "--tokens", "3", "--temperature", "0", "--json"] + asked, in: folder)
        let answers = try #require(written.document()["prompts"] as? [[String: Any]])
        let right = zip(answers, questions).count { $0["text"] as? String == $1["answer"] }
        #expect(Double(right) / 20 == last.exactMatch, "\(written.output)")

        let again = try run(["arithmetic", "plan.yaml"] + options, in: folder)
        #expect(again.exitCode == 2 && again.errors.contains("sums/run: holds a run"), "\(again.everything)")
        let other = try run(["arithmetic", "plan.yaml", "--resume", "--seed", "2"] + options, in: folder)
        #expect(other.exitCode == 2 && other.errors.contains("holds another experiment"), "\(other.everything)")

        let table = try run(["evaluate", "sums/run", "--questions", "sums/questions.jsonl"], in: folder)
        #expect(table.exitCode == 0 && table.output.contains("1 digit: exact"), "\(table.everything)")
        #expect(table.output.split(separator: "\n").count == 5)
        for (text, words) in [
            ("", "holds no questions"), ("{\"prompt\":\"é\",\"answer\":\"1\"}\n", "the model knows"),
            ("{\"prompt\":\"1+1=\",\"answer\":\"\"}\n", "has an empty answer"),
            ("{\"prompt\":\"1+1=\",\"answer\":\"0123456789012345\"}\n", "the model reads 14"),
        ] {
            try folder.write(Data(text.utf8), as: "q.jsonl")
            let refused = try run(["evaluate", "sums/run", "--questions", "q.jsonl"], in: folder)
            #expect(refused.exitCode == 2 && refused.errors.contains(words), "\(refused.everything)")
            #expect(refused.errors.split(separator: "\n").count == 1, "\(refused.everything)")
        }
    }

    @Test func badOptionsAreOneLine() throws {
        let folder = try TemporaryFolder()
        try folder.write(
            Data(Self.plan.replacing("  checkpoint: {every: 100, keep: 10}", with: "").utf8), as: "plan.yaml")
        for (options, words) in [
            (["--digits", "10"], "--digits takes 1 to 9"), (["--digits", "1", "--questions", "26"], "at most 25"),
            (["plan.yaml"], "train.checkpoint is missing"), (["nowhere.yaml"], "nowhere.yaml"),
            (["--resume", "--overwrite"], "name one"),
        ] {
            let refused = try run(["arithmetic"] + options, in: folder)
            #expect(refused.exitCode == 2 && refused.errors.contains(words), "\(refused.everything)")
            #expect(refused.errors.split(separator: "\n").count == 1, "\(refused.everything)")
        }
    }
}
