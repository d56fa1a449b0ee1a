#!/usr/bin/env python3
"""Trains a GPT with PyTorch on CPU, as the peer of a Trainyard run: the same shapes, losses and data order.

  train.py --config S                          two processes, 1F1B over gloo (torch.distributed.pipelining)
  train.py --config S --schedule GPipe         or Interleaved1F1B with two stages a process
  train.py --config S --mode data              DistributedDataParallel, one all-reduce a step behind the backward
  train.py --config S --mode tensor            every matrix split over the processes
  train.py --config S --processes 1            one process, no pipeline: the same losses
  train.py --config S --data FILE --load weights.safetensors
Needs torch, and safetensors for --load and --save. Prints one line of JSON.
"""
import argparse
import itertools
import os
import sys
import tempfile
import time

os.environ["OMP_NUM_THREADS"] = os.environ["MKL_NUM_THREADS"] = "1"  # one core a process; read when torch loads
sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import torch
import torch.distributed as dist
import gpt
import tensor as split_matrices


def parse():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--config", choices=list(gpt.SIZES), default="S")
    p.add_argument("--tied", action="store_true")
    p.add_argument("--mode", choices=["pipeline", "data", "tensor"], default="pipeline")
    p.add_argument("--zero", action="store_true", help="mode data: share the optimizer's state out (ZeRO-1)")
    p.add_argument("--processes", type=int, default=2)
    p.add_argument("--schedule", default="1F1B")
    p.add_argument("--stages", type=int, help="stages a process (1, or 2 for the interleaved schedules)")
    p.add_argument("--steps", type=int, default=6, help="timed steps")
    p.add_argument("--warmup", type=int, default=2, help="steps before them; their losses are printed too")
    p.add_argument("--lr", type=float, default=3e-4)
    p.add_argument("--seed", type=int, default=1337)
    p.add_argument("--data", help="file of bytes, one token each; otherwise seeded random tokens")
    p.add_argument("--load", help="initial weights, .safetensors")
    p.add_argument("--save", help="write the initial weights, .safetensors")
    return p.parse_args()


def tokens_of(a, c):
    if a.data:
        with open(a.data, "rb") as file:
            return torch.frombuffer(bytearray(file.read()), dtype=torch.uint8).long()
    return torch.randint(0, c["vocab"], (1 << 20,), generator=torch.Generator().manual_seed(a.seed))


def layers_of_stages(c, stages, processes):
    """The cut with the least loaded process as even as can be; the head counts as its share of a layer's FLOPs."""
    layers = c["layers"]
    head = c["vocab"] / (12 * c["hidden"] + c["sequence"])

    def load(cut):
        loads = [0.0] * processes
        for stage, n in enumerate(cut):
            loads[stage % processes] += n + (head if stage == stages - 1 else 0)
        return round(max(loads), 4), max(cut), sum(n * n for n in cut)

    bounds = itertools.combinations(range(1, layers), stages - 1)
    return min(([b - a for a, b in zip((0, *cut), (*cut, layers))] for cut in bounds), key=load)


def made(a, c, low, high, first, last):
    module = gpt.Stage(c, low, high, first, last)
    if a.load:
        gpt.load(module, a.load)
    else:
        gpt.initialize(module, c, a.seed)
    return module


def run(a, c, step, barrier):
    times, losses = [], []
    for index in range(a.warmup + a.steps):
        barrier()
        start = time.perf_counter()
        losses.append(step(index))
        barrier()
        times.append(time.perf_counter() - start)
    return times[a.warmup:], losses


def single(a, c):
    torch.set_num_threads(1)
    model, data = made(a, c, 0, c["layers"], True, True), gpt.Data(c, tokens_of(a, c))
    optimizer = gpt.optimizer_of(model.parameters(), a.lr)
    if a.save:
        gpt.save(model.named_parameters(), a.save)

    def step(index):
        x, y = data.batch(index)
        micro, total = c["microbatch"], 0.0
        optimizer.zero_grad(set_to_none=True)
        for i in range(0, c["batch"], micro):
            loss = gpt.loss_of(model(x[i : i + micro]), y[i : i + micro]) * (micro / c["batch"])
            loss.backward()
            total += loss.item()
        optimizer.step()
        return total

    times, losses = run(a, c, step, lambda: None)
    gpt.report(c, times, losses, processes=1, schedule="none")


def pipeline(rank, a, c):
    """The step of one process, what the report says of it, and the process that knows the loss."""
    from torch.distributed.pipelining import PipelineStage
    from torch.distributed.pipelining.schedules import PipelineScheduleSingle, get_schedule_class
    schedule_class = get_schedule_class(a.schedule)
    one = issubclass(schedule_class, PipelineScheduleSingle)
    count = a.processes * (a.stages or (1 if one else 2))
    split = layers_of_stages(c, count, a.processes)
    mine = [s for s in range(count) if s % a.processes == rank]
    modules = [made(a, c, sum(split[:s]), sum(split[: s + 1]), s == 0, s == count - 1) for s in mine]
    named = [pair for m in modules for pair in m.named_parameters()]
    stages = [PipelineStage(m, s, count, torch.device("cpu")) for m, s in zip(modules, mine)]
    schedule = schedule_class(stages[0] if one else stages, c["batch"] // c["microbatch"], loss_fn=gpt.loss_of)
    optimizer = gpt.optimizer_of((p for _, p in named), a.lr)
    data, first, last = gpt.Data(c, tokens_of(a, c)), 0 in mine, count - 1 in mine
    tied = c["tied"] and a.processes > 1
    ends = dist.new_group(sorted({0, (count - 1) % a.processes})) if tied else None
    if a.save:
        parts = [None] * a.processes
        dist.all_gather_object(parts, {name: p.detach() for name, p in named})
        if rank == 0:
            gpt.save({k: v for part in parts for k, v in part.items()}.items(), a.save)

    def step(index):
        x, y = data.batch(index)
        losses = []
        optimizer.zero_grad(set_to_none=True)
        schedule.step(
            *([x] if first else []), target=y if last else None, losses=losses if last else None, return_outputs=False)
        if tied:
            for name, p in named:
                if name == "wte.weight":
                    dist.all_reduce(p.grad, group=ends)
        optimizer.step()
        return torch.stack([l.detach() for l in losses]).mean().item() if last else 0.0

    return step, dict(schedule=a.schedule, split=split), (count - 1) % a.processes


def data_parallel(rank, a, c):
    model = made(a, c, 0, c["layers"], True, True)
    wrapped = torch.nn.parallel.DistributedDataParallel(model, gradient_as_bucket_view=True)
    if a.zero:
        from torch.distributed.optim import ZeroRedundancyOptimizer
        optimizer = ZeroRedundancyOptimizer(
            gpt.groups_of(model.parameters()), torch.optim.AdamW, parameters_as_bucket_view=True, lr=a.lr,
            **gpt.ADAMW)
    else:
        optimizer = gpt.optimizer_of(model.parameters(), a.lr)
    data = gpt.Data(c, tokens_of(a, c))
    own = c["batch"] // a.processes

    def step(index):
        x, y = (t[rank * own : (rank + 1) * own] for t in data.batch(index))
        micro, total = c["microbatch"], torch.zeros(())
        optimizer.zero_grad(set_to_none=True)
        for i in range(0, own, micro):
            wrapped.require_backward_grad_sync = i + micro >= own
            loss = gpt.loss_of(wrapped(x[i : i + micro]), y[i : i + micro]) * (micro / own)
            loss.backward()
            total += loss.detach() / a.processes
        optimizer.step()
        dist.all_reduce(total)
        return total.item()

    return step, dict(schedule="none"), 0


def tensor_parallel(rank, a, c):
    model = split_matrices.made(c, rank, a.processes, a.seed)
    optimizer, data = gpt.optimizer_of(model.parameters(), a.lr), gpt.Data(c, tokens_of(a, c))

    def step(index):
        x, y = data.batch(index)
        micro, total = c["microbatch"], 0.0
        optimizer.zero_grad(set_to_none=True)
        for i in range(0, c["batch"], micro):
            loss = model(x[i : i + micro], y[i : i + micro]) * (micro / c["batch"])
            loss.backward()
            total += loss.item()
        optimizer.step()
        return total

    return step, dict(schedule="none"), 0


def process(rank, a, c, rendezvous):
    torch.set_num_threads(1)
    if a.processes <= os.cpu_count():
        os.sched_setaffinity(0, {sorted(os.sched_getaffinity(0))[rank]})
    dist.init_process_group("gloo", init_method="file://" + rendezvous, rank=rank, world_size=a.processes)
    before = gpt.memory("VmRSS")
    prepare = dict(pipeline=pipeline, data=data_parallel, tensor=tensor_parallel)[a.mode]
    step, words, teller = prepare(rank, a, c)
    times, losses = run(a, c, step, dist.barrier)
    parts = [None] * a.processes
    dist.all_gather_object(parts, (losses, gpt.memory(), before))
    if rank == 0:
        gpt.report(
            c, times, parts[teller][0], mode=a.mode, processes=a.processes, peakBytes=[part[1] for part in parts],
            importBytes=[part[2] for part in parts], **words)
    dist.barrier()
    dist.destroy_process_group()


if __name__ == "__main__":
    arguments = parse()
    config = dict(gpt.SIZES[arguments.config], tied=arguments.tied)
    if arguments.processes == 1:
        single(arguments, config)
    else:
        with tempfile.TemporaryDirectory() as folder:
            torch.multiprocessing.spawn(
                process, args=(arguments, config, os.path.join(folder, "rendezvous")), nprocs=arguments.processes)
