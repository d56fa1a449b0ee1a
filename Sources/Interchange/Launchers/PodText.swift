/// Pieces of the objects of Kubernetes.
enum PodText {
    /// Where the claim that all pods share is mounted.
    static let shared = "/shared"

    /// The words of a command line. An option and its only value are one word.
    static func words(_ arguments: [MegatronExport.Argument]) -> [String] {
        arguments.flatMap { $0.values.count == 1 ? ["\($0.flag)=\($0.values[0])"] : [$0.flag] + $0.values }
    }

    /// The arguments of Megatron-LM as a list: the plan's, what it does not say, and the checkpoints.
    static func arguments(_ job: LaunchedJob, _ run: MegatronJob, depth: Int, signal: Bool) -> String {
        let margin = String(repeating: " ", count: depth)
        let checkpoints = "\(shared)/checkpoints/\(job.folder)"
        let saving =
            ["--save=\(checkpoints)", "--load=\(checkpoints)", "--save-interval=\(run.saveEvery)"]
            + (signal ? ["--exit-signal-handler"] : [])
        return """
            \(YAMLText.items(words(run.arguments), depth))
            \(margin)# What the plan does not say: put in --data-path, your tokenizer and your learning rate.
            \(YAMLText.items(words(run.data + run.training), depth))
            \(margin)# \(run.saveWords)
            \(YAMLText.items(saving, depth))
            """
    }

    /// Variables as a list.
    static func environment(_ pairs: [(name: String, value: String)], depth: Int) -> String {
        pairs.map {
            String(repeating: " ", count: depth) + "- {name: \($0.name), value: \(YAMLText.quoted($0.value))}"
        }.joined(separator: "\n")
    }

    /// How long a run may take, for those who want a limit: Kubernetes would end a run that could go on.
    static func limit(_ job: LaunchedJob) -> String {
        "# No limit is set, since the run would end for good; activeDeadlineSeconds: \(job.limit.seconds) would be it."
    }

    /// A command that trains the plan, over the variables FOLDER, DATA and JOB_UID of the pod.
    static func trainyard(_ job: LaunchedJob) -> String {
        #"""
        # A job that starts again goes on from its own run alone.
        mkdir -p runs; again=
        if [ -n "$JOB_UID" ] && [ "$(cat "runs/$JOB_UID" 2> /dev/null)" = started ]; then again=--resume; fi
        [ -z "$JOB_UID" ] || echo started > "runs/$JOB_UID"
        exec mpirun -n \#(job.ranks) --map-by slot --bind-to core -x OMP_NUM_THREADS \
            trainyard-train \#(plan) --data "$DATA" --folder "$FOLDER" $again
        """#
    }

    static let plan = "/etc/trainyard/plan.yaml"

    static func variables(_ job: LaunchedJob, _ run: TrainyardJob) -> [(name: String, value: String)] {
        [
            ("OMP_NUM_THREADS", "1"), ("FOLDER", run.folder ?? "runs/\(job.folder)"),
            ("DATA", "\(shared)/\(run.dataName)"),
        ]
    }

    /// Memory of a worker's ranks in MiB, a quarter above the prediction.
    static func mebibytes(_ job: LaunchedJob) -> Int {
        let wanted = (job.peakGiB * 1_024 * 1.25 * Double(job.perNode)).rounded(.up)
        return max(1_024, Int(exactly: wanted) ?? 1_024)
    }

    static func mounts(plan: Bool, memory: Bool) -> String {
        var lines = ["- {name: shared, mountPath: \(shared)}"]
        if plan { lines.append("- {name: plan, mountPath: /etc/trainyard}") }
        if memory { lines.append("- {name: memory, mountPath: /dev/shm}") }
        return lines.joined(separator: "\n")
    }

    /// - Parameter plan: the job whose plan is mounted.
    static func volumes(plan: String?, memory: Bool) -> String {
        var lines = [
            "- name: shared # ReadWriteMany: checkpoints, logs, runs",
            "  persistentVolumeClaim: {claimName: shared}",
        ]
        if let plan { lines += ["- name: plan", "  configMap: {name: \(plan)-plan}"] }
        if memory {
            lines += ["- name: memory # more than the 64 MB that a pod has", "  emptyDir: {medium: Memory}"]
        }
        return lines.joined(separator: "\n")
    }
}
