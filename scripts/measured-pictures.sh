#!/usr/bin/env bash
# Draws the measured steps of docs/runtime.md again: for each plan the machine is calibrated at its shapes, then it trains
# and the predicted step is drawn over the measured one. Takes some four minutes on two cores; nothing else should run.
# The calibration that is there (cluster/local.yaml) is put back.
set -euo pipefail
cd "$(dirname "$0")/.."
trainyard=.build/release/trainyard
plans=(schedule-1f1b schedule-zbv tensor-sequence data zero-3 context experts)
folder=$(mktemp -d)
restore() {
    if [ -e "$folder/local.yaml" ]; then mv "$folder/local.yaml" cluster/local.yaml; else rm -f cluster/local.yaml; fi
    rm -rf "$folder"
}
if [ -e cluster/local.yaml ]; then cp cluster/local.yaml "$folder/local.yaml"; fi
trap restore EXIT
for plan in "${plans[@]}"; do
    "$trainyard" calibrate --plan "plans/strategies/$plan.yaml" > "$folder/calibrated"
    "$trainyard" train "plans/strategies/$plan.yaml" --steps 20 --folder "$folder/$plan" \
        --svg "docs/images/measured-$plan.svg" > "$folder/trained"
    printf '%-16s ' "$plan"
    grep -m 1 '^  step' "$folder/trained"
done
