#!/usr/bin/env python3
"""Judges skypilot.yaml with SkyPilot's own Task; no cloud is asked."""
import os
import shutil
import sys
import tempfile
import warnings

# The folder of this file holds names of the packages that it asks, so the one above takes its place.
sys.path[0] = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
import report
import shell
from report import NotJudged, Refused

warnings.simplefilter("ignore")


def version():
    # SkyPilot writes a folder of its own into the user's home.
    home = tempfile.mkdtemp(prefix="skypilot-")
    import atexit
    atexit.register(shutil.rmtree, home, True)
    os.environ.update(HOME=home, SKYPILOT_DISABLE_USAGE_COLLECTION="1")
    try:
        import sky
    except ImportError as error:
        raise NotJudged(f"skypilot is not installed ({error})") from error
    return f"SkyPilot {sky.__version__}"


def judge(rep, folder, plan):
    import contextlib
    import io

    import sky
    from torch.distributed.run import get_args_parser
    report.read(folder, "skypilot.yaml")
    task = sky.Task.from_yaml(os.path.join(folder, "skypilot.yaml"))
    per_node = plan.cluster_devices_per_node() or 8
    nodes, here = max(1, -(-plan.devices // per_node)), min(per_node, plan.devices)
    rep.compare("name", "Task.name", report.plans.job_name(plan, without="."), task.name)
    rep.compare("devices", "Task.num_nodes", nodes, task.num_nodes)
    resources = list(task.resources)
    counts = [list((resource.accelerators or {}).values()) for resource in resources]
    # A plan with `train` runs on cores.
    rep.compare("devices", "Task.resources.accelerators", [[] if plan.runs_on_cores else [here]] * len(resources), counts)
    if not task.run:
        raise Refused("the task runs nothing")
    with tempfile.TemporaryDirectory() as place:
        with open(os.path.join(place, "run.sh"), "w") as file:
            file.write(task.run)
        environment = {"SKYPILOT_NUM_NODES": str(nodes), "SKYPILOT_NODE_IPS": "10.0.0.1", "SKYPILOT_NODE_RANK": "0", "SKYPILOT_NUM_GPUS_PER_NODE": str(here)}
        call = next(iter(shell.calls(place, "run.sh", ["torchrun", "mpirun"], environment)))
    words = call["arguments"]
    if call["program"] == "torchrun":
        with contextlib.redirect_stderr(io.StringIO()):
            parsed = get_args_parser().parse_args(words)
        rep.compare("devices", "torchrun --nnodes · --nproc-per-node", plan.devices, int(parsed.nnodes.split(":")[-1]) * int(parsed.nproc_per_node))
    else:
        number = next((int(words[at + 1]) for at in range(len(words) - 1) if words[at] in ("-n", "-np", "-c", "--n", "--np")), None)
        rep.compare("devices", "mpirun -n", plan.devices, number)
    # A task says how many devices are wanted; the plan beside it says what they do.
    rep.moot(*plan.keys)
    rep.unread(plan.keys)


if __name__ == "__main__":
    report.main("skypilot", version, judge, __doc__)
