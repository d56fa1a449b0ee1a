"""A pipeline simulator written for clarity: what the lists mean, to measure and check the fast one against.

A rank runs its list strictly in order, one action at a time; an action starts when its rank is free and its input has
arrived; a backward publishes its gradient at its end; a transfer between ranks takes `transfer` and occupies nobody.
Lists, places and costs are plain Python values; the standard library is enough.
"""

import re

ACTION = re.compile(r"(\d+)([FBIW])(\d+)")


def parse(text):
    """The parts of an action: one (stage, kind, micro-batch), or the two of a fused one."""
    return [(int(stage), kind, int(microbatch)) for stage, kind, microbatch in ACTION.findall(text)]


def makespan(lists, rank_of, stages, costs, transfer=0):
    """End of the last action.

    lists    per rank, its actions in order, as text
    rank_of  (stage, micro-batch) -> rank
    costs    kind -> time of each stage
    """
    actions = [[parse(text) for text in row] for row in lists]
    arrival = {}
    free = [0] * len(lists)
    position = [0] * len(lists)
    moved = True
    while moved:
        moved = False
        for rank, row in enumerate(actions):
            while position[rank] < len(row):
                parts = row[position[rank]]
                start = free[rank]
                ready = True
                for stage, kind, microbatch in parts:
                    waits = (kind == "F" and stage > 0) or (kind in "BI" and stage < stages - 1)
                    if waits:
                        key = (stage, kind == "F", microbatch)
                        if key not in arrival:
                            ready = False
                            break
                        start = max(start, arrival[key])
                if not ready:
                    break
                end = start + sum(costs[kind][stage] for stage, kind, _ in parts)
                free[rank] = end
                for stage, kind, microbatch in parts:
                    if kind == "W":
                        continue
                    receiver = stage + (1 if kind == "F" else -1)
                    if 0 <= receiver < stages:
                        hop = transfer if rank_of(receiver, microbatch) != rank else 0
                        arrival[(receiver, kind == "F", microbatch)] = end + hop
                position[rank] += 1
                moved = True
    if any(position[rank] < len(row) for rank, row in enumerate(actions)):
        raise ValueError("deadlock")
    return max(free)
