#!/usr/bin/env python3
"""What reading a corpus takes of a step of config S (shapes.json) in two processes: a weighted list of a text and of a mapped pair of
files, shuffled. The figures are those of the runs' own profiles, in the mean of both ranks.

    bench/reading.py
    bench/reading.py --steps 5 --runs 5 --json
"""
import argparse
import json
import os
import re
import statistics
import subprocess
import sys
import tempfile

ROOT = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..")
PROGRAMS = os.path.join(ROOT, ".build", "release")


def run(command, folder):
    done = subprocess.run(command, capture_output=True, text=True, cwd=folder)
    if done.returncode != 0:
        sys.exit("bench: " + done.stderr)
    return done.stdout


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--steps", type=int, default=4, help="steps of a run; the first is not counted")
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    plan = json.loads(run([sys.executable, os.path.join(ROOT, "bench", "compare.py"), "--plan", "S", "data"], ROOT))
    shares, seconds = [], []
    with tempfile.TemporaryDirectory() as folder:
        text = os.path.join(folder, "text.txt")
        with open(text, "wb") as file:
            # Enough for sequences that lie far apart.
            for _, _, names in sorted(os.walk(os.path.join(ROOT, "docs"))):
                for name in sorted(names):
                    if name.endswith(".md"):
                        with open(os.path.join(ROOT, "docs", name), "rb") as page:
                            file.write(page.read() * 20)
                break
        run([os.path.join(PROGRAMS, "trainyard"), "tokenize", "prepare", text, "--tokenizer", "bytes", "--documents",
             "file", "--out", os.path.join(folder, "pair")], folder)
        plan["model"]["vocab"] = 256
        plan["train"].update(
            data=[{"path": text, "weight": 1}, {"path": os.path.join(folder, "pair"), "weight": 3}], order="shuffled",
            steps=arguments.steps)
        path = os.path.join(folder, "plan.yaml")
        with open(path, "w") as file:
            json.dump(plan, file)
        for number in range(arguments.runs):
            output = run([os.path.join(PROGRAMS, "trainyard"), "train", path, "--profile", "--folder",
                          os.path.join(folder, f"run{number}")], folder)
            line = re.search(r"reading tokens\s+([0-9.]+)", output)
            if not line:
                sys.exit("bench: the profile has no line for reading:\n" + output)
            with open(os.path.join(folder, f"run{number}", "log.jsonl")) as log:
                step = statistics.median(json.loads(line)["seconds"] for line in list(log)[1:])
            seconds.append(float(line.group(1)))
            shares.append(float(line.group(1)) / 1e3 / step)
    result = dict(runs=arguments.runs, milliseconds=statistics.median(seconds), shareOfStep=statistics.median(shares))
    if arguments.json:
        return print(json.dumps(result, indent=2))
    print(f"reading the tokens of a step of config S: {result['milliseconds']:.2f} ms, "
          f"{100 * result['shareOfStep']:.4f} % of the step (medians of {arguments.runs} runs)")


if __name__ == "__main__":
    main()
