import Foundation
import Interchange
import Plans
import TestSupport
import Testing
import Yams

/// What the scripts start, by running them over stand-ins for the commands of a system.
@Suite struct LauncherRunTests {
    /// Names that a shell, YAML or a batch system could read as more than a name.
    static let names = [
        "gpt-7b", "GPT 7B (new)", "a\nrm -rf x", "$(touch TOUCHED)", "`touch TOUCHED`", "x\"; touch TOUCHED; \"",
        "'; touch TOUCHED; '", "a\n#SBATCH --nodes=99\ntouch TOUCHED", "\r\ntouch TOUCHED", "a\u{2028}touch TOUCHED",
        "a\u{85}evil: 1", "\u{1B}[2J", "模型", "-n", "--wrap=touch", "", "7", ".", "../../etc", "a: b # c", "{a}", "*",
        String(repeating: "long-", count: 80), "a\u{202E}b", "x\0y", "- - -", "%j", "~", "!!python/object", "|", "é",
    ]

    /// What the plan says, and `saving` and the rest beside it.
    private func check(_ started: [String], plan: Plan, folder: String, signal: Bool = true) throws {
        let expected = try LauncherPlans.arguments(plan).filter {
            !["--save", "--load", "--save-interval"].contains($0[0])
        }
        let words = started.flatMap {
            $0.hasPrefix("--") ? $0.split(separator: "=", maxSplits: 1).map(String.init) : [$0]
        }
        for argument in expected {
            let places = words.indices.filter { words[$0] == argument[0] }
            #expect(places.count == 1, "\(argument)")
            guard let place = places.first else { continue }
            #expect(Array(words[place...].prefix(argument.count)) == argument)
        }
        for (flag, value) in [("--save", folder), ("--load", folder), ("--save-interval", "137"), ("--lr", "0.0003")] {
            let place = try #require(words.firstIndex(of: flag))
            #expect(words[place + 1] == value)
        }
        #expect(words.contains("--exit-signal-handler") == signal)
    }

    @Test(arguments: names) func slurmStartsTorchrunOnEveryNode(name: String) throws {
        let plan = try LauncherPlans.named(name, LauncherPlans.megatron)
        let script = try #require(LauncherPlans.export(.slurm, plan).files.first)
        let shell = try LauncherShell()
        try shell.folder.write(script.text, as: "job.sbatch")
        try shell.record("torchrun")
        try shell.add(
            "scontrol", "[ \"$1\" = show ] && printf 'a1\\na2\\n' || echo \"$@\" > '\(shell.folder["requeued"])'")
        try shell.add("scancel", "exit 0")
        // As srun does, the command begins after the options.
        try shell.add("srun", "while [[ $1 == -* ]]; do shift; done; SLURM_NODEID=3 exec \"$@\"")
        let result = try shell.run(
            ["job.sbatch"],
            environment: [
                "SLURM_SUBMIT_DIR": shell.folder.path, "SLURM_JOB_NODELIST": "a[1-4]", "SLURM_JOB_ID": "12",
                "SLURM_JOB_NUM_NODES": "4", "SLURM_CPUS_ON_NODE": "96", "SLURM_JOB_NAME": "x",
            ])
        #expect(result.status == 0, "\(result.output)")
        let started = try shell.recorded("torchrun")
        #expect(started.contains("--nnodes=4") && started.contains("--nproc-per-node=8"))
        #expect(started.contains("--master-addr=a1"))
        #expect(try shell.variables("torchrun").isSuperset(of: ["CUDA_DEVICE_MAX_CONNECTIONS=1", "PET_NODE_RANK=3"]))
        let folder = try #require(started.firstIndex(of: "--save").map { started[$0 + 1] })
        try check(started, plan: plan, folder: folder)
        #expect(!FileManager.default.fileExists(atPath: shell.folder["TOUCHED"]))
        #expect(!FileManager.default.fileExists(atPath: shell.folder["requeued"]))
        // The batch system reads directives from all lines, whoever wrote them.
        let directives = script.text.split(whereSeparator: \.isNewline).filter { $0.hasPrefix("#SBATCH") }
        #expect(directives.filter { $0.contains("--nodes=") } == ["#SBATCH --nodes=4"])
        let own = try #require(directives.first { $0.contains("--job-name=") }).dropFirst("#SBATCH --job-name=".count)
        #expect(own.wholeMatch(of: /[A-Za-z][A-Za-z0-9._-]{0,62}/) != nil, "\(own)")
    }

    @Test func slurmStartsAJobAgainWhereItHasGotOn() throws {
        let plan = try LauncherPlans.plan(LauncherPlans.megatron)
        let script = try #require(LauncherPlans.export(.slurm, plan).files.first)
        // What torchrun does, and whether the job goes on: a failure after a new checkpoint, before any, and after too
        // many starts.
        let newer = "mkdir -p checkpoints/gpt-7b; echo 137 > checkpoints/gpt-7b/latest_checkpointed_iteration.txt;"
        let cases: [(body: String, starts: String, status: Int32, again: Bool)] = [
            ("\(newer) exit 1", "0", 1, true), ("exit 1", "0", 1, false), ("\(newer) exit 1", "1000", 1, false),
            ("\(newer) exit 0", "0", 0, false), ("kill -TERM $JOB_SHELL; sleep 1; exit 0", "0", 1, true),
        ]
        for (body, starts, status, again) in cases {
            let shell = try LauncherShell()
            try shell.folder.write(script.text, as: "job.sbatch")
            try shell.add("torchrun", body)
            try shell.add("scontrol", "[ \"$1\" = show ] && echo a1 || echo \"$@\" > '\(shell.folder["requeued"])'")
            try shell.add("scancel", "echo \"$@\" > '\(shell.folder["signalled"])'")
            try shell.add("srun", "while [[ $1 == -* ]]; do shift; done; export JOB_SHELL=$PPID; exec \"$@\"")
            let result = try shell.run(
                ["job.sbatch"],
                environment: [
                    "SLURM_SUBMIT_DIR": shell.folder.path, "SLURM_JOB_NODELIST": "a1", "SLURM_JOB_ID": "12",
                    "SLURM_JOB_NUM_NODES": "1", "SLURM_CPUS_ON_NODE": "8", "SLURM_JOB_NAME": "x", "SLURM_NODEID": "0",
                    "SLURM_RESTART_COUNT": starts,
                ])
            #expect(result.status == status, "\(body): \(result.output)")
            #expect(FileManager.default.fileExists(atPath: shell.folder["requeued"]) == again, "\(body)")
        }
    }

    @Test(arguments: names) func pbsStartsTorchrunOnEveryNode(name: String) throws {
        let plan = try LauncherPlans.named(name, LauncherPlans.megatron)
        let script = try #require(LauncherPlans.export(.pbs, plan).files.first)
        let shell = try LauncherShell()
        try shell.folder.write(script.text, as: "job.pbs")
        try shell.folder.write("a1\na2\n", as: "nodes")
        try shell.add("torchrun", "printf '%s\\n' \"$@\" > \"torchrun-$(grep -o 'node-rank=.' <<< \"$*\").args\"")
        try shell.add("pbsdsh", "cd /; shift 3; env -i HOME='\(shell.folder.path)' \"$@\"")
        let result = try shell.run(
            ["job.pbs"],
            environment: [
                "PBS_O_WORKDIR": shell.folder.path, "PBS_NODEFILE": shell.folder["nodes"], "PBS_JOBID": "12.server",
                "PBS_JOBNAME": "x",
            ])
        #expect(result.status == 0, "\(result.output)")
        for rank in 0..<2 {
            let started = try shell.recorded("torchrun-node-rank=\(rank)")
            #expect(started.contains("--node-rank=\(rank)") && started.contains("--master-addr=a1"))
            let folder = try #require(started.firstIndex(of: "--save").map { started[$0 + 1] })
            try check(started, plan: plan, folder: folder)
        }
        #expect(!FileManager.default.fileExists(atPath: shell.folder["TOUCHED"]))
        let own = try #require(script.text.firstMatch(of: /\n#PBS -N (.*)\n/)).output.1
        #expect(own.wholeMatch(of: /[A-Za-z][A-Za-z0-9._-]{0,62}/) != nil)
    }

    @Test(arguments: names) func lsfStartsTorchrunOnEveryHost(name: String) throws {
        let plan = try LauncherPlans.named(name, LauncherPlans.megatron)
        let script = try #require(LauncherPlans.export(.lsf, plan).files.first)
        let shell = try LauncherShell()
        try shell.folder.write(script.text, as: "job.lsf")
        try shell.record("torchrun")
        // As ssh does, the words become a line of a shell.
        try shell.add("blaunch", "[ \"$1\" = a2 ] || exit 0; shift; cd /; bash -c \"$*\"")
        let result = try shell.run(
            ["job.lsf"], environment: ["LSB_HOSTS": "a1 a2", "LSB_JOBID": "12", "LSB_JOBNAME": "x"])
        #expect(result.status == 0, "\(result.output)")
        let started = try shell.recorded("torchrun")
        #expect(started.contains("--node-rank=1") && started.contains("--master-addr=a1"))
        let folder = try #require(started.firstIndex(of: "--save").map { started[$0 + 1] })
        try check(started, plan: plan, folder: folder)
        #expect(!FileManager.default.fileExists(atPath: shell.folder["TOUCHED"]))
    }

    @Test(arguments: names) func mpirunStartsMegatronWithRanks(name: String) throws {
        let plan = try LauncherPlans.named(name, LauncherPlans.megatron)
        let shell = try LauncherShell()
        for file in LauncherPlans.export(.hostfile, plan).files { try shell.folder.write(file.text, as: file.name) }
        try shell.record("python")
        try shell.add(
            "mpirun",
            "export OMPI_COMM_WORLD_RANK=9 OMPI_COMM_WORLD_LOCAL_RANK=1 OMPI_COMM_WORLD_SIZE=32; "
                + "while [ \"$1\" != bash ]; do shift; done; exec \"$@\"")
        let result = try shell.run(["run.sh"])
        #expect(result.status == 0, "\(result.output)")
        let variables = try shell.variables("python")
        #expect(variables.isSuperset(of: ["RANK=9", "LOCAL_RANK=1", "WORLD_SIZE=32", "MASTER_ADDR=node1"]))
        let started = try shell.recorded("python")
        let folder = try #require(started.firstIndex(of: "--save").map { started[$0 + 1] })
        try check(started, plan: plan, folder: folder)
        #expect(!FileManager.default.fileExists(atPath: shell.folder["TOUCHED"]))
    }

    @Test(arguments: names) func scriptsOfOurOwnRuntimeStartTheRanks(name: String) throws {
        var plan = try LauncherPlans.named(name, LauncherPlans.trainyard)
        for folder in [nil, "runs/$(touch TOUCHED) 'é\n\"", "--overwrite"] {
            plan.train?.folder = folder
            let cases: [(ExportTarget, String, String, [String: String])] = [
                (.slurm, "job.sbatch", "srun", ["SLURM_JOB_ID": "12"]),
                (.slurm, "job.sbatch", "mpirun", ["LAUNCH": "mpirun", "SLURM_JOB_ID": "12"]),
                (.pbs, "job.pbs", "mpirun", ["PBS_JOBID": "12.server", "PBS_NODEFILE": "nodes"]),
                (.lsf, "job.lsf", "mpirun", ["LSB_JOBID": "12"]), (.hostfile, "run.sh", "mpirun", [:]),
            ]
            for (target, file, command, environment) in cases {
                let shell = try LauncherShell()
                for file in LauncherPlans.export(target, plan).files {
                    try shell.folder.write(file.text, as: file.name)
                }
                try shell.record(command)
                let submitted = ["SLURM_SUBMIT_DIR": shell.folder.path, "PBS_O_WORKDIR": shell.folder.path]
                let result = try shell.run([file], environment: environment.merging(submitted) { $1 })
                #expect(result.status == 0, "\(target): \(result.output)")
                let started = try shell.recorded(command).joined(separator: "\n")
                #expect(started.contains("\nplan.yaml\n--folder\n") || started.hasPrefix("plan.yaml\n--folder\n"))
                if let folder { #expect(started.hasSuffix("--folder\n" + folder)) }
                #expect(command == "srun" || started.contains("-n\n4\n"))
                #expect(!FileManager.default.fileExists(atPath: shell.folder["TOUCHED"]))
            }
        }
    }

    @Test(arguments: names) func objectsOfKubernetesHoldTheWords(name: String) throws {
        let plan = try LauncherPlans.named(name, LauncherPlans.megatron)
        for target in [ExportTarget.mpijob, .jobset, .trainjob] {
            let text = try #require(LauncherPlans.export(target, plan).files.first?.text)
            let objects = try Yams.load_all(yaml: text).map { try #require($0 as? [String: Any]) }
            #expect(objects.count == 1)
            let object = try #require(objects.last)
            let own = try #require((object["metadata"] as? [String: Any])?["name"] as? String)
            #expect(own.wholeMatch(of: /[a-z]([a-z0-9-]{0,61}[a-z0-9])?/) != nil, "\(own)")
            // The longest name that is made of it is a label too.
            #expect((own + "-launcher-abcde").count <= 63 && (own + "-node-0-3-abcde").count <= 63 || target == .mpijob)
            var lists: [[String]] = []
            Self.collect(object, &lists)
            let words = try #require(lists.max { $0.count < $1.count })
            let shell = try LauncherShell()
            try shell.record("mpirun")
            let started: [String]
            if target != .mpijob {
                started = words
            } else {
                let script = try #require(words.first)
                let result = try shell.run(
                    ["-c", script] + words.dropFirst())
                #expect(result.status == 0, "\(result.output)")
                started = try shell.recorded("mpirun")
            }
            let folder = try #require(started.first { $0.hasPrefix("--save=") }).dropFirst("--save=".count)
            try check(started, plan: plan, folder: String(folder), signal: target != .mpijob)
            #expect(!FileManager.default.fileExists(atPath: shell.folder["TOUCHED"]))
        }
    }

    /// All lists of texts in a document.
    private static func collect(_ value: Any, _ lists: inout [[String]]) {
        if let map = value as? [String: Any] {
            for inner in map.values { collect(inner, &lists) }
        } else if let list = value as? [Any] {
            let texts = list.compactMap { $0 as? String }
            if texts.count == list.count { lists.append(texts) }
            for inner in list { collect(inner, &lists) }
        }
    }

    @Test(arguments: names) func tasksOfSkyPilotStartTheRanks(name: String) throws {
        for (text, command) in [(LauncherPlans.megatron, "torchrun"), (LauncherPlans.trainyard, "mpirun")] {
            var plan = try LauncherPlans.named(name, text)
            plan.train?.folder = "$(touch TOUCHED)\u{2028}"
            let written = try #require(LauncherPlans.export(.skypilot, plan).files.first?.text)
            let task = try #require(try Yams.load(yaml: written) as? [String: Any])
            let script = try #require(task["run"] as? String)
            let variables = try #require(task["envs"] as? [String: String])
            let shell = try LauncherShell()
            try shell.record(command)
            let result = try shell.run(
                ["-c", script],
                environment: variables.merging(
                    ["SKYPILOT_NODE_RANK": "0", "SKYPILOT_NODE_IPS": "10.0.0.1\n10.0.0.2", "SKYPILOT_TASK_ID": "t"]) {
                        $1
                    })
            #expect(result.status == 0, "\(result.output)")
            let started = try shell.recorded(command)
            if command == "torchrun" {
                #expect(started.contains("--nnodes=4") && started.contains("--master-addr=10.0.0.1"))
                let folder = try #require(variables["CHECKPOINTS"])
                try check(started, plan: plan, folder: folder)
            } else {
                #expect(started.contains("$(touch TOUCHED)\u{2028}"))
                #expect(try shell.folder.read("hostfile") == "10.0.0.1 slots=2\n10.0.0.2 slots=2\n")
            }
            #expect(!FileManager.default.fileExists(atPath: shell.folder["TOUCHED"]))
        }
    }

    @Test func podsOfOurOwnRuntimeGoOnFromTheirOwnRunOnly() throws {
        let plan = try LauncherPlans.plan(LauncherPlans.trainyard)
        for target in [ExportTarget.mpijob, .trainjob] {
            let text = try #require(LauncherPlans.export(target, plan).files.first?.text)
            var lists: [[String]] = []
            for object in try Yams.load_all(yaml: text) { Self.collect(object as Any, &lists) }
            let script = try #require(lists.joined().first { $0.contains("trainyard-train") })
            let shell = try LauncherShell()
            try shell.record("mpirun")
            let environment = ["FOLDER": "runs/x", "DATA": "/shared/corpus.txt", "JOB_UID": "u1"]
            try shell.run(["-c", script], environment: environment)
            #expect(try shell.recorded("mpirun").last == "runs/x")
            try shell.run(["-c", script], environment: environment)
            #expect(try shell.recorded("mpirun").last == "--resume")
            try shell.run(["-c", script], environment: environment.merging(["JOB_UID": "u2"]) { $1 })
            #expect(try shell.recorded("mpirun").last == "runs/x")
            try shell.run(["-c", script], environment: environment.merging(["JOB_UID": ""]) { $1 })
            #expect(try shell.recorded("mpirun").last == "runs/x")
        }
    }

    @Test func namesThatDifferHaveFoldersThatDiffer() throws {
        var folders: Set<String> = []
        for name in Self.names {
            let plan = try LauncherPlans.named(name, LauncherPlans.megatron)
            let text = try #require(LauncherPlans.export(.slurm, plan).files.first?.text)
            let folder = try #require(text.firstMatch(of: /checkpoints=\$\{CHECKPOINTS:-checkpoints\/(.*)\}/)).output.1
            #expect(folder.wholeMatch(of: /[A-Za-z][A-Za-z0-9._-]{0,62}/) != nil)
            folders.insert(String(folder))
        }
        #expect(folders.count == Self.names.count)
    }
}
