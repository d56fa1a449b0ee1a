import Foundation
import TestSupport
import Testing

/// `trainyard export` as a user runs it: prices, folders, searched lists.
@Suite struct ExportTests {
    private let program: BuiltProgram

    init() throws { program = try BuiltProgram("trainyard") }

    private struct Exports: Decodable {
        struct Export: Decodable {
            var target: String
            var files: [String]
            var stepSeconds, peakGiB: Double
            var nearestStepSeconds, nearestPeakGiB: Double?
            var software: String?
            var softwareStepSeconds, softwarePeakGiB: Double?
            var fits: Bool?
            var remarks: [String]
        }
        var exports: [Export]
    }

    private func exported(_ arguments: [String]) throws -> (exports: [Exports.Export], errors: String) {
        let outcome = try program.run(["export"] + arguments + ["--json"])
        #expect(outcome.exitCode == 0, "\(outcome.errors)")
        return (try JSONDecoder().decode(Exports.self, from: Data(outcome.output.utf8)).exports, outcome.errors)
    }

    // MARK: Prices

    /// A model that every target can say.
    private static let llama = """
        model: {family: llama, layers: 16, hidden: 2048, heads: 16, kvHeads: 16, ffn: 5632, vocab: 32000, sequence: 4096}
        tokens: 20B
        cluster: h100-80g-sxm
        devices: 32
        batch: 128
        """

    private static let plans = [
        llama + "\nframework: megatron-core\nlayout: {tensor: 2, pipeline: 2, data: 8, sharding: optimizer}",
        llama + "\nframework: megatron-2021\nlayout: {data: 32, sharding: parameters, recompute: full}",
        llama + "\nframework: torch-fsdp\nlayout: {data: 32, microbatch: 2, sharding: gradients}",
        llama + "\nframework: nemo@25.02\nlayout: {tensor: 4, data: 8, sequenceParallel: true}",
        llama + "\nlayout: {tensor: 2, pipeline: 4, data: 4, schedule: interleaved-1f1b, virtualStages: 2}",
    ]

    /// Targets whose files are a whole run, with the file that an import reads; those that hold no model are told it.
    private static let targets = [
        "megatron-lm": "megatron-lm.sh", "megatron-bridge": "megatron-bridge.yaml", "nemo": "nemo.yaml",
        "torchtitan": "torchtitan.args", "nanotron": "nanotron.yaml", "gpt-neox": "gpt-neox.yml",
        "transformers": "training_args.yaml",
    ]

    private static let shipped = ["gpt3-175b-1024-a100", "gpt3-175b-64-a100", "llama3-405b-16384-h100"]

    /// The header of a file says what `plan` says of the run that an import of the file describes.
    @Test(arguments: targets.keys.sorted())
    func headersSayWhatTheFilesRunTakes(target: String) throws {
        let folder = try TemporaryFolder()
        var plans = try Self.plans.enumerated().map { index, text in
            (try folder.write(text + "\n", as: "plan\(index).yaml"), "h100-80g-sxm", "32")
        }
        // The Trainer's files hold no model, and these models are no shapes of theirs by name.
        if target != "transformers" {
            for (name, cluster, devices) in [
                (Self.shipped[0], "a100-80g-sxm", "1024"), (Self.shipped[1], "a100-80g-sxm", "64"),
                (Self.shipped[2], "h100-80g-sxm", "16384"),
            ] { plans.append(("plans/\(name).yaml", cluster, devices)) }
        }
        var (compared, others) = (0, 0)
        for (index, (plan, cluster, devices)) in plans.enumerated() {
            let out = folder["\(target)-\(index)"]
            let outcome = try program.run(["export", plan, "--to", target, "--nearest", "--out", out, "--json"])
            // A feature that the target cannot say at all is an error of its own.
            guard outcome.exitCode == 0 else { continue }
            let export = try #require(
                try JSONDecoder().decode(Exports.self, from: Data(outcome.output.utf8)).exports.first)
            let name = try #require(Self.targets[target])
            let text = try String(contentsOfFile: "\(out)/\(name)", encoding: .utf8)
            let said = try #require(
                text.firstMatch(of: #/Predicted(?: with ([^:]+))?: ([\d.]+) s a step, ([\d.]+) of/#), "\(text)")
            let back = folder["back-\(index).yaml"]
            let model = ["--model", "\(out)/config.json"]
            let imported = try program.run(
                [
                    "import", "\(out)/\(name)", "--from", target, "--cluster", cluster, "--devices", devices, "--out",
                    back,
                ]
                    + (target == "transformers" ? model : []))
            #expect(imported.exitCode == 0, "\(imported.errors)")
            let priced = try program.run(["plan", back, "--json"])
            #expect([0, 3].contains(priced.exitCode), "\(priced.errors)")
            let document = try #require(
                try JSONSerialization.jsonObject(with: Data(priced.output.utf8)) as? [String: Any])
            let seconds = try #require((document["iteration"] as? [String: Any])?["seconds"] as? Double)
            let memory = try #require(document["memory"] as? [String: Any])
            let gib = try #require(memory["peakGiB"] as? Double)
            let (saidSeconds, saidGiB) = (try #require(Double(said.2)), try #require(Double(said.3)))
            #expect(abs(saidSeconds - seconds) < 0.006 + 1e-3 * seconds, "\(plan): \(said.0), imported \(seconds) s")
            #expect(abs(saidGiB - gib) < 0.06, "\(plan): \(said.0), imported \(gib) GiB")
            #expect(export.fits == (memory["fits"] as? Bool), "\(plan)")
            #expect((export.fits == true) == (priced.exitCode == 0), "\(plan)")
            #expect(export.software == said.1.map(String.init), "\(plan)")
            compared += 1
            guard let software = export.software else { continue }
            others += 1
            #expect(text.contains("With the plan's "), "\(software): \(text)")
            #expect(abs((export.softwareStepSeconds ?? 0) - seconds) < 1e-3 * seconds)
        }
        #expect(compared >= 3 && others >= 1, "\(compared) and \(others) of \(plans.count)")
    }

    /// What fits on the plan's software alone is written, and said not to fit.
    @Test func whatDoesNotFitOnTheTargetsSoftwareIsSaid() throws {
        let folder = try TemporaryFolder()
        let out = folder["out"]
        // GPT-NeoX keeps what Megatron-Core does not.
        let plan = try folder.write(
            """
            model: {family: llama, layers: 32, hidden: 4096, heads: 32, kvHeads: 32, ffn: 11008, vocab: 32000, sequence: 4096}
            cluster: h100-80g-sxm
            devices: 8
            batch: 96
            framework: megatron-core
            layout: {tensor: 2, data: 4, microbatch: 4, sharding: optimizer, sequenceParallel: true}

            """, as: "plan.yaml")
        let (exports, errors) = try exported([plan, "--to", "gpt-neox", "--nearest", "--out", out])
        let export = try #require(exports.first)
        #expect(export.fits == false && export.files.contains("gpt-neox.yml"), "\(export)")
        #expect((export.softwarePeakGiB ?? 0) > 80 && (export.nearestPeakGiB ?? export.peakGiB) < 80, "\(export)")
        let remark = try #require(export.remarks.last)
        #expect(
            remark.contains("GiB with gpt-neox: does not fit in 80") && remark.contains("written all the same"),
            "\(remark)")
        #expect(errors.contains("note: gpt-neox: \(remark)"), "\(errors)")
        #expect(try folder.read("out/gpt-neox.yml").contains("GiB on the fullest device: does not fit."))
    }

    // MARK: Folders

    @Test func exportsShareAFolder() throws {
        let folder = try TemporaryFolder()
        let plan = try folder.write(Self.plans[0] + "\n", as: "plan.yaml")
        let out = folder["run"]
        func export(_ target: String, _ more: [String] = []) throws -> BuiltProgram.Outcome {
            try program.run(["export", plan, "--to", target, "--nearest", "--out", out] + more)
        }
        for target in ["megatron-lm", "slurm", "deepspeed", "torch-schedule", "gpt-neox"] {
            let outcome = try export(target)
            #expect(outcome.exitCode == 0, "\(target): \(outcome.errors)")
        }
        let names = try FileManager.default.contentsOfDirectory(atPath: out)
        #expect(
            ["megatron-lm.sh", "job.sbatch", "schedule.csv", "gpt-neox.yml"].allSatisfy(names.contains), "\(names)")
        // A second export of one plan changes nothing, so that it is no clash.
        #expect(try export("megatron-lm").exitCode == 0)
        // The Trainer has a configuration of DeepSpeed of its own.
        let other = try export("transformers")
        #expect(other.exitCode == 2 && other.errors.contains("run/deepspeed.json is there already"), "\(other.errors)")
        // Another plan's file of the same name is named.
        try folder.write(Self.plans[0].replacing("batch: 128", with: "batch: 64") + "\n", as: "plan.yaml")
        let clash = try export("slurm")
        #expect(clash.exitCode == 2 && clash.errors.contains("run/job.sbatch is there already"), "\(clash.errors)")
        #expect(try export("slurm", ["--force"]).exitCode == 0)
    }

    @Test func filesThatNoExportWroteAreKept() throws {
        let folder = try TemporaryFolder()
        let plan = try folder.write(Self.plans[0] + "\n", as: "plan.yaml")
        let out = folder["run"]
        #expect(try program.run(["export", plan, "--to", "megatron-lm", "--out", out]).exitCode == 0)
        try folder.write("mine", as: "run/notes.txt")
        let refused = try program.run(["export", plan, "--to", "slurm", "--out", out])
        #expect(refused.exitCode == 2 && refused.errors.contains("has notes.txt in it, which no export wrote"))
        #expect(!FileManager.default.fileExists(atPath: folder["run/job.sbatch"]))
        #expect(try program.run(["export", plan, "--to", "slurm", "--out", out, "--force"]).exitCode == 0)
        #expect(try folder.read("run/notes.txt") == "mine")
        // Each of several targets has its own folder, and a file beside these is none of an export's either.
        let several = ["export", plan, "--to", "slurm,pbs", "--out", folder["both"]]
        #expect(try program.run(several).exitCode == 0)
        #expect(try program.run(several).exitCode == 0)
        try folder.write("{}", as: "both/slurm/deepspeed.json")
        let strange = try program.run(several)
        #expect(strange.exitCode == 2 && strange.errors.contains("has slurm/deepspeed.json in it"), "\(strange.errors)")
    }

    // MARK: Lists and checkpoints

    @Test func searchedListsAreWritten() throws {
        let folder = try TemporaryFolder()
        let plan = try folder.write(
            """
            model: {family: llama, layers: 8, hidden: 1024, heads: 16, ffn: 2816, vocab: 32000, sequence: 2048}
            cluster: h100-80g-sxm
            devices: 4
            batch: 8
            layout: {pipeline: 4, data: 1}

            """, as: "plan.yaml")
        let arguments = ["export", plan, "--to", "torch-schedule", "--schedule", "optimal", "--out", folder["out"]]
        let outcome = try program.run(arguments)
        #expect(outcome.exitCode == 0 && outcome.errors.contains("note: optimal"), "\(outcome.errors)")
        let simulated = try program.run([
            "simulate", plan, "--schedule", "optimal", "--write-actions", folder["simulated.csv"],
        ])
        #expect(simulated.exitCode == 0, "\(simulated.errors)")
        #expect(try folder.read("out/schedule.csv") == folder.read("simulated.csv"))
        #expect(try folder.read("out/schedule.txt").contains("The lists are searched ones, optimal"))
        // It is not the plan's own list.
        #expect(try program.run(["export", plan, "--to", "torch-schedule", "--out", folder["own"]]).exitCode == 0)
        #expect(try folder.read("own/schedule.csv") != folder.read("out/schedule.csv"))
        for (more, said) in [
            (["--to", "megatron-lm", "--schedule", "optimal"], "for --to torch-schedule alone"),
            (["--to", "torch-schedule", "--schedule", "zbv"], "it takes optimal"),
        ] {
            let refused = try program.run(["export", plan] + more)
            #expect(refused.exitCode == 2 && refused.errors.contains(said), "\(refused.errors)")
        }
    }

    /// A run that is started again goes on from the folder that it saves to.
    @Test(arguments: [
        ("megatron-lm", "megatron-lm.sh", ["--save checkpoints", "--load checkpoints"]),
        ("megatron-bridge", "megatron-bridge.yaml", ["  save: checkpoints", "  load: checkpoints"]),
        ("gpt-neox", "gpt-neox.yml", ["save: checkpoints", "load: checkpoints"]),
        ("nanotron", "nanotron.yaml", ["checkpoints_path: checkpoints", "resume_checkpoint_path: checkpoints"]),
        ("nemo", "nemo.yaml", ["resume_if_exists: true", "resume_ignore_no_checkpoint: true"]),
    ])
    func runsGoOnFromTheirCheckpoints(target: String, file: String, lines: [String]) throws {
        let folder = try TemporaryFolder()
        let plan = try folder.write(Self.plans[0] + "\n", as: "plan.yaml")
        let outcome = try program.run(["export", plan, "--to", target, "--nearest", "--out", folder["out"]])
        #expect(outcome.exitCode == 0, "\(outcome.errors)")
        let text = try folder.read("out/\(file)")
        for line in lines { #expect(text.contains(line), "\(line) in \(text)") }
    }

    /// Settings of the run that a plan states do not depend on the software that runs the files.
    @Test func statedCheckpointsStay() throws {
        let folder = try TemporaryFolder()
        let out = ["--to", "megatron-lm", "--nearest", "--out", folder["out"]]
        let outcome = try program.run(["export", "plans/tiny-gpt-4.yaml"] + out)
        #expect(outcome.exitCode == 0, "\(outcome.errors)")
        let text = try folder.read("out/megatron-lm.args")
        #expect(text.contains("--save-interval 1000\n") && text.contains("--train-iters "), "\(text)")
    }

    /// A nearest plan may be one that no plan file may state, such as a sharding that cuts the matrices of Muon.
    @Test(arguments: ["scripts/interop/plans/llama3-8b-muon.yaml", "plans/video-7b-2048-h100.yaml"])
    func oneTargetDoesNotEndTheOthers(plan: String) throws {
        let folder = try TemporaryFolder()
        let outcome = try program.run(["export", plan, "--to", "all", "--nearest", "--out", folder["out"]])
        #expect(outcome.exitCode == 0, "\(outcome.errors)")
        #expect(FileManager.default.fileExists(atPath: folder["out/trainyard/plan.yaml"]))
    }

    /// GPT-NeoX rounds a tokenizer's entries up to a multiple of `make_vocab_size_divisible_by` for each tensor rank.
    @Test func theVocabularyOfGPTNeoXIsThePlans() throws {
        let folder = try TemporaryFolder()
        let plan = try folder.write(Self.plans[0] + "\n", as: "plan.yaml")
        let outcome = try program.run(["export", plan, "--to", "gpt-neox", "--nearest", "--out", folder["out"]])
        #expect(outcome.exitCode == 0, "\(outcome.errors)")
        let text = try folder.read("out/gpt-neox.yml")
        let found = try #require(text.firstMatch(of: #/make_vocab_size_divisible_by: (\d+)/#))
        let multiple = try #require(Int(found.1)) * 2
        for tokenizer in [1, 31_999, 32_000] {
            #expect((tokenizer + multiple - 1) / multiple * multiple == 32_000)
        }
    }

    // MARK: Configurations of other tools

    @Test(arguments: [
        (
            "run.sh", "torchrun --nproc_per_node 8 pretrain_gpt.py --num-layers 8 --hidden-size 1024\n", "Megatron-LM"
        ),
        ("ds_config.json", #"{"train_micro_batch_size_per_gpu": 1, "zero_optimization": {"stage": 2}}"#, "DeepSpeed"),
        ("some.toml", "[parallelism]\npipeline_parallel_degree = 2\n[training]\nseq_len = 4096\n", "torchtitan"),
        ("125M.yml", "{\"pipe_parallel_size\": 1, \"num_layers\": 12}\n", "GPT-NeoX"),
        ("fsdp.yaml", "distributed_type: FSDP\nnum_processes: 8\n", "accelerate"),
        ("nemo.yaml", "trainer:\n  devices: 8\nmodel:\n  num_layers: 12\n", "NeMo"),
    ])
    func configurationsOfOtherToolsAreNoPlans(name: String, text: String, tool: String) throws {
        let folder = try TemporaryFolder()
        let file = try folder.write(text, as: name)
        for command in [
            ["plan"], ["export", "--to", "slurm"], ["search"], ["simulate"], ["train"], ["compare"],
        ] {
            let outcome = try program.run(command + [file])
            #expect(outcome.exitCode == 2 && outcome.output.isEmpty)
            #expect(
                outcome.errors
                    == "error: \(file): is a configuration of \(tool), and no plan; `trainyard import \(file) --out plan.yaml` makes one of it\n",
                "\(command): \(outcome.errors)")
        }
    }

    /// A plan with mistakes stays a plan, whatever else it looks like.
    @Test(arguments: [
        ("model: {name: llama3-8b}\ntrain: {steps: 5}\ndevices: 8\nbatch: 8\n", "train.data"),
        ("model: llama3-8b\ncluster: h100-80g-sxm\ndevices: 8\nlayout: {tensor: 3\n", "is not YAML"),
        ("nothing of the kind\n", "must be a map of keys and values"),
    ])
    func brokenPlansStayPlans(text: String, said: String) throws {
        let folder = try TemporaryFolder()
        let outcome = try program.run(["plan", try folder.write(text, as: "plan.yaml")])
        #expect(outcome.exitCode == 2 && outcome.errors.contains(said), "\(outcome.errors)")
        #expect(!outcome.errors.contains("trainyard import"), "\(outcome.errors)")
    }
}
