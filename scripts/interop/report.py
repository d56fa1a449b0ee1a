"""What a judge says of one exported file: accepted or refused by its owner's parser, and the plan's values beside those it holds."""
import argparse
import contextlib
import io
import json
import os
import sys
import traceback

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import plan as plans


class Refused(Exception):
    """The owner's parser does not take the file; the text is its own."""


class NotJudged(Exception):
    """The owner's parser is not on this machine; the text says what is missing."""


# Keys of a plan that no exported file is asked for: where the plan runs, what it costs, and what it is called.
BESIDE = ("name", "cluster", "framework", "run", "measured", "model.name", "model.source", "model.family", "devices", "accumulation",
          "layout.globalBatch", "layout.microbatches", "model.hf", "model.params")


def plain(value):
    """A parsed value as JSON holds it."""
    if isinstance(value, (list, tuple)):
        return [plain(item) for item in value]
    if isinstance(value, dict):
        return {str(key): plain(item) for key, item in value.items()}
    if value is None or isinstance(value, (bool, int, str)):
        return value
    if isinstance(value, float):
        return int(value) if value.is_integer() and abs(value) < 2**53 else value
    return str(value)


def equal(want, got):
    if isinstance(want, bool) or isinstance(got, bool):
        return want is got
    if isinstance(want, (int, float)) and isinstance(got, (int, float)):
        return abs(want - got) <= 1e-9 * max(1, abs(want), abs(got))
    if isinstance(want, list) and isinstance(got, list):
        return len(want) == len(got) and all(equal(a, b) for a, b in zip(want, got))
    return want == got


class Report:
    def __init__(self, target, version):
        self.target, self.version = target, version
        self.fields, self.settled = [], set()

    def compare(self, name, peer, want, got):
        """One value of the plan beside the one that the owner's parser holds."""
        want, got = plain(want), plain(got)
        self.fields.append({"plan": name, "peer": peer, "want": want, "got": got, "equal": equal(want, got)})

    def says_nothing(self, name, want, neutral):
        """A value that the format cannot say: the plan must hold the one the owner's software has without it."""
        want = plain(want)
        neutral = neutral if isinstance(neutral, (tuple, set)) else (neutral,)
        self.fields.append({"plan": name, "peer": None, "want": want, "got": plain(list(neutral)), "equal": any(equal(want, plain(item)) for item in neutral)})

    def moot(self, *names):
        """Keys that decide nothing here, such as the shard group of weights that nobody shards."""
        self.settled.update(names)

    def unread(self, keys, beside=()):
        """Keys that the plan states and that no comparison named: each is a field that differs."""
        done = {field["plan"] for field in self.fields} | self.settled
        compared = {field["plan"] for field in self.fields}
        for name, value in sorted(plans.flattened(keys).items()):
            covered = any(name == other or name.startswith(other + ".") or (other.startswith(name + ".") and other in compared) for other in done)
            if covered or any(name == other or name.startswith(other + ".") for other in BESIDE + tuple(beside)):
                continue
            self.fields.append({"plan": name, "peer": None, "want": plain(value), "got": None, "equal": False})

    def json(self, refusal=None, missing=None):
        result = {"target": self.target, "version": self.version, "accepted": refusal is None and missing is None,
                  "fields": self.fields if refusal is None and missing is None else [], "refusal": refusal}
        if missing is not None:
            result["notJudged"] = missing
        return result


@contextlib.contextmanager
def quiet():
    """Keeps what libraries print off the JSON; warnings go nowhere."""
    out = io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(out):
        yield out


def judged(target, version, judge, folder, plan_path):
    """The verdict of one folder of exported files."""
    report = Report(target, None)
    try:
        plan = plans.Plan(plan_path)
        with quiet() as printed:
            try:
                report.version = version() if callable(version) else version
                judge(report, folder, plan)
            except SystemExit as stop:
                last = [line for line in printed.getvalue().splitlines() if line.strip()]
                raise Refused(last[-1] if last else f"exit {stop.code}") from stop
    except NotJudged as missing:
        return report.json(missing=str(missing))
    except (Refused, plans.PlanError) as refusal:
        return report.json(refusal=str(refusal))
    except Exception as error:  # The owner's parser may raise anything; its words are the refusal.
        if os.environ.get("INTEROP_TRACE"):
            traceback.print_exc()
        return report.json(refusal=f"{type(error).__name__}: {' '.join(str(error).split())[:400]}")
    return report.json()


def good(verdict):
    return verdict["accepted"] and bool(verdict["fields"]) and all(field["equal"] for field in verdict["fields"])


def main(target, version, judge, usage):
    """`judge FOLDER PLAN` prints one verdict; `judge --batch` reads pairs from standard input and prints a verdict a line."""
    parser = argparse.ArgumentParser(description=usage)
    parser.add_argument("folder", nargs="?", help="the folder of the exported files of this target")
    parser.add_argument("plan", nargs="?", help="the plan with every value written out")
    parser.add_argument("--batch", action="store_true", help="read lines of JSON, [folder, plan], and print a verdict for each")
    options = parser.parse_args()
    if options.batch:
        for line in sys.stdin:
            folder, plan_path = json.loads(line)
            print(json.dumps(judged(target, version, judge, folder, plan_path)), flush=True)
        return
    if options.plan is None:
        parser.error("a folder and a plan are needed")
    verdict = judged(target, version, judge, options.folder, options.plan)
    print(json.dumps(verdict, indent=1))
    sys.exit(0 if good(verdict) else 1)


def read(folder, name):
    path = os.path.join(folder, name)
    if not os.path.exists(path):
        raise Refused(f"{name} is missing")
    with open(path) as file:
        return file.read()
