#!/usr/bin/env python3
"""The answers of two builds side by side: every shipped plan, and every named model on four kinds of cluster.

  scripts/moved_answers.py OLD NEW [--least 0.02]

OLD and NEW are checkouts with .build/release/trainyard in them; each build reads its own cluster, framework and plan
files. Prints a Markdown table of the answers whose step, memory or layout moved, those that moved most first, and a line
of how many did not. An answer counts as moved from --least on (a share).
"""
import argparse
import glob
import json
import math
import os
import subprocess

CLUSTERS = {"a100-80g-sxm": 1024, "h100-80g-sxm": 1024, "b200-sxm": 512, "gb200-nvl72": 576}


def answer(root, arguments):
    """Seconds a step, GiB, and the split in words; the reason where there is no answer."""
    program = os.path.join(root, ".build", "release", "trainyard")
    done = subprocess.run(
        [program, *arguments, "--json"], cwd=root, capture_output=True, text=True, env=dict(os.environ, TRAINYARD_HOME=root))
    try:
        found = json.loads(done.stdout)
    except ValueError:
        return None
    layout = found["layout"]
    split = " ".join(
        f"{name[0]}{layout[name]}" for name in ("tensor", "pipeline", "data", "context", "expert") if layout.get(name, 1) > 1)
    words = f"{split} {layout['schedule']}" + (f" ×{layout['virtualStages']}" if layout.get("virtualStages", 1) > 1 else "")
    return dict(
        seconds=found["iteration"]["seconds"], peak=found["memory"]["peakGiB"], layout=words.strip(),
        days=(found.get("run") or {}).get("days"))


def questions(root):
    for folder in ("plans", os.path.join("plans", "strategies")):
        for path in sorted(glob.glob(os.path.join(root, folder, "*.yaml"))):
            yield os.path.basename(path)[:-5], ["plan", os.path.relpath(path, root)]
    for path in sorted(glob.glob(os.path.join(root, "plans", "models", "*.yaml"))):
        model = os.path.basename(path)[:-5]
        for cluster, count in CLUSTERS.items():
            yield (f"{model}, {count} × {cluster}",
                   ["estimate", "--model", model, "--tokens", "1T", "--gpu", cluster, "--gpus", str(count)])


def change(old, new):
    return max(abs(math.log(new[key] / old[key])) for key in ("seconds", "peak"))


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("old")
    p.add_argument("new")
    p.add_argument("--least", type=float, default=0.02, help="share from which an answer counts as moved (default 0.02)")
    a = p.parse_args()
    old, new = os.path.abspath(a.old), os.path.abspath(a.new)
    moved, still = [], 0
    for name, arguments in questions(new):
        one, other = answer(old, arguments), answer(new, arguments)
        if one is None or other is None:
            if one is not None or other is not None:
                moved.append((math.inf, name, one, other))
            continue
        size = change(one, other)
        if size >= a.least:
            moved.append((size, name, one, other))
        else:
            still += 1
    print("| question | step before | now | GiB before | now | split before | now |\n|---|---|---|---|---|---|---|")
    for _, name, one, other in sorted(moved, key=lambda row: (-row[0], row[1])):
        cells = []
        for key, form in (("seconds", "{:.3g} s"), ("peak", "{:.1f}"), ("layout", "{}")):
            cells += ["no answer" if found is None else form.format(found[key]) for found in (one, other)]
        print(f"| {name} | " + " | ".join(cells) + " |")
    print(f"\n{len(moved)} answers moved by {a.least:.0%} or more, {still} did not.")


if __name__ == "__main__":
    main()
