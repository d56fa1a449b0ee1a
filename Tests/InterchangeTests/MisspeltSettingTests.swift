import Interchange
import Reading
import TestSupport
import Testing

/// Names a slip of the pen away from known ones are mistakes, sections too; others are left out.
@Suite struct MisspeltSettingTests {
    /// The format, a file's text, and what is said.
    @Test(arguments: [
        (
            ImportFormat.deepspeed, "{\"train_batch_size\": 8, \"zero_optimisation\": {\"stage\": 2}}",
            "zero_optimisation.stage: has an unknown section 'zero_optimisation' (found '2'); did you mean 'zero_optimization'?"
        ),
        (
            .deepspeed, "{\"train_batch_size\": 8, \"zero_optimisation\": {\"stage\": \"auto\"}}",
            "did you mean 'zero_optimization'?"
        ),
        (.deepspeed, "{\"train_batchsize\": 8, \"bf16\": {\"enabled\": true}}", "did you mean 'train_batch_size'?"),
        (.deepspeed, "{\"train_batch_size\": 8, \"optimzer\": {\"type\": \"AdamW\"}}", "did you mean 'optimizer'?"),
        (
            .torchtitan,
            "[model]\nname = \"llama3\"\nflavor = \"8B\"\n[training]\nsteps = 9\n[paralelism]\ntensor_parallel_degree = 2\n",
            "7:1: paralelism.tensor_parallel_degree: has an unknown section 'paralelism' (found '2'); did you mean 'parallelism'?"
        ),
        (.nanotron, "paralellism: {dp: 2, tp: 1, pp: 1}\ntokens: {train_steps: 3}\n", "did you mean 'parallelism'?"),
        (
            .gptNeoX, "zero_optimisation: {stage: 1}\nnum_layers: 4\npipe_parallel_size: 1\n",
            "did you mean 'zero_optimization'?"
        ),
        (.gptNeoX, "zero_optimization: {stge: 1}\nnum_layers: 4\npipe_parallel_size: 1\n", "did you mean 'stage'?"),
        (
            .accelerate, "distributed_type: FSDP\nnum_processes: 8\nfsdp_confg: {fsdp_version: 2}\n",
            "did you mean 'fsdp_config'?"
        ),
        (
            .nemo, "trianer: {devices: 8}\nmodel: {num_layers: 4, tensor_model_parallel_size: 1}\n",
            "did you mean 'trainer'?"
        ),
        (
            .megatronBridge, "model: {num_layers: 4}\noptimzer: {lr: 1}\ntrain: {train_iters: 3}\n",
            "has an unknown section 'optimzer'"
        ),
        (
            .primus, "modules:\n  pre_trainer:\n    framework: megatron\n    overides: {train_iters: 3}\n",
            "did you mean 'overrides'?"
        ),
        (.maxText, "base_emb_dim: 64\nper_device_batchsize: 2\n", "did you mean 'per_device_batch_size'?"),
    ]) func near(_ format: ImportFormat, _ text: String, _ said: String) {
        let name = format == .deepspeed ? "ds.json" : format == .torchtitan ? "run.toml" : "run.yaml"
        let found = Imported.problems(text, format, devices: 8, model: format == .nemo ? nil : "llama3-8b", path: name)
        #expect(found.contains { $0.contains(said) }, "\(found)")
    }

    @Test func farNamesAreLeftOut() throws {
        let text = "{\"train_batch_size\": 8, \"my_very_own_section\": {\"depth\": 2}, \"bf16\": {\"enabled\": true}}"
        let left = try Imported.plan(text, .deepspeed, devices: 8, model: "llama3-8b").left.joined()
        #expect(left.contains("my_very_own_section.depth: a plan cannot say it"), "\(left)")
    }

    private static let fork = """
        --num-layers 4 --hidden-size 512 --num-attention-heads 8 --seq-length 1024 --max-position-embeddings 1024
        --vocab-size 32000 --micro-batch-size 1 --global-batch-size 64 --bf16 --super-router 4
        --my-own-thing --tensor-model-paralel-size 2
        """

    @Test func argumentsOfForks() throws {
        let found = Imported.problems(Self.fork, .megatronLM, devices: 8)
        #expect(
            found.contains {
                $0.contains("--super-router: unknown argument, and so are --my-own-thing (line 3)")
                    && $0.contains("--ignore-unknown")
            }, "\(found)")
        #expect(
            found.contains { $0.contains("did you mean --tensor-model-parallel-size?") } && found.count == 2, "\(found)"
        )
        var request = ImportRequest(devices: 8)
        request.ignoresUnknown = true
        let imported = try ImportFormat.megatronLM.read(
            text: Self.fork, path: "run.args", request: request, library: Checkout.library)
        #expect(imported.ignored.contains("--super-router") && imported.ignored.contains("--my-own-thing"))
        #expect(imported.ignored.contains { $0.hasPrefix("--tensor-model-paralel-size (did you mean") })
    }

    /// What Python's reader of JSON refuses, with its place.
    @Test(arguments: [
        ("{\"model_type\": \"llama\",\n \"hidden_size\": 64,\n}", "c.json:2:19: has a comma behind its last value"),
        ("{\"model_type\": \"llama\", \"layers\": [1, 2,]}", "c.json:1:40: has a comma behind its last value"),
        ("{\"model_type\": \"llama\", # here\n\"a\": 1}", "c.json:1:25: has a key that is not in double quotes"),
        ("{\"model_type\": llama}", "c.json:1:16: has a value that is no JSON"),
        ("{\"model_type\": \"llama\"} x", "c.json:1:25: is not JSON"),
    ]) func looseJSON(_ text: String, _ said: String) {
        let found = Imported.problems(text, .transformers, devices: 8, path: "c.json")
        #expect(found.contains { $0.contains(said) }, "\(found)")
    }

    /// DeepSpeed reads by hjson, which takes a comma behind a last value.
    @Test func looseJSONOfDeepspeed() throws {
        let text = "{\"train_batch_size\": 8, \"bf16\": {\"enabled\": true},\n}"
        let imported = try Imported.plan(text, .deepspeed, devices: 8, model: "llama3-8b", path: "ds.json")
        #expect(
            imported.inferred.contains {
                $0.contains("has a comma behind its last value") && $0.contains("line 1, column 50")
            })
    }

    @Test func modelFilesOfPrimus() throws {
        let folder = try TemporaryFolder()
        try folder.write("num_layers: 4\nhidden_size: 512\nnum_layers: 8\n", as: "mine.yaml")
        let text = """
            modules:
              pre_trainer:
                framework: megatron
                config: pre_trainer.yaml
                model: \(folder["mine.yaml"])
                overrides: {train_iters: 3}
            """
        let found = Imported.problems(text, .primus, devices: 8, path: folder["exp.yaml"])
        #expect(
            found.contains { $0.contains("mine.yaml:3:1: num_layers: is given twice, first in line 1, column 1") },
            "\(found)")
    }

    /// What does not divide does not fit; what contradicts itself cannot be read.
    @Test(arguments: [
        ("{\"train_batch_size\": 30, \"gradient_accumulation_steps\": 4}", true),
        ("{\"train_batch_size\": 64, \"tensor_parallel\": {\"autotp_size\": 3}}", true),
        ("{\"train_batch_size\": 64, \"bf16\": {\"enabled\": true}, \"fp16\": {\"enabled\": true}}", false),
    ]) func kindsOfMistakes(_ text: String, _ isMisfit: Bool) {
        do {
            _ = try Imported.plan(text, .deepspeed, devices: 8, model: "llama3-8b")
            Issue.record("read")
        } catch let error as PlanProblems {
            #expect(error.isMisfitOnly == isMisfit, "\(error.problems.map(\.description))")
        } catch {
            Issue.record("\(error)")
        }
    }

    @Test(arguments: [
        ("model: {family: gpt, layers: 4, hidden: 256}\ndevices: 4\nbatch: 32\n", true),
        ("model: llama3-8b\ncluster: h100-80g-sxm\ntokens: 3B\nlayout: auto\ndevices: 8\n", true),
        ("model: {num_layers: 4}\ntrain: {train_iters: 3}\n", false), ("num_layers: 4\n", false),
    ]) func plansAreToldApart(_ text: String, _ isPlan: Bool) {
        #expect(ImportFormat.isPlan(ForeignText(text, name: "a.yaml")) == isPlan)
    }
}
