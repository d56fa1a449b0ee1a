internal import Plans

/// Writes a batch script of PBS (OpenPBS, PBS Professional).
enum PBSExport: BatchLauncher {
    static let target = ExportTarget.pbs

    static let file = "job.pbs"

    /// Lines that both jobs have.
    private static func directives(_ job: LaunchedJob, _ name: String, select: String, place: String) -> String {
        """
        #PBS -N \(name)
        #PBS -l select=\(select)
        #PBS -l place=\(place)
        #PBS -l walltime=\(job.limit.pbs)
        #PBS -j oe
        #PBS -o logs/
        # PBS starts the job again when its first node fails (server attribute node_fail_requeue).
        #PBS -r y
        """
    }

    static func trainyard(_ job: LaunchedJob, _ run: TrainyardJob, _ name: String) -> String {
        func chunk(_ count: Int, _ ranks: Int) -> String { "\(count):ncpus=\(ranks):mpiprocs=\(ranks)" }
        let select =
            job.isLastNodeFull
            ? chunk(job.nodes, job.perNode) : chunk(job.nodes - 1, job.perNode) + "+" + chunk(1, job.lastNode)
        return #"""
            #!/bin/bash
            \#(BatchText.comments(job.comments))#
            # PBS, \#(job.words("node", "rank")): a process is a rank on a core of its own.
            #   mkdir -p logs && qsub job.pbs
            # The site's own: -q, -A, and mem= of a chunk; \#(BatchText.memory(job.peakGiB)) a rank are predicted.
            \#(directives(job, name, select: select, place: "scatter"))
            set -uo pipefail
            cd "$PBS_O_WORKDIR" || exit 2

            program=${TRAINYARD_TRAIN:-trainyard-train}
            plan=plan.yaml
            folder=\#(BatchText.word(run.folder ?? "runs/\(job.folder)"))
            restarts=3
            attempt=${ATTEMPT:-0}
            export OMP_NUM_THREADS=1

            # A job that starts again goes on from its own run alone. PBS does not say how often it has started a job.
            started=logs/$PBS_JOBID.started
            again=()
            if [ "$attempt" -gt 0 ] || [ -e "$started" ]; then again=(--resume); fi
            mkdir -p logs && touch "$started"

            # An Open MPI built with PBS's TM library starts ranks through PBS; another one uses ssh. Both take $PBS_NODEFILE.
            mpirun -n \#(job.ranks) --hostfile "$PBS_NODEFILE" --map-by slot --bind-to core \
                "$program" "$plan" --folder "$folder" "${again[@]}"
            status=$?

            [ "$status" = 0 ] && exit 0
            # 2 and 3 are mistakes in the plan or its use. `qrerun` is for operators; the site must let nodes submit.
            if [ "$status" != 2 ] && [ "$status" != 3 ] && [ "$attempt" -lt "$restarts" ]; then
                echo "ended with $status: submitted again as"
                qsub -v ATTEMPT=$((attempt + 1)) job.pbs
            fi
            exit "$status"
            """# + "\n"
    }

    static func megatron(_ job: LaunchedJob, _ run: MegatronJob, _ name: String) -> String {
        let cores = job.perNode.multipliedReportingOverflow(by: 8).partialValue
        let select = "\(job.nodes):ncpus=\(cores):ngpus=\(job.perNode):mpiprocs=1"
        let exports = run.environment.map { "\($0.name)=\($0.value)" }.joined(separator: " ")
        return #"""
            #!/bin/bash
            \#(BatchText.comments(job.comments))#
            # PBS, \#(job.words("node", "GPU")): one torchrun on each node starts a process for each GPU.
            #   mkdir -p logs && qsub job.pbs
            # The site's own: -q, -A, and the name of GPUs where it is not ngpus.
            # One chunk is one node; mpiprocs=1 gives each node one line of $PBS_NODEFILE. The plan does not say how many cores
            # a node has: 8 for each GPU are asked for, put in your own as ncpus.
            \#(directives(job, name, select: select, place: "scatter:exclhost"))
            set -uo pipefail
            cd "$PBS_O_WORKDIR" || exit 2

            \#(BatchText.arguments(job, run))
            # How often the job may submit itself again.
            restarts=\#(job.limit.restarts)
            attempt=${ATTEMPT:-0}
            # PBS warns of the limit with no signal that can be set: the run saves and ends itself after so many minutes,
            # \#(TimeLimit.saving) before the limit. With another walltime this changes too.
            ending=\#(job.limit.ending)
            stopping=

            mapfile -t nodes < "$PBS_NODEFILE"
            number=${PBS_JOBID%%[.[]*}
            port=$((20000 + number % 10000))

            \#(BatchText.iteration)
            # pbsdsh passes on neither the folder nor the script's variables: each node gets both with its command.
            here=$(printf '%q' "$PWD")
            command=$(printf '%q ' "$megatron/pretrain_gpt.py" "${arguments[@]}" "${others[@]}" "${saving[@]}" \
                --exit-duration-in-mins "$ending")
            starts=()
            for rank in "${!nodes[@]}"; do
                # --numa-binding is an option of PyTorch after 2.6: leave it out before.
                pbsdsh -n "$rank" -- /bin/bash -lc "cd $here && export \#(exports) &&
                    exec torchrun --nnodes=\#(job.nodes) --nproc-per-node=\#(job.perNode) --node-rank=$rank \
                    --master-addr=${nodes[0]} --master-port=$port --numa-binding=node \
                    --log-dir=logs/$PBS_JOBNAME-$number --tee=3 $command" &
                starts+=($!)
            done
            status=0
            for start in "${starts[@]}"; do wait "$start" || status=$?; done

            \#(BatchText.complete)
            # `qrerun` is for operators; a job of a user goes on as a new one. The site must let nodes submit.
            if [ "$after" -gt "$before" ] && [ "$attempt" -lt "$restarts" ]; then
                echo "iteration $after: submitted again as"
                qsub -v ATTEMPT=$((attempt + 1)) job.pbs
            fi
            exit "$((status == 0 ? 1 : status))"
            """# + "\n"
    }
}
