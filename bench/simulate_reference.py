"""A pipeline simulator written for clarity: what the lists mean, to measure and check the fast one against.

It is the plain discrete-event loop of the field: of all ranks' next actions, the one that can start earliest is done
next, so that every link carries its messages in the order they are made. A rank runs its list strictly in order, one
action at a time; an action starts when its rank is free and its inputs have arrived; a backward publishes its gradient
at its end, a fused action both of its tensors. The standard library is enough.

Transfers between ranks take `transfer` and are
    asynchronous    neither rank is occupied, any number at once
    link            as before, but each directed pair of ranks carries one message at a time
    blocking        the sender computes nothing meanwhile
"""

import re

ACTION = re.compile(r"(\d+)([FBIW])(\d+)")
ONE = re.compile(ACTION.pattern + r"|\(\d+F\d+;\d+B\d+\)OVERLAP_F_B")
# What an action needs of its own stage and micro-batch.
NEEDS = {"F": "", "B": "F", "I": "F", "W": "I"}


def parse(text):
    """The parts of an action: one (stage, kind, micro-batch), or the two of a fused one."""
    if not ONE.fullmatch(text):
        raise ValueError(f"{text} is no action")
    return [(int(stage), kind, int(microbatch)) for stage, kind, microbatch in ACTION.findall(text)]


def place_of(lists):
    """(stage, micro-batch) -> rank, of the JSON of `trainyard schedule --json`."""
    there, back = lists["stageToRank"], lists.get("reverseStageToRank")
    split = lists.get("split", 0)
    return lambda stage, microbatch: there[stage] if back is None or microbatch < split else back[stage]


def simulate(actions, rank_of, stages, costs, transfer=0, mode="asynchronous", fused_share=1):
    """What happens when, as a dictionary: makespan; start, end and busy time of each rank; bubble of all ranks' time and
    the longest wait of a rank between its first and last action.

    actions  per rank, its actions in order, each as `parse` gives it
    rank_of  (stage, micro-batch) -> rank
    costs    kind -> time of each stage
    """
    ranks = range(len(actions))
    position, free, busy = ([0 for _ in ranks] for _ in range(3))
    start, end = [None for _ in ranks], [0 for _ in ranks]
    done = set()
    arrival = {}
    link_free = {}
    while True:
        chosen = None
        for rank in ranks:
            if position[rank] == len(actions[rank]):
                continue
            parts = actions[rank][position[rank]]
            begin = begins(parts, free[rank], stages, done, arrival)
            if begin is not None and (chosen is None or begin < chosen[0]):
                chosen = begin, rank, parts
        if chosen is None:
            break
        begin, rank, parts = chosen
        length = sum(costs[kind][stage] for stage, kind, _ in parts) * (fused_share if len(parts) > 1 else 1)
        finished = begin + length
        if start[rank] is None:
            start[rank] = begin
        busy[rank] += length
        free[rank] = end[rank] = finished
        position[rank] += 1
        for stage, kind, microbatch in parts:
            done.add((stage, kind, microbatch))
            if kind == "W":
                continue
            receiver = stage + (1 if kind == "F" else -1)
            if not 0 <= receiver < stages:
                continue
            message = receiver, kind == "F", microbatch
            peer = rank_of(receiver, microbatch)
            if peer == rank:
                arrival[message] = finished
            elif mode == "asynchronous":
                arrival[message] = finished + transfer
            elif mode == "link":
                left = max(finished, link_free.get((rank, peer), 0))
                link_free[rank, peer] = arrival[message] = left + transfer
            elif mode == "blocking":
                free[rank] += transfer
                arrival[message] = free[rank]
            else:
                raise ValueError(f"{mode} is no mode of transfer")
    stuck = [f"rank {rank}, position {position[rank]}" for rank in ranks if position[rank] < len(actions[rank])]
    if stuck:
        raise ValueError("deadlock: " + ", ".join(stuck))
    makespan = max(end)
    return {
        "makespan": makespan, "start": start, "end": end, "busy": busy,
        "bubble": 1 - sum(busy) / (len(actions) * makespan) if makespan else 0,
        "longest_wait": max(last - (first or 0) - work for first, last, work in zip(start, end, busy)),
    }


def begins(parts, free, stages, done, arrival):
    """When a rank that is free from `free` on can begin an action, None if that cannot be said yet."""
    for stage, kind, microbatch in parts:
        if NEEDS[kind] and (stage, NEEDS[kind], microbatch) not in done:
            return None
        if (kind == "F" and stage > 0) or (kind in "BI" and stage < stages - 1):
            arrived = arrival.get((stage, kind == "F", microbatch))
            if arrived is None:
                return None
            free = max(free, arrived)
    return free


def peak(actions, release):
    """Most activations a rank holds at once, dropped at the end of a full backward or of the half called `release`."""
    held = most = 0
    for parts in actions:
        held += sum(kind == "F" for _, kind, _ in parts)
        most = max(most, held)
        held -= sum(kind in ("B", release) for _, kind, _ in parts)
    return most
