#!/usr/bin/env python3
"""Judges hostfile with Open MPI's mpirun, which reads it and maps the processes of the plan without starting any."""
import os
import re
import shutil
import subprocess
import sys
import tempfile

# The folder of this file holds names of the packages that it asks, so the one above takes its place.
sys.path[0] = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
import report
from report import NotJudged, Refused


def version():
    if shutil.which("mpirun") is None:
        raise NotJudged("mpirun is not installed")
    said = subprocess.run(["mpirun", "--version"], capture_output=True, text=True).stdout.splitlines()[0]
    found = re.search(r"Open MPI\) (\d+)\.(\S+)", said)
    if not found or found.group(1) != "4":
        raise NotJudged(f"Open MPI 4 maps without starting; this is {said}")
    return f"Open MPI {found.group(1)}.{found.group(2)}"


def judge(rep, folder, plan):
    # mpirun looks every name up, which takes long where nobody knows it; an address in its place is taken as it is.
    lines, addresses = report.read(folder, "hostfile").splitlines(), {}
    for index, line in enumerate(lines):
        name = re.match(r"[^\s#=]+(?=\s|$)", line)
        if name:
            number = addresses.setdefault(name.group(), len(addresses) + 1)
            lines[index] = f"10.{number >> 16}.{number >> 8 & 255}.{number & 255}" + line[name.end():]
    with tempfile.NamedTemporaryFile("w", suffix=".hosts") as file:
        file.write("\n".join(lines) + "\n")
        file.flush()
        mapped = mapping(file.name, plan.devices)
    per_node = plan.cluster_devices_per_node() or 8
    nodes, here = max(1, -(-plan.devices // per_node)), min(per_node, plan.devices)
    rep.compare("devices", "nodes of the map", nodes, len({name for name, *_ in mapped}))
    rep.compare("devices", "slots of each node", [here] * len(mapped), [int(slots) for _, slots, _, _ in mapped])
    rep.compare("devices", "processes of the map", plan.devices, sum(int(number) for *_, number in mapped))
    # The file says where processes run; the plan beside it says what they do.
    rep.moot(*plan.keys)
    rep.unread(plan.keys)


def mapping(path, processes):
    """Nodes with their slots and processes, as mpirun maps them."""
    words = ["mpirun", "--hostfile", path, "--novm", "--do-not-launch", "--display-map", "--map-by", "slot", "--bind-to", "none", "-n", str(processes), "true"]
    if os.geteuid() == 0:
        words.insert(1, "--allow-run-as-root")
    done = subprocess.run(words, capture_output=True, text=True, timeout=300)
    mapped = re.findall(r"Data for node: (\S+)\s+Num slots: (\d+)\s+Max slots: (\d+)\s+Num procs: (\d+)", done.stdout)
    if not mapped:
        raise Refused(" ".join((done.stdout + done.stderr).replace("-", " ").split())[:300])
    return mapped


if __name__ == "__main__":
    report.main("hostfile", version, judge, __doc__)
