internal import Plans

/// Writes a batch script of Slurm.
enum SlurmExport: BatchLauncher {
    static let target = ExportTarget.slurm

    static let file = "job.sbatch"

    static func trainyard(_ job: LaunchedJob, _ run: TrainyardJob, _ name: String) -> String {
        let tasks = job.isLastNodeFull ? "" : "#SBATCH --ntasks=\(job.ranks)\n"
        return #"""
            #!/bin/bash
            \#(BatchText.comments(job.comments))#
            # Slurm, \#(job.words("node", "rank")): a process is a rank on a core of its own.
            #   mkdir -p logs && sbatch job.sbatch       (Slurm does not make the folder of the log)
            #   LAUNCH=mpirun sbatch job.sbatch          Open MPI's mpirun in the allocation instead of srun
            # The site's own: --partition, --account, and --mem-per-cpu where its default is below \#(memory(job)).
            #SBATCH --job-name=\#(name)
            #SBATCH --nodes=\#(job.nodes)
            \#(tasks)#SBATCH --ntasks-per-node=\#(job.perNode)
            #SBATCH --cpus-per-task=1
            #SBATCH --time=\#(job.limit.slurm)
            #SBATCH --output=logs/%x-%j.out
            #SBATCH --open-mode=append
            # Slurm starts the job again when a node fails; the script does when a process is killed or time is over.
            #SBATCH --requeue
            #SBATCH --signal=B:TERM@60
            set -uo pipefail
            cd "$SLURM_SUBMIT_DIR" || exit 2

            program=${TRAINYARD_TRAIN:-trainyard-train}
            plan=plan.yaml
            folder=\#(BatchText.word(run.folder ?? "runs/\(job.folder)"))
            restarts=3

            export OMP_NUM_THREADS=1
            # export OMPI_MCA_btl_tcp_if_include=10.0.0.0/8    # where a node has networks that MPI shall not use

            # A job that starts again goes on from its newest checkpoint; without one it begins at the first step.
            again=()
            [ "${SLURM_RESTART_COUNT:-0}" -gt 0 ] && again=(--resume)

            case ${LAUNCH:-srun} in
                # Slurm starts the ranks and binds them; `srun --mpi=list` says whether it has PMIx, which Open MPI needs.
                srun) launch=(srun --mpi=pmix --cpu-bind=cores --kill-on-bad-exit=1) ;;
                # mpirun takes nodes and slots from the allocation.
                mpirun) launch=(mpirun -n \#(job.ranks) --map-by slot --bind-to "${BIND_TO:-core}") ;;
                *) echo "LAUNCH=$LAUNCH: srun or mpirun" >&2; exit 2 ;;
            esac

            stopping=
            trap 'stopping=yes; scancel --signal=TERM "$SLURM_JOB_ID"' TERM

            "${launch[@]}" "$program" "$plan" --folder "$folder" "${again[@]}" &
            step=$!
            # A signal ends `wait` before the step ends.
            while wait "$step"; status=$?; kill -0 "$step" 2> /dev/null; do :; done

            [ "$status" = 0 ] && exit 0
            # 2 and 3 are mistakes in the plan or its use, which another start would repeat.
            if [ "$status" != 2 ] && [ "$status" != 3 ] && [ "${SLURM_RESTART_COUNT:-0}" -lt "$restarts" ]; then
                echo "ended with $status${stopping:+ at the end of the time}: in the queue again"
                scontrol requeue "$SLURM_JOB_ID"
            fi
            exit "$status"
            """# + "\n"
    }

    static func megatron(_ job: LaunchedJob, _ run: MegatronJob, _ name: String) -> String {
        #"""
        #!/bin/bash
        \#(BatchText.comments(job.comments))#
        # Slurm, \#(job.words("node", "GPU")): one torchrun on each node starts a process for each GPU.
        #   mkdir -p logs && sbatch job.sbatch       (Slurm does not make the folder of the log)
        # The site's own: --partition, --account; some take GPUs as --gres=gpu:\#(job.perNode) in place of --gpus-per-node.
        #SBATCH --job-name=\#(name)
        #SBATCH --nodes=\#(job.nodes)
        #SBATCH --ntasks-per-node=1
        #SBATCH --gpus-per-node=\#(job.perNode)
        #SBATCH --exclusive
        #SBATCH --mem=0
        #SBATCH --time=\#(job.limit.slurm)
        #SBATCH --output=logs/%x-%j.out
        #SBATCH --open-mode=append
        # Slurm starts the job again when a node fails. At the end of its time the script below does, so that a site whose
        # limit is shorter can have that one.
        #SBATCH --requeue
        #SBATCH --signal=B:TERM@900
        set -uo pipefail
        cd "$SLURM_SUBMIT_DIR" || exit 2

        \#(BatchText.arguments(job, run))
        # How often the job may start itself again.
        restarts=\#(job.limit.restarts)
        # Minutes after which the run saves and ends itself, \#(TimeLimit.saving) before the limit.
        ending=\#(job.limit.ending)
        # A limit that sbatch was given instead, where Slurm says it.
        [ -n "${SLURM_JOB_END_TIME:-}" ] && ending=$(((SLURM_JOB_END_TIME - $(date +%s)) / 60 - \#(TimeLimit.saving)))
        [ "$ending" -gt 0 ] || ending=1

        MASTER_ADDR=$(scontrol show hostnames "$SLURM_JOB_NODELIST" | head -n 1)
        MASTER_PORT=$((20000 + SLURM_JOB_ID % 10000))
        export MASTER_ADDR MASTER_PORT
        \#(BatchText.environment(run))
        # How long torchrun lets its processes save after a signal; before PyTorch 2.12 it is 30 s whatever this says.
        export TORCH_ELASTIC_SHUTDOWN_TIMEOUT=800
        # export NCCL_SOCKET_IFNAME=eth0 NCCL_IB_HCA=mlx5     # where the node has networks that NCCL shall not use

        \#(BatchText.iteration)
        # `scancel --signal` reaches the processes of the step; the script itself waits for them.
        stopping=
        trap 'stopping=yes; scancel --signal=TERM "$SLURM_JOB_ID"' TERM

        # A step gets one core a task unless it asks for more. Its processes are bound by NUMA node (torchrun; an option of
        # PyTorch after 2.6, leave it out before), not by Slurm. torchrun reads the node's number from PET_NODE_RANK.
        # shellcheck disable=SC2016 # SLURM_NODEID is the node's own
        srun --ntasks-per-node=1 --cpus-per-task="${SLURM_CPUS_ON_NODE:-$(nproc)}" --cpu-bind=none --kill-on-bad-exit=1 \
            bash -c 'export PET_NODE_RANK=$SLURM_NODEID; exec "$@"' node \
            torchrun --nnodes=\#(job.nodes) --nproc-per-node=\#(job.perNode) --numa-binding=node \
            --master-addr="$MASTER_ADDR" --master-port="$MASTER_PORT" \
            --log-dir="logs/${SLURM_JOB_NAME:-job}-$SLURM_JOB_ID" --tee=3 \
            "$megatron/pretrain_gpt.py" "${arguments[@]}" "${others[@]}" "${saving[@]}" --exit-duration-in-mins "$ending" &
        step=$!
        # A signal ends `wait` before the step ends.
        while wait "$step"; status=$?; kill -0 "$step" 2> /dev/null; do :; done

        \#(BatchText.complete)
        # Goes on where it was stopped or has got on; a job that fails before its first checkpoint would fail again.
        if { [ -n "$stopping" ] || [ "$after" -gt "$before" ]; } && [ "${SLURM_RESTART_COUNT:-0}" -lt "$restarts" ]; then
            echo "iteration $after: in the queue again"
            scontrol requeue "$SLURM_JOB_ID"
        fi
        exit "$((status == 0 ? 1 : status))"
        """# + "\n"
    }

    private static func memory(_ job: LaunchedJob) -> String { BatchText.memory(job.peakGiB) }
}
