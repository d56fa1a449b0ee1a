#!/usr/bin/env python3
"""Exports plans to every target and lets the owners' own readers judge the files, value by value.

  scripts/interop/setup.sh
  MEGATRON_LM=../megatron-lm scripts/interop/run.py
  scripts/interop/run.py --targets deepspeed,slurm --plans plans/gpt3-175b-64-a100.yaml --json
  scripts/interop/run.py --samples

A target whose reader is not on this machine is "not judged" and does not fail the run, unless --strict is given.
Exit 0: every exported file was accepted and held every value of its plan; 1: not so; 2: bad usage.
"""
import argparse
import collections
import glob
import hashlib
import json
import os
import shutil
import subprocess
import sys
import tempfile

import judging

HERE, ROOT = judging.HERE, judging.ROOT
# Words of lines that hold an interval of checkpoints, a time limit, a number of new starts or a size of memory, which follow from
# the predicted time and memory.
PRICED = ("interval", "time", "save", "estart", "mem", "#BSUB -W")


def plans():
    """The plans of the repository, those that stand here for their variety, and the examples'."""
    found = sorted(glob.glob(os.path.join(ROOT, "plans", "*.yaml"))) + sorted(glob.glob(os.path.join(HERE, "plans", "*.yaml")))
    for path in sorted(glob.glob(os.path.join(ROOT, "Examples", "*", "*.yaml"))):
        with open(path) as file:
            if any(line.startswith("model:") for line in file):
                found.append(path)
    return found


def name(plan):
    return os.path.relpath(plan, ROOT)


def is_fixed(plan):
    """Whether a plan names its cluster. Others are for this machine, and their files differ where it has been measured."""
    with open(os.path.join(ROOT, plan)) as file:
        return any(line.startswith("cluster:") for line in file)


def digest(folder):
    """SHA-256 of the settings in a folder of exported files: its lines but those that change with every price.

    Left out are the plan itself, texts for people, comments (lines of `#SBATCH` and its like are none), and lines that follow
    from predicted figures. The tests, which have no owners' packages, find the same lines
    (RecordedJudgementTests.swift).
    """
    kept = []
    for path in sorted(glob.glob(os.path.join(glob.escape(folder), "*"))):
        file = os.path.basename(path)
        if file == "plan.yaml" or file.endswith(".txt"):
            continue
        with open(path, encoding="utf-8") as content:
            lines = [line.strip(" ") for line in content.read().split("\n")]
        kept += [file] + [line for line in lines if line and line != "#" and not line.startswith("# ") and not any(word in line for word in PRICED)]
    return hashlib.sha256("\n".join(kept).encode()).hexdigest()


def export(program, plan, targets, out, more):
    """Exports a plan to all targets at once; of each target that was not written, what the program said."""
    done = subprocess.run([program, "export", plan, "--to", "all", "--out", out, "--json", *more], capture_output=True, text=True, cwd=ROOT, timeout=600)
    lines = [line for line in done.stderr.splitlines() if line.startswith(("note: ", "error: "))]
    said = {}
    try:
        entries = {entry["target"]: entry for entry in json.loads(done.stdout)["exports"]}
    except (json.JSONDecodeError, KeyError, TypeError):
        entries = {}
    for target in targets:
        entry = entries.get(target, {})
        if entry.get("files"):
            continue
        gaps = "; ".join(f"{gap.get('field')} {gap.get('value')}: {gap.get('reason')}" for gap in entry.get("gaps", []))
        mine = next((line for line in lines if f" {target} cannot say " in line or f" {target}: " in line), None)
        said[target] = gaps or mine or next((line for line in lines if line.startswith("error: ")), f"nothing was written (exit {done.returncode})")
    return said


def exported(options, place, targets):
    """For each target the exported folders with their plans, and the refusals of the program itself."""
    pairs, refusals, hashes = collections.defaultdict(list), collections.defaultdict(dict), collections.defaultdict(dict)
    for plan in options.plans or plans():
        out = os.path.join(place, name(plan).replace(os.sep, "_"))
        said = export(options.trainyard, os.path.abspath(plan), targets, out, options.more)
        whole = os.path.join(out, "trainyard", "plan.yaml")
        for target in targets:
            folder = os.path.join(out, target)
            # A target that says a plan near the given one has that plan beside its files.
            own = os.path.join(folder, "plan.yaml")
            truth = own if os.path.exists(own) else whole
            if target in said or not os.path.isdir(folder) or not os.path.exists(truth):
                refusals[target][name(plan)] = said.get(target, "nothing was written")
                continue
            hashes[target][name(plan)] = digest(folder)
            pairs[target].append((name(plan), folder, truth))
    return pairs, refusals, hashes


def samples(targets):
    """Hand-made files with their plans, which every judge takes."""
    pairs = collections.defaultdict(list)
    for target in targets:
        for folder in sorted(glob.glob(os.path.join(HERE, "samples", target, "*"))):
            pairs[target].append((os.path.relpath(folder, HERE), folder, os.path.join(folder, "plan.yaml")))
    return pairs


def table(rows):
    widths = [max(len(str(row[column])) for row in rows) for column in range(len(rows[0]))]
    for index, row in enumerate(rows):
        print("  ".join(str(cell).ljust(width) if column < 1 or column == len(row) - 1 else str(cell).rjust(width) for column, (cell, width) in enumerate(zip(row, widths))).rstrip())
        if not index:
            print("  ".join("-" * width for width in widths))


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--trainyard", default=os.path.join(ROOT, ".build", "release", "trainyard"), help="the program that exports")
    parser.add_argument("--environment", help="the folder that setup.sh made (default: .build/interop)")
    parser.add_argument("--plans", nargs="+", help="plan files (default: those of the repository and of scripts/interop/plans)")
    parser.add_argument("--targets", help="targets, with commas (default: all that have a judge)")
    parser.add_argument("--more", nargs=argparse.REMAINDER, default=[], help="further options of trainyard export, last")
    parser.add_argument("--samples", action="store_true", help="judge the hand-made samples in place of exported files")
    parser.add_argument("--keep", help="keep the exported files in this folder")
    parser.add_argument("--record", help="write the verdicts, with a digest of the settings they are of, to this file; with --plans or --targets beside what stands in it")
    parser.add_argument("--json", action="store_true", help="print one JSON document")
    parser.add_argument("--strict", action="store_true", help="fail where a target is not judged")
    options = parser.parse_args()
    targets = options.targets.split(",") if options.targets else list(judging.JUDGES)
    unknown = [target for target in targets if target not in judging.JUDGES]
    if unknown:
        parser.error(f"no judge for {', '.join(unknown)}; there are {', '.join(judging.JUDGES)}")
    python = judging.environment(options.environment)
    place = options.keep or tempfile.mkdtemp(prefix="interop-")
    refusals, hashes = collections.defaultdict(dict), collections.defaultdict(dict)
    if options.samples:
        pairs = samples(targets)
    else:
        if not os.path.exists(options.trainyard):
            parser.error(f"{options.trainyard} is not built; `make build` builds it")
        if subprocess.run([options.trainyard, "export", "--help"], capture_output=True).returncode:
            parser.error(f"{options.trainyard} has no command 'export'")
        os.makedirs(place, exist_ok=True)
        pairs, refusals, hashes = exported(options, place, targets)

    results = {}
    for target in targets:
        found = judging.verdicts(target, [(folder, truth) for _, folder, truth in pairs[target]], python)
        results[target] = dict(zip((plan for plan, *_ in pairs[target]), found))
        if not options.json:
            print(f"{target}: {len(found)} judged", file=sys.stderr)
    if not options.keep:
        shutil.rmtree(place, ignore_errors=True)

    failed, rows, faults = False, [("target", "exported", "accepted", "refused", "unequal", "fields", "left out", "judged by")], []
    for target in targets:
        found = results[target]
        absent = [verdict["notJudged"] for verdict in found.values() if "notJudged" in verdict]
        if absent:
            rows.append((target, len(found), "-", "-", "-", 0, len(refusals[target]), "not judged: " + absent[0]))
            failed |= options.strict
            continue
        refused = {plan: verdict["refusal"] for plan, verdict in found.items() if verdict["refusal"] is not None}
        uneven = {plan: [field for field in verdict["fields"] if not field["equal"]] for plan, verdict in found.items() if verdict["accepted"] and not judging.equal(verdict)}
        versions = {verdict["version"] for verdict in found.values() if verdict["version"]}
        rows.append((target, len(found), len(found) - len(refused), len(refused), len(uneven), sum(len(verdict["fields"]) for verdict in found.values()), len(refusals[target]), ", ".join(sorted(versions)) or "-"))
        failed |= bool(refused or uneven)
        faults += [f"{target}: {plan}: refused: {text}" for plan, text in refused.items()]
        faults += [f"{target}: {plan}: {field['plan']}: the plan says {json.dumps(field['want'])}, {field['peer'] or 'nothing in the file'} {json.dumps(field['got'])}" for plan, fields in uneven.items() for field in fields]
    if not options.samples:
        rows += [(target, "-", "-", "-", "-", 0, "-", "not judged: " + why) for target, why in judging.NO_JUDGE.items() if not options.targets]
    if options.record:
        record = {"versions": {}, "plans": {}}
        if (options.plans or options.targets) and os.path.exists(options.record):
            with open(options.record) as file:
                record = json.load(file)
        record["versions"].update({target: next(iter(kept), None) for target, found in results.items() if (kept := [verdict["version"] for verdict in found.values() if verdict["version"]])})
        for target, found in results.items():
            for plan, verdict in found.items():
                if "notJudged" in verdict or not is_fixed(plan):
                    continue
                word = "refused" if verdict["refusal"] is not None else "equal" if judging.equal(verdict) else "unequal"
                record["plans"].setdefault(plan, {})[target] = {"settings": hashes[target].get(plan), "verdict": word, "fields": len(verdict["fields"])}
            for plan in filter(is_fixed, refusals[target]):
                record["plans"].setdefault(plan, {})[target] = {"verdict": "not exported"}
        with open(options.record, "w") as file:
            json.dump(record, file, indent=1, sort_keys=True)
            file.write("\n")
    if options.json:
        print(json.dumps({"targets": results, "notExported": refusals}, indent=1))
    else:
        table(rows)
        for fault in faults:
            print(fault)
        for target in targets:
            for plan, text in refusals[target].items():
                print(f"not exported: {target}: {plan}: {text}")
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
