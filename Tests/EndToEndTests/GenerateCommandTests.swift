import Foundation
import TestSupport
import Testing

/// `trainyard generate` as a user calls it, in one process and in the layout of the run.
@Suite(.enabled(if: BuiltProgram.mpirun != nil, "mpirun is not installed; scripts/setup.sh installs it"), .serialized)
struct GenerateCommandTests {
    /// A layout of a run.
    struct Case: CustomTestStringConvertible, Sendable {
        var model = Case.gpt
        var processes: Int
        var layout: [String]
        var testDescription: String { "\(processes) processes: " + layout.joined(separator: ", ") }

        static let gpt = "{family: gpt, layers: 4, hidden: 32, heads: 4, vocab: 256, sequence: 24}"
        static let llama =
            "{family: llama, layers: 4, hidden: 32, heads: 4, kvHeads: 2, ffn: 48, vocab: 256, sequence: 24, "
            + "tiedEmbeddings: true}"
        static let experts =
            "{family: llama, layers: 4, hidden: 32, heads: 4, kvHeads: 2, ffn: 48, vocab: 256, sequence: 24, "
            + "moe: {experts: 4, topK: 2, ffn: 16, shared: 1, firstDense: 1}}"

        static let all = [
            Case(processes: 2, layout: ["tensor: 2", "sequenceParallel: true"]),
            Case(processes: 2, layout: ["pipeline: 2", "virtualStages: 2", "schedule: interleaved-1f1b"]),
            Case(model: llama, processes: 2, layout: ["pipeline: 2", "virtualStages: 2", "schedule: zbv"]),
            Case(
                model: llama, processes: 4,
                layout: ["data: 2", "pipeline: 2", "virtualStages: 2", "schedule: dualpipe", "sharding: parameters"]),
            Case(model: llama, processes: 4, layout: ["context: 2", "tensor: 2"]),
            Case(model: experts, processes: 2, layout: ["data: 2", "expert: 2", "sharding: parameters"]),
            Case(model: experts, processes: 4, layout: ["tensor: 2", "data: 2", "expert: 2", "expertTensor: 2"]),
            Case(model: experts, processes: 4, layout: ["pipeline: 2", "tensor: 2", "expert: 2"]),
        ]
    }

    private func run(_ shape: inout TrainingJob.Shape) throws -> (job: TrainingJob, run: String) {
        shape.steps = 2
        shape.learningRate = "3e-2"
        shape.train = ["checkpoint: {every: 2}"]
        let job = try TrainingJob(shape)
        return (job, job.folder.appending(path: "run").path)
    }

    /// Three prompts, of which the ranks of a seat have unequally many: the same tokens in every layout.
    @Test(arguments: Case.all) func layoutsWriteTheSame(_ one: Case) throws {
        var shape = TrainingJob.Shape()
        (shape.model, shape.layout) = (one.model, one.layout)
        let (job, run) = try run(&shape)
        try job.train(processes: one.processes, ["--folder", run])
        let prompts = ["--prompt=To be", "--prompt=)", "--prompt=or not to", "--tokens", "26"]
        let program = try BuiltProgram("trainyard-train")
        func tokens(_ outcome: BuiltProgram.Outcome) throws -> [[Int]] {
            try #require(outcome.document()["prompts"] as? [[String: Any]]).map { try #require($0["tokens"] as? [Int]) }
        }
        // A model of two steps says nearly the same everywhere; draws give it texts of many tokens to read.
        for temperature in ["0", "1"] {
            let options = ["generate", run, "--json", "--temperature", temperature] + prompts
            let alone = try tokens(program.run(options))
            #expect(alone.map(\.count) == [26, 26, 26])
            #expect(temperature == "0" || Set(alone.joined()).count > 30)
            #expect(try tokens(program.run(processes: one.processes, options + ["--layout", "run"])) == alone)
        }
    }

    @Test func answersAreStreamedInOrder() throws {
        var shape = TrainingJob.Shape()
        shape.layout = ["tensor: 2"]
        let (job, run) = try run(&shape)
        try job.train(processes: 2, ["--folder", run])
        let program = try BuiltProgram("trainyard")
        let options = ["--tokens", "20", "--temperature", "0.9", "--seed", "4", "--top-k", "30", "--top-p", "0.9"]
        let prompts = ["--prompt", "To be", "--prompt", "é"]
        let streamed = try program.run(["generate", run] + prompts + options)
        #expect(streamed.exitCode == 0, "\(streamed.everything)")
        #expect(try program.run(["generate", run, "--no-stream"] + prompts + options).output == streamed.output)
        #expect(try program.run(["generate", run, "--no-cache"] + prompts + options).output == streamed.output)
        // The launcher starts the run's ranks itself.
        let ranks = try program.run(["generate", run, "--layout", "run"] + prompts + options)
        #expect(ranks.exitCode == 0 && ranks.output.hasPrefix("To be"), "\(ranks.everything)")

        let printed = try program.run(["generate", run, "--json"] + prompts + options)
        let document = try printed.document()
        var seen = try JSONPageTests.Seen()
        try seen.read(printed.output, of: "generated-text", from: "generate --json")
        seen.finish(["generated-text"])
        let answers = try #require(document["prompts"] as? [[String: Any]])
        let texts = answers.compactMap { answer in
            (answer["prompt"] as? String).flatMap { prompt in (answer["text"] as? String).map { prompt + $0 } }
        }
        #expect(streamed.output == texts.joined(separator: "\n\n") + "\n")
        #expect(answers.allSatisfy { $0["stopped"] as? String == "length" })
        #expect(document["tokens"] as? Int == 40 && document["tokensPerSecond"] is Double)

        // The first two bytes of the first answer end it there.
        let text = try #require(answers[0]["text"] as? String)
        let stop = String(text.dropFirst(3).prefix(2))
        let prompt = ["--prompt", "To be", "--stop", stop]
        let stopped = try program.run(["generate", run, "--json"] + prompt + options).document()
        let answer = try #require((stopped["prompts"] as? [[String: Any]])?.first)
        #expect(answer["stopped"] as? String == "stop")
        let left = try #require(answer["text"] as? String)
        #expect(text.hasPrefix(left) && !left.contains(stop) && text.hasPrefix(left + stop))
        #expect(try program.run(["generate", run] + prompt + options).output == "To be" + left + "\n")

        // A file of prompts.
        let file = job.folder.appending(path: "prompts").path
        try Data("To be\n\né\n".utf8).write(to: URL(filePath: file))
        #expect(try program.run(["generate", run, "--prompts", file] + options).output == streamed.output)

        try badInput(job, run, program)
    }

    private func badInput(_ job: TrainingJob, _ run: String, _ program: BuiltProgram) throws {
        let folder = job.folder.path
        func write(_ bytes: [UInt8], _ name: String) throws -> String {
            try Data(bytes).write(to: URL(filePath: folder + "/" + name))
            return folder + "/" + name
        }
        let large = BuiltProgram.root.path + "/Tests/Goldens/tokens/llama3.json"
        let weights = folder + "/weights.safetensors"
        #expect(try BuiltProgram("trainyard-train").run(["checkpoint", "convert", run, "--to", weights]).exitCode == 0)
        let cases: [([String], String)] = [
            ([run, "--stop", ""], "--stop: an empty text"),
            ([run, "--top-k", "0"], "--top-k takes 1 to"),
            ([run, "--top-p", "1.5"], "--top-p: 1.5 is not above 0 and at most 1"),
            ([run, "--temperature=-1"], "--temperature: -1.0 is not a number from 0 up"),
            ([run, "--prompts", try write([], "empty")], "holds no prompts"),
            ([run, "--prompts", try write([0x61, 0xFF, 0x0A], "latin")], "is not UTF-8 text"),
            ([run, "--prompts", folder + "/nowhere"], "nowhere"),
            ([run, "--tokenizer", folder + "/nowhere"], "there is no such tokenizer"),
            ([weights, "--tokenizer", large], "the model knows 256 tokens, and the tokenizer"),
            ([run, "--tokenizer", large], "the run had another tokenizer than"),
            ([weights, "--layout", "run"], "states no layout"),
            ([folder + "/nowhere"], "nowhere"),
        ]
        for (arguments, words) in cases {
            let outcome = try program.run(["generate"] + arguments)
            #expect(outcome.exitCode == 2, "\(arguments): \(outcome.everything)")
            #expect(outcome.errors.contains(words), "\(arguments): \(outcome.everything)")
            #expect(outcome.errors.split(separator: "\n").count == 1, "\(arguments): \(outcome.everything)")
        }
        // Ranks of another number than the layout's.
        let three = try BuiltProgram("trainyard-train").run(processes: 3, ["generate", run])
        #expect(three.exitCode == 2 && three.errors.contains("run mpirun -n 2"), "\(three.everything)")
        // A prompt longer than the model reads goes on from its last tokens, and is told.
        let long = try program.run(["generate", run, "--tokens", "1", "--prompt", String(repeating: "a", count: 40)])
        #expect(
            long.exitCode == 0 && long.errors.contains("of which the model reads the last 16"), "\(long.everything)")
    }
}
