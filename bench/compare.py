#!/usr/bin/env python3
"""Training speed and memory beside PyTorch's: the shapes of shapes.json, two processes of one thread each, in pipeline
(1F1B), data and tensor parallelism. Runs alternate, so that a noisy machine is noisy for both; a run's figure is the
median of its timed steps, the result the median of the runs.

  bench/compare.py                             config S in all three: under ten minutes
  bench/compare.py --configs M --runs 1        GPT-2 small: about seven minutes, 8 GB of memory
  bench/compare.py --layouts data --runs 5 --json FILE
  bench/compare.py --plan S data               the plan file of one of them

"of peak" is the share of the cores' multiply-add peak that the model's arithmetic takes, for each side: a ratio says
little where the other side's matrix library is slow on this processor, so the rate of that library's products alone is
printed too. The last column is the share of our matrix library's own rate: what its products alone take for a step,
measured with both cores busy, over what the step took without the schedule's bubble.
A peer that aborts while it ends, after it has printed its result, keeps the result; one that gives none is run again.
Ours alone where no Python with torch is found: TRAINYARD_PYTHON or --python names one.
"""
import argparse
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
DATA = os.path.join("plans", "data", "bench.txt")
TRAIN, KERNELS = ".build/release/trainyard-train", ".build/release/kernel-bench"
RANKS = 2
LAYOUTS = {
    "pipeline": {"pipeline": RANKS, "schedule": "1f1b"},
    "data": {"data": RANKS},
    "data, ZeRO-1": {"data": RANKS, "sharding": "optimizer"},
    "tensor": {"tensor": RANKS},
}
# Timed steps of a run and steps before them.
STEPS = {"S": (3, 1), "M": (1, 1), "tiny": (1, 1)}
MIB = 1 << 20
with open(os.path.join(ROOT, "bench", "shapes.json")) as shapes_file:
    SHAPES = json.load(shapes_file)


def fail(text):
    sys.exit("bench: " + text)


def say(text):
    print(text, file=sys.stderr, flush=True)


def plan(config, layout):
    """A plan file (JSON is YAML) of the same shape and training settings as bench/pytorch has."""
    shape = SHAPES[config]
    return dict(
        name=f"bench-{config}-{layout.split(',')[0]}".lower(),
        model=dict(
            family="gpt", tiedEmbeddings=False, **{k: shape[k] for k in ("layers", "hidden", "heads", "vocab", "sequence")}),
        batch=shape["batch"], precision="fp32", layout=dict(LAYOUTS[layout], microbatch=shape["microbatch"]),
        train=dict(
            data=DATA, order="sequential", steps=6, learningRate=3e-4, schedule="constant", betas=[0.9, 0.95],
            weightDecay=0.1, clip="none", seed=1))


def python_with_torch(asked):
    for candidate in filter(None, [asked, os.environ.get("TRAINYARD_PYTHON"), "python3"]):
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


def ours(config, layout, count, warmup):
    """Tokens a second of each timed step, and the processes' peak resident memory in bytes."""
    root = ["--allow-run-as-root"] if os.geteuid() == 0 else []
    binding = ["--bind-to", "core"] if len(os.sched_getaffinity(0)) >= RANKS else ["--oversubscribe"]
    with tempfile.TemporaryDirectory() as folder:
        log, file_of_plan = os.path.join(folder, "metrics.jsonl"), os.path.join(folder, "plan.yaml")
        with open(file_of_plan, "w") as file:
            json.dump(plan(config, layout), file)
        run(["mpirun", "-q", *root, *binding, "-n", str(RANKS), TRAIN, file_of_plan, "--steps", str(warmup + count),
             "--log", log, "--folder", os.path.join(folder, "run"), "--quiet"], env=dict(os.environ, OMP_NUM_THREADS="1"))
        with open(log) as file:
            steps = [json.loads(line) for line in file if line.strip()]
    if len(steps) != warmup + count:
        fail(f"the log has {len(steps)} steps; {warmup + count} were asked for")
    return dict(tokens=[step["tokensPerSecond"] for step in steps[warmup:]], peak=steps[-1]["peakBytes"])


def pytorch(python, config, layout, count, warmup):
    mode, schedule = layout.split(",")[0], ["--schedule", "1F1B"]
    sharded = ["--zero"] if "ZeRO" in layout else []
    found = peer([python, "bench/pytorch/train.py", "--config", config, "--mode", mode, "--processes", str(RANKS),
                  *schedule, *sharded, "--steps", str(count), "--warmup", str(warmup), "--data", DATA])
    return dict(tokens=found["stepTokensPerSecond"], peak=found["peakBytes"], version=found["framework"])


def peer(command, tries=3):
    """The JSON object a peer's program printed last. Its processes may abort at their exit, after the result."""
    for attempt in range(tries):
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
        found = result_of(done.stdout)
        name = os.path.basename(command[1])
        if found is not None:
            if done.returncode != 0:
                say(f"  {name} ended with code {done.returncode} after its result; the result counts")
            return found
        said = (done.stdout + done.stderr)[-3000:]
        if attempt + 1 < tries:
            say(f"  {name} ended with code {done.returncode} without a result; run again")
    fail(f"{name} gave no result in {tries} tries; it ended with code {done.returncode}:\n{said}")


def result_of(text):
    """The last line that is a JSON object; None where there is none."""
    for line in reversed(text.strip().splitlines()):
        try:
            found = json.loads(line)
        except ValueError:
            continue
        if isinstance(found, dict):
            return found
    return None


def each_core(command):
    """What `command` prints as JSON on every core at once, one thread each."""
    cores = sorted(os.sched_getaffinity(0))
    started = [
        subprocess.Popen(
            command, cwd=ROOT, stdout=subprocess.PIPE, text=True, env=dict(os.environ, OMP_NUM_THREADS="1"),
            preexec_fn=lambda core=cores[rank % len(cores)]: os.sched_setaffinity(0, {core}))
        for rank in range(RANKS)]
    texts = [process.communicate()[0] for process in started]
    for process, text in zip(started, texts):
        if process.returncode != 0 or result_of(text) is None:
            fail(f"{os.path.basename(command[0])} ended with code {process.returncode} and no figure")
    return [result_of(text) for text in texts]


def operations_of_token(config):
    """Model FLOPs of a token, forward and backward: the products of linear layers and head, and half the attention."""
    shape = SHAPES[config]
    layers, hidden = shape["layers"], shape["hidden"]
    return 6 * (layers * 12 * hidden**2 + hidden * shape["vocab"]) + 6 * layers * hidden * (shape["sequence"] + 1)


def library_seconds(config, tensor):
    """Seconds a step's products alone would take a rank of the library on busy cores: the mean of one on each core."""
    shape, total = SHAPES[config], 0.0
    for part in each_core([KERNELS, "library", config, str(tensor)]):
        total += shape["layers"] * (part["layer"][0] + part["attention"][0]) + part["head"][0]
    # With tensor parallelism every rank does its slice of every micro-batch, otherwise the ranks share them out.
    return total / RANKS * (shape["batch"] // shape["microbatch"]) * tensor / RANKS


class Cell:
    """One config in one layout: what its runs gave."""

    def __init__(self, config, layout):
        self.config, self.layout = config, layout
        self.sides = {"trainyard": [], "pytorch": []}
        self.library = []
        self.seconds = 0.0

    def tokens(self, side):
        return statistics.median(statistics.median(r["tokens"]) for r in self.sides[side]) if self.sides[side] else None

    def peaks(self, side):
        """By process, the most of all runs, MiB."""
        return [max(rank) / MIB for rank in zip(*(r["peak"] for r in self.sides[side]))]

    def share(self):
        shape = SHAPES[self.config]
        count = shape["batch"] // shape["microbatch"]
        busy = count / (count + RANKS - 1) if self.layout == "pipeline" else 1
        step = shape["batch"] * shape["sequence"] / self.tokens("trainyard")
        return statistics.median(self.library) / (step * busy) if self.library else None

    def of_peak(self, side, peak):
        tokens = self.tokens(side)
        return tokens * operations_of_token(self.config) / (RANKS * peak) if tokens else None

    def result(self, fixed, peak):
        mine, theirs = self.tokens("trainyard"), self.tokens("pytorch")
        memory, other = self.peaks("trainyard"), self.peaks("pytorch")
        own, program = fixed.get("trainyard", 0) / MIB, fixed.get("pytorch", 0) / MIB
        return dict(
            config=self.config, layout=self.layout, runs=len(self.sides["trainyard"]), trainyard=mine, pytorch=theirs,
            ratio=mine / theirs if theirs else None, trainyardMiB=memory, pytorchMiB=other,
            memoryRatio=max((a / b for a, b in zip(memory, other)), default=None),
            modelMemoryRatio=max(((a - own) / (b - program) for a, b in zip(memory, other)), default=None),
            peakShare=self.of_peak("trainyard", peak), pytorchPeakShare=self.of_peak("pytorch", peak),
            libraryShare=self.share(), raw=self.sides)


def table(results):
    def cell(value, form):
        return "–" if value is None else form.format(value)

    def mebibytes(values):
        return ", ".join(f"{v:.0f}" for v in values) or "–"

    rows = [["config", "layout", "runs", "trainyard", "of peak", "pytorch", "of peak", "ratio", "trainyard MiB", "pytorch MiB", "ratio",
             "less program", "of library"]]
    for r in results:
        rows.append([
            r["config"], r["layout"], str(r["runs"]), cell(r["trainyard"], "{:.0f}"), cell(r["peakShare"], "{:.0%}"),
            cell(r["pytorch"], "{:.0f}"), cell(r["pytorchPeakShare"], "{:.0%}"), cell(r["ratio"], "{:.2f}"), mebibytes(r["trainyardMiB"]), mebibytes(r["pytorchMiB"]),
            cell(r["memoryRatio"], "{:.0%}"), cell(r["modelMemoryRatio"], "{:.0%}"), cell(r["libraryShare"], "{:.0%}")])
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    return "\n".join(
        "  ".join(c.ljust(w) if i < 2 else c.rjust(w) for i, (c, w) in enumerate(zip(row, widths))) for row in rows)


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    names = lambda allowed: lambda text: [
        name if name in allowed else fail(f"'{name}' is none of: {', '.join(allowed)}") for name in text.split(";" if ";" in text else ",")]
    p.add_argument("--configs", type=names(list(SHAPES)), default=["S"], help="S, M or S,M (default S)")
    p.add_argument("--layouts", type=names([*LAYOUTS, "zero"]), default=["pipeline", "data", "tensor"],
                   help="of pipeline,data,tensor,zero (default the first three)")
    p.add_argument("--runs", type=int, default=3, help="runs of each side, alternating (default 3)")
    p.add_argument("--steps", type=int, help="timed steps of a run (default S 3, M 1), after one that is not")
    p.add_argument("--budget", type=float, default=540, help="seconds; no run is started that would go beyond, but the first of each (default 540)")
    p.add_argument("--json", metavar="FILE", help="also write the results to this file")
    p.add_argument("--python", help="the Python that has torch")
    p.add_argument("--plan", nargs=2, metavar=("CONFIG", "LAYOUT"), help="print one plan and end")
    a = p.parse_args()
    if a.plan:
        if a.plan[0] not in SHAPES or a.plan[1] not in LAYOUTS:
            fail(f"--plan: CONFIG is one of {', '.join(SHAPES)}, LAYOUT of {', '.join(LAYOUTS)}")
        return print(json.dumps(plan(*a.plan), indent=1))
    if a.runs < 1 or (a.steps is not None and a.steps < 1):
        fail("--runs and --steps must be at least 1")
    for program in (TRAIN, KERNELS):
        if not os.access(os.path.join(ROOT, program), os.X_OK):
            fail(f"{os.path.basename(program)} is not built; run 'make build'")
    if not shutil.which("mpirun"):
        fail("mpirun is not installed; run 'make setup'")
    write_data()
    python = python_with_torch(a.python)
    if not python:
        print("No Python with torch was found: ours alone. (TRAINYARD_PYTHON=… names one.)")
    start = time.monotonic()
    # What the programs take with next to no model: libraries, interpreter, message buffers.
    fixed = {"trainyard": max(ours("tiny", "pipeline", 1, 1)["peak"])}
    version = ""
    if python:
        tiny = pytorch(python, "tiny", "pipeline", 1, 1)
        fixed["pytorch"], version = max(tiny["peak"]), tiny["version"]
    layouts = ["data, ZeRO-1" if name == "zero" else name for name in a.layouts]
    cells = [Cell(config, layout) for config in a.configs for layout in layouts]
    for index in range(a.runs):
        for cell in cells:
            begin = time.monotonic()
            if index > 0 and begin - start + cell.seconds > a.budget:
                say(f"  {cell.config} {cell.layout}: no time for run {index + 1} in {a.budget:.0f} s")
                continue
            steps, warmup = STEPS[cell.config]
            steps = a.steps or steps
            cell.sides["trainyard"].append(ours(cell.config, cell.layout, steps, warmup))
            if python:
                cell.sides["pytorch"].append(pytorch(python, cell.config, cell.layout, steps, warmup))
            if cell.config != "tiny":
                cell.library.append(library_seconds(cell.config, LAYOUTS[cell.layout].get("tensor", 1)))
            cell.seconds = time.monotonic() - begin
            last = [f"{side} {statistics.median(runs[-1]['tokens']):.0f}" for side, runs in cell.sides.items() if runs]
            say(f"  run {index + 1}  {cell.config} {cell.layout}: {', '.join(last)} tokens/s  ({cell.seconds:.0f} s)")
    peak = statistics.mean(part["peak"] for part in each_core([KERNELS, "peak"]))
    results = [cell.result(fixed, peak) for cell in cells]
    print(f"two processes of one thread; tokens/s and peak resident memory by process{'; ' + version if version else ''}")
    print(table(results))
    print("with next to no model: " + ", ".join(f"{side} {size / MIB:.0f} MiB" for side, size in fixed.items())
          + " (taken off both in the column before the last)")
    print(f"one core of {RANKS} busy ones: {peak / 1e9:.0f} GFLOP/s of fp32 multiply-adds at most")
    products = {}
    if python:
        for config in a.configs:
            parts = each_core([python, "bench/pytorch/products.py", config])
            rate = statistics.mean(part["rate"] for part in parts)
            products[config] = dict(library=parts[0]["library"], rate=rate)
            print(f"PyTorch's products of config {config} go to {parts[0]['library']}: {rate / 1e9:.0f} GFLOP/s, "
                  f"{rate / peak:.0%} of that")
    if a.json:
        with open(a.json, "w") as file:
            json.dump(
                dict(pytorchVersion=version, programBytes=fixed, peak=peak, pytorchProducts=products, results=results),
                file, indent=1)
            file.write("\n")


if __name__ == "__main__":
    main()
