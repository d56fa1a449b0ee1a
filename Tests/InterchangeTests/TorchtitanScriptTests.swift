import Foundation
import Interchange
import Models
import Plans
import Reading
import TestSupport
import Testing

/// Scripts that start torchtitan, and slips of the pen in its flags.
@Suite struct TorchtitanScriptTests {
    /// `run_train.sh` of torchtitan v0.2.
    private static let script = """
        #!/usr/bin/bash
        set -ex
        # use envs as local overwrites for convenience
        # LOG_RANK=0,1 NGPU=4 ./run_train.sh
        NGPU=${NGPU:-"8"}
        export LOG_RANK=${LOG_RANK:-0}
        CONFIG_FILE=${CONFIG_FILE:-"./torchtitan/models/llama3/train_configs/llama3_8b.toml"}
        TRAIN_FILE=${TRAIN_FILE:-"torchtitan.train"}

        PYTORCH_ALLOC_CONF="expandable_segments:True" \\
        torchrun --nproc_per_node=${NGPU} --rdzv_backend c10d --rdzv_endpoint="localhost:0" \\
        --local-ranks-filter ${LOG_RANK} --role rank --tee 3 \\
        -m ${TRAIN_FILE} --job.config_file ${CONFIG_FILE} "$@"
        """

    private static func folder(_ script: String = script) throws -> TemporaryFolder {
        let folder = try TemporaryFolder()
        try folder.write(script, as: "run_train.sh")
        for inner in ["torchtitan/models/llama3/train_configs", "scripts"] {
            try FileManager.default.createDirectory(atPath: folder[inner], withIntermediateDirectories: true)
        }
        try folder.write(TorchtitanImportTests.dense, as: "torchtitan/models/llama3/train_configs/llama3_8b.toml")
        return folder
    }

    private static func read(_ folder: TemporaryFolder, _ name: String = "run_train.sh", devices: Int? = nil) throws
        -> ImportedPlan
    {
        let text = try folder.read(name)
        #expect(ImportFormat.detect(text: text, name: name) == .torchtitan)
        return try Imported.plan(text, .torchtitan, devices: devices, path: folder[name])
    }

    @Test func theFileBeside() throws {
        let folder = try Self.folder()
        let imported = try Self.read(folder)
        let plan = imported.plan
        #expect(plan.model.parameters().total == 8_030_261_248 && plan.model.sequence == 8192)
        #expect(plan.devices == 8 && plan.layout?.data == 8 && plan.layout?.recompute == .selective)
        #expect(imported.source == "a script that starts torchtitan with llama3_8b.toml")
        #expect(imported.inferred.contains { $0.contains("devices 8: those that --nproc_per_node and --nnodes start") })
        #expect(imported.ignored == ["--job.config_file", "model.name"], "\(imported.ignored)")
        #expect(try Self.read(folder, devices: 64).plan.layout?.data == 64)
        // From the root of the repository above the script's folder.
        try folder.write(Self.script, as: "scripts/run_train.sh")
        #expect(try Self.read(folder, "scripts/run_train.sh").plan.devices == 8)
    }

    @Test func flagsGoOverTheFile() throws {
        let flags = "--training.seq_len 4096 --parallelism.tensor_parallel_degree 2 --activation_checkpoint.mode full"
        let folder = try Self.folder(
            Self.script.replacing("\"$@\"", with: flags).replacing("NGPU} ", with: "NGPU} --nnodes 2 "))
        let plan = try Self.read(folder).plan
        #expect(plan.model.sequence == 4096 && plan.layout?.tensor == 2 && plan.layout?.recompute == .full)
        #expect(plan.devices == 16 && plan.layout?.data == 8)
    }

    /// A mistake of the file stands in the file.
    @Test func mistakesOfTheFile() throws {
        let folder = try Self.folder()
        let file = "torchtitan/models/llama3/train_configs/llama3_8b.toml"
        try folder.write(TorchtitanImportTests.dense.replacing("steps = 1000", with: "steps = \"many\""), as: file)
        let found = Imported.problems(Self.script, .torchtitan, path: folder["run_train.sh"])
        #expect(
            found.count == 1 && found[0].contains("llama3_8b.toml:15:1: training.steps: must be a whole"), "\(found)")
        try folder.write("[training\n", as: file)
        let broken = Imported.problems(Self.script, .torchtitan, path: folder["run_train.sh"])
        #expect(broken.contains { $0.contains("llama3_8b.toml:1:10: is no TOML") }, "\(broken)")
    }

    @Test(arguments: [
        ("llama3_8b.toml\"", "other.toml\"", "13:18: --job.config_file: is found neither beside this file"),
        ("${CONFIG_FILE} \"", "${NOTHING} \"", "13:18: --job.config_file: names no file that is known here"),
    ]) func filesThatAreNotThere(_ old: String, _ new: String, _ said: String) throws {
        let folder = try Self.folder()
        let text = Self.script.replacing(old, with: new)
        let found = Imported.problems(text, .torchtitan, path: folder["run_train.sh"])
        #expect(found.contains { $0.contains(said) }, "\(found)")
    }

    /// `run_train.sh` of torchtitan v0.3, whose flags name a function.
    @Test func theScriptOfToday() throws {
        let text = """
            #!/usr/bin/bash
            set -ex
            NGPU=${NGPU:-"8"}
            MODULE=${MODULE:-"llama3"}
            CONFIG=${CONFIG:-"llama3_8b"}
            COMM_MODE=${COMM_MODE:-""}
            if [ -n "$COMM_MODE" ]; then
                python3 -m torchtitan.train --module ${MODULE} --config ${CONFIG} "$@" --comm.mode=${COMM_MODE}
            else
                torchrun --nproc_per_node=${NGPU} --role rank --tee 3 \\
                -m torchtitan.train --module ${MODULE} --config ${CONFIG} "$@"
            fi
            """
        #expect(ImportFormat.detect(text: text, name: "run_train.sh") == .torchtitan)
        let plan = try Imported.plan(text, .torchtitan).plan
        #expect(plan.devices == 8 && plan.model.parameters().total == 8_030_261_248)
    }

    @Test(arguments: [
        (
            "--parallelism.tensor_paralel_degree 2",
            "2:1: --parallelism.tensor_paralel_degree: unknown setting (found '2'); did you mean 'tensor_parallel_degree'?"
        ),
        // The configuration function sets the real one.
        ("--training.seq_lenn 4096", "did you mean 'seq_len'?"),
        ("--training.local_batchsize=2", "did you mean 'local_batch_size'?"),
        ("--trainning.steps 10", "did you mean '--training.'?"),
        ("--num-layers 4", "2:1: --num-layers: unknown argument"),
    ]) func slipsOfFlags(_ flag: String, _ said: String) {
        let list = "--module llama3 --config llama3_8b\n\(flag)\n"
        let found = Imported.problems(list, .torchtitan, devices: 8)
        #expect(found.count == 1 && found[0].contains(said), "\(found)")
        guard flag != "--num-layers 4" else { return }
        let script = "torchrun --nproc_per_node=8 -m torchtitan.train --module llama3 --config llama3_8b \(flag)"
        #expect(Imported.problems(script, .torchtitan, devices: 8).count == 1)
    }

    /// Settings of a newer release, or of a module of its own, may change a run: they are named among what is left out.
    @Test func unknownSections() throws {
        let list = "--module llama3 --config llama3_8b\n--telemetry.endpoint here --training.brand_new_thing 3\n"
        let imported = try Imported.plan(list, .torchtitan, devices: 8)
        let left = imported.left.joined()
        #expect(left.contains("--telemetry.endpoint, --training.brand_new_thing: a plan cannot say them"), "\(left)")
        #expect(imported.ignored.isEmpty, "\(imported.ignored)")
    }
}
