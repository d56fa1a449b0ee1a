"""Runs a judge over many folders in one process, and starts it again where the owner's code ends it."""
import json
import os
import select
import subprocess
import sys
import tempfile

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(os.path.dirname(HERE))
JUDGES = {"megatron-lm": "megatron", "torchtitan": "torchtitan", "deepspeed": "deepspeed", "accelerate": "accelerate", "transformers": "transformers",
          "torch-schedule": "torch_schedule", "slurm": "slurm", "mpijob": "kubernetes", "jobset": "kubernetes", "trainjob": "kubernetes",
          "skypilot": "skypilot", "hostfile": "hostfile"}
# Targets without a judge, with why.
NO_JUDGE = {
    "pbs": "qsub asks a running server", "lsf": "bsub asks a running cluster",
    "megatron-bridge": "its package needs CUDA", "nemo": "its package needs CUDA", "nanotron": "its package needs flash-attn",
    "gpt-neox": "it has no package, and its own classes need DeepSpeed's fork", "maxtext": "is read, not written",
}


def environment(folder=None):
    """The Python of the environment that setup.sh makes."""
    folder = folder or os.environ.get("INTEROP_ENVIRONMENT") or os.path.join(ROOT, ".build", "interop")
    python = os.path.join(folder, "bin", "python")
    if not os.path.exists(python):
        sys.exit(f"error: {folder} is not there; scripts/interop/setup.sh makes it")
    return python


def lines(process, patience):
    """The lines that a process prints, as they come; ends where it ends or is silent for too long."""
    held = b""
    while True:
        while b"\n" in held:
            line, held = held.split(b"\n", 1)
            yield line
        ready, _, _ = select.select([process.stdout], [], [], patience)
        more = os.read(process.stdout.fileno(), 1 << 16) if ready else b""
        if not more:
            return
        held += more


def verdicts(target, pairs, python, patience=900):
    """A verdict for each pair of folder and plan. A judge that dies over a file has refused it."""
    results, left = [], list(pairs)
    while left:
        with tempfile.TemporaryFile() as asked, tempfile.TemporaryFile() as errors:
            asked.write("".join(json.dumps([str(folder), str(plan)]) + "\n" for folder, plan in left).encode())
            asked.seek(0)
            process = subprocess.Popen([python, os.path.join(HERE, "judges", JUDGES[target] + ".py"), "--batch"], stdin=asked, stdout=subprocess.PIPE,
                                       stderr=None if os.environ.get("INTEROP_TRACE") else errors)
            for line in lines(process, patience):
                results.append({**json.loads(line), "target": target})
                left.pop(0)
                if not left:
                    break
            if left:
                process.kill()
            code = process.wait()
            errors.seek(0)
            said = " ".join(errors.read().decode(errors="replace").split())[-300:]
        if left:
            results.append({"target": target, "version": None, "accepted": False, "fields": [], "refusal": f"the judge ended with {code}: {said}"})
            left.pop(0)
    return results


def equal(verdict):
    return verdict["accepted"] and bool(verdict["fields"]) and all(field["equal"] for field in verdict["fields"])
