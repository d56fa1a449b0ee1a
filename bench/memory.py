#!/usr/bin/env python3
"""Peak memory of real runs beside the prediction, rank by rank.

Every layout is a plan of one step of a model large enough that its tensors, not the program itself, fill most of a rank.
Measured is the peak resident memory of each process (`ru_maxrss`, the kernel's VmHWM): pages that several ranks share
count in each that touched them. Memory does not depend on the machine's load, so one run each is enough; nor, but for the
rows that routing sends to an expert's rank, on the step.

  bench/memory.py                    every layout: about five minutes on two cores
  bench/memory.py zbv zero-3         some of them
  bench/memory.py --most 8           exit code 1 if a rank is further off than 8 %
"""

import argparse
import json
import pathlib
import subprocess
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parent.parent

GPT = "{family: gpt, layers: 8, hidden: 512, heads: 8, vocab: 256, sequence: 256}"
LLAMA = "{family: llama, layers: 8, hidden: 512, heads: 8, kvHeads: 4, ffn: 1408, vocab: 4096, sequence: 256}"
EXPERTS = (
    "{family: llama, layers: 8, hidden: 256, heads: 8, kvHeads: 4, ffn: 1024, vocab: 256, sequence: 256, "
    "moe: {experts: 8, topK: 2, ffn: 512, firstDense: 1}}"
)

# Model, sequences a step, layout.
LAYOUTS = {
    "one": (GPT, 4, "{microbatch: 4}"),
    "data": (GPT, 8, "{data: 2, microbatch: 4}"),
    "zero-1": (GPT, 8, "{data: 2, microbatch: 4, sharding: optimizer}"),
    "zero-2": (GPT, 8, "{data: 2, microbatch: 4, sharding: gradients}"),
    "zero-3": (GPT, 8, "{data: 2, microbatch: 4, sharding: parameters}"),
    "tensor": (GPT, 4, "{tensor: 2, microbatch: 4}"),
    "tensor-sequence": (GPT, 4, "{tensor: 2, sequenceParallel: true, microbatch: 4}"),
    "context": (GPT, 4, "{context: 2, microbatch: 4}"),
    "recompute-full": (GPT, 4, "{microbatch: 4, recompute: full}"),
    "recompute-selective": (GPT, 4, "{microbatch: 4, recompute: selective}"),
    "1f1b": (GPT, 16, "{pipeline: 2, microbatch: 4, schedule: 1f1b}"),
    "gpipe": (GPT, 16, "{pipeline: 2, microbatch: 4, schedule: gpipe}"),
    "interleaved-1f1b": (GPT, 16, "{pipeline: 2, virtualStages: 2, microbatch: 4, schedule: interleaved-1f1b}"),
    "zb-h1": (GPT, 16, "{pipeline: 2, microbatch: 4, schedule: zb-h1}"),
    "zb-h1-full": (GPT, 16, "{pipeline: 2, microbatch: 4, schedule: zb-h1, recompute: full}"),
    "zb-h1-selective": (GPT, 16, "{pipeline: 2, microbatch: 4, schedule: zb-h1, recompute: selective}"),
    "zb-h2": (GPT, 16, "{pipeline: 2, microbatch: 4, schedule: zb-h2}"),
    "zbv": (GPT, 16, "{pipeline: 2, microbatch: 4, schedule: zbv}"),
    "zbv-full": (GPT, 16, "{pipeline: 2, microbatch: 4, schedule: zbv, recompute: full}"),
    "v-half": (GPT, 16, "{pipeline: 2, microbatch: 4, schedule: v-half}"),
    "v-min": (GPT, 16, "{pipeline: 2, microbatch: 4, schedule: v-min}"),
    "interleaved-zb": (GPT, 16, "{pipeline: 2, virtualStages: 2, microbatch: 4, schedule: interleaved-zb}"),
    "dualpipe": (GPT, 16, "{pipeline: 2, microbatch: 4, schedule: dualpipe}"),
    "dualpipev": (GPT, 16, "{pipeline: 2, microbatch: 4, schedule: dualpipev}"),
    "llama": (LLAMA, 16, "{pipeline: 2, microbatch: 4}"),
    "llama-data": (LLAMA, 8, "{data: 2, microbatch: 4}"),
    "llama-zbv": (LLAMA, 16, "{pipeline: 2, microbatch: 4, schedule: zbv}"),
    "experts": (EXPERTS, 8, "{data: 2, expert: 2, microbatch: 4}"),
    "experts-zb": (EXPERTS, 16, "{pipeline: 2, microbatch: 4, schedule: zb-h1}"),
    "three-dimensions": (
        GPT, 16, "{data: 2, tensor: 2, pipeline: 2, microbatch: 2, sequenceParallel: true, sharding: optimizer}"),
}


def write_text(folder):
    """A text of all printable characters, the same every time."""
    path = folder / "text.txt"
    path.write_bytes(bytes(32 + (index * index + index // 7) % 95 for index in range(1 << 15)))
    return path


def run(program, *words):
    done = subprocess.run([program, *map(str, words)], capture_output=True, text=True)
    if done.returncode != 0:
        sys.exit(f"{' '.join(map(str, words))}: {done.stderr.strip() or done.stdout.strip()}")
    return done.stdout


def compare(program, name, folder, text):
    """Rows of predicted and measured bytes, one a process."""
    model, batch, layout = LAYOUTS[name]
    plan = folder / f"{name}.yaml"
    plan.write_text(
        f"name: {name}\nmodel: {model}\nbatch: {batch}\nprecision: fp32\nframework: trainyard\nlayout: {layout}\n"
        f"train: {{data: {text}, steps: 1, learningRate: 1e-3, seed: 1}}\n")
    predicted = json.loads(run(program, "plan", plan, "--json"))
    log = folder / f"{name}.jsonl"
    run(program, "train", plan, "--folder", folder / name, "--log", log)
    measured = json.loads(log.read_text().splitlines()[-1])["peakBytes"]
    ranks = [rank["peakGiB"] * 2**30 for rank in predicted["memory"]["byRank"]]
    # The pipeline rank is the slowest to change from one process to the next.
    return [(ranks[number * len(ranks) // len(measured)], bytes) for number, bytes in enumerate(measured)]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("layouts", nargs="*", metavar="LAYOUT", help="some of " + ", ".join(LAYOUTS))
    parser.add_argument("--program", default=ROOT / ".build/release/trainyard", help="the trainyard to run")
    parser.add_argument("--most", type=float, help="fail if any rank is further off, in %%")
    parser.add_argument("--json", action="store_true", help="one JSON document instead of a table")
    options = parser.parse_args()
    for name in options.layouts:
        if name not in LAYOUTS:
            parser.error(f"no layout '{name}'; there are {', '.join(LAYOUTS)}")
    worst, rows = 0.0, []
    if not options.json:
        print(f"{'layout':20}  rank  predicted    measured   predicted / measured")
    with tempfile.TemporaryDirectory() as made:
        folder = pathlib.Path(made)
        text = write_text(folder)
        for name in options.layouts or LAYOUTS:
            for rank, (predicted, measured) in enumerate(compare(options.program, name, folder, text)):
                worst = max(worst, abs(predicted / measured - 1))
                rows.append({"layout": name, "rank": rank, "predictedBytes": predicted, "measuredBytes": measured})
                if not options.json:
                    print(
                        f"{name:20}  {rank:4}  {predicted / 2**20:5.1f} MiB   {measured / 2**20:5.1f} MiB"
                        f"   {predicted / measured:8.3f}", flush=True)
    if options.json:
        print(json.dumps({"rows": rows, "largestError": worst}))
    else:
        print(f"largest error {100 * worst:.1f} %")
    return 1 if options.most is not None and 100 * worst > options.most else 0


if __name__ == "__main__":
    sys.exit(main())
