#!/usr/bin/env python3
"""What saving and checking cost a run of config S (shapes.json) on two processes.

  bench/checkpoints.py [--runs 5] [--steps 44] [--folder runs/bench-checkpoints] [--json FILE]

Writing: `runs` times, in turns, a checkpoint that training waits for, and `dd` with fsync of the same bytes to the same
disk; medians. The folder must lie on a disk: in memory (tmpfs) a flush costs nothing.
Seconds inside saving: a copy is saved every 20 steps while training goes on. Seconds inside checking: the state is checked
every 10 steps, and every step. Both are measured inside the run, not as a difference of two runs."""
import argparse
import json
import os
import re
import shutil
import statistics
import subprocess
import sys
import time

from compare import RANKS, ROOT, TRAIN, plan, write_data

PROGRAM = os.path.join(ROOT, TRAIN)
SAVED = re.compile(r"checkpoint (step-\d+): .*; ([0-9.]+) s, of which training waited ([0-9.]+) s")


def train(folder, steps, checkpoint, check):
    """Runs config S. Returns its checkpoints (name, seconds, seconds waited), its steps and its manifest."""
    wanted = plan("S", "data")
    wanted["train"].update(steps=steps, data=os.path.join(ROOT, wanted["train"]["data"]), checkpoint=checkpoint)
    wanted["train"]["stateCheck"] = {"every": check}
    os.makedirs(folder, exist_ok=True)
    path = os.path.join(folder, "plan.yaml")
    with open(path, "w") as file:
        json.dump(wanted, file)
    run = os.path.join(folder, "run")
    root = ["--allow-run-as-root"] if os.geteuid() == 0 else []
    done = subprocess.run(
        ["mpirun", *root, "--oversubscribe", "-n", str(RANKS), PROGRAM, path, "--folder", run, "--overwrite"],
        capture_output=True, text=True)
    if done.returncode != 0:
        sys.exit("bench: " + done.stderr)
    saved = [(name, float(seconds), float(waited)) for name, seconds, waited in SAVED.findall(done.stderr)]
    with open(os.path.join(run, "log.jsonl")) as file:
        log = [json.loads(line) for line in file]
    with open(os.path.join(run, "manifest.json")) as file:
        return saved, log, json.load(file)


def dd(folder):
    """Seconds that dd takes to write the bytes of the newest checkpoint and to flush them."""
    checkpoints = os.path.join(folder, "run", "checkpoints")
    newest = os.path.join(checkpoints, sorted(os.listdir(checkpoints))[-1])
    source, target = os.path.join(folder, "bytes"), os.path.join(folder, "copy")
    with open(source, "wb") as whole:
        for name in sorted(os.listdir(newest)):
            with open(os.path.join(newest, name), "rb") as part:
                shutil.copyfileobj(part, whole)
        whole.flush()
        os.fsync(whole.fileno())
    began = time.monotonic()
    subprocess.run(["dd", f"if={source}", f"of={target}", "bs=1M", "conv=fsync"], capture_output=True, check=True)
    seconds = time.monotonic() - began
    for path in (source, target):
        os.remove(path)
    return seconds


def writing(folder, runs):
    ours, theirs, size = [], [], 0
    for _ in range(runs):
        saved, _, manifest = train(folder, 1, {"every": 1}, 1)
        size = manifest["checkpoints"][-1]["bytes"]
        ours.append(saved[-1][1])
        theirs.append(dd(folder))
    ours, theirs = statistics.median(ours), statistics.median(theirs)
    return {
        "bytes": size, "seconds": ours, "ddSeconds": theirs, "megabytesPerSecond": size / ours / 1e6,
        "ddMegabytesPerSecond": size / theirs / 1e6, "ofDd": theirs / ours}


def inside(folder, steps, check, saves):
    """Shares of the steps' seconds that the run spent inside saving and inside checking."""
    saved, log, manifest = train(folder, steps, {"every": 20, "asynchronous": True}, check)
    # The checkpoint of the last step is waited for; a long run has one such in thousands.
    saved = [entry for entry in saved if int(entry[0][5:]) < steps]
    whole = sum(step["seconds"] for step in log)
    of_saves = sum(step["seconds"] for step in log[: 20 * len(saved)])
    return {
        "every": check, "checking": manifest["seconds"]["checking"] / whole,
        "saving": sum(entry[2] for entry in saved) / of_saves if saves and saved else None,
        "secondsPerStep": whole / len(log)}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--steps", type=int, default=44, help="of the run that saves every 20 steps")
    parser.add_argument("--folder", default=os.path.join(ROOT, "runs", "bench-checkpoints"))
    parser.add_argument("--json", metavar="FILE")
    options = parser.parse_args()
    folder = os.path.abspath(options.folder)
    if os.path.exists(folder):
        sys.exit(f"bench: {folder} is there already; name another --folder, or remove it")
    write_data()
    try:
        write = writing(folder, options.runs)
        print(
            f"checkpoint of config S, {write['bytes'] / 1e6:.0f} MB, {RANKS} processes: {write['megabytesPerSecond']:.0f} MB/s; "
            f"dd with fsync: {write['ddMegabytesPerSecond']:.0f} MB/s; {write['ofDd']:.0%} of dd "
            f"(medians of {options.runs})", flush=True)
        ten = inside(folder, options.steps, 10, saves=True)
        print(
            f"inside saving, a copy every 20 steps: {ten['saving']:.2%} of the steps' seconds; inside checking, every 10 "
            f"steps: {ten['checking']:.2%}  ({ten['secondsPerStep']:.2f} s a step)", flush=True)
        one = inside(folder, 6, 1, saves=False)
        print(f"inside checking, every step: {one['checking']:.2%}")
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    if options.json:
        with open(options.json, "w") as file:
            json.dump({"write": write, "everyTenSteps": ten, "everyStep": one}, file, indent=1)


if __name__ == "__main__":
    main()
