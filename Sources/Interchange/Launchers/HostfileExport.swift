internal import Plans

/// Writes the files of Open MPI's mpirun, for machines without a system that starts jobs.
enum HostfileExport: Launcher {
    static let target = ExportTarget.hostfile

    static func takesSmallerLastNode(_ software: JobSoftware) -> Bool { true }

    static func files(of job: LaunchedJob) -> [ExportedFile] {
        var files = [ExportedFile("hostfile", hostfile(job))]
        switch job.program {
        case .trainyard(let run):
            files.append(ExportedFile("rankfile", rankfile(job)))
            files.append(ExportedFile("run.sh", trainyard(job, run), isExecutable: true))
        case .megatronLM(let run):
            files.append(ExportedFile("run.sh", megatron(job, run), isExecutable: true))
        }
        return files
    }

    private static func hostfile(_ job: LaunchedJob) -> String {
        let top =
            job.comments + [
                "", "Open MPI 4 and 5, \(job.words("host", "rank")): put in your hosts. run.sh starts them.",
            ]
        let hosts = (1...job.nodes).map { "node\($0) slots=\($0 == job.nodes ? job.lastNode : job.perNode)\n" }
        return BatchText.comments(top) + hosts.joined()
    }

    private static func rankfile(_ job: LaunchedJob) -> String {
        let top =
            job.comments + [
                "", "Which rank runs where, on which core (a core's logical number, as `lstopo` prints it).",
                "RANKFILE=rankfile ./run.sh takes it in place of the order of the hostfile. Put in the same hosts.",
            ]
        let ranks = (0..<job.ranks).map { "rank \($0)=node\($0 / job.perNode + 1) slot=\($0 % job.perNode)\n" }
        return BatchText.comments(top) + ranks.joined()
    }

    private static func trainyard(_ job: LaunchedJob, _ run: TrainyardJob) -> String {
        #"""
        #!/bin/bash
        \#(BatchText.comments(job.comments))#
        # Open MPI, \#(job.words("host", "rank")): a process is a rank on a core of its own.
        #   ./run.sh                        ranks in the order of the hostfile
        #   RANKFILE=rankfile ./run.sh      ranks where the rankfile puts them
        set -uo pipefail
        cd "$(dirname -- "${BASH_SOURCE[0]}")" || exit 2

        program=${TRAINYARD_TRAIN:-trainyard-train}
        folder=\#(BatchText.word(run.folder ?? "runs/\(job.folder)"))
        placing=(--map-by slot --bind-to "${BIND_TO:-core}")
        if [ -n "${RANKFILE:-}" ]; then
            # Open MPI 5 has another spelling.
            case $(mpirun --version) in
                *"Open MPI) 4."*) placing=(--rankfile "$RANKFILE") ;;
                *) placing=(--map-by "rankfile:file=$RANKFILE") ;;
            esac
        fi
        # mpirun refuses root unless it is told.
        root=()
        [ "$(id -u)" = 0 ] && root=(--allow-run-as-root)
        export OMP_NUM_THREADS=1
        mkdir -p logs
        # A run in the folder is not replaced: ./run.sh --resume goes on from it, --overwrite begins again. One that failed goes on
        # from its newest checkpoint; without one it begins at its first step.
        restarts=${RESTARTS:-3}
        again=()
        for ((start = 0; ; start++)); do
            mpirun "${root[@]}" -n \#(job.ranks) --hostfile hostfile "${placing[@]}" -x OMP_NUM_THREADS --wdir "$PWD" \
                "$program" plan.yaml --folder "$folder" "$@" "${again[@]}" 2>&1 | tee -a logs/\#(job.folder).log
            status=${PIPESTATUS[0]}
            # 2 and 3 are mistakes in the plan or its use, and 75, 130 and 143 an end that was asked for.
            case $status in 0 | 2 | 3 | 75 | 130 | 143) exit "$status" ;; esac
            [ "$start" -lt "$restarts" ] || exit "$status"
            echo "ended with $status: starts again"
            again=(--resume)
        done
        """# + "\n"
    }

    private static func megatron(_ job: LaunchedJob, _ run: MegatronJob) -> String {
        let passed = run.environment.map { "-x \($0.name)=\($0.value)" }.joined(separator: " ")
        return #"""
            #!/bin/bash
            \#(BatchText.comments(job.comments))#
            # Open MPI, \#(job.words("host", "GPU")): mpirun starts a process for each GPU, without torchrun.
            #   ./run.sh        goes on from the newest checkpoint
            set -uo pipefail
            cd "$(dirname -- "${BASH_SOURCE[0]}")" || exit 2

            \#(BatchText.arguments(job, run))
            # mpirun refuses root unless it is told.
            root=()
            [ "$(id -u)" = 0 ] && root=(--allow-run-as-root)
            # The host of rank 0: the first of the hostfile.
            MASTER_ADDR=$(awk '!/^#/ && NF { print $1; exit }' hostfile)
            export MASTER_ADDR MASTER_PORT=29500
            mkdir -p logs
            # Megatron-LM reads RANK, LOCAL_RANK and WORLD_SIZE. The plan does not say which cores are near a GPU, so that
            # processes are not bound.
            # A run that failed starts again, as long as checkpoints get on.
            iteration() { cat "$checkpoints/latest_checkpointed_iteration.txt" 2> /dev/null || echo 0; }
            while before=$(iteration); do
                # shellcheck disable=SC2016 # the variables are each process's own
                mpirun "${root[@]}" -n \#(job.ranks) --hostfile hostfile --map-by slot --bind-to none --wdir "$PWD" \
                    -x MASTER_ADDR -x MASTER_PORT \#(passed) \
                    bash -c 'export RANK=$OMPI_COMM_WORLD_RANK LOCAL_RANK=$OMPI_COMM_WORLD_LOCAL_RANK
                        export WORLD_SIZE=$OMPI_COMM_WORLD_SIZE
                        exec python -u "$@"' python "$megatron/pretrain_gpt.py" \
                    "${arguments[@]}" "${others[@]}" "${saving[@]}" "$@" 2>&1 | tee -a logs/\#(job.folder).log
                status=${PIPESTATUS[0]}
                case $status in 0 | 130 | 143) exit "$status" ;; esac
                [ "$(iteration)" -gt "$before" ] || exit "$status"
                echo "ended with $status: goes on from step $(iteration)"
            done
            """# + "\n"
    }
}
