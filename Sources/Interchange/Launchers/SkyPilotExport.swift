internal import Plans

/// Writes a task of SkyPilot.
enum SkyPilotExport: ObjectLauncher {
    static let target = ExportTarget.skypilot
    static let file = "skypilot.yaml"

    static func refuse(_ plan: Plan, _ software: JobSoftware, _ gaps: inout [ExportGap]) {
        let device = plan.cluster.device.name
        guard software == .megatronLM, accelerator(device) == nil,
            !gaps.contains(where: { $0.field == "cluster" || $0.field == "cluster.groups" })
        else { return }
        gaps.append(ExportGap("cluster", plan.cluster.name, "SkyPilot has no name for the device '\(device)'"))
    }

    /// SkyPilot's names of accelerators (sky/provision/kubernetes/constants.py and its catalogues), the longer ones first.
    private static let names = [
        "GB300", "GB200", "B300", "B200", "GH200", "H200", "H100", "L40S", "L40", "A10G", "A10", "A40", "MI355X",
        "MI350X",
        "MI325X", "MI300X", "V100-32GB", "V100", "T4", "L4",
    ]

    /// The name of a device; nil: SkyPilot has none.
    static func accelerator(_ device: String) -> String? {
        let words = Set(device.uppercased().split { !$0.isLetter && !$0.isNumber }.map(String.init))
        if words.contains("A100") { return words.contains("80GB") ? "A100-80GB" : "A100" }
        if words.contains("A6000") { return "A6000" }
        if words.contains("6000"), words.contains("ADA") { return "RTX6000-Ada" }
        return names.first { name in name.split(separator: "-").allSatisfy { words.contains(String($0)) } }
    }

    static func name(of job: LaunchedJob) -> String { JobName.label(job.name) }

    static func trainyard(_ job: LaunchedJob, _ run: TrainyardJob, _ name: String) -> String {
        let data = run.dataName
        let script = #"""
            # `run` runs on every node; mpirun reaches the others by ssh. Where their server has another port than 22:
            # --mca plm_rsh_args "-p 10022"
            [ "$SKYPILOT_NODE_RANK" = 0 ] || exit 0
            export OMP_NUM_THREADS=1
            echo "$SKYPILOT_NODE_IPS" | sed 's/$/ slots=\#(job.perNode)/' > hostfile
            # A task that is recovered has the number that it had. It goes on from its own run alone.
            mkdir -p runs; again=()
            [ -e "runs/$SKYPILOT_TASK_ID.started" ] && again=(--resume)
            touch "runs/$SKYPILOT_TASK_ID.started"
            mpirun -n \#(job.ranks) --hostfile hostfile --map-by slot --bind-to core -x OMP_NUM_THREADS --wdir "$PWD" \
                ./trainyard-train plan.yaml --data "$DATA" --folder "$FOLDER" "${again[@]}"
            """#
        return """
            \(BatchText.comments(job.comments))#
            # SkyPilot, \(job.words("node", "rank")): mpirun on the first node.
            #   sky launch -c \(name) skypilot.yaml
            #   sky jobs launch -n \(name) skypilot.yaml      a managed job: SkyPilot starts it again
            # Yours beside this file: the text, and a trainyard-train built for these machines (TRAINYARD_PORTABLE=1 make build).
            # No limit is set; \(job.limit.pbs) (hours, minutes, seconds) would be it.
            name: \(name)
            num_nodes: \(job.nodes)
            resources: # a core a rank; \(BatchText.memory(job.peakGiB)) a rank are predicted
              cpus: \(job.perNode)+
              memory: \((PodText.mebibytes(job) - 1) / 1_024 + 1)+
              job_recovery: # a node that fails or is taken away always starts the job again
                max_restarts_on_errors: 3
            workdir: .
            envs:
              DATA: \(YAMLText.quoted(data))
              FOLDER: \(YAMLText.quoted(run.folder ?? "runs/\(job.folder)"))
            setup: |
              sudo apt-get update && sudo apt-get install -y openmpi-bin libdnnl3
            run: |
            \(YAMLText.indented(script, 2))

            """
    }

    static func megatron(_ job: LaunchedJob, _ run: MegatronJob, _ name: String) -> String {
        let exports = run.environment.map { "\($0.name)=\($0.value)" }.joined(separator: " ")
        let own = run.lines.map { "    \($0)\n" }.joined()
        let script = #"""
            # `run` runs on every node. Every line of SKYPILOT_NODE_IPS is one; the first is rank 0.
            export \#(exports)
            master=$(echo "$SKYPILOT_NODE_IPS" | head -n 1)
            # \#(run.saveWords)
            interval=\#(run.saveEvery)
            # What the plan does not say: put in --data-path, your tokenizer and your learning rate.
            others=(\#(run.otherLines.joined(separator: " ")))
            # What the plan says.
            arguments=(
            \#(own))
            saving=(--save "$CHECKPOINTS" --load "$CHECKPOINTS" --save-interval "$interval" --exit-signal-handler)
            iteration() { cat "$CHECKPOINTS/latest_checkpointed_iteration.txt" 2> /dev/null || echo 0; }
            before=$(iteration)
            status=0
            # --numa-binding is an option of PyTorch after 2.6: leave it out before.
            torchrun --nnodes=\#(job.nodes) --nproc-per-node=\#(job.perNode) --node-rank="$SKYPILOT_NODE_RANK" \
                --master-addr="$master" --master-port=29500 --numa-binding=node \
                --log-dir="/shared/logs/$SKYPILOT_TASK_ID" --tee=3 \
                "$MEGATRON_LM/pretrain_gpt.py" "${arguments[@]}" "${others[@]}" "${saving[@]}" || status=$?
            [ "$status" = 0 ] && exit 0
            [ "$(iteration)" -gt "$before" ] && exit 75
            exit "$status"
            """#
        return """
            \(BatchText.comments(job.comments))#
            # SkyPilot, \(job.words("node", "GPU")): a torchrun on each node.
            #   sky jobs launch -n \(name) skypilot.yaml      a managed job: SkyPilot starts it again
            # Yours: the checkout of Megatron-LM in MEGATRON_LM, with PyTorch on the machines (image_id, or setup), and the bucket.
            # No limit is set; \(job.limit.pbs) (hours, minutes, seconds) would be it.
            name: \(name)
            num_nodes: \(job.nodes)
            resources:
              accelerators: \(accelerator(job.device) ?? job.device):\(job.perNode)
              network_tier: best # the fastest network between nodes that the cloud has
              job_recovery: # a node that fails or is taken away always starts the job again
                max_restarts_on_errors: 3
                recover_on_exit_codes: [75] # not counted: stopped before its end, with a new checkpoint
            workdir: . # Megatron-LM
            envs:
              MEGATRON_LM: .
              CHECKPOINTS: /shared/checkpoints/\(job.folder)
            file_mounts:
              /shared: # checkpoints and logs outlive the machines
                name: \(JobName.label(job.name, most: 51))-checkpoints
                mode: MOUNT_CACHED
            run: |
            \(YAMLText.indented(script, 2))

            """
    }
}
