#!/bin/bash
set -euo pipefail
cd "$(dirname "$0")"
export CUDA_DEVICE_MAX_CONNECTIONS=1
mapfile -t words < <(sed 's/#.*//' megatron-lm.args | xargs -n1)
torchrun --nnodes 8 --nproc-per-node 8 --node-rank "${NODE_RANK:-0}" --master-addr "${MASTER_ADDR:-localhost}" --master-port 29500 \
    "$MEGATRON_LM/pretrain_gpt.py" "${words[@]}"
