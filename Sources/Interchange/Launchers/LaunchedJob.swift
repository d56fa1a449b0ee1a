internal import Models
internal import Plans

/// What a launcher starts, whatever the system is: one process a device, on nodes that are full but perhaps for the last.
struct LaunchedJob {
    /// The plan's name as it is written; only for what makes a system's name of it.
    var name: String
    var ranks: Int
    var nodes: Int
    /// Ranks of a node, and of the last one.
    var perNode: Int
    var lastNode: Int
    var limit: TimeLimit
    /// Lines for the top of each file, without comment marks.
    var comments: [String]
    var program: Program
    /// Predicted memory of the fullest device.
    var peakGiB: Double
    var device: String

    enum Program {
        case trainyard(TrainyardJob)
        case megatronLM(MegatronJob)
    }

    init(_ plan: Plan, layout: Layout, header: [String], context: ExportContext) {
        let nodes = JobNodes(plan)
        (name, ranks, peakGiB) = (plan.name, max(1, plan.devices), context.peakGiB)
        device = PlainComment.line(plan.cluster.device.name)
        (self.nodes, perNode, lastNode) = (nodes.count, nodes.ranks, nodes.last)
        comments = header
        if plan.idleDevices > 0 {
            comments.append("\(plan.idleDevices) further devices stay idle and are not asked for.")
        }
        switch JobSoftware.of(plan) {
        case .trainyard:
            let job = TrainyardJob(plan)
            program = .trainyard(job)
            limit = TimeLimit(context, iterations: nil)
        case .megatronLM:
            let job = MegatronJob(plan, layout: layout, context: context)
            program = .megatronLM(job)
            limit = TimeLimit(context, iterations: job.iterations)
            if let other = JobSoftware.other(plan) {
                comments.append("The plan names \(other); this job runs Megatron-LM with the same layout.")
            }
        }
        comments = comments.map(PlainComment.line)
        comments.append(limit.words)
    }

    var isLastNodeFull: Bool { lastNode == perNode }
    /// The name of what the job owns: its checkpoints, or its run.
    var folder: String { JobName.folder(name) }

    /// `4 nodes of 8 GPUs` and the like.
    func words(_ node: String, _ rank: String) -> String {
        func counted(_ count: Int, _ word: String) -> String { "\(count) \(word)\(count == 1 ? "" : "s")" }
        guard !isLastNodeFull else { return "\(counted(nodes, node)) of \(counted(perNode, rank))" }
        return "\(counted(nodes - 1, node)) of \(counted(perNode, rank)) and one of \(lastNode)"
    }
}

/// Nodes that the devices of a plan fill.
struct JobNodes: Hashable {
    var count, ranks, last: Int

    init(_ plan: Plan) {
        let devices = max(1, plan.devices)
        ranks = min(devices, max(1, plan.cluster.devicesPerNode))
        count = (devices - 1) / ranks + 1
        last = devices - (count - 1) * ranks
    }
}

/// A run of our own runtime.
struct TrainyardJob {
    /// The text that is trained on, as the plan names it.
    var data: String
    /// The folder of the run, where the plan states one.
    var folder: String?

    init(_ plan: Plan) {
        (data, folder) = (plan.train?.data ?? "", plan.train?.folder)
    }

    /// The file's name, for systems whose machines do not share the folders of this one.
    var dataName: String {
        let name = data.split(separator: "/", omittingEmptySubsequences: true).last ?? ""
        return name.isEmpty ? "data.txt" : String(name)
    }
}

/// A run of Megatron-LM.
struct MegatronJob {
    /// What the plan says.
    var arguments: [MegatronExport.Argument]
    /// What every run needs and the plan does not say.
    var data: [MegatronExport.Argument]
    var training: [MegatronExport.Argument]
    /// Steps between checkpoints, and where the number is from.
    var saveEvery: Int
    var saveWords: String
    /// Steps of a run whose length the plan does not say.
    var iterations: Int?
    /// `CUDA_DEVICE_MAX_CONNECTIONS`.
    var connections: String?
    var isAMD: Bool

    init(_ plan: Plan, layout: Layout, context: ExportContext) {
        let all = MegatronExport.arguments(plan, layout: layout, context: context)
        let ofData = ["--mock-data", "--tokenizer-type"]
        let ofCheckpoints = ["--save", "--load", "--save-interval"]
        arguments = all.filter { !ofData.contains($0.flag) && !ofCheckpoints.contains($0.flag) }
        data = all.filter { ofData.contains($0.flag) }
        // What a plan with `train:` takes if it says nothing else.
        let usual = TrainSettings(data: "", steps: 1)
        let stated = Set(all.map(\.flag))
        training = [
            ("--lr", "\(usual.learningRate)"), ("--min-lr", "\(usual.minLearningRate)"),
            ("--lr-decay-style", usual.schedule.rawValue), ("--weight-decay", "\(usual.weightDecay)"),
            ("--clip-grad", "\(usual.clip ?? 0)"),
        ].filter { !stated.contains($0.0) }.map { MegatronExport.Argument(flag: $0.0, values: [$0.1]) }
        if let every = context.saveEvery {
            (saveEvery, saveWords) = (every, "Steps between checkpoints: what failures and saving cost the least with.")
        } else {
            let steps = (1_800 / max(context.stepSeconds, 1e-3)).rounded(.up)
            saveEvery = max(1, Int(exactly: steps) ?? 1)
            saveWords = "Steps between checkpoints: half an hour, since the cluster states no failures."
        }
        iterations = all.first { $0.flag == "--train-iters" }?.values.first.flatMap { Int($0) }
        connections = MegatronExport.connections(layout)
        isAMD = plan.cluster.device.name.hasPrefix("AMD")
    }

    /// The resource of Kubernetes.
    var resource: String { isAMD ? "amd.com/gpu" : "nvidia.com/gpu" }

    /// Variables of every process.
    var environment: [(name: String, value: String)] {
        (connections.map { [("CUDA_DEVICE_MAX_CONNECTIONS", $0)] } ?? []) + [("OMP_NUM_THREADS", "1")]
    }

    /// All arguments but those of checkpoints, a line each.
    var lines: [String] { arguments.map(\.line) }
    var otherLines: [String] { (data + training).map(\.line) }
}
