#!/usr/bin/env python3
"""Judges schedule.csv with PyTorch's pipeline runtime: its reader, its validator, its lowering to sends and receives, and its simulator.

Where PyTorch has a schedule of the plan's name, its own lists are compared with the file's, rank by rank.
"""
import os
import sys
import warnings

# The folder of this file holds names of the packages that it asks, so the one above takes its place.
sys.path[0] = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
import pipelines
import report
from report import NotJudged, Refused

warnings.simplefilter("ignore")
SPLIT = {"zb-h1", "zb-h2", "interleaved-zb", "zbv", "v-half", "v-min", "dualpipev"}
FOLDED = {"zbv", "v-half", "v-min", "dualpipev"}


def version():
    try:
        import torch
        import torch.distributed.pipelining  # noqa: F401
    except ImportError as error:
        raise NotJudged(f"torch is not installed ({error})") from error
    return f"PyTorch {torch.__version__}"


def home(order):
    """The rank of each stage; a stage on two ranks cannot be said."""
    ranks = {}
    for rank, actions in order.items():
        for action in (single for found in actions for single in pipelines.flat(found)):
            if ranks.setdefault(action.stage_index, rank) != rank:
                raise Refused(f"stage {action.stage_index} is on rank {ranks[action.stage_index]} and on rank {rank}")
    return [ranks.get(stage) for stage in range(1 + max(ranks))]


def ascending(words):
    """Whether every kind of action of every stage takes the micro-batches one after the other."""
    import re
    last = {}
    for word in words:
        stage, kind, index = re.fullmatch(r"(\d+)([FIBW])(\d+)", word).groups()
        key = (stage, "I" if kind == "B" else kind)
        if int(index) <= last.get(key, -1):
            return False
        last[key] = int(index)
    return True


def judge(rep, folder, plan):
    from torch.distributed.pipelining import schedules
    report.read(folder, "schedule.csv")
    order = pipelines.rows(os.path.join(folder, "schedule.csv"))
    singles = [single for actions in order.values() for action in actions for single in pipelines.flat(action)]
    if not singles:
        raise Refused("schedule.csv holds no action")
    where = home(order)
    stages, microbatches = len(where), 1 + max(single.microbatch_index for single in singles)
    if any(not single.is_compute_op for single in singles):
        raise Refused("Expected compute-only schedule but found communication action")
    schedules._validate_schedule(order, len(order), stages, microbatches)
    lowered = {rank: schedules._add_reduce_grad(schedules._add_unshard_reshard(actions), microbatches) for rank, actions in order.items()}
    schedules._add_send_recv(lowered, stage_to_rank=lambda stage: where[stage], num_stages=stages)
    bare = {rank: [single for action in actions for single in pipelines.flat(action)] for rank, actions in order.items()}
    moved = schedules._add_send_recv(bare, stage_to_rank=lambda stage: where[stage], num_stages=stages)
    schedules._simulate_comms_compute(moved, stage_to_rank=lambda stage: where[stage], num_stages=stages)
    rep.compare("layout.pipeline", "rows", plan.pipeline, len(order))
    rep.compare("layout.virtualStages", "stages / rows", plan.virtual, stages / len(order))
    rep.compare("layout.microbatches", "micro-batches", plan.microbatches, microbatches)
    folded = plan.schedule in FOLDED
    wanted = [stage if stage < plan.pipeline else 2 * plan.pipeline - 1 - stage for stage in range(stages)] if folded else [stage % plan.pipeline for stage in range(stages)]
    rep.compare("layout.schedule", "rank of each stage", wanted, where)
    kinds = {single.computation_type for single in singles}
    rep.compare("layout.schedule", "backwards in two parts", plan.schedule in SPLIT, schedules._ComputationType.BACKWARD_WEIGHT in kinds)
    own = pipelines.own(plan.schedule, len(order), stages, microbatches)
    if own is not None:
        for rank in range(len(order)):
            want, got = pipelines.words(own[rank]), pipelines.words(order[rank])
            if plan.schedule == "1f1b" and rank == len(order) - 1:
                # PyTorch's printed list of the last rank is not the order that it runs: one forward, one backward.
                want = [f"{rank}{kind}{index}" for index in range(microbatches) for kind in "FB"]
            rep.compare("layout.schedule", f"actions of rank {rank} of PyTorch's {pipelines.NAMES[plan.schedule]}", " ".join(want), " ".join(got))
    if own is None:
        ordered = [pipelines.words(actions, full=False) for actions in order.values()]
        rep.compare("layout.schedule", "micro-batches of a stage in their order", True, all(ascending(words) for words in ordered))
    ranks = range(len(order))
    if plan.schedule in ("zb-h1", "zb-h2"):
        # Qi et al. 2024: H1 holds as many micro-batches as 1F1B and waits for a third as long; H2 holds up to 2p - 1 and never waits.
        first = plan.schedule == "zb-h1"
        rep.compare("layout.schedule", "micro-batches held by each rank", [min(microbatches, len(order) - rank if first else 2 * (len(order) - rank) - 1) for rank in ranks], pipelines.peaks(order))
        if microbatches >= 2 * len(order) - 1:
            rep.compare("layout.schedule", "units in which each rank waits", [len(order) - 1 - rank if first else 0 for rank in ranks], pipelines.waits(order, stages))
    elif plan.schedule in ("v-half", "v-min"):
        # Qi et al. 2024b: about a half and a third of the 2p that 1F1B with two stages a rank holds.
        bound = len(order) + 2 if plan.schedule == "v-half" else len(order)
        rep.compare("layout.schedule", "micro-batches held by the fullest rank are few", True, max(pipelines.peaks(order)) <= bound)
    rep.compare("batch", "micro-batches", plan.batch, microbatches * plan.microbatch * plan.data)
    rep.moot(*(key for key in plan.keys if key not in ("layout", "batch")))
    rep.moot(*(f"layout.{key}" for key in plan.layout))
    rep.unread(plan.keys)


if __name__ == "__main__":
    report.main("torch-schedule", version, judge, __doc__)
