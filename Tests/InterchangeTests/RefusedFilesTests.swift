import Interchange
import Models
import Plans
import Reading
import TestSupport
import Testing

/// Files that their owners refuse, files that contradict the command, and what an import decides by itself.
@Suite struct RefusedFilesTests {
    private static func file(_ name: String, _ text: String) -> [String] {
        guard let format = ImportFormat.detect(text: text, name: name) else {
            do throws(PlanProblems) {
                _ = try TreeSettings.read(text: text, name: name)
                return []
            } catch {
                return error.problems.map(\.description)
            }
        }
        return Imported.problems(text, format, devices: 64, model: "llama3-8b", path: name)
    }

    /// A mistake of the syntax is told with its place, and by the name of the language, however the file is called.
    @Test(arguments: [
        ("t.toml", "[training\nsteps = 1\n[parallelism]\n", "t.toml:1:10: is no TOML"),
        ("t.conf", "[training\nsteps = 1\n[parallelism]\n", "t.conf:1:10: is no TOML"),
        ("t.toml", "[tool\nname = 1\n", "t.toml:1:6: is no TOML"),
        ("t.conf", "[tool]\nname = 1\nname = [\n", "t.conf:"),
        ("d.json", "{\"zero_optimization\": {\"stage\": 1}\n\"a\": 1}", "d.json:2:1: is not JSON: while parsing a map"),
        ("d.conf", "{\"zero_optimization\": {\"stage\": 1}\n\"a\": 1}", "d.conf:2:1: is not JSON"),
        ("n.yaml", "parallelism:\n  pp_engine: afab\n  dp: 1\n   tp: 1\n", "n.yaml:4:6: is not YAML"),
        ("n.conf", "parallelism:\n  pp_engine: afab\n  dp: 1\n   tp: 1\n", "n.conf:4:6: is not YAML"),
    ]) func syntax(_ name: String, _ text: String, _ said: String) {
        let found = Self.file(name, text)
        #expect(found.count >= 1 && found[0].hasPrefix(said), "\(found)")
        #expect(!found.contains { $0.contains("Megatron-LM") }, "\(found)")
    }

    @Test func filesOfTOMLOfOtherPrograms() {
        #expect(ImportFormat.detect(text: "[project]\nname = \"a\"\n", name: "pyproject.toml") == nil)
    }

    /// A file that states its devices contradicts another number on the command line.
    @Test(arguments: [
        (
            ImportFormat.accelerate, "distributed_type: MULTI_GPU\nnum_processes: 16\n",
            "2:16: --devices 8: contradicts num_processes 16"
        ),
        (.gptNeoX, "pipe_parallel_size: 1\nglobal_num_gpus: 16\n", "2:18: --devices 8: contradicts global_num_gpus 16"),
    ]) func devices(_ format: ImportFormat, _ text: String, _ said: String) {
        let found = Imported.problems(text, format, devices: 8, model: "llama3-8b")
        #expect(found.contains { $0.contains("run.conf:\(said)") }, "\(found)")
        #expect(
            !Imported.problems(text, format, devices: 16, model: "llama3-8b").contains { $0.contains("contradicts") })
    }

    /// Words that accelerate 1.15 refuses in an otherwise good file.
    @Test(arguments: [
        ("TRANSFORMER_BASED_WRAP", "TRANSFORMER_WRAP", "did you mean 'TRANSFORMER_BASED_WRAP'?"),
        ("num_machines: 2", "num_machines: 2\nfavourite_colour: red", "11:19: favourite_colour: unknown setting"),
        ("fsdp_version: 2", "fsdp_version: 3", "fsdp_version: must be a whole number from 1 to 2"),
        ("fsdp_version: 2", "fsdp_version: 1", "must be a strategy such as FULL_SHARD where fsdp_version is 1"),
        ("fsdp_reshard_after_forward: false", "fsdp_reshard_after_forward: FULL_SHARD", "must be true or false"),
        ("fsdp_offload_params: false", "fsdp_state_dict_type: LOCAL_STATE_DICT", "fsdp_state_dict_type: must be"),
        ("fsdp_offload_params: false", "fsdp_backward_prefetch: PRE", "fsdp_backward_prefetch: must be"),
    ]) func wordsOfAccelerate(_ old: String, _ new: String, _ said: String) {
        let text = OwnerFilesTests.fsdp.replacing(old, with: new)
        #expect(text != OwnerFilesTests.fsdp)
        let found = Imported.problems(text, .accelerate, model: "llama3-8b")
        #expect(found.count == 1 && found[0].contains(said), "\(found)")
    }

    @Test func typesOfModels() throws {
        let folder = try TemporaryFolder()
        func problems(_ type: String, _ added: String = "") throws -> [String] {
            let text = """
                {"model_type": "\(type)", "hidden_size": 2048, "num_hidden_layers": 16, "num_attention_heads": 32,
                 "num_key_value_heads": 8, "intermediate_size": 8192, "vocab_size": 128256\(added)}
                """
            let path = try folder.write(text, as: "config.json")
            return Imported.problems(text, .transformers, devices: 8, path: path)
        }
        #expect(try problems("llama").isEmpty)
        let found = try problems("lama")
        #expect(found.count == 1 && found[0].contains("model_type: is no type of model of transformers"), "\(found)")
        #expect(found[0].contains("did you mean 'llama'?"))
        // Code beside the configuration may bring the type.
        #expect(try problems("mine-own-type", ", \"auto_map\": {\"AutoModel\": \"mine.Model\"}").isEmpty)
    }

    /// Sizes that a file leaves open are said with what the plan takes.
    @Test(arguments: [
        (ImportFormat.transformers, "output_dir: o\nbf16: true\nper_device_train_batch_size: 1\n"),
        (.accelerate, "distributed_type: MULTI_GPU\nnum_processes: 8\nmixed_precision: bf16\n"),
        (.deepspeed, "{\"train_batch_size\": 8, \"bf16\": {\"enabled\": true}}"),
    ]) func sequencesThatNobodyStates(_ format: ImportFormat, _ text: String) throws {
        let imported = try Imported.plan(text, format, devices: 8, model: "llama3-8b")
        let line = try #require(imported.inferred.first { $0.hasPrefix("model.sequence ") })
        #expect(line.filter { $0 != "," }.hasPrefix("model.sequence \(imported.plan.model.sequence): the model's own"))
        #expect(imported.text.contains("# Concluded: \(line)."))
    }

    @Test func everyAutoIsSaid() throws {
        let text = """
            {"train_batch_size": "auto", "train_micro_batch_size_per_gpu": "auto", "gradient_accumulation_steps": "auto",
             "zero_optimization": {"stage": 3, "overlap_comm": "auto", "reduce_bucket_size": "auto"},
             "bf16": {"enabled": "auto"}, "gradient_clipping": "auto"}
            """
        let imported = try Imported.plan(text, .deepspeed, devices: 8, model: "llama3-8b")
        let said = imported.inferred.joined(separator: "\n")
        #expect(said.contains("precision fp32: bf16.enabled is auto, which the training script decides"), "\(said)")
        #expect(said.contains("batch \(imported.plan.batch): the plan's own"), "\(said)")
        #expect(said.contains("layout.microbatch \(imported.plan.layout?.microbatch ?? 0): the plan's own"), "\(said)")
        let line = try #require(imported.inferred.first { $0.contains("as if it were not stated") })
        for key in ["train_batch_size", "bf16.enabled", "zero_optimization.overlap_comm"] {
            #expect(line.contains(key), "\(line)")
        }
        // Nothing is taken in the place of these, and nothing is told twice.
        #expect(!line.contains("reduce_bucket_size"))
        let left = imported.left.joined()
        #expect(left.contains("reduce_bucket_size: auto") && !left.contains("train_batch_size"), "\(left)")
    }

    @Test func stagesOfDeepspeedAreSaidOnce() throws {
        let plan = try Plan.read(
            text: """
                model: llama3-8b
                cluster: h100-80g-sxm
                batch: 64
                layout: {data: 1, pipeline: 4, layersPerStage: [7, 9, 9, 7]}
                """, path: "plan.yaml", library: Checkout.library)
        func gaps(_ text: Plan) -> [ExportGap] {
            ExportTarget.deepspeed.export(
                text,
                context: ExportContext(
                    source: "plan.yaml", version: "test", stepSeconds: 1, peakGiB: 40, capacityGiB: 80, steps: 10,
                    saveEvery: nil, days: 2, planText: "")
            ).gaps.filter { $0.field == "layout.layersPerStage" }
        }
        #expect(gaps(plan).map(\.nearest) == ["8 each"])
        let uneven = try Plan.read(
            text: """
                model: llama3-8b
                cluster: h100-80g-sxm
                batch: 60
                layout: {data: 1, pipeline: 3, layersPerStage: [11, 11, 10]}
                """, path: "plan.yaml", library: Checkout.library)
        #expect(gaps(uneven).count <= 1)
        let bad = try Plan.read(
            text: """
                model: llama3-8b
                cluster: h100-80g-sxm
                batch: 60
                layout: {data: 1, pipeline: 3, layersPerStage: [12, 10, 10]}
                """, path: "plan.yaml", library: Checkout.library)
        let found = gaps(bad)
        #expect(found.count == 1 && found[0].reason.contains("every stage the same number of blocks"))
    }

    /// GPT-NeoX reads several files as one, and takes a key from one of them alone.
    @Test func filesOfOneRun() throws {
        let shape = """
            num_layers: 2
            hidden_size: 64
            num_attention_heads: 4
            seq_length: 64
            pipe_parallel_size: 1
            optimizer: {type: Adam}
            train_micro_batch_size_per_gpu: 4
            """
        let request = ImportRequest(devices: 8)
        func read(_ other: String) throws(PlanProblems) -> ImportedPlan {
            let files = [ForeignText(shape, name: "a/125M.yml"), ForeignText(other, name: "local.yml")]
            #expect(ImportFormat.detect(files.reversed()) == .gptNeoX)
            return try ImportFormat.gptNeoX.read(files, request: request, library: Checkout.library)
        }
        let imported = try read("train-iters: 10\nfp16: {enabled: true}\nzero_optimization: {stage: 1}\n")
        #expect(imported.plan.precision == .fp16 && imported.plan.layout?.sharding == .optimizer)
        #expect(imported.source.contains("local.yml") && imported.plan.tokens == Double(10 * 32 * 64))
        func problems(_ other: String) -> [String] {
            do throws(PlanProblems) {
                _ = try read(other)
                return []
            } catch {
                return error.problems.map(\.description)
            }
        }
        let twice = problems("train_iters: 10\nhidden-size: 64\noptimizer: {params: {lr: 1}}\n")
        #expect(twice.count == 2, "\(twice)")
        #expect(
            twice.contains { $0.hasPrefix("local.yml:2:14: hidden_size: is already in a/125M.yml, line 2") }, "\(twice)"
        )
        #expect(twice.contains { $0.contains("optimizer: is already in a/125M.yml, line 6") }, "\(twice)")
        // A mistake stands in the file that has it.
        let wrong = problems("train_iters: many\n")
        #expect(wrong.contains { $0.hasPrefix("local.yml:1:14: train_iters: must be a whole number") }, "\(wrong)")
        do throws(PlanProblems) {
            _ = try ImportFormat.nanotron.read(
                [ForeignText("a: 1", name: "a.yaml"), ForeignText("b: 1", name: "b.yaml")], request: request,
                library: Checkout.library)
            Issue.record("two files of nanotron were read")
        } catch {
            #expect(error.problems.map(\.description).joined().hasPrefix("b.yaml: is a second file"))
        }
    }
}
