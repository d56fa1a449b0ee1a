import Foundation
import TestSupport
import Testing

/// Real runs on lists of files, on files of tokens and with a validation.
@Suite(.enabled(if: BuiltProgram.mpirun != nil, "mpirun is not installed; scripts/setup.sh installs it"), .serialized)
struct CorpusRunTests {
    /// A line of the log.
    private struct Step: Decodable {
        let step: Int
        let loss: Double
        let validationLoss: Double?
        let validationPerplexity: Double?
        let validationBitsPerByte: Double?
    }

    private func job(
        data: String = "text", _ train: [String] = [], layout: [String] = [], steps: Int = 3,
        order: String = "shuffled",
        rate: String = "1e-2", vocabulary: Int = 256
    ) throws -> TrainingJob {
        var shape = TrainingJob.Shape()
        (shape.layers, shape.steps, shape.order, shape.learningRate) = (4, steps, order, rate)
        (shape.layout, shape.train) = (layout, train)
        shape.model = "{family: gpt, layers: 4, hidden: 32, heads: 2, vocab: \(vocabulary), sequence: 16}"
        let job = try TrainingJob(shape)
        let text = try String(contentsOf: job.plan, encoding: .utf8)
        try text.replacing("data: \(job.folder.path)/text", with: "data: \(data)").write(
            to: job.plan, atomically: true, encoding: .utf8)
        return job
    }

    private func run(
        _ job: TrainingJob, processes: Int = 1, _ arguments: [String] = ["--overwrite"]
    ) throws -> BuiltProgram.Outcome {
        try BuiltProgram("trainyard-train").run(
            processes: processes, [job.plan.path, "--folder", "run", "--quiet"] + arguments, in: job.folder)
    }

    private func steps(
        _ job: TrainingJob, processes: Int = 1, _ arguments: [String] = ["--overwrite"],
        sourceLocation: SourceLocation = #_sourceLocation
    ) throws -> [Step] {
        let outcome = try run(job, processes: processes, arguments)
        try #require(outcome.exitCode == 0, "\(outcome.everything)", sourceLocation: sourceLocation)
        return try String(contentsOf: job.folder.appending(path: "run/log.jsonl"), encoding: .utf8).split(
            separator: "\n"
        )
        .map { try JSONDecoder().decode(Step.self, from: Data($0.utf8)) }
    }

    private func tokenize(_ job: TrainingJob, _ arguments: [String]) throws {
        let outcome = try BuiltProgram("trainyard").run(["tokenize"] + arguments, in: job.folder)
        try #require(outcome.exitCode == 0, "\(outcome.everything)")
    }

    /// The bytes of a text, of a list of it alone, and of the pair that `prepare` makes of it train to the same bits.
    @Test func oneTextInEveryForm() throws {
        let plain = try steps(try job()).map(\.loss)
        #expect(try steps(try job(data: "[text]")).map(\.loss) == plain)
        let prepared = try job(data: "corpus")
        try tokenize(
            prepared, ["prepare", "text", "--documents", "file", "--tokenizer", "bytes", "--out", "corpus"])
        #expect(try steps(prepared).map(\.loss) == plain)
        #expect(try steps(prepared, ["--overwrite", "--data", "corpus.idx"]).map(\.loss) == plain)
        #expect(try steps(try job(data: "[{path: text, weight: 2}, text]")).map(\.loss) != plain)
    }

    /// The losses with a validation are those without, to the bit. With weights that stay as they are, the loss on the text of
    /// the first step is the first step's. Every layout comes to the same.
    @Test func theValidationIsTheTrainingLossOfItsText() throws {
        let lines = ["validation: {data: text, every: 2, batches: 1}"]
        let plain = try steps(try job())
        let watching = try job(lines)
        let watched = try steps(watching, ["--overwrite", "--tensorboard", "board"])
        let board = watching.folder.appending(path: "board")
        let events = try FileManager.default.contentsOfDirectory(at: board, includingPropertiesForKeys: nil)
        let bytes = try Data(contentsOf: try #require(events.first))
        for tag in ["validation/loss", "validation/perplexity", "validation/bits per byte"] {
            #expect(bytes.ranges(of: Data(tag.utf8)).count == 2, "\(tag)")
        }
        #expect(watched.map(\.loss) == plain.map(\.loss))
        #expect(watched.map { $0.validationLoss != nil } == [false, true, true])
        let still = try steps(try job(lines, order: "sequential", rate: "1e-30"))
        let loss = try #require(still[2].validationLoss)
        #expect(abs(loss - still[0].loss) < 1e-6)
        #expect(abs(try #require(still[2].validationPerplexity) - exp(loss)) < 1e-9)
        #expect(abs(try #require(still[2].validationBitsPerByte) - loss / log(2)) < 1e-9)
        for layout in [["pipeline: 2"], ["context: 2"]] {
            let split = try steps(try job(lines, layout: layout), processes: 2)
            for (here, there) in zip(split, watched) {
                guard let here = here.validationLoss, let there = there.validationLoss else { continue }
                #expect(abs(here - there) < 1e-5 * there, "\(layout)")
            }
        }
    }

    /// A weighted run with documents kept apart and a part held out goes on to the bit, and in another layout but for rounding.
    @Test func aListGoesOnInAnotherLayout() throws {
        let lines = [
            "documents: apart", "endOfDocument: 40", "validation: {share: 0.1, every: 3, batches: 2}",
            "checkpoint: {every: 3}",
        ]
        let data = "[{path: text, weight: 0.7}, {path: more, weight: 0.3}]"
        func job(_ layout: [String]) throws -> TrainingJob {
            let job = try self.job(data: data, lines, layout: layout, steps: 6)
            try Data(formulaText(count: 3000).reversed()).write(to: job.folder.appending(path: "more"))
            return job
        }
        let whole = try steps(try job([]))
        let first = try job([])
        _ = try steps(first, ["--overwrite", "--steps", "3"])
        #expect(try steps(first, ["--resume"]).map(\.loss) == whole.map(\.loss))
        let other = try job(["data: 2"])
        _ = try steps(other, processes: 2, ["--overwrite", "--steps", "3"])
        let plan = try String(contentsOf: other.plan, encoding: .utf8)
        try plan.replacing("data: 2", with: "pipeline: 2").write(to: other.plan, atomically: true, encoding: .utf8)
        let resumed = try steps(other, processes: 2, ["--resume"])
        #expect(resumed.count == 6)
        for (here, there) in zip(resumed, whole) {
            #expect(abs(here.loss - there.loss) < 1e-5 * there.loss)
            #expect((here.validationLoss != nil) == (there.validationLoss != nil))
        }
        // Another weight, and another share, would not be the same run.
        for (old, new) in [("0.7", "0.6"), ("share: 0.1", "share: 0.2")] {
            try plan.replacing("data: 2", with: "pipeline: 2").replacing(old, with: new)
                .write(to: other.plan, atomically: true, encoding: .utf8)
            let refused = try run(other, processes: 2, ["--resume"])
            #expect(refused.exitCode == 2 && refused.errors.contains("the run would not go on as it began"))
            #expect(refused.errors.contains(old == "0.7" ? "train.data[0].weight" : "train.validation.share"))
        }
    }

    /// A text is encoded at the start as `prepare` would; the tokenizer goes into the run's folder, its checkpoints and exports.
    @Test func theTokenizerOfTheRunGoesWithIt() throws {
        let lines = [
            "tokenizer: tokenizer.json", "validation: {share: 0.1, every: 3, batches: 2}", "checkpoint: {every: 3}",
        ]
        let job = try job(lines, vocabulary: 300)
        try tokenize(job, ["train", "text", "--vocab", "300", "--rules", "gpt2", "--out", "tokenizer.json"])
        let losses = try steps(job)
        let validation = try #require(losses[2].validationLoss)
        let bits = try #require(losses[2].validationBitsPerByte)
        #expect(bits > 0 && bits < validation / log(2), "a token of several bytes")
        try tokenize(
            job, ["prepare", "text", "--documents", "file", "--tokenizer", "tokenizer.json", "--out", "corpus"])
        #expect(try steps(job, ["--overwrite", "--data", "corpus.bin"]).map(\.loss) == losses.map(\.loss))

        let copy = job.folder.appending(path: "run/tokenizer.json")
        let own = job.folder.appending(path: "tokenizer.json")
        #expect(try Data(contentsOf: copy) == Data(contentsOf: own))
        func object(_ path: String) throws -> [String: Any] {
            try #require(
                try JSONSerialization.jsonObject(with: Data(contentsOf: job.folder.appending(path: path)))
                    as? [String: Any])
        }
        #expect((try object("run/manifest.json")["files"] as? [String])?.contains("tokenizer.json") == true)
        let checkpoint = try object("run/checkpoints/step-000003/checkpoint.json")
        let stated = (checkpoint["train"] as? [String: Any])?["tokenizer"] as? String
        #expect(stated?.hasPrefix("/") == true && stated?.hasSuffix("/tokenizer.json") == true)
        #expect((checkpoint["tokenizerDigest"] as? String)?.isEmpty == false)
        let exported = try BuiltProgram("trainyard").run(["export-weights", "run", "--to", "hf"], in: job.folder)
        #expect(exported.exitCode == 0, "\(exported.everything)")
        #expect(try Data(contentsOf: job.folder.appending(path: "hf/tokenizer.json")) == Data(contentsOf: own))

        // Text is generated with it, also where the plan's own has gone, and with no other.
        func generated(_ options: [String]) throws -> BuiltProgram.Outcome {
            try BuiltProgram("trainyard").run(
                ["generate", "run", "--prompt", "a", "--tokens", "2", "--json"] + options, in: job.folder)
        }
        let named = try generated(["--tokenizer", "tokenizer.json"])
        try FileManager.default.removeItem(at: own)
        let found = try generated([])
        let tokens = try #require(found.document()["prompts"] as? [[String: Any]])[0]["tokens"] as? [Int]
        #expect(try tokens == #require(named.document()["prompts"] as? [[String: Any]])[0]["tokens"] as? [Int])
        let other = try generated(["--tokenizer", "bytes"])
        #expect(other.exitCode == 2 && other.errors.contains("another tokenizer than bytes"), "\(other.everything)")

        // Another tokenizer is another run.
        try tokenize(job, ["train", "text", "--vocab", "290", "--rules", "gpt2", "--out", "tokenizer.json"])
        let refused = try run(job, ["--resume", "--steps", "4"])
        #expect(refused.exitCode == 2 && refused.errors.contains("train.tokenizer"), "\(refused.everything)")
        #expect(refused.errors.split(separator: "\n").count == 1)
    }

    /// Reading behind the new end of a mapped file ends the process at once, with a line.
    @Test func aMappedFileThatIsCutIsNamed() throws {
        let folder = try TemporaryFolder()
        let path = try folder.write(Data(repeating: 7, count: 100_000), as: "tokens.bin")
        let outcome = try BuiltProgram("runtime-checks").run(processes: 1, ["cut", path])
        #expect(outcome.exitCode == 1, "\(outcome.everything)")
        let line = "runtime-checks: \(path): it was cut short while it was read; the file must stay as it is"
        #expect(outcome.errors.split(separator: "\n").contains { $0 == line }, "\(outcome.everything)")
    }

    @Test func badCorporaAreOneLine() throws {
        for (data, lines, words) in [
            ("[{path: text, weight: .inf}]", [], "train.data[0].weight: must be a finite number"),
            ("[text, missing]", [], "missing: No such file or directory"),
            ("text", ["tokenizer: none.json"], "train.tokenizer: there is no such tokenizer"),
            ("text", ["documents: apart"], "needs the token that ends documents"),
            ("text", ["documents: packed"], "give train.endOfDocument"),
        ] {
            let outcome = try run(try job(data: data, lines))
            #expect(outcome.exitCode == 2 && outcome.errors.contains(words), "\(data) \(lines): \(outcome.everything)")
            #expect(outcome.errors.split(separator: "\n").count == 1, "\(outcome.everything)")
        }
    }
}
