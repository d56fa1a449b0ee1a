#!/usr/bin/env python3
"""Speed of the schedule simulator over sizes, beside simulate_reference.py on the same lists.

Lists are made and timed by `schedule-bench`; the reference times the lists that `trainyard schedule --json` prints, and
both must find the same makespan. Making and checking the lists counts for us and not for the reference.
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
MOST_FOR_REFERENCE = 120_000


def reference(row):
    """Seconds and makespan of the reference on one size."""
    text = subprocess.run(
        [BUILT / "trainyard", "schedule", row["schedule"], "--ranks", str(row["ranks"]), "--virtual-stages",
         str(row["virtualStages"]), "--microbatches", str(row["microbatches"]), "--json"],
        check=True, capture_output=True, text=True).stdout
    lists = json.loads(text)
    place = lists["stageToRank"]
    ones = [1] * len(place)
    costs = {"F": ones, "I": ones, "W": ones, "B": [2] * len(place)}
    began = time.perf_counter()
    found = simulate_reference.makespan(
        lists["actions"], lambda stage, _: place[stage], len(place), costs, transfer=0.25)
    return time.perf_counter() - began, found


def main():
    rows = [
        json.loads(line)
        for line in subprocess.run([BUILT / "schedule-bench"], check=True, capture_output=True, text=True)
        .stdout.splitlines()
    ]
    print("Simulated actions, one core; lists made, checked and timed\n")
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
