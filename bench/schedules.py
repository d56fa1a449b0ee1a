#!/usr/bin/env python3
"""Speed of the schedule simulator over sizes, beside simulate_reference.py on the same lists.

What is compared: for us, making the lists, checking them (once, in place, in order, free of deadlock, channels in order)
and the time of the last action, on one core; for the reference, the simulation of the same lists, already read into
Python values and neither read nor checked in that time. Each is the best of several, but for runs of the reference that
take seconds. Both must find the same makespan, and on small lists the start, end, busy time and peak of every rank in the
three ways of sending. The reference is the plain loop of the field (of all ranks' next actions the one that starts
earliest): as fast as such a loop gets in plain Python, and dearer with more ranks.
"""

import json
import pathlib
import subprocess
import sys
import time

import simulate_reference

ROOT = pathlib.Path(__file__).resolve().parent.parent
BUILT = ROOT / ".build" / "release"
# Actions beyond which the reference would take minutes.
MOST_FOR_REFERENCE = 70_000


def trainyard(*words):
    return json.loads(subprocess.run([BUILT / "trainyard", *words], check=True, capture_output=True, text=True).stdout)


def reference(row):
    """Seconds and makespan of the reference on one size."""
    lists = trainyard(
        "schedule", row["schedule"], "--ranks", str(row["ranks"]), "--virtual-stages", str(row["virtualStages"]),
        "--microbatches", str(row["microbatches"]), "--json")
    stages = len(lists["stageToRank"])
    actions = [[simulate_reference.parse(action) for action in rank] for rank in lists["actions"]]
    costs = {"F": [1] * stages, "I": [1] * stages, "W": [1] * stages, "B": [2] * stages}
    rank_of = simulate_reference.place_of(lists)
    best = float("inf")
    for _ in range(5):
        began = time.perf_counter()
        found = simulate_reference.simulate(actions, rank_of, stages, costs, transfer=0.25)
        best = min(best, time.perf_counter() - began)
        if best > 0.5:
            break
    return best, found["makespan"]


def check_modes():
    """The three ways of sending, fused actions and uneven times: ours and the reference's figures are the same."""
    times = {"F": "forward", "I": "backward-input", "W": "backward-weight"}
    for name, ranks, stages, microbatches in [
        ("1f1b", 4, 4, 7), ("interleaved-zb", 4, 8, 8), ("zbv", 4, 8, 10), ("dualpipe", 4, 4, 8), ("dualpipev", 3, 6, 8),
    ]:
        shape = [
            "--ranks", str(ranks), "--microbatches", str(microbatches), "--virtual-stages",
            "2" if name == "dualpipe" else str(stages // ranks),
        ]
        lists = trainyard("schedule", name, *shape, "--json")
        actions = [[simulate_reference.parse(action) for action in rank] for rank in lists["actions"]]
        costs = {kind: [base + stage % 3 / 4 for stage in range(stages)] for kind, base in [("F", 1), ("I", 1.5), ("W", 0.75)]}
        costs["B"] = [a + b for a, b in zip(costs["I"], costs["W"])]
        options = [f"--{option}=" + ",".join(map(str, costs[kind])) for kind, option in times.items()]
        for mode in ["asynchronous", "link", "blocking"]:
            ours = trainyard(
                "simulate", "--schedule", name, *shape, *options, "--transfer", "0.375", "--transfer-mode", mode,
                "--fused-share", "0.75", "--json")
            theirs = simulate_reference.simulate(
                actions, simulate_reference.place_of(lists), stages, costs, 0.375, mode, fused_share=0.75)
            peaks = [simulate_reference.peak(rank, "W") for rank in actions]
            mine = [(rank["start"], rank["end"], rank["busy"], rank["peakActivations"]) for rank in ours["byRank"]]
            if (ours["makespan"], mine) != (
                theirs["makespan"], list(zip(theirs["start"], theirs["end"], theirs["busy"], peaks))
            ):
                sys.exit(f"{name}, {mode}: the reference finds {theirs}, we {ours}")


def main():
    rows = [
        json.loads(line)
        for line in subprocess.run([BUILT / "schedule-bench"], check=True, capture_output=True, text=True)
        .stdout.splitlines()
    ]
    check_modes()
    print(
        "Simulated actions, one core. We make, check and time the lists, the best of many; Python times them only.\n"
        "5 schedules × 3 ways of sending: start, end, busy time and peak of every rank are the same in both.\n")
    head = f"{'schedule':<16}{'p':>4}{'v':>3}{'m':>6}{'actions':>10}{'ms':>9}{'million/s':>11}{'Python ms':>11}{'ratio':>8}"
    print(head)
    for row in rows:
        seconds = row["seconds"]
        line = (
            f"{row['schedule']:<16}{row['ranks']:>4}{row['virtualStages']:>3}{row['microbatches']:>6}"
            f"{row['actions']:>10}{seconds * 1e3:>9.2f}{row['actions'] / seconds / 1e6:>11.1f}"
        )
        if row["actions"] <= MOST_FOR_REFERENCE:
            slow, makespan = reference(row)
            if makespan != row["makespan"]:
                sys.exit(f"{line}\nthe reference finds {makespan}, not {row['makespan']}")
            line += f"{slow * 1e3:>11.1f}{slow / seconds:>8.0f}"
        print(line)


if __name__ == "__main__":
    main()
