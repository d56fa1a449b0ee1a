import Foundation
import TestSupport
import Testing

/// Every key that is printed stands in docs/json.md, and every key of the page is printed.
@Suite struct JSONPageTests {
    static let page: JSONPage? = (try? DocumentationPage("docs/json.md")).map(JSONPage.init)

    /// The keys of the page that documents were seen to have.
    struct Seen {
        let page: JSONPage
        private(set) var keys: Set<JSONPage.Key> = []

        init() throws { page = try #require(JSONPageTests.page) }

        /// Takes note of a document of `section`; every key that the page lacks is an issue.
        mutating func read(_ text: String, of section: String, from origin: String) throws {
            let value = try JSONSerialization.jsonObject(with: Data(text.utf8))
            for path in JSONPage.paths(value).sorted(by: { $0.joined() < $1.joined() }) {
                let found = page.description(of: path, in: section)
                #expect(found != nil, "\(origin): \(path.joined(separator: ".")) is not in section \(section)")
                keys.formUnion(found ?? [])
            }
        }

        /// Keys of these sections that no document had are issues.
        /// - Parameter rare: paths of keys that appear only where a prediction errs or a run fails, which may be nowhere.
        func finish(_ sections: Set<String>, rare: Set<String> = []) {
            for section in sections.sorted() {
                #expect(!(page.keys[section] ?? []).isEmpty, "\(section) has no table")
                for key in page.keys[section] ?? [] where !rare.contains(key.path) {
                    #expect(keys.contains(key), "nothing has the key \(key.path) of section \(section)")
                }
            }
        }
    }

    /// Plans that between them have every key of a layout, and remarks.
    private static let plans = [
        "experts.yaml": """
        model: {family: llama, layers: 8, hidden: 1024, heads: 16, ffn: 2816, vocab: 32000, sequence: 2048, \
        moe: {experts: 8, topK: 2, ffn: 1024}, mtp: {layers: 1}}
        tokens: 1B
        cluster: b200-sxm
        devices: 16
        framework: nemo@26.02
        precision: {recipe: mxfp8}
        layout: {tensor: 2, pipeline: 2, data: 4, expert: 2, expertTensor: 2, sequenceParallel: true, \
        recompute: full, recomputeLayers: 1, overlap: {data: false}, layersPerStage: [3, 5]}
        """,
        "money.yaml": """
        model: {family: llama, layers: 8, hidden: 1024, heads: 16, ffn: 2816, vocab: 32000, sequence: 2048}
        tokens: 100B
        cluster: h100-80g-sxm
        devices: 16
        price: {perGpuHour: 14, currency: RMB, range: [12, 18]}
        costs: {storage: {size: 500 TB, perTerabyteMonth: 150}, staff: {people: 2, perMonth: 60000}}
        failures: {perNodeDay: 0.01, repair: 24 h}
        gridFactor: 585 g/kWh
        start: 2027-01-15
        layout: {data: 16}
        """,
        "campaign.yaml": """
        model: llama3-8b
        cluster: h100-80g-sxm
        devices: 16
        start: 2027-01-15
        deadline: 2027-02-15
        budget: 1M
        gridFactor: 585 g/kWh
        stages:
          - {name: tuning, kind: fine-tuning, examples: 10K, exampleTokens: 700, repeat: {probability: 0.5, share: 1}}
          - {name: pairs, kind: preference-data, from: tuning, prompts: 1K, answers: 2, promptTokens: 200, \
        outputTokens: 200, labels: {number: 1K, price: 4, perDay: 500}}
        payback: {price: {once: 500K}, customers: {perMonth: 1, growth: 2 %}, within: 12}
        """,
        "groups.yaml": """
        model: {family: gpt, layers: 8, hidden: 1024, heads: 16, vocab: 50257, sequence: 1024}
        tokens: 1B
        cluster: a100-80g-sxm
        devices: 16
        optimizer: {moments: bf16}
        loss: {chunks: 4}
        layout: {sharding: parameters, shardGroup: 8, flashAttention: false, gradients: bf16}
        """,
        "mixed.yaml": """
        model: {family: gpt, layers: 8, hidden: 1024, heads: 16, vocab: 50257, sequence: 1024}
        tokens: 1B
        cluster: {groups: [{extends: h100-80g-sxm, nodes: 1}, {extends: a100-80g-sxm, nodes: 1}], \
        between: {name: ethernet, bandwidth: 10 GB/s, latency: 20 us, efficiency: 0.8}}
        batch: 64
        layout: {pipeline: 2, data: 8}
        """,
        "every.yaml": """
        model: {family: gpt, layers: 8, hidden: 1024, heads: 16, vocab: 50257, sequence: 1024}
        tokens: 1B
        cluster: a100-80g-sxm
        devices: 16
        layout: {recompute: full, recomputeEvery: 2}
        """,
        "stages.yaml": """
        model: {family: gpt, layers: 8, hidden: 1024, heads: 16, vocab: 50257, sequence: 1024}
        tokens: 1B
        cluster: a100-80g-sxm
        devices: 16
        layout: {pipeline: 2, recompute: full, recomputeLayers: [3, 1]}
        """,
        "runs.yaml": """
        model: {family: gpt, layers: 8, hidden: 1024, heads: 16, vocab: 50257, sequence: 1024}
        tokens: 1B
        cluster: a100-80g-sxm
        devices: 16
        layout: {recompute: full, recomputeMethod: uniform, recomputeLayers: 2}
        """,
        "modules.yaml": """
        model: {family: gpt, layers: 8, hidden: 1024, heads: 16, vocab: 50257, sequence: 1024}
        tokens: 1B
        cluster: a100-80g-sxm
        devices: 16
        layout: {recompute: selective, recomputeModules: [mlp, layernorm]}
        """,
        "exchanges.yaml": """
        model: {family: llama, layers: 8, hidden: 1024, heads: 16, ffn: 2816, vocab: 32000, sequence: 2048, \
        moe: {experts: 8, topK: 2, ffn: 1024, shared: 1}}
        tokens: 1B
        cluster: h100-80g-sxm
        devices: 16
        layout: {context: 4, data: 4, expert: 4, contextExchange: headsAndRing, contextHeads: 2, dispatcher: deepep, \
        sharding: parameters, shardGroup: 8, outerSharding: optimizer, overlap: {sharedExperts: true}}
        """,
        "vocabulary.yaml": """
        model: {family: llama, layers: 8, hidden: 1024, heads: 16, ffn: 2816, vocab: 32000, sequence: 2048}
        tokens: 1B
        cluster: h100-80g-sxm
        devices: 8
        layout: {pipeline: 4, data: 2, vocabularyParallel: vocab-2}
        """,
        "offload.yaml": """
        model: {family: gpt, layers: 8, hidden: 1024, heads: 16, vocab: 50257, sequence: 1024}
        tokens: 1B
        cluster: a100-80g-sxm
        devices: 8
        layout: {data: 8, sharding: parameters, offload: {optimizer: true, parameters: true, activations: true, \
        overlap: false}}
        """,
        "offload-part.yaml": """
        model: {family: gpt, layers: 8, hidden: 1024, heads: 16, vocab: 50257, sequence: 1024}
        tokens: 1B
        cluster: a100-80g-sxm
        devices: 8
        layout: {data: 8, sharding: gradients, offload: {optimizer: true, gradients: true, activations: 2}}
        """,
        "tuned.yaml": """
        model: {family: gpt, layers: 8, hidden: 1024, heads: 16, vocab: 50257, sequence: 1024}
        tokens: 1B
        cluster: a100-80g-sxm
        devices: 8
        batch: 64
        lora: {rank: 8}
        rampupBatchSize: [16, 16, 1K]
        layout: {data: 8}
        """,
        "anchored.yaml": """
        model: {family: gpt, layers: 8, hidden: 1024, heads: 16, vocab: 50257, sequence: 1024}
        tokens: 1B
        cluster: a100-80g-sxm
        devices: 64
        batch: 512
        measured: [{seconds: 1.2, devices: 8, batch: 64}, {seconds: 1, devices: 8, batch: 64, layout: {tensor: 2}}]
        layout: {sharding: optimizer}
        """,
        "few.yaml": """
        model: {family: gpt, layers: 8, hidden: 1024, heads: 16, vocab: 50257, sequence: 1024}
        cluster: h100-80g-sxm
        devices: 16
        batch: 64
        framework: nanotron
        layout: {sharding: optimizer}
        """,
        "open.yaml": """
        model: {family: gpt, layers: 8, hidden: 1024, heads: 16, vocab: 50257, sequence: 1024}
        tokens: 1B
        cluster: a100-80g-sxm
        devices: 16
        layout: auto
        """,
    ]

    /// Sections, and the commands that print them.
    private static let commands = [
        ("one-estimate", "plan open.yaml --explain"), ("one-estimate", "plan experts.yaml"),
        ("one-estimate", "plan money.yaml --by 30d --within 1M"), ("a-campaign", "campaign campaign.yaml"),
        ("one-estimate", "plan groups.yaml"), ("one-estimate", "plan mixed.yaml --explain"),
        ("one-estimate", "plan every.yaml"), ("one-estimate", "plan runs.yaml"),
        ("one-estimate", "plan stages.yaml"), ("one-estimate", "plan modules.yaml"),
        ("one-estimate", "plan exchanges.yaml"), ("one-estimate", "plan tuned.yaml"),
        ("one-estimate", "plan vocabulary.yaml"), ("one-estimate", "plan anchored.yaml"),
        ("one-estimate", "plan offload.yaml"), ("one-estimate", "plan few.yaml"),
        ("one-estimate", "plan offload-part.yaml"), ("one-estimate", "plan groups.yaml --search"),
        ("one-estimate", "estimate --params 1B --tokens 20B --gpu h100-80g-sxm --gpus 8"),
        ("one-estimate", "sweep open.yaml --gpu-months 2 --most-devices 64"),
        ("a-search", "search groups.yaml --pareto --top 2"),
        ("comparisons", "compare open.yaml --strategies 3d,data,expert"),
        ("sweeps", "sweep open.yaml --devices 8,16"), ("sweeps", "sweep open.yaml --batch 1,64 --data 16"),
        ("action-lists", "schedule chimera --ranks 2 --microbatches 4"),
        ("action-lists", "schedule 1f1b --ranks 2 --microbatches 4 --vocabulary-parallel vocab-1"),
        ("a-timelines-figures", "simulate open.yaml --jitter 5% --runs 3"),
        ("a-timelines-figures", "simulate --ranks 2 --microbatches 4"), ("a-timelines-figures", "simulate mixed.yaml"),
        ("compared-timelines", "simulate experts.yaml --compare 1f1b"),
        ("compared-timelines", "simulate experts.yaml --compare 1f1b,dualpipe --microbatches 5"),
        ("a-trained-tokenizer", "tokenize train open.yaml --vocab 300 --out tokenizer.json"),
        ("prepared-tokens", "tokenize prepare open.yaml --tokenizer tokenizer.json --append-eod --out tokens"),
        ("shown-tokens", "tokenize show --tokenizer bytes --text abc"),
        ("an-inference", "inference --model llama3-8b --gpu A100 --weights q4_0 --explain"),
        ("smallest-clusters", "fits 1B --gpu H100"),
        ("smallest-clusters", "fits 1B --gpu H100 --tokens 20B --deadline 10d"),
        ("serving-figures", "validate --serving"), ("devices", "gpus"), ("software", "frameworks"),
        ("replayed-runs", "validate"),
        ("replayed-runs", "validate --runs measured --leave-one-source-out"), ("whole-runs", "validate --whole-runs"),
        ("claims", "validate --claims"),
        ("answers-of-scaling-laws", "scaling open.yaml --served-tokens 1T --unique-tokens 1B --predict 1Bx20B"),
        ("answers-of-scaling-laws", "scaling --gpu H100 --devices 8 --days 3"),
        ("a-fitted-law", "scaling --fit runs.csv --predict 1Bx20B"),
    ]

    @Test func everyKeyOfACommandStandsOnThePage() throws {
        let folder = try TemporaryFolder()
        for (name, text) in Self.plans { try folder.write(text + "\n", as: name) }
        try FileManager.default.createDirectory(atPath: folder["cluster"], withIntermediateDirectories: true)
        try folder.write(
            "groups: [{extends: h100-80g-sxm, nodes: 1}, {extends: a100-80g-sxm, nodes: 1}]\n"
                + "between: {name: ethernet, bandwidth: 10 GB/s, latency: 20 us, efficiency: 0.8}\n",
            as: "cluster/mixed.yaml")
        try FileManager.default.createDirectory(atPath: folder["measured"], withIntermediateDirectories: true)
        for (name, seconds) in [("a", 1.0), ("b", 2.0)] {
            let measured = "measured: {seconds: \(seconds), source: \(name)}"
            try folder.write(
                "\(Self.plans["groups.yaml"] ?? "")\nbatch: 64\n\(measured)\n", as: "measured/\(name).yaml")
        }
        // Losses of a law that is known, and one run that is held back.
        var runs: [String] = []
        for size in [1e7, 3e7, 1e8, 3e8] {
            for each in [5.0, 20, 80] {
                let tokens = size * each
                let loss: Double = 1.8 + 400 * pow(size, -0.34) + 400 * pow(tokens, -0.28)
                runs.append("\(size),\(tokens),\(loss),run,\(tokens == 8e9 ? "held" : "fitted")")
            }
        }
        try folder.write("parameters,tokens,loss,name,role\n\(runs.joined(separator: "\n"))\n", as: "runs.csv")
        var seen = try Seen()
        for (section, command) in Self.commands {
            let words = command.split(separator: " ").map(String.init)
            let outcome = try BuiltProgram("trainyard").run(words + ["--json"], in: folder.url)
            // A sweep without an answer, or a plan that does not fit, prints its document too.
            #expect([0, 3].contains(outcome.exitCode), "\(command): \(outcome.errors)")
            try seen.read(outcome.output, of: section, from: command)
        }
        seen.finish(
            Set(Self.commands.map(\.0)).union([
                "layout", "parts-of-a-step", "what-was-searched", "notes", "a-replayed-run", "errors-of-several-runs",
                "layouts-of-one-model", "runs-that-fit",
            ]), rare: ["wouldPickOneOutOfMemory", "figures[].obstacle"])
    }

    @Test(.enabled(if: BuiltProgram.mpirun != nil, "mpirun is not installed; scripts/setup.sh installs it"))
    func everyKeyOfARunStandsOnThePage() throws {
        let folder = try TemporaryFolder()
        let program = try BuiltProgram("trainyard")
        let plan = try String(contentsOf: BuiltProgram.root.appending(path: "plans/tiny-gpt.yaml"), encoding: .utf8)
        let path = try folder.write(
            plan.replacing("\ntrain:\n", with: "\ntrain:\n  validation: {share: 0.1, batches: 1}\n"), as: "plan.yaml")
        let trained = try program.run([
            "train", path, "--data", "README.md", "--steps", "2", "--quiet", "--folder", folder["run"],
            "--trace", folder["run.json"], "--inject", "nan,step=1",
        ])
        #expect(trained.exitCode == 0, "\(trained.everything)")
        let simulated = try program.run(
            ["simulate", "--schedule", "dualpipe", "--microbatches", "8", "--trace", folder["fused.json"]])
        #expect(simulated.exitCode == 0, "\(simulated.everything)")
        var seen = try Seen()
        for line in try folder.read("run/log.jsonl").split(separator: "\n") {
            try seen.read(String(line), of: "metrics-of-a-run", from: "log.jsonl")
        }
        for (section, file) in [
            ("manifest-of-a-run", "run/manifest.json"), ("measured-timeline", "run/timeline.json"),
            ("a-trace", "run.json"), ("a-trace", "fused.json"),
        ] { try seen.read(folder.read(file), of: section, from: file) }
        try folder.write("{\"prompt\": \"the \", \"answer\": \"plan\"}\n", as: "q.jsonl")
        let answered = try program.run(["evaluate", folder["run"], "--questions", folder["q.jsonl"], "--json"])
        #expect(answered.exitCode == 0, "\(answered.everything)")
        try seen.read(answered.output, of: "answered-questions", from: "evaluate")
        seen.finish(
            ["answered-questions", "metrics-of-a-run", "manifest-of-a-run", "measured-timeline", "a-trace"],
            rare: ["cause", "spike"])
    }

    /// Two ranks of a stage, one of them slow, as PyTorch's profiler sees their second step.
    private static func profile(rank: Int) -> String {
        let step =
            #"{"ph": "X", "cat": "gpu_user_annotation", "name": "ProfilerStep#%d", "pid": 0, "tid": 7, "ts": %d, "dur": 900}"#
        let kernel =
            #"{"ph": "X", "cat": "kernel", "name": "nvjet_tst_256x128", "pid": 0, "tid": 7, "ts": %d, "dur": %d, "args": {"stream": 7}}"#
        let events = [0, 1].flatMap { number in
            [
                String(format: step, number, number * 1000),
                String(format: kernel, number * 1000 + 10, 400 + 200 * rank),
            ]
        }
        return #"{"schemaVersion": 1, "distributedInfo": {"rank": \#(rank), "world_size": 16}, "traceEvents": ["#
            + events.joined(separator: ",\n") + "]}"
    }

    @Test func everyKeyOfOtherToolsFilesStandsOnThePage() throws {
        let folder = try TemporaryFolder()
        let plan = try folder.write("\(Self.plans["groups.yaml"] ?? "")\nbatch: 64\n", as: "plan.yaml")
        let script =
            "--num-layers 8 --hidden-size 1024 --num-attention-heads 16 --seq-length 1024 --max-position-embeddings 1024 "
            + "--micro-batch-size 1 --global-batch-size 64 --bf16 --log-throughput --tokenizer-type GPT2BPETokenizer "
            + "--recompute-granularity full --recompute-method uniform --distribute-saved-activations"
        try folder.write(script.replacing(" --", with: "\n--") + "\n", as: "run.args")
        for rank in 0..<2 { try folder.write(Self.profile(rank: rank), as: "rank\(rank).json") }
        let program = try BuiltProgram("trainyard")
        let simulated = try program.run(["simulate", plan, "--trace", folder["simulated.json"]])
        #expect(simulated.exitCode == 0, "\(simulated.everything)")
        var seen = try Seen()
        for (section, words) in [
            ("an-import", ["import", folder["run.args"], "--devices", "16", "--cluster", "a100-80g-sxm"]),
            ("exports", ["export", plan, "--to", "megatron-lm,deepspeed", "--nearest", "--out", folder["out"]]),
            ("an-attribution", ["attribute", plan, folder["simulated.json"]]),
            ("an-attribution", ["attribute", plan, folder["rank0.json"], folder["rank1.json"]]),
        ] {
            let outcome = try program.run(words + ["--json"])
            #expect(outcome.exitCode == 0, "\(words): \(outcome.errors)")
            try seen.read(outcome.output, of: section, from: words.joined(separator: " "))
        }
        seen.finish(["an-import", "exports", "an-attribution"])
    }

    /// The one document that is read and never written.
    @Test func measuredTimesAreRead() throws {
        let folder = try TemporaryFolder()
        try folder.write("\(Self.plans["groups.yaml"] ?? "")\nbatch: 64\n", as: "mine.yaml")
        let index = #"{"mine": {"seconds": 1.5, "source": "a log", "memoryGB": 30}}"#
        try folder.write(index, as: "index.json")
        var seen = try Seen()
        try seen.read(index, of: "measured-times-beside-plan-files", from: "index.json")
        seen.finish(["measured-times-beside-plan-files"])
        let outcome = try BuiltProgram("trainyard").run(["validate", "--runs", ".", "--json"], in: folder.url)
        let row = try #require((try outcome.document()["runs"] as? [[String: Any]])?.first)
        #expect(row["measuredSeconds"] as? Double == 1.5 && row["source"] as? String == "a log")
        #expect(abs((row["measuredMemoryGiB"] as? Double ?? 0) - 30e9 / 0x1p30) < 1e-9)
    }

    /// A key that the page lacks, and one that nothing prints, are found.
    @Test func missingKeysAreFound() throws {
        let page = JSONPage(
            DocumentationPage(
                path: "",
                lines: [
                    "## A thing", "| `name` | text | |", "| `parts[]` | [part](#a-part) | |", "| `bytes.*` | B | |",
                    "## A part", "| `size`, `weight.kg` | number | |",
                ]))
        func found(_ text: String) throws -> [Bool] {
            JSONPage.paths(try JSONSerialization.jsonObject(with: Data(text.utf8))).sorted { $0.joined() < $1.joined() }
                .map { page.description(of: $0, in: "a-thing") != nil }
        }
        #expect(
            try found(#"{"name": "x", "parts": [{"size": 1, "weight": {"kg": null}}], "bytes": {"a.b": 1}}"#)
                == [true, true, true, true])
        #expect(try found(#"{"names": 1, "parts": [{"mass": 1}], "bytes": 2}"#) == [false, false, false])
        #expect(
            page.description(of: ["parts[]", "weight", "kg"], in: "a-thing")?.map(\.path) == ["parts[]", "weight.kg"])
    }

    /// Every table of the page belongs to a section that the tests know.
    @Test func everySectionIsCompared() throws {
        let files = [
            "metrics-of-a-run", "manifest-of-a-run", "measured-timeline", "a-trace", "measured-times-beside-plan-files",
            "an-import", "exports", "an-attribution", "generated-text", "answered-questions",
            "a-ladder", "runs-of-a-ladder",
        ]
        let shared = [
            "layout", "parts-of-a-step", "what-was-searched", "notes", "a-replayed-run", "errors-of-several-runs",
            "layouts-of-one-model", "runs-that-fit",
        ]
        #expect(Set(try #require(Self.page).keys.keys) == Set(Self.commands.map(\.0) + files + shared))
    }
}
