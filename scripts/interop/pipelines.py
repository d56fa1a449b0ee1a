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
