"""Runs a judge over many folders in one process, and starts it again where the owner's code ends it."""
import json
import os
import select
import subprocess
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(os.path.dirname(HERE))
JUDGES = {"megatron-lm": "megatron", "torchtitan": "torchtitan", "deepspeed": "deepspeed", "accelerate": "accelerate", "transformers": "transformers",
          "torch-schedule": "torch_schedule", "slurm": "slurm", "mpijob": "kubernetes", "jobset": "kubernetes", "trainjob": "kubernetes",
          "skypilot": "skypilot", "hostfile": "hostfile"}
NO_JUDGE = ("pbs", "lsf", "megatron-bridge", "nemo", "nanotron", "gpt-neox", "maxtext")


def environment(folder=None):
    """The Python of the environment that setup.sh makes."""
    folder = folder or os.environ.get("INTEROP_ENVIRONMENT") or os.path.join(ROOT, ".build", "interop")
    python = os.path.join(folder, "bin", "python")
    if not os.path.exists(python):
        sys.exit(f"error: {folder} is not there; scripts/interop/setup.sh makes it")
    return python


def verdicts(target, pairs, python, patience=900):
    """A verdict for each pair of folder and plan. A judge that dies over a file has refused it."""
    results, left = [], list(pairs)
    while left:
        process = subprocess.Popen([python, os.path.join(HERE, "judges", JUDGES[target] + ".py"), "--batch"], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                   stderr=subprocess.PIPE if not os.environ.get("INTEROP_TRACE") else None, text=True)
        process.stdin.write("".join(json.dumps([str(folder), str(plan)]) + "\n" for folder, plan in left))
        process.stdin.close()
        errors = process.stderr
        while left:
            ready, _, _ = select.select([process.stdout], [], [], patience)
            line = process.stdout.readline() if ready else ""
            if not line:
                process.kill()
                break
            verdict = json.loads(line)
            verdict["target"] = target
            results.append(verdict)
            left.pop(0)
        code = process.wait()
        said = " ".join((errors.read() if errors else "").split())[-300:]
        if left:
            results.append({"target": target, "version": None, "accepted": False, "fields": [], "refusal": f"the judge ended with {code}: {said}"})
            left.pop(0)
    return results


def equal(verdict):
    return verdict["accepted"] and bool(verdict["fields"]) and all(field["equal"] for field in verdict["fields"])
