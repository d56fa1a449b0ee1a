"""Pipeline schedules as PyTorch knows them: actions of a file, and the lists of its own schedules."""
import csv

NAMES = {"gpipe": "GPipe", "1f1b": "1F1B", "interleaved-1f1b": "Interleaved1F1B", "looped-bfs": "LoopedBFS", "interleaved-zb": "InterleavedZeroBubble",
         "zbv": "ZBVZeroBubble", "dualpipev": "DualPipeV"}


def flat(action):
    """An action as single ones: an overlapped pair is two."""
    if action is None:
        return []
    return list(action.sub_actions) if getattr(action, "sub_actions", None) else [action]


def rows(path):
    from torch.distributed.pipelining import schedules
    with open(path) as file:
        return {rank: [schedules._Action.from_str(cell) for cell in row] for rank, row in enumerate(csv.reader(file))}


class Stage:
    """As much of a stage as a schedule asks when it is laid out."""

    def __init__(self, index, rank, ranks, stages):
        self.stage_index, self.group_rank, self.group_size, self.num_stages = index, rank, ranks, stages
        self.group, self.is_first, self.is_last, self.submod = None, index == 0, index == stages - 1, None
        self.has_backward, self.stage_index_to_group_rank = True, None
        self.device, self.dw_builder = "cpu", None


def own(name, ranks, stages, microbatches):
    """The lists of PyTorch's own schedule of this name, or None where it has none or refuses the sizes."""
    from torch.distributed.pipelining import schedules
    if name not in NAMES:
        return None
    kind = schedules.get_schedule_class(NAMES[name])
    if name in ("gpipe", "1f1b"):
        orders = {}
        for rank in range(ranks):
            schedule = kind(Stage(rank, rank, ranks, stages), microbatches, loss_fn=lambda *_: None)
            orders.update({rank: schedule._get_pipeline_order()[rank]})
        return orders
    home = schedules.generate_stage_to_rank_mapping(ranks, stages, "v" if name in ("zbv", "dualpipev") else "loop")
    mine = [Stage(stage, 0, ranks, stages) for stage in range(stages) if home[stage] == 0]
    return dict(kind(mine, microbatches, loss_fn=lambda *_: None).pipeline_order)


def words(actions, full=True):
    """The compute actions of a rank in order, without waits; the pair I, W of a micro-batch in a row counts as B."""
    from torch.distributed.pipelining import schedules
    kinds = (schedules._ComputationType.FORWARD, schedules._ComputationType.BACKWARD_INPUT, schedules._ComputationType.BACKWARD_WEIGHT, schedules._ComputationType.FULL_BACKWARD)
    result = [str(single) for action in actions for single in flat(action) if single.computation_type in kinds]
    if not full:
        return result
    joined = []
    for word in result:
        if joined and "W" in word and joined[-1] == word.replace("W", "I"):
            joined[-1] = word.replace("W", "B")
        else:
            joined.append(word)
    return joined


def peaks(order):
    """Of each rank the most micro-batches whose forward has run and whose backward for the inputs has not."""
    result = []
    for rank in sorted(order):
        held = most = 0
        for word in words(order[rank], full=False):
            held += 1 if "F" in word else -1 if "I" in word or "B" in word else 0
            most = max(most, held)
        result.append(most)
    return result


def waits(order, stages):
    """Of each rank the units of time in which it waits between its first and its last action, if every action takes one and a
    full backward two, and nothing is spent on the way."""
    import re
    ends, clock, place, first = {}, {rank: 0 for rank in order}, {rank: 0 for rank in order}, {}
    lists = {rank: [re.fullmatch(r"(\d+)([FIBW])(\d+)", word).groups() for word in words(order[rank], full=False)] for rank in order}
    moved = True
    while moved:
        moved = False
        for rank, actions in lists.items():
            while place[rank] < len(actions):
                stage, kind, index = actions[place[rank]]
                stage = int(stage)
                if kind == "F":
                    wanted = [(stage - 1, "F", index)] if stage else []
                elif kind == "W":
                    wanted = [(stage, "I", index)]
                else:
                    wanted = [(stage, "F", index)] + ([(stage + 1, "I", index)] if stage < stages - 1 else [])
                if any(need not in ends for need in wanted):
                    break
                begin = max([clock[rank], *(ends[need] for need in wanted)])
                first.setdefault(rank, begin)
                clock[rank] = begin + (2 if kind == "B" else 1)
                ends[(stage, "I" if kind == "B" else kind, index)] = clock[rank]
                place[rank] += 1
                moved = True
    busy = {rank: sum(2 if kind == "B" else 1 for _, kind, _ in actions) for rank, actions in lists.items()}
    return [clock[rank] - first[rank] - busy[rank] for rank in sorted(order)]
