import ArgumentParser
import Options
import Plans
import Reading
import Testing

/// The options of one program that start another reach it whole.
struct PassedOnTests {
    /// Long options that a help text lists, without the parser's own.
    private func options(of help: String) -> Set<String> {
        Set(help.matches(of: #/--([a-z-]+)/#).map { "--" + $0.1 }).subtracting(["--help", "--version"])
    }

    @Test func everyOptionOfARunReachesItsRanks() throws {
        let given = [
            "--data", "text.txt", "--steps", "1,000", "--folder", "elsewhere", "--overwrite", "--log", "log.jsonl",
            "--trace", "/trace.json", "--save", "weights.safetensors", "--tensorboard", "board", "--profile", "--quiet",
            "--resume", "/runs/b", "--override", "--elastic", "--stall-limit", "90.5", "--skip-failed-saves",
            "--inject", "flip,step=7,rank=1", "--inject", "slow,step=8,seconds=0.5",
        ]
        #expect(options(of: RunOptions.helpMessage()) == Set(given.filter { $0.hasPrefix("--") }))
        let options = try RunOptions.parse(given)
        let passed = options.arguments(folder: "/runs/a")
        #expect(Set(passed.filter { $0.hasPrefix("--") }) == self.options(of: RunOptions.helpMessage()))
        let received = try RunOptions.parse(passed)
        #expect(received.folder == "/runs/a")
        #expect(received.data == "text.txt")
        #expect(received.steps == 1000)
        #expect(received.trace == "/trace.json")
        #expect(received.log == RunFolder.absolute("log.jsonl"))
        #expect(received.save == RunFolder.absolute("weights.safetensors"))
        #expect(received.tensorboard == RunFolder.absolute("board"))
        #expect(received.resume == "/runs/b" && received.overrides)
        #expect(received.inject == options.inject && received.inject.map(\.kind) == [.flip, .slow])
        #expect(received.elastic && received.skipsFailedSaves && received.stallLimit == 90.5)
        #expect(try RunOptions.parse(["--resume", "--quiet"]).resume?.isEmpty == true)
        let joined = RunOptions.separated(["trainyard-train", "--resume=/runs/c", "--quiet"])
        #expect(try RunOptions.parse(joined).resume == "/runs/c")
        #expect(received.overwrite && received.profile && received.quiet)
        #expect(try RunOptions.parse([]).arguments(folder: "a") == ["--folder", "a"])
    }

    @Test func everyOptionOfASampleReachesTheRuntime() throws {
        let given = [
            "a.safetensors", "--prompt=-x", "--prompt=y", "--tokens", "5", "--temperature", "0.5", "--top-k", "40",
            "--top-p", "0.9", "--seed", "9", "--stop=-z", "--stop=\n", "--no-stream", "--no-cache",
            "--tokenizer=t.json",
            "--layout", "run", "--json",
        ]
        let passed = try GenerateOptions.parse(given).arguments
        #expect(passed == given)
        let file = ["a", "--prompts=-p", "--tokens", "1", "--temperature", "0.0", "--seed", "1"]
        #expect(try GenerateOptions.parse(file).arguments == file)
        for option in options(of: GenerateOptions.helpMessage()) where option != "--stream" {
            #expect((passed + file).contains { $0 == option || $0.hasPrefix(option + "=") }, "\(option)")
        }
        let received = try GenerateOptions.parse(passed)
        #expect(received.prompt == ["-x", "y"] && received.stop == ["-z", "\n"])
        #expect(received.tokens == 5)
    }

    @Test func everyOptionOfAnExportReachesTheRuntime() throws {
        let given = ["runs/a", "--to", "out", "--dtype", "bf16", "--overwrite", "--json"]
        let passed = try ExportWeightsOptions.parse(given).arguments
        #expect(passed == given)
        #expect(options(of: ExportWeightsOptions.helpMessage()) == Set(given.filter { $0.hasPrefix("--") }))
        #expect(throws: (any Error).self) { try ExportWeightsOptions.parse(["a", "--to", "b", "--dtype", "fp8"]) }
    }

    @Test(arguments: [
        ["a", "--tokens", "0"], ["a", "--temperature=-1"], ["a", "--temperature", "inf"], ["a", "--top-k", "0"],
        ["a", "--top-p", "0"], ["a", "--top-p", "1.01"], ["a", "--top-p", "nan"], ["a", "--stop", ""],
        ["a", "--prompt", "b", "--prompts", "c"], ["a", "--layout", "two"],
    ])
    func valuesNobodyCanSampleWithAreRefused(arguments: [String]) {
        #expect(throws: (any Error).self) { try GenerateOptions.parse(arguments) }
    }
}
