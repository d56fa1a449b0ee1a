internal import Plans

/// Writes a batch script of IBM Spectrum LSF.
enum LSFExport: BatchLauncher {
    static let target = ExportTarget.lsf

    static let file = "job.lsf"

    static func trainyard(_ job: LaunchedJob, _ run: TrainyardJob, _ name: String) -> String {
        #"""
        #!/bin/bash
        \#(BatchText.comments(job.comments))#
        # LSF, \#(job.words("host", "rank")): a process is a rank on a core of its own.
        #   mkdir -p logs && bsub < job.lsf          (`bsub job.lsf` would not read the lines below)
        # The site's own: -q, -P, and -M where its default is below \#(BatchText.memory(job.peakGiB)).
        #BSUB -J \#(name)
        #BSUB -n \#(job.ranks)
        #BSUB -R "span[ptile=\#(job.perNode)] affinity[core(1)]"
        #BSUB -W \#(job.limit.lsf)
        #BSUB -o logs/%J.out
        # Starts again when a host fails (-r), and when the script ends with 75 (-Q): same job, same number.
        #BSUB -r
        #BSUB -Q "75"
        set -uo pipefail

        program=${TRAINYARD_TRAIN:-trainyard-train}
        plan=plan.yaml
        folder=\#(BatchText.word(run.folder ?? "runs/\(job.folder)"))
        export OMP_NUM_THREADS=1

        # A job that starts again has the number that it had. It goes on from its own run alone.
        started=logs/$LSB_JOBID.started
        again=()
        [ -e "$started" ] && again=(--resume)
        mkdir -p logs && touch "$started"

        # An Open MPI built with LSF's library takes hosts, slots and cores from LSF. Any other:
        #   mpirun -n \#(job.ranks) --hostfile "$LSB_DJOB_HOSTFILE" --mca plm_rsh_agent blaunch --bind-to core …
        mpirun -n \#(job.ranks) "$program" "$plan" --folder "$folder" "${again[@]}"
        status=$?

        # A rank or a host was killed: once more. 1, 2 and 3 are the program's own failures.
        [ "$status" -gt 128 ] && exit 75
        exit "$status"
        """# + "\n"
    }

    static func megatron(_ job: LaunchedJob, _ run: MegatronJob, _ name: String) -> String {
        let exports = run.environment.map { "\($0.name)=\($0.value)" }.joined(separator: " ")
        return #"""
            #!/bin/bash
            \#(BatchText.comments(job.comments))#
            # LSF, \#(job.words("host", "GPU")): one torchrun on each host starts a process for each GPU.
            #   mkdir -p logs && bsub < job.lsf          (`bsub job.lsf` would not read the lines below)
            # The site's own: -q, -P.
            #BSUB -J \#(name)
            #BSUB -n \#(job.nodes)
            #BSUB -R "span[ptile=1]"
            #BSUB -gpu "num=\#(job.perNode)/host:j_exclusive=yes"
            #BSUB -x
            #BSUB -W \#(job.limit.lsf)
            #BSUB -o logs/%J.out
            # Starts again when a host fails (-r), and when the script ends with 75 (-Q): same job, same number.
            #BSUB -r
            #BSUB -Q "75"
            # SIGTERM 15 minutes before the limit.
            #BSUB -wa TERM
            #BSUB -wt 15
            set -uo pipefail

            \#(BatchText.arguments(job, run))
            # The run saves and ends itself after so many minutes, \#(TimeLimit.saving) before the limit. With another -W this changes too.
            ending=\#(job.limit.ending)

            # LSB_HOSTS has a host for each slot.
            mapfile -t hosts < <(tr ' ' '\n' <<< "$LSB_HOSTS" | awk 'NF && !seen[$0]++')
            port=$((20000 + LSB_JOBID % 10000))

            \#(BatchText.iteration)
            # The signal reaches the ranks through LSF; the script only has to outlive it.
            stopping=
            trap 'stopping=yes' TERM

            here=$(printf '%q' "$PWD")
            command=$(printf '%q ' "$megatron/pretrain_gpt.py" "${arguments[@]}" "${others[@]}" "${saving[@]}" \
                --exit-duration-in-mins "$ending")
            starts=()
            for rank in "${!hosts[@]}"; do
                # --numa-binding is an option of PyTorch after 2.6: leave it out before.
                blaunch "${hosts[rank]}" "cd $here && export \#(exports) &&
                    exec torchrun --nnodes=\#(job.nodes) --nproc-per-node=\#(job.perNode) --node-rank=$rank \
                    --master-addr=${hosts[0]} --master-port=$port --numa-binding=node \
                    --log-dir=logs/$LSB_JOBNAME-$LSB_JOBID --tee=3 $command" &
                starts+=($!)
            done
            status=0
            for start in "${starts[@]}"; do
                while wait "$start"; ended=$?; kill -0 "$start" 2> /dev/null; do :; done
                [ "$ended" = 0 ] || status=$ended
            done

            \#(BatchText.complete)
            # Goes on where it was stopped or has got on; a job that fails before its first checkpoint would fail again. The
            # queue's MAX_JOB_REQUEUE says how often.
            if [ -n "$stopping" ] || [ "$after" -gt "$before" ]; then
                echo "iteration $after: in the queue again"
                exit 75
            fi
            exit "$((status == 0 ? 1 : status))"
            """# + "\n"
    }
}
