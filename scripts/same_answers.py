#!/usr/bin/env python3
"""Shows that two builds answer the same: thousands of questions, asked of both and compared.

  scripts/same_answers.py OLD NEW                  everything; about six minutes on two cores, and the real runs
  scripts/same_answers.py OLD NEW --only plans,errors
  scripts/same_answers.py OLD NEW --each-its-own --also my-plans/

OLD and NEW are checkouts with .build/release/trainyard and trainyard-train in them. Both programs read the cluster,
framework and plan files of OLD (--files-of new: of NEW), with --each-its-own each those of its own checkout. Prints a line
a part: how many questions there are, how many of them OLD refuses (exit code 2), how many are answered otherwise, and the
largest relative difference of a number; then the first differences with question, place and both values. Exit code 1 when
anything differs.

What counts as the same:
- the same exit code;
- JSON: the same keys in the same order, the same texts, flags and whole numbers; Doubles within --tolerance (a share);
- everything else that is printed or written: the same characters;
- real runs: the same losses, gradient norms and learning rates to the last digit, and tensors of the same names, types,
  shapes and SHA-256; the same order of computed actions on every rank; the same text from the trained weights.
What is not compared:
- the seconds of the planner's own work ("tried in 56 ms", "replayed in 0.2 s", `seconds` at the root of a search's document);
  such a text may also break its lines elsewhere;
- the version and commit of a build; the paths of the two checkouts and of the scratch folders;
- of a real run what the clock, the machine or the process decides: progress lines, the table of prediction and measurement
  and what follows it, times and memory in the metrics, the manifest's host, process, program, identity and times, and
  MPI's own words.
"""
import argparse
import concurrent.futures
import itertools
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass, field

sys.dont_write_bytecode = True

from answers import comparison, questions  # noqa: E402

# Lines of a real run that the clock or the machine decides, and MPI's own words, which name processes.
MEASURED_LINES = re.compile(r"^(step \d|the machine was busy|peak memory by rank|\[\S+:\d+\]|\s*$)")
MPI_BLOCK = re.compile(r"^-{20,}$.*?(^-{20,}$|\Z)", re.MULTILINE | re.DOTALL)
MEASURED_TABLE = re.compile(r"^ +predicted +measured", re.MULTILINE)


@dataclass
class Context:
    """Where the programs, the shipped files and the scratch folders are."""
    roots: list
    homes: list
    scratch: str
    more_plans: list
    varied: int
    timeout: float
    inputs: str = field(init=False)

    def __post_init__(self):
        self.inputs = os.path.join(self.scratch, "inputs")
        os.mkdir(self.inputs)

    @property
    def home(self):
        return self.homes[0]

    def program(self, root, name):
        return os.path.join(root, ".build", "release", name)

    def names(self, *outs):
        """What the folders are called in texts that are compared, the longest path first."""
        found = {**{root: "ROOT" for root in self.roots}, **{home: "FILES" for home in self.homes}}
        found.update({out: "OUT" for out in outs})
        return sorted(found.items(), key=lambda pair: -len(pair[0]))

    def out(self, side, number):
        return os.path.join(self.scratch, ("old", "new")[side], number)

    def say(self, text):
        print(text, file=sys.stderr, flush=True)


def answer(context, side, question, number):
    """(exit code, standard output, standard error) of each command, and the bytes of each file."""
    out = context.out(side, number)
    os.makedirs(out)
    environment = dict(os.environ, TRAINYARD_HOME=context.homes[side], COLUMNS="100")
    ended = []
    for command in question.commands:
        program, *arguments = (word.replace("{out}", out) for word in command)
        if program.startswith("trainyard"):
            program = context.program(context.roots[side], program)
        try:
            done = subprocess.run(
                [program, *arguments], cwd=context.homes[side], env=environment, stdin=subprocess.DEVNULL,
                capture_output=True, timeout=context.timeout)
            ended.append((done.returncode, done.stdout.decode(errors="replace"), done.stderr.decode(errors="replace")))
        except subprocess.TimeoutExpired:
            ended.append((f"no end after {context.timeout:g} s", "", ""))
    files = {}
    for name in question.files:
        path = os.path.join(out, name)
        files[name] = None
        if os.path.isfile(path):
            with open(path, "rb") as file:
                files[name] = file.read()
    shutil.rmtree(out)
    return ended, files


def lasting(text):
    """What a real run prints that does not depend on the clock."""
    text = MPI_BLOCK.sub("", MEASURED_TABLE.split(text)[0])
    return "\n".join(line for line in text.split("\n") if not MEASURED_LINES.match(line))


def compared(context, question, number, tolerance):
    (ended, files), (ended_now, files_now) = (answer(context, side, question, number) for side in (0, 1))
    found = comparison.Findings(tolerance)
    names = context.names(context.out(0, number), context.out(1, number))
    for place, (one, other) in enumerate(zip(ended, ended_now)):
        prefix = f"command {place + 1}, " if len(ended) > 1 else ""
        if one[0] != other[0]:
            found.add(prefix + "exit code", str(one[0]), str(other[0]))
        elif isinstance(one[0], str):
            found.add(prefix + "exit code", one[0], other[0])
        for name, text, now in (("output", one[1], other[1]), ("errors", one[2], other[2])):
            if question.is_run:
                text, now = lasting(text), lasting(now)
            comparison.compare_output(prefix + name, text, now, found, names)
    found.is_refused = any(code == 2 for code, _, _ in ended)
    ends_well = all(code == 0 for code, _, _ in ended)
    for name, kind in question.files.items():
        comparison.compare_file(kind, name, files[name], files_now[name], found, names, is_expected=ends_well)
    return found


def asked(context, part, jobs, tolerance):
    """Asks the questions of a part and yields each with what differs, in their order."""
    listed = list(questions.PARTS[part](context))
    began = said = time.monotonic()
    with concurrent.futures.ThreadPoolExecutor(max_workers=jobs) as workers:
        going = [workers.submit(compared, context, question, f"{part}-{number}", tolerance)
                 for number, question in enumerate(listed)]
        for number, (question, future) in enumerate(zip(listed, going), 1):
            yield question, future.result()
            if time.monotonic() - said > 10:
                said = time.monotonic()
                context.say(f"  {part}: {number} of {len(listed)} questions, {said - began:.0f} s")


def arguments():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("old")
    p.add_argument("new")
    p.add_argument("--only", default="", help="parts, with commas: " + ", ".join(questions.PARTS))
    p.add_argument("--files-of", choices=("old", "new"), default="old", help="whose shipped files both read (default old)")
    p.add_argument("--each-its-own", action="store_true", help="each program reads the files of its own checkout")
    p.add_argument("--also", action="append", default=[], metavar="FOLDER", help="ask of the plans in this folder, too")
    p.add_argument("--tolerance", type=float, default=1e-12, help="largest relative difference of Doubles (default 1e-12)")
    p.add_argument("--varied", type=int, default=400, help="how many plans are drawn (default 400)")
    p.add_argument("--jobs", type=int, default=os.cpu_count(), help="questions at a time; real runs go one by one")
    p.add_argument("--timeout", type=float, default=300, help="seconds a command may take (default 300)")
    p.add_argument("--show", type=int, default=20, help="differences that are printed (default 20)")
    return p, p.parse_args()


def main():
    p, a = arguments()
    parts = [name for name in a.only.split(",") if name] or list(questions.PARTS)
    for name in parts:
        if name not in questions.PARTS:
            p.error(f"--only: there is no part '{name}'; there are {', '.join(questions.PARTS)}")
    roots = [os.path.realpath(a.old), os.path.realpath(a.new)]
    homes = roots if a.each_its_own else [roots[("old", "new").index(a.files_of)]] * 2
    more = sorted(
        os.path.realpath(os.path.join(folder, name)) for folder in a.also for name in os.listdir(folder)
        if name.endswith(".yaml"))
    with tempfile.TemporaryDirectory(prefix="same-answers-") as scratch:
        context = Context(roots, homes, os.path.realpath(scratch), more, a.varied, a.timeout)
        for root in roots:
            if not os.access(context.program(root, "trainyard"), os.X_OK):
                p.error(f"{context.program(root, 'trainyard')} is not built")
        differences = []
        for part in parts:
            began = time.monotonic()
            count = refused = differ = 0
            largest = 0.0
            for question, found in asked(context, part, 1 if part == "runs" else a.jobs, a.tolerance):
                count += 1
                refused += found.is_refused
                differ += bool(found.differences)
                largest = max(largest, found.largest)
                name = question.name.replace(scratch + "/inputs/", "")
                differences += [(f"{part}: {name}", *difference) for difference in found.differences]
            print(f"{part:12} {count:5} questions, {refused:4} refused, {differ:4} differ, largest relative difference "
                  f"{largest:.2g}, {time.monotonic() - began:.0f} s", flush=True)
    show(differences, a.show)
    print(f"\n{len(differences)} differences")
    return 1 if differences else 0


def show(differences, most):
    """The first differences, at most three of a question so that one does not hide the others."""
    shown = 0
    for question, group in itertools.groupby(differences, key=lambda difference: difference[0]):
        group = list(group)
        if shown >= most:
            break
        print(f"\n{question}" + (f" ({len(group)} differences)" if len(group) > 3 else ""))
        for _, path, old, new in group[:3]:
            print(f"  {path or 'document'}\n    old  {old}\n    new  {new}")
            shown += 1


if __name__ == "__main__":
    sys.exit(main())
