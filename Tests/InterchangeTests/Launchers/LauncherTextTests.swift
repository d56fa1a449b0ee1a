import Foundation
import Interchange
import Plans
import TestSupport
import Testing

@Suite struct LauncherTextTests {
    /// The lines that state nodes, devices, name and time, by target.
    static let megatron: [(ExportTarget, [String])] = [
        (
            .slurm,
            [
                "#SBATCH --job-name=gpt-7b", "#SBATCH --nodes=4", "#SBATCH --gpus-per-node=8",
                "#SBATCH --ntasks-per-node=1",
                "#SBATCH --time=24-06:00:00", "interval=137", "ending=34890", "export CUDA_DEVICE_MAX_CONNECTIONS=1",
            ]
        ),
        (
            .pbs,
            [
                "#PBS -N gpt-7b", "#PBS -l select=4:ncpus=64:ngpus=8:mpiprocs=1", "#PBS -l walltime=582:00:00",
                "interval=137",
            ]
        ),
        (
            .lsf,
            [
                "#BSUB -J gpt-7b", "#BSUB -n 4", "#BSUB -R \"span[ptile=1]\"",
                "#BSUB -gpu \"num=8/host:j_exclusive=yes\"",
                "#BSUB -W 582:00", "interval=137",
            ]
        ),
        (
            .mpijob,
            [
                "  name: gpt-7b", "  slotsPerWorker: 8", "      replicas: 4",
                "                limits: {nvidia.com/gpu: 8}",
                "                - --save-interval=137",
            ]
        ),
        (
            .jobset,
            [
                "  name: gpt-7b", "          parallelism: 4", "          completions: 4",
                "                    - {name: CUDA_DEVICE_MAX_CONNECTIONS, value: \"1\"}",
                "                    limits: {nvidia.com/gpu: 8}", "                    - --save-interval=137",
            ]
        ),
        (
            .trainjob,
            [
                "  name: gpt-7b", "    numNodes: 4", "    numProcPerNode: 8", "      limits: {nvidia.com/gpu: 8}",
                "      - --save-interval=137",
            ]
        ),
        (.skypilot, ["name: gpt-7b", "num_nodes: 4", "  accelerators: H100:8", "  interval=137"]),
        (.hostfile, ["node1 slots=8", "node4 slots=8"]),
    ]

    @Test(arguments: megatron) func jobsOfMegatronSayThePlan(target: ExportTarget, lines: [String]) throws {
        let plan = try LauncherPlans.plan(LauncherPlans.megatron)
        let export = LauncherPlans.export(target, plan)
        #expect(export.gaps.isEmpty)
        #expect(!export.files.contains { $0.name == "plan.yaml" })
        let written = export.files.map(\.text).joined().split(separator: "\n").map(String.init)
        for line in lines { #expect(written.contains { $0.hasPrefix(line) }, "\(line)") }
        #expect(written.contains { $0.contains("20 days") })
        // Every argument of the plan, each once.
        let text = export.files.map(\.text).joined(separator: "\n")
        for argument in try LauncherPlans.arguments(plan)
        where !["--save", "--load", "--save-interval"].contains(argument[0]) {
            let spellings = [argument.joined(separator: " "), argument.joined(separator: "=")]
            let found = spellings.map { text.ranges(of: "\($0)\n").count + text.ranges(of: "\($0) ").count }
            let listed = text.ranges(of: "(\(argument[0]) ").count + text.ranges(of: "\(spellings[0]))").count
            #expect(found.max() ?? 0 >= 1 || listed >= 1, "\(argument)")
        }
    }

    static let trainyard: [(ExportTarget, [String])] = [
        (
            .slurm,
            [
                "#SBATCH --job-name=tiny-gpt-4", "#SBATCH --nodes=2", "#SBATCH --ntasks-per-node=2",
                "#SBATCH --time=0-01:10:00", "plan=plan.yaml", "folder=runs/tiny-gpt-4",
            ]
        ),
        (
            .pbs,
            ["#PBS -N tiny-gpt-4", "#PBS -l select=2:ncpus=2:mpiprocs=2", "#PBS -l walltime=01:10:00", "mpirun -n 4 "]
        ),
        (
            .lsf,
            [
                "#BSUB -J tiny-gpt-4", "#BSUB -n 4", "#BSUB -R \"span[ptile=2] affinity[core(1)]\"", "#BSUB -W 1:10",
                "mpirun -n 4 ",
            ]
        ),
        (
            .mpijob,
            [
                "  name: tiny-gpt-4", "  slotsPerWorker: 2", "      replicas: 2",
                "                - {name: DATA, value: \"/shared/corpus.txt\"}", "                  exec mpirun -n 4 ",
            ]
        ),
        (.trainjob, ["  name: tiny-gpt-4", "    numNodes: 2", "    numProcPerNode: 2", "        exec mpirun -n 4 "]),
        (.skypilot, ["name: tiny-gpt-4", "num_nodes: 2", "  cpus: 2+", "  DATA: \"corpus.txt\"", "  mpirun -n 4 "]),
        (
            .hostfile,
            [
                "node1 slots=2", "node2 slots=2", "rank 0=node1 slot=0", "rank 1=node1 slot=1", "rank 3=node2 slot=1",
                "    mpirun \"${root[@]}\" -n 4 ",
            ]
        ),
    ]

    @Test(arguments: trainyard) func jobsOfOurOwnRuntimeSayThePlan(target: ExportTarget, lines: [String]) throws {
        let plan = try LauncherPlans.plan(LauncherPlans.trainyard)
        let export = LauncherPlans.export(target, plan)
        #expect(export.gaps.isEmpty)
        let written = export.files.map(\.text).joined().split(separator: "\n").map(String.init)
        for line in lines { #expect(written.contains { $0.hasPrefix(line) }, "\(line)") }
        let text = try #require(export.files.first { $0.name == "plan.yaml" }?.text)
        let again = try LauncherPlans.plan(text)
        #expect(again.layout == plan.layout && again.train == plan.train && again.model == plan.model)
    }

    @Test func aJobSetHasNoMPI() throws {
        let export = LauncherPlans.export(.jobset, try LauncherPlans.plan(LauncherPlans.trainyard))
        #expect(export.files.isEmpty)
        #expect(export.gaps.map(\.field) == ["train"])
        #expect(export.gaps.first?.reason.contains("mpijob") == true)
    }

    @Test func exportingTwiceGivesTheSameText() throws {
        for text in [LauncherPlans.megatron, LauncherPlans.trainyard] {
            let plan = try LauncherPlans.plan(text)
            for target in LauncherPlans.targets {
                let first = LauncherPlans.export(target, plan)
                #expect(first.files == LauncherPlans.export(target, first.plan).files)
            }
        }
    }

    @Test func timesAreRoundedUp() throws {
        let plan = try LauncherPlans.plan(LauncherPlans.megatron)
        // Minutes of the steps, then an hour to start and to save.
        let expected: [(days: Double?, high: Double?, time: String)] = [
            (1, 1.5, "1-13:00:00"), (1, nil, "1-01:00:00"), (0.5, 0.51, "0-13:20:00"), (0, 0, "0-01:10:00"),
            (3, 5_000, "5000-01:00:00"), (1e9, 2e9, "9999-00:00:00"), (.infinity, .nan, "9999-00:00:00"),
        ]
        for (days, high, time) in expected {
            var context = LauncherPlans.context(plan, days: days.flatMap { $0.isFinite ? $0 : nil }, highDays: high)
            context.days = days
            let text = try #require(ExportTarget.slurm.export(plan, context: context).files.first?.text)
            #expect(text.contains("#SBATCH --time=\(time)\n"), "\(days ?? -1) \(high ?? -1)")
        }
    }

    @Test func aPlanWithoutTokensHasTheTimeOfItsSteps() throws {
        let plan = try LauncherPlans.plan(LauncherPlans.megatron.replacing("tokens: 100B\n", with: ""))
        let context = LauncherPlans.context(plan, days: nil, highDays: nil, stepSeconds: 90)
        let text = try #require(ExportTarget.slurm.export(plan, context: context).files.first?.text)
        // Megatron-LM's export runs 100 steps then: 150 minutes, and an hour.
        #expect(text.contains("    --train-iters 100\n") && text.contains("#SBATCH --time=0-03:30:00\n"))
    }

    @Test func checkpointsOfAPlanWithoutFailuresAreHalfAnHourApart() throws {
        let plan = try LauncherPlans.plan(LauncherPlans.megatron)
        for (seconds, steps) in [(2.0, 900), (7.0, 258), (5_000.0, 1), (0, 1_800_000)] {
            let context = LauncherPlans.context(plan, saveEvery: nil, stepSeconds: seconds == 0 ? 1e-9 : seconds)
            let text = try #require(ExportTarget.slurm.export(plan, context: context).files.first?.text)
            #expect(text.contains("\ninterval=\(steps)\n"))
        }
    }
}

@Suite struct LauncherRefusalTests {
    static func replacing(_ text: String, _ old: String, _ new: String) throws -> Plan {
        try LauncherPlans.plan(text.replacing(old, with: new))
    }

    /// 12 GPUs on nodes of 8.
    private static func uneven() throws -> Plan {
        try replacing(
            LauncherPlans.megatron.replacing("devices: 32", with: "devices: 12").replacing(
                "batch: 256", with: "batch: 252"),
            "{tensor: 8, sequenceParallel: true, pipeline: 2, sharding: optimizer}",
            "{tensor: 2, sequenceParallel: true, data: 6, sharding: optimizer}")
    }

    @Test func gpusThatDoNotFillTheirNodesAreAnError() throws {
        let plan = try Self.uneven()
        for target in LauncherPlans.targets where target != .hostfile {
            let export = LauncherPlans.export(target, plan)
            #expect(export.files.isEmpty, "\(target)")
            let gap = try #require(export.gaps.first)
            #expect(gap.field == "devices" && gap.value == "12" && gap.nearest == nil)
            #expect(gap.reason.contains("use 8 or 16 devices"))
        }
        let hosts = try #require(LauncherPlans.export(.hostfile, plan).files.first?.text)
        #expect(hosts.contains("\nnode1 slots=8\nnode2 slots=4\n"))
    }

    @Test func ranksThatDoNotFillTheirNodesHaveALineOfTheirOwn() throws {
        let plan = try Self.replacing(
            LauncherPlans.trainyard.replacing("devices: 4\n", with: "devices: 5\n").replacing(
                "batch: 8", with: "batch: 10"),
            "{pipeline: 4}", "{data: 5}")
        let expected: [(ExportTarget, [String])] = [
            (.slurm, ["#SBATCH --nodes=3\n", "#SBATCH --ntasks=5\n", "#SBATCH --ntasks-per-node=2\n"]),
            (.pbs, ["select=2:ncpus=2:mpiprocs=2+1:ncpus=1:mpiprocs=1\n"]),
            (.lsf, ["#BSUB -n 5\n", "ptile=2"]),
            (.hostfile, ["node2 slots=2\n", "node3 slots=1\n"]),
        ]
        for (target, pieces) in expected {
            let export = LauncherPlans.export(target, plan)
            let text = try #require(export.files.first?.text)
            for piece in pieces { #expect(text.contains(piece), "\(target) \(piece)") }
            #expect(
                text.contains("2 nodes of 2 ranks and one of 1") || text.contains("2 hosts of 2 ranks and one of 1"))
        }
        for target in [ExportTarget.mpijob, .trainjob, .skypilot] {
            #expect(LauncherPlans.export(target, plan).gaps.map(\.field) == ["devices"])
        }
    }

    @Test func devicesThatMegatronDoesNotTrainOnAreAnError() throws {
        let cores = LauncherPlans.trainyard.replacing("\ntrain: {data: corpus.txt, steps: 60}", with: "")
        for target in LauncherPlans.targets {
            let export = LauncherPlans.export(target, try LauncherPlans.plan(cores))
            #expect(export.files.isEmpty && export.gaps.contains { $0.reason.contains("processor cores") })
            let others = LauncherPlans.export(
                target, try Self.replacing(LauncherPlans.megatron, "h100-80g-sxm", "gaudi3"))
            #expect(others.files.isEmpty && others.gaps.contains { $0.reason.contains("Intel") })
        }
    }

    @Test func unlikeNodesAreAnError() throws {
        let path = Checkout.root + "/plans/llama3-70b-h100-a100.yaml"
        let plan = try Plan.read(path: path, library: Checkout.library)
        for target in LauncherPlans.targets {
            let export = LauncherPlans.export(target, plan)
            #expect(export.files.isEmpty && export.gaps.contains { $0.field == "cluster.groups" && $0.nearest == nil })
        }
    }

    @Test func otherSoftwareIsNamed() throws {
        let plan = try LauncherPlans.plan(LauncherPlans.megatron + "\nframework: torchtitan")
        let text = try #require(LauncherPlans.export(.slurm, plan).files.first?.text)
        #expect(text.contains("# The plan names torchtitan; this job runs Megatron-LM with the same layout.\n"))
        let refused = try LauncherPlans.plan(
            LauncherPlans.megatron.replacing("pipeline: 2", with: "pipeline: 2, schedule: zb-h1")
                + "\nframework: torchtitan")
        let gap = try #require(LauncherPlans.export(.slurm, refused).gaps.first)
        #expect(
            gap.field == "layout.schedule" && gap.reason.hasPrefix("the job runs Megatron-LM in place of torchtitan: "))
        let named = try LauncherPlans.plan(LauncherPlans.megatron + "\nframework: megatron-lm")
        #expect(LauncherPlans.export(.slurm, named).files.first?.text.contains("The plan names") == false)
    }

    @Test func acceleratorsHaveTheirOwnNames() throws {
        let expected = [
            ("a100-80g-sxm", "A100-80GB"), ("a100-40g-sxm", "A100"), ("a100-80g-pcie", "A100-80GB"),
            ("b200-sxm", "B200"),
            ("h200-141g-sxm", "H200"), ("l40s", "L40S"), ("mi300x", "MI300X"), ("v100-32g-sxm", "V100-32GB"),
            ("rtx-a6000", "A6000"), ("rtx-6000-ada", "RTX6000-Ada"),
        ]
        for (cluster, name) in expected {
            var plan = try LauncherPlans.plan(LauncherPlans.megatron)
            plan.cluster = try Cluster.read(cluster, library: Checkout.library)
            guard plan.devices % plan.cluster.devicesPerNode == 0 else { continue }
            let text = try #require(LauncherPlans.export(.skypilot, plan).files.first?.text)
            #expect(text.contains("  accelerators: \(name):\(plan.cluster.devicesPerNode)\n"), "\(cluster)")
            let pods = try #require(LauncherPlans.export(.jobset, plan).files.first?.text)
            #expect(pods.contains(cluster.hasPrefix("mi") ? "{amd.com/gpu: 8}" : "{nvidia.com/gpu: "))
        }
        var plan = try LauncherPlans.plan(LauncherPlans.megatron)
        plan.cluster = try Cluster.read("h800-80g-sxm", library: Checkout.library)
        let gaps = LauncherPlans.export(.skypilot, plan).gaps
        #expect(gaps.map(\.field) == ["cluster"])
    }
}
