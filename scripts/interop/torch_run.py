#!/usr/bin/env python3
"""Runs Trainyard's schedules in PyTorch's own pipeline runtime, one process a rank over gloo.

  scripts/interop/torch_run.py                       every schedule: gradients beside those of one process
  scripts/interop/torch_run.py --schedules zbv,1f1b --ranks 4 --microbatches 8
  scripts/interop/torch_run.py --time --ranks 2      and the seconds of a step beside PyTorch's schedule of the same shape
  scripts/interop/torch_run.py --csv schedule.csv    a file of actions, as `trainyard export --to torch-schedule` writes it

Steps of both are timed in turn in the same processes, and medians are compared. Exit 0: all gradients are the same; 1: not so.
"""
import argparse
import csv
import importlib.util
import json
import os
import socket
import statistics
import subprocess
import sys
import tempfile
import time
import warnings

import judging
import pipelines

warnings.simplefilter("ignore")
ALL = ("gpipe", "1f1b", "interleaved-1f1b", "looped-bfs", "zb-h1", "zb-h2", "interleaved-zb", "zbv", "v-half", "v-min", "dualpipev", "dualpipe", "chimera")


LOOPED = ("interleaved-1f1b", "looped-bfs", "interleaved-zb")


def written(program, name, ranks, virtual, microbatches, folder):
    """The schedule as a file of actions, or why it cannot be one."""
    words = [program, "schedule", name, "--ranks", str(ranks), "--microbatches", str(microbatches), "--json"]
    done = subprocess.run(words + (["--virtual-stages", str(virtual)] if virtual else []), capture_output=True, text=True)
    if done.returncode:
        return None, next((line for line in done.stderr.splitlines() if line.startswith("error")), f"exit {done.returncode}")
    schedule = json.loads(done.stdout)
    if "reverseStageToRank" in schedule:
        return None, "it holds a stage on two ranks, which PyTorch cannot say"
    path = os.path.join(folder, f"{name}.csv")
    with open(path, "w") as file:
        csv.writer(file, lineterminator="\n").writerows(schedule["actions"])
    return path, None


def module(stage, width, depth):
    import torch
    torch.manual_seed(stage)
    return torch.nn.Sequential(*(layer for _ in range(depth) for layer in (torch.nn.Linear(width, width), torch.nn.Tanh())))


def built(kind, stages, microbatches, loss):
    """PyTorch's own schedule over these stages."""
    from torch.distributed.pipelining import schedules
    several = issubclass(kind, schedules.PipelineScheduleMulti)
    return kind(stages if several else stages[0], microbatches, loss_fn=loss, scale_grads=False)


def rank_of(rank, job, port, out):
    import torch
    import torch.distributed as dist
    from torch.distributed.pipelining import PipelineStage, schedules
    torch.set_num_threads(1)
    os.environ.update(MASTER_ADDR="127.0.0.1", MASTER_PORT=str(port))
    dist.init_process_group("gloo", rank=rank, world_size=job["ranks"])
    home, microbatches, width, rows, depth = job["home"], job["microbatches"], job["width"], job["rows"], job["depth"]
    loss = torch.nn.MSELoss(reduction="sum")
    mine = [stage for stage, where in enumerate(home) if where == rank]

    def stages():
        return [PipelineStage(module(stage, width, depth), stage, len(home), torch.device("cpu")) for stage in mine]

    ours = stages()
    runtime = schedules._PipelineScheduleRuntime(ours, microbatches, loss_fn=loss, scale_grads=False)
    runtime._load_csv(job["csv"])
    pair = [(runtime, ours)]
    if job["theirs"]:
        theirs = stages()
        pair.append((built(schedules.get_schedule_class(job["theirs"]), theirs, microbatches, loss), theirs))
    torch.manual_seed(99)
    inputs, targets = torch.randn(microbatches * rows, width), torch.randn(microbatches * rows, width)

    def step(schedule, held):
        for stage in held:
            stage.submod.zero_grad(set_to_none=True)
        losses = []
        more = {"target": targets, "losses": losses} if home[-1] == rank else {}
        dist.barrier()
        begin = time.perf_counter()
        schedule.step(*((inputs,) if home[0] == rank else ()), **more)
        dist.barrier()
        return time.perf_counter() - begin, sum(value.item() for value in losses) if losses else None

    # One process alone: all stages in a row.
    alone = [module(stage, width, depth) for stage in range(len(home))]
    result = inputs
    for part in alone:
        result = part(result)
    whole = loss(result, targets)
    whole.backward()
    largest = max(parameter.grad.abs().max().item() for part in alone for parameter in part.parameters())
    worst, off = 0.0, 0.0
    for schedule, held in pair:
        _, value = step(schedule, held)
        for stage, kept in zip(mine, held):
            worst = max(worst, max((a.grad - b.grad).abs().max().item() for a, b in zip(kept.submod.parameters(), alone[stage].parameters())))
        if value is not None:
            off = max(off, abs(value - whole.item()) / abs(whole.item()))
    seconds = [[] for _ in pair]
    for round in range(job["rounds"]):
        for place in (range(len(pair)) if round % 2 else reversed(range(len(pair)))):
            taken, _ = step(*pair[place])
            if round >= 3:
                seconds[place].append(taken)
    out[rank] = {"gradients": worst / largest, "loss": off, "seconds": seconds}
    dist.destroy_process_group()


def run(path, theirs, options, rounds):
    """The largest differences to one process, and the seconds of steps."""
    import torch.multiprocessing as multiprocessing
    from torch.distributed.pipelining import schedules
    order = pipelines.rows(path)
    singles = [single for actions in order.values() for action in actions for single in pipelines.flat(action)]
    where = {}
    for rank, actions in order.items():
        for single in (one for action in actions for one in pipelines.flat(action)):
            if where.setdefault(single.stage_index, rank) != rank:
                raise ValueError(f"stage {single.stage_index} is on rank {where[single.stage_index]} and on rank {rank}")
    home = [where[stage] for stage in range(len(where))]
    microbatches = 1 + max(single.microbatch_index for single in singles)
    schedules._validate_schedule(order, len(order), len(home), microbatches)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    job = {"ranks": len(order), "home": home, "microbatches": microbatches, "csv": path, "theirs": theirs, "width": options.width, "rows": options.rows, "depth": options.depth, "rounds": rounds}
    with multiprocessing.Manager() as manager:
        out = manager.dict()
        multiprocessing.spawn(rank_of, (job, port, out), nprocs=len(order))
        results = [out[rank] for rank in range(len(order))]
    return {"ranks": len(order), "stages": len(home), "microbatches": microbatches, "gradients": max(result["gradients"] for result in results),
            "loss": max(result["loss"] for result in results), "seconds": [statistics.median(kept) if kept else None for kept in results[0]["seconds"]],
            "quartiles": [statistics.quantiles(kept, n=4)[::2] if len(kept) > 3 else None for kept in results[0]["seconds"]]}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--trainyard", default=os.path.join(judging.ROOT, ".build", "release", "trainyard"), help="the program that prints schedules")
    parser.add_argument("--schedules", default=",".join(ALL), help="schedules, with commas")
    parser.add_argument("--csv", nargs="+", default=[], help="files of actions in place of schedules")
    parser.add_argument("--ranks", type=int, default=4)
    parser.add_argument("--microbatches", type=int, default=8)
    parser.add_argument("--width", type=int, default=64, help="width of the model")
    parser.add_argument("--rows", type=int, default=4, help="rows of a micro-batch")
    parser.add_argument("--depth", type=int, default=2, help="layers of a stage")
    parser.add_argument("--time", action="store_true", help="time steps beside PyTorch's own schedule")
    parser.add_argument("--rounds", type=int, default=40, help="timed steps of each")
    parser.add_argument("--tolerance", type=float, default=1e-5, help="largest difference of gradients, over the largest gradient")
    parser.add_argument("--json", action="store_true", help="print one JSON document")
    options = parser.parse_args()
    if importlib.util.find_spec("torch") is None:
        # The environment that setup.sh makes has PyTorch.
        python = judging.environment()
        os.execv(python, [python, os.path.abspath(__file__), *sys.argv[1:]])
    results, failed = [], False
    with tempfile.TemporaryDirectory(prefix="schedules-") as folder:
        jobs = [(os.path.basename(path), path, None) for path in options.csv] or [(name, *written(options.trainyard, name, options.ranks, 2 if name in LOOPED else None, options.microbatches, folder)) for name in options.schedules.split(",")]
        for name, path, why in jobs:
            if path is None:
                results.append({"schedule": name, "refused": why})
            else:
                try:
                    theirs = pipelines.NAMES.get(name) if options.time else None
                    result = {"schedule": name, **run(path, theirs, options, options.rounds + 3 if options.time else 0)}
                    result["same"] = result["gradients"] <= options.tolerance
                    failed |= not result["same"]
                except Exception as error:  # Whatever PyTorch raises is its answer.
                    result = {"schedule": name, "refused": f"{type(error).__name__}: {' '.join(str(error).split())[-300:]}"}
                    failed = True
                results.append(result)
            if not options.json:
                last = results[-1]
                if "refused" in last:
                    print(f"| {name} | not run: {last['refused']} |", flush=True)
                    continue
                row = f"| {name} | {last['ranks']} | {last['stages']} | {last['microbatches']} | {last['gradients']:.1e} | {last['loss']:.1e} |"
                if options.time:
                    both = last["seconds"]
                    row += f" {both[0] * 1e3:.2f} |" + (f" {both[1] * 1e3:.2f} | {both[0] / both[1]:.3f} |" if len(both) > 1 else " – | – |")
                if len(results) == 1:
                    head = "| schedule | ranks | stages | micro-batches | gradients | loss |" + (" ms a step | PyTorch's own, ms | ratio |" if options.time else "")
                    print(head + "\n" + "|---" * (head.count("|") - 1) + "|")
                print(row, flush=True)
    if options.json:
        print(json.dumps(results, indent=1))
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
