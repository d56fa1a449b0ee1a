#!/usr/bin/env bash
# Does to runs what machines do, and compares what they leave with undisturbed runs, to the bit:
#   ranks killed at random moments of one run, in five layouts; turned bits of weights and moments, in 18 layouts; spoilt
#   checkpoints.
#   scripts/drill.sh [KILLS A LAYOUT, 20] [SPOILT CHECKPOINTS, 200] [SEED]
set -euo pipefail
cd "$(dirname "$0")/.."
here=$PWD
kills=${1:-20} spoilt=${2:-200} RANDOM=${3:-$(($(date +%s) % 32768))}
folder=$(mktemp -d)
run=
ended() {
    [ -z "$run" ] || kill "$run" 2>/dev/null || true
    wait
    rm -rf "$folder"
}
trap ended EXIT
trap 'exit 130' INT
trap 'exit 143' TERM
cp README.md "$folder/text"
cd "$folder"

# A name of its own, by which the ranks of this drill are found.
plan=drill-$$.yaml
steps=$((30 * kills))
dense='{family: gpt, layers: 2, hidden: 128, heads: 4, vocab: 256, sequence: 64}'
experts='{family: llama, layers: 2, hidden: 64, heads: 4, ffn: 128, vocab: 256, sequence: 32, moe: {experts: 4, topK: 2, ffn: 64}}'
failed=0

losses() { sed -n 's/.*"loss":\([^,]*\),.*"step":\([0-9]*\),.*/\2 \1/p' "$1/log.jsonl"; }
step() { tail -n 1 run/log.jsonl 2>/dev/null | sed -n 's/.*"step":\([0-9]*\),.*/\1/p'; }

drill() { # NAME MODEL LAYOUT
    cat >"$plan" <<PLAN
name: drill
model: $2
batch: 8
layout: $3
train:
  data: text
  steps: $steps
  learningRate: 1e-3
  checkpoint: {every: 7, keep: 2, asynchronous: true}
PLAN
    rm -rf run whole
    "$here/.build/release/trainyard" train "$plan" --quiet --folder whole --save whole.safetensors
    "$here/.build/release/trainyard" train "$plan" --quiet --folder run --save run.safetensors \
        --restarts $((2 * kills)) 2>errors &
    run=$!
    local killed=0 next pid
    for ((index = 0; index < kills; index++)); do
        # A moment of its own in every twentieth of the run, or sooner where there are more.
        next=$((index * steps / kills + RANDOM % (steps / kills)))
        while kill -0 $run 2>/dev/null && { at=$(step); [ "${at:-0}" -lt $next ]; }; do sleep 0.01; done
        sleep 0.0$((RANDOM % 10))
        # Between two starts there is nobody to kill.
        until pid=$(pgrep -f "^[^ ]*trainyard-train $plan " | shuf -n 1 --random-source=<(yes $RANDOM)) &&
            [ -n "$pid" ] && kill -9 "$pid" 2>/dev/null; do
            kill -0 $run 2>/dev/null || break 2
            sleep 0.05
        done
        killed=$((killed + 1))
    done
    local code=0 verdict=ok
    wait $run || code=$?
    run=
    if [ $code -ne 0 ] || ! cmp -s run.safetensors whole.safetensors || ! diff -q <(losses run) <(losses whole) >/dev/null; then
        verdict=DIFFERS failed=1
        tail -n 5 errors
    fi
    printf '%-8s %s: %d ranks killed in one run of %d steps, %d new starts, code %d\n' \
        "$verdict" "$1" "$killed" "$steps" "$(grep -c 'restart [0-9]* of' errors || true)" "$code"
    [ $killed -eq "$kills" ] || { echo "         only $killed of $kills kills met a run"; failed=1; }
}

drill "data 2" "$dense" "{data: 2}"
drill "tensor 2" "$dense" "{tensor: 2}"
drill "pipeline 2" "$dense" "{pipeline: 2}"
drill "data 2, ZeRO-3" "$dense" "{data: 2, sharding: parameters}"
drill "expert 2" "$experts" "{data: 2, expert: 2}"

root=()
[ "$(id -u)" -ne 0 ] || root=(--allow-run-as-root)
checks() { mpirun "${root[@]}" --oversubscribe -n 4 "$here/.build/release/runtime-checks" "$@" 2>errors || { failed=1; tail -n 5 errors; }; }
echo
checks flip
echo
checks damage "$spoilt"
exit $failed
