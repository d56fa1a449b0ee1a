#!/usr/bin/env python3
"""Speed of `trainyard generate` with kept keys and values and without, on one core: the same weights, prompt and tokens, in turn,
medians of several runs. Seconds are the program's own, from the first token read to the last one drawn.

    bench/generate.py                     # a GPT of 6 layers of 256 from the formula's start, 512 tokens
    bench/generate.py --weights FOLDER --tokens 256 --sequences 4
    bench/generate.py --json
"""
import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile

ROOT = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..")
PROGRAM = os.path.join(ROOT, ".build", "release", "trainyard-train")
PLAN = """
model: {family: gpt, layers: 6, hidden: 256, heads: 8, vocab: 256, sequence: 1024}
batch: 1
precision: fp32
layout: {microbatch: 1}
train: {data: README.md, steps: 1, learningRate: 1e-3, seed: 1}
"""


def run(command, folder):
    done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT)
    if done.returncode != 0:
        sys.exit("bench: " + done.stderr)
    return done.stdout


def trained(folder):
    """Weights after one step."""
    path = os.path.join(folder, "plan.yaml")
    with open(path, "w") as file:
        file.write(PLAN)
    weights = os.path.join(folder, "weights.safetensors")
    run([PROGRAM, path, "--save", weights, "--folder", os.path.join(folder, "run"), "--quiet"], folder)
    return weights


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--weights", help="a checkpoint, file or folder; default: a small GPT")
    parser.add_argument("--tokens", type=int, default=512)
    parser.add_argument("--sequences", type=int, default=1, help="prompts continued at once")
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        weights = arguments.weights or trained(folder)
        command = [PROGRAM, "generate", weights, "--json", "--temperature", "0", "--tokens", str(arguments.tokens)]
        for number in range(arguments.sequences):
            command += ["--prompt", "To be, or not to be"[: 4 + number % 16]]
        kept, whole = [], []
        for _ in range(arguments.runs):
            for seconds, extra in [(kept, []), (whole, ["--no-cache"])]:
                answer = json.loads(run(command + extra, folder))
                seconds.append((answer["seconds"], answer["tokensPerSecond"]))
                answer = [one["tokens"] for one in answer["prompts"]]
                if seconds is kept:
                    first = answer
                elif first != answer:
                    sys.exit("bench: other tokens with kept keys and values than without")
    kept_seconds = statistics.median(seconds for seconds, _ in kept)
    whole_seconds = statistics.median(seconds for seconds, _ in whole)
    result = dict(
        tokens=arguments.tokens, sequences=arguments.sequences, runs=arguments.runs, seconds=kept_seconds,
        secondsWithoutCache=whole_seconds, tokensPerSecond=statistics.median(rate for _, rate in kept),
        tokensPerSecondWithoutCache=statistics.median(rate for _, rate in whole),
        ratio=statistics.median(b[0] / a[0] for a, b in zip(kept, whole)))
    if arguments.json:
        return print(json.dumps(result, indent=2))
    print(f"{arguments.tokens} tokens of {arguments.sequences} sequence(s), medians of {arguments.runs} runs in turn")
    print(f"  keys and values kept  {kept_seconds:8.3f} s  {result['tokensPerSecond']:9.1f} tokens/s")
    print(f"  read again            {whole_seconds:8.3f} s  {result['tokensPerSecondWithoutCache']:9.1f} tokens/s")
    print(f"  ratio                 {result['ratio']:8.1f}")


if __name__ == "__main__":
    main()
