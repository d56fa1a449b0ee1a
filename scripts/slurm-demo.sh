#!/usr/bin/env bash
# A real Slurm on four emulated hosts: trains a small plan on 2 and on 4 ranks, by srun and by mpirun, compares the losses
# with mpirun's on this machine, and takes hosts away from running jobs: one goes on on other hosts, one in half as many ranks.
# Removes all of it again.
#   make slurm-demo                            as root; about five minutes on two cores
#   scripts/slurm-demo.sh --install            also installs Slurm and munge where they are missing (apt-get)
#   TRAINYARD_BUILD=DIR scripts/slurm-demo.sh  programs that were built elsewhere
# Exit codes: 0 all is right, 1 something is not, 2 bad usage.
set -euo pipefail
cd "$(dirname "$0")/.."
top=$PWD

install=()
case ${1:-} in
    '') ;;
    --install) install=(--install) ;;
    *) echo "slurm-demo: '$1' is no option: --install or nothing" >&2; exit 2 ;;
esac
if [ "$(id -u)" != 0 ]; then
    echo "slurm-demo: the emulated hosts need root: sudo make slurm-demo" >&2
    exit 1
fi
build=$(readlink -f "${TRAINYARD_BUILD:-.build/release}")
program=$build/trainyard
train=$build/trainyard-train
[ -x "$train" ] && [ -x "$program" ] || { echo "slurm-demo: $build has no programs; run make build" >&2; exit 1; }

# A folder with the job of a plan as `trainyard export` writes it: `job PLAN NODES RANKS-A-NODE FOLDER`. The run's folder is
# FOLDER/run.
job() {
    {
        sed "s|^train: {|train: {folder: run, |" "$1"
        echo "cluster: {extends: laptop, name: emulated, devicesPerNode: $3}"
        echo "devices: $(($2 * $3))"
    } > "$4.yaml"
    "$program" export "$4.yaml" --to slurm --out "$4" > "$4.log" 2>&1 || failed "trainyard export ends with $?" "$4.log"
    mkdir -p "$4/logs"
}

scratch=$(mktemp -d)
slurm() { "$top/cluster/slurm.sh" --state "$scratch/cluster" "$@"; }
# shellcheck disable=SC2317 # the trap calls it
clean() {
    trap '' INT TERM HUP
    slurm down
    rm -rf "$scratch"
}
trap clean EXIT
trap 'exit 1' INT TERM HUP
export TRAINYARD_TRAIN=$train OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1
failed() { echo "slurm-demo: $1" >&2; [ -z "${2:-}" ] || tail -n 20 "$2" >&2; exit 1; }
say() { printf '\n── %s\n' "$1"; }
# The losses of a run, one a line.
losses() { grep -o '"loss":[-+0-9.e]*' "$1/log.jsonl"; }
# The median time of a run's steps in milliseconds.
step_time() {
    grep -o '"seconds":[-+0-9.e]*' "$1/log.jsonl" | cut -d : -f 2 | sort -g |
        awk '{ time[NR] = $1 } END { printf "%.1f ms", time[int((NR + 1) / 2)] * 1000 }'
}

say "The hosts themselves"
scripts/tests/emulate.sh > "$scratch/checks" 2>&1 || failed "scripts/tests/emulate.sh finds:" "$scratch/checks"
tail -n 1 "$scratch/checks"

# Any text will do to learn from.
cat docs/*.md > "$scratch/text"
cd "$scratch"
plan() {
    cat << PLAN
name: $1
model: {family: gpt, layers: 2, hidden: 64, heads: 2, vocab: 256, sequence: 64}
batch: 8
precision: fp32
layout: {$2, microbatch: 2}
train: {data: $scratch/text, order: shuffled, steps: $3, learningRate: 1e-3, warmup: 5, seed: 1${4:-}}
PLAN
}
plan two 'data: 2' 20 > two.yaml
plan four 'data: 2, pipeline: 2' 20 > four.yaml
plan long 'data: 2' 800 ', checkpoint: {every: 25}' > long.yaml
plan wide 'data: 2, pipeline: 2' 800 ', checkpoint: {every: 25}' > wide.yaml

say "Four hosts with links of 1 Gbit/s, and Slurm on them"
slurm up 4 1gbit --slots 2 "${install[@]}"

say "Training by Slurm and on this machine: the same losses?"
compare() {
    local plan=$1 ranks=$2 nodes=$3 each=$4 launch folder
    if [ ! -e "$plan-here" ]; then
        mpirun -n "$ranks" --oversubscribe --bind-to none "$train" "$plan.yaml" --folder "$plan-here" --quiet > here.log 2>&1 ||
            failed "mpirun on this machine ends with $?" here.log
        printf '%-44s last loss %s, a step %s\n' "$ranks ranks, mpirun on this machine" \
            "$(losses "$plan-here" | tail -n 1 | cut -d : -f 2)" "$(step_time "$plan-here")"
    fi
    for launch in srun mpirun; do
        folder=$plan-$nodes-$launch
        job "$plan.yaml" "$nodes" "$each" "$folder"
        (cd "$folder" && LAUNCH=$launch slurm run --job-name="$folder" --output=logs/%x.out job.sbatch) > run.log 2>&1 ||
            failed "$folder ends with $?" "$folder/logs/$folder.out"
        cmp -s <(losses "$plan-here") <(losses "$folder/run") ||
            failed "$folder has other losses than mpirun on this machine: $(diff <(losses "$plan-here") <(losses "$folder/run") | head -n 4)"
        printf '%-44s the same losses,             a step %s\n' "$ranks ranks, $launch on $nodes hosts" "$(step_time "$folder/run")"
    done
}
compare two 2 2 1
compare four 4 2 2
compare four 4 4 1

say "A host dies under a job, which goes on from its newest checkpoint on others"
mpirun -n 2 --oversubscribe --bind-to none "$train" long.yaml --folder long-here --quiet > here.log 2>&1 ||
    failed "mpirun on this machine ends with $?" here.log
job long.yaml 2 1 dying
(cd dying && slurm run --job-name=long --output=logs/%x.out job.sbatch) > run.log 2>&1 &
waiting=$!
# The log of the run's steps says that it is training.
trains() {
    local tries
    for ((tries = 0; tries < 120; tries++)); do
        [ -e "$1/run/log.jsonl" ] && [ "$(wc -l < "$1/run/log.jsonl")" -ge 50 ] && return 0
        sleep 0.5
    done
    failed "the job does not train" "${3:-$1/logs/$2.out}"
}
trains dying long
began=$SECONDS
slurm kill h2
echo "h2 is dead after $(wc -l < dying/run/log.jsonl) of 800 steps"
wait "$waiting" || failed "the job ends with $?" dying/logs/long.out
cat run.log
[ "$(grep -c RUNNING run.log)" = 2 ] || failed "the job did not start again" dying/logs/long.out
[ "$(losses dying/run | wc -l)" = 800 ] || failed "the job has not all 800 steps" dying/logs/long.out
cmp -s <(losses long-here) <(losses dying/run) || failed "the losses are not those of a run that nothing disturbed"
after=$(grep -o 'going on after step [0-9]*' dying/logs/long.out | tail -n 1 | grep -o '[0-9]*$') || true
[ "${after:-0}" -ge 25 ] || failed "the job began at its first step again" dying/logs/long.out
echo "all 800 steps done $((SECONDS - began)) s after that, going on after step $after: the losses of a run that nothing disturbed"

say "Two of four hosts die under a job of four ranks, which goes on with two"
mpirun -n 4 --oversubscribe --bind-to none "$train" wide.yaml --folder wide-here --quiet > here.log 2>&1 ||
    failed "mpirun on this machine ends with $?" here.log
slurm revive h2
for ((tries = 0; tries < 120; tries++)); do
    [ "$(slurm exec sinfo --noheader --states=idle --format=%D)" = 4 ] && break
    sleep 0.5
done
[ "$tries" -lt 120 ] || failed "h2 does not come back"
job wide.yaml 4 1 shrinking
# One rank on each node that the job has; the ranks take the layout that as many of them can run.
# shellcheck disable=SC2016 # these are the script's own variables
sed -i -e 's/srun --mpi=pmix/& -n "$SLURM_JOB_NUM_NODES"/' -e 's/"${again\[@\]}" &/"${again[@]}" --elastic \&/' \
    shrinking/job.sbatch
grep -q -- '--elastic &' shrinking/job.sbatch || failed "the job's script is not the one that this one changes"
(cd shrinking && slurm run --job-name=wide --output=logs/%x.out job.sbatch) > run.log 2>&1 &
waiting=$!
trains shrinking wide
began=$SECONDS
slurm kill h3
slurm kill h4
echo "h3 and h4 are dead after $(wc -l < shrinking/run/log.jsonl) of 800 steps"
# Slurm puts the job back in its queue, where it would wait for four nodes; a user lets it take two.
for ((tries = 0; tries < 240; tries++)); do
    id=$(slurm exec squeue --noheader --name=wide --states=PENDING --format=%i)
    [ -n "$id" ] && break
    sleep 0.5
done
[ -n "$id" ] || failed "the job is not in the queue again" shrinking/logs/wide.out
slurm exec scontrol update "JobId=$id" NumNodes=2 NumTasks=2
wait "$waiting" || failed "the job ends with $?" shrinking/logs/wide.out
cat run.log
[ "$(losses shrinking/run | wc -l)" = 800 ] || failed "the job has not all 800 steps" shrinking/logs/wide.out
grep -- '--elastic: ' shrinking/logs/wide.out || failed "the job did not go on with fewer ranks" shrinking/logs/wide.out
after=$(grep -o 'going on after step [0-9]*' shrinking/logs/wide.out | tail -n 1 | grep -o '[0-9]*$') || true
[ "${after:-0}" -ge 25 ] || failed "the job began at its first step again" shrinking/logs/wide.out
# The same batches in the same order, added up in another: `compare_with_wide FOLDER` writes the largest relative difference.
compare_with_wide() {
    paste -d : <(losses wide-here) <(losses "$1") |
        awk -F : '{ d = ($2 - $4) / $2; if (d < 0) d = -d; if (d > most) most = d }
                  END { printf "%.1e\n", most; exit most > 1e-4 }' > difference ||
        failed "the losses are others: by $(cat difference) of them"
}
compare_with_wide shrinking/run
echo "all 800 steps done $((SECONDS - began)) s after that, going on after step $after: losses within $(cat difference) of an undisturbed run's"

say "A host dies under trainyard train, which goes on with the host that is left"
printf 'h1 slots=2\nh2 slots=2\n' > hosts
slurm exec env OMPI_MCA_plm_rsh_agent="$scratch/cluster/agent" "$program" train wide.yaml --folder host/run --hostfile hosts \
    --restarts 2 --elastic > host.out 2> host.log &
waiting=$!
trains host train host.log
began=$SECONDS
slurm kill h2
echo "h2 is dead after $(wc -l < host/run/log.jsonl) of 800 steps"
wait "$waiting" || failed "trainyard train ends with $?" host.log
grep -e '^restart ' -e '--elastic: ' host.log || failed "the run did not go on with fewer ranks" host.log
[ "$(losses host/run | wc -l)" = 800 ] || failed "the run has not all 800 steps" host.log
compare_with_wide host/run
echo "all 800 steps done $((SECONDS - began)) s after that: losses within $(cat difference) of an undisturbed run's"

say "Nothing is left"
slurm down
if pgrep -f "$scratch" > "$scratch/left"; then failed "processes are left:" "$scratch/left"; fi
[ ! -e "$scratch/cluster" ] || failed "$scratch/cluster is left"
echo "slurm-demo: all is right"
