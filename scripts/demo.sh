#!/usr/bin/env bash
# The whole road: price a 100-billion-parameter run, then really train a small pipeline over MPI.
#   scripts/demo.sh [options of `trainyard train`, e.g. --data my.txt --steps 50]
set -euo pipefail
cd "$(dirname "$0")/.."
trainyard=.build/release/trainyard

say() { printf '\n── %s\n$ %s\n\n' "$1" "$2"; }

if [ ! -e plans/data/shakespeare.txt ] && [[ " $* " != *" --data"* ]]; then
    echo "demo: there is no text in plans/data; give one: scripts/demo.sh --data FILE" >&2
    exit 1
fi

say "1. What would 100 billion parameters on 3 trillion tokens take?" "trainyard plan plans/100b-3t-1024.yaml"
$trainyard plan plans/100b-3t-1024.yaml

say "2. What can this machine do?" "trainyard calibrate --quick"
$trainyard calibrate --quick

say "3. Train for real: two processes, two pipeline stages" "trainyard train plans/tiny-gpt.yaml --folder runs/demo --overwrite --trace runs/demo-trace.json"
mkdir -p runs
# The demo has a folder of its own: another demo may replace it, no other run is touched.
$trainyard train plans/tiny-gpt.yaml --folder runs/demo --overwrite --trace runs/demo-trace.json "$@"

say "4. What has it learnt?" "trainyard generate runs/demo --prompt 'ROMEO:'"
$trainyard generate runs/demo --prompt $'ROMEO:\n' --tokens 400

printf '\nThe measured timeline is in runs/demo-trace.json: open it in ui.perfetto.dev\n'
