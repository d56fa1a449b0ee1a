import Interchange
import Plans
import Reading
import TestSupport
import Testing

/// Devices that scripts start, or ask a batch system for.
@Suite struct LaunchedDevicesTests {
    private static let arguments = """
        --num-layers 4 --hidden-size 512 --num-attention-heads 8 --seq-length 1024 --max-position-embeddings 1024 \
        --vocab-size 32000 --micro-batch-size 1 --global-batch-size 2304 --bf16 --train-iters 10
        """

    private static func read(_ lines: String, _ start: String) throws -> ImportedPlan {
        try Imported.plan(
            "#!/bin/bash\n\(lines)\n\(start) pretrain_gpt.py \(arguments)\n", .megatronLM, path: "run.sh")
    }

    /// Lines of the job, the command's beginning, and the devices.
    @Test(arguments: [
        ("", "torchrun --nproc_per_node 8 --nnodes=2", 16),
        ("", "python -m torch.distributed.run --nproc-per-node=4", 4),
        ("", "torchrun --nproc_per_node 8 --nnodes 2:2", 16),
        ("#SBATCH --nodes=4\n#SBATCH --gres=gpu:8", "srun python", 32),
        ("#SBATCH -N 2\n#SBATCH --gpus-per-node=h100:4", "python", 8),
        ("#SBATCH -N2\n#SBATCH --gres=gpu:a100:4(S:0-1),nvme:1", "srun python", 8),
        ("#SBATCH --gpus=24", "srun python", 24),
        ("#SBATCH --ntasks=16\n#SBATCH --gpus-per-task=1", "srun python", 16),
        ("#SBATCH --nodes=2 # two\n#SBATCH --gpus-per-node 8", "torchrun --nproc_per_node $GPUS --nnodes $NODES", 16),
        ("#SBATCH --nodes=3\n#SBATCH --ntasks-per-node=1", "torchrun --nproc_per_node 8 --nnodes $SLURM_NNODES", 24),
        ("#SBATCH --nodes=3\nN=$(($SLURM_NNODES*2))", "torchrun --nproc_per_node 8 --nnodes $N", 48),
        ("", "srun -N 2 --ntasks-per-node=8 python", 16), ("", "srun --ntasks=12 python", 12),
        ("", "srun -n 12 python", 12),
        ("#PBS -l select=4:ncpus=64:ngpus=8:mpiprocs=8", "mpirun python", 32),
        ("#PBS -l select=2:ngpus=4+1:ngpus=8", "python", 16), ("#PBS -l nodes=3:ppn=8:gpus=4", "python", 12),
        ("#BSUB -nnodes 4\n#BSUB -gpu \"num=6:mode=shared\"", "jsrun python", 24),
        ("#BSUB -n 16\n#BSUB -R \"span[ptile=4]\"\n#BSUB -gpu num=4/host", "python", 16),
        ("#BSUB -n 16\n#BSUB -gpu \"num=1/task\"", "python", 16),
        ("", "mpirun -np 16 python", 16), ("", "mpiexec -n 4 python", 4),
        ("#SBATCH --nodes=2", "mpirun -N 8 python", 16), ("", "deepspeed --num_gpus 8 --num_nodes 2", 16),
        ("", "deepspeed --num_gpus=4", 4), ("", "accelerate launch --num_processes 32", 32),
        ("", "srun -n 2 accelerate launch --num_processes 16", 16),
        ("#SBATCH --nodes=2\n#SBATCH --gres=gpu:a100:4,gpu:h100:4", "srun python", 16),
        ("#SBATCH --nodes=2\n\n# more\n#SBATCH --gpus-per-node=8\nX=1\n#SBATCH --nodes=4", "srun python", 16),
    ]) func found(_ lines: String, _ start: String, _ devices: Int) throws {
        #expect(try Self.read(lines, start).plan.devices == devices)
    }

    /// What only the environment holds is not one.
    @Test(arguments: [
        ("", "torchrun --nproc_per_node 8 --nnodes $EMPTY", "--nnodes (line 3) has no value"),
        ("", "torchrun --nproc_per_node $GPUS --nnodes 4", "--nproc_per_node (line 3) has no value"),
        ("", "torchrun --nproc_per_node gpu", "--nproc_per_node (line 3) is 'gpu', no number"),
        ("", "torchrun --nproc_per_node 8 --nnodes 1:4", "--nnodes (line 3) is '1:4', no number"),
        ("", "deepspeed --num_gpus $GPUS", "--num_gpus (line 3) has no value"),
        ("", "accelerate launch --num_processes $ALL", "--num_processes (line 3) has no value"),
        ("#SBATCH --nodes=4", "srun python", "#SBATCH names nodes and no devices"),
    ]) func unknown(_ lines: String, _ start: String, _ why: String) throws {
        let imported = try Self.read(lines, start)
        let note = imported.inferred.first { $0.contains("layout.data: 1") } ?? ""
        #expect(note.contains(why) && note.contains("say it with --devices"), "\(imported.inferred)")
        #expect(!imported.text.contains("\ndevices:"), "\(imported.text)")
    }

    @Test func whatTheScriptLeavesToTheEnvironmentIsSaid() throws {
        let imported = try Self.read(
            """
            GPUS=${GPUS_PER_NODE:-8}
            NODES=${NODES:-2}
            ALL=$((GPUS * NODES))
            MASTER_ADDR=${MASTER_ADDR:-localhost}
            UNUSED=${SOMETHING:-7}
            if [ -f /etc/cluster ]; then NODES=4; fi
            if [ "$GPUS" -gt 4 ]; then BATCH=1; fi
            """, "torchrun --nproc_per_node $GPUS --nnodes $((ALL / GPUS)) --master_addr $MASTER_ADDR")
        let said = imported.inferred.joined(separator: "\n")
        #expect(imported.plan.devices == 16)
        #expect(said.contains("GPUS_PER_NODE 8 (line 2), NODES 2 (line 3): defaults of the script"), "\(said)")
        #expect(said.contains("if of line 7 does not hold") && !said.contains("line 8"), "\(said)")
        #expect(!said.contains("MASTER_ADDR") && !said.contains("SOMETHING"), "\(said)")
    }

    /// Our own jobs come back with their devices.
    @Test(arguments: [
        (ExportTarget.slurm, "job.sbatch"), (.pbs, "job.pbs"), (.lsf, "job.lsf"), (.hostfile, "run.sh"),
        (.megatronLM, "megatron-lm.sh"),
    ]) func ownJobs(_ target: ExportTarget, _ file: String) throws {
        let plan = try Plan.read(
            text: """
                model: {name: llama3-8b}
                tokens: 10B
                cluster: h100-80g-sxm
                devices: 32
                batch: 256
                layout: {tensor: 4, pipeline: 2, data: 4, microbatch: 1, sequenceParallel: true, sharding: optimizer}
                """, path: "plan.yaml", library: Checkout.library)
        let context = ExportContext(
            source: "plan.yaml", version: "0", stepSeconds: 1, peakGiB: 10, capacityGiB: 80, steps: 1000,
            saveEvery: nil,
            days: 1, planText: "")
        let text = try #require(target.export(plan, context: context).files.first { $0.name == file }?.text)
        let imported = try Imported.plan(text, .megatronLM, path: file).plan
        #expect(imported.devices == 32 && imported.layout?.tensor == 4 && imported.layout?.data == 4)
    }
}
