#!/usr/bin/env python3
"""Training speed beside PyTorch's: config S (GPT-2 style, 6 layers, hidden 384, sequence 256, batch 32), two processes
of one thread each, 1F1B. Runs alternate, so that a noisy machine is noisy for both; each run's figure is the median of
its timed steps, the result the median of the runs.

  bench/compare.py [--runs 5] [--steps 6] [--json FILE]
Ours alone where no Python with torch is found: TRAINYARD_PYTHON names one.
"""
import argparse
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
PLAN = os.path.join("plans", "bench-s.yaml")
DATA = os.path.join("plans", "data", "bench-s.txt")
WARMUP = 2


def fail(text):
    sys.exit("bench: " + text)


def python_with_torch():
    for candidate in filter(None, [os.environ.get("TRAINYARD_PYTHON"), "python3"]):
        found = shutil.which(candidate)
        if found and subprocess.run([found, "-c", "import torch.distributed.pipelining"], capture_output=True).returncode == 0:
            return found
    return None


def write_data():
    """One mebibyte that both sides train on: bytes 32 to 95, each leaving four choices for the next."""
    path = os.path.join(ROOT, DATA)
    if os.path.exists(path):
        return
    os.makedirs(os.path.dirname(path), exist_ok=True)
    text, r = bytearray([32]), 1
    while len(text) < 1 << 20:
        r = (r * 1664525 + 1013904223) & 0xFFFFFFFF
        text.append(32 + ((5 * text[-1] + (r >> 30)) % 64))
    with open(path, "wb") as file:
        file.write(text)


def run(command, **more):
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, **more)
    if done.returncode != 0:
        fail(f"{os.path.basename(command[0])} ended with code {done.returncode}:\n{(done.stdout + done.stderr)[-3000:]}")
    return done.stdout


def ours(count):
    """Tokens a second of each timed step."""
    root = ["--allow-run-as-root"] if os.geteuid() == 0 else []
    binding = ["--bind-to", "core"] if len(os.sched_getaffinity(0)) >= 2 else ["--oversubscribe"]
    with tempfile.TemporaryDirectory() as folder:
        log = os.path.join(folder, "metrics.jsonl")
        run(["mpirun", "-q", *root, *binding, "-n", "2", ".build/release/trainyard-train", PLAN,
             "--data", DATA, "--steps", str(WARMUP + count), "--log", log, "--quiet"],
            env=dict(os.environ, OMP_NUM_THREADS="1"))
        with open(log) as file:
            steps = [json.loads(line) for line in file if line.strip()]
    if len(steps) != WARMUP + count:
        fail(f"the log has {len(steps)} steps; {WARMUP + count} were asked for")
    return [step["tokensPerSecond"] for step in steps[WARMUP:]]


def pytorch(python, count):
    out = run([python, "bench/pytorch/train.py", "--config", "S", "--processes", "2", "--schedule", "1F1B",
               "--steps", str(count), "--warmup", str(WARMUP), "--data", DATA])
    return json.loads(out.strip().splitlines()[-1])["stepTokensPerSecond"]


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--runs", type=int, default=5, help="runs of each side")
    p.add_argument("--steps", type=int, default=6, help="timed steps of a run, after two that are not")
    p.add_argument("--json", help="also write the result to this file")
    a = p.parse_args()
    if not os.access(os.path.join(ROOT, ".build/release/trainyard-train"), os.X_OK):
        fail("trainyard-train is not built; run 'make build'")
    if not shutil.which("mpirun"):
        fail("mpirun is not installed; run 'make setup'")
    write_data()
    python = python_with_torch()
    sides = {"trainyard": lambda: ours(a.steps)}
    if python:
        sides["pytorch"] = lambda: pytorch(python, a.steps)
    else:
        print("No Python with torch was found: ours alone. (TRAINYARD_PYTHON=… names one.)")
    print("config S, 2 processes, 1F1B; tokens/s, median of a run's timed steps (slowest to fastest)")
    results = {name: [] for name in sides}
    for index in range(a.runs):
        for name, side in sides.items():
            steps = side()
            results[name].append(statistics.median(steps))
            print(f"  run {index + 1}  {name:10} {results[name][-1]:8.0f}   ({min(steps):.0f} to {max(steps):.0f})", flush=True)
    medians = {name: statistics.median(values) for name, values in results.items()}
    for name, value in medians.items():
        print(f"  median {name:10} {value:8.0f}")
    if python:
        print(f"  trainyard / pytorch: {medians['trainyard'] / medians['pytorch']:.2f}")
    if a.json:
        with open(a.json, "w") as file:
            json.dump(dict(config="S", runs=results, medians=medians), file, indent=1)
            file.write("\n")


if __name__ == "__main__":
    main()
