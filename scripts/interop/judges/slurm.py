#!/usr/bin/env python3
"""Judges job.sbatch with Slurm's own sbatch and a lone controller, and compares the job as the controller holds it.

No node runs anything: the controller knows made-up nodes, the job is tested, held, read back and cancelled.
"""
import atexit
import os
import re
import shutil
import socket
import subprocess
import sys
import tempfile
import time

# The folder of this file holds names of the packages that it asks, so the one above takes its place.
sys.path[0] = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
import report
import shell
from report import NotJudged, Refused

CONFIGURATION = """ClusterName=check
SlurmctldHost={host}(127.0.0.1)
SlurmctldPort={port}
SlurmUser=root
AuthType=auth/munge
AuthInfo=socket={place}/munge.socket
StateSaveLocation={place}/state
SlurmdSpoolDir={place}/spool
SlurmctldPidFile={place}/controller.pid
SlurmctldLogFile={place}/controller.log
ProctrackType=proctrack/linuxproc
SelectType=select/cons_tres
SelectTypeParameters=CR_Core
GresTypes=gpu
SuspendProgram=/bin/true
ResumeProgram=/bin/true
SuspendTime=-1
NodeName=n[1-{nodes}] NodeAddr=127.0.0.1 CPUs={cores} Gres=gpu:{devices} RealMemory=2000000 State=CLOUD
PartitionName=all Nodes=ALL Default=YES MaxTime=INFINITE State=UP
"""
controllers = {}


def run(*words, environment=None, folder=None):
    return subprocess.run(words, capture_output=True, text=True, env={**os.environ, **(environment or {})}, cwd=folder, timeout=120)


class Controller:
    """A controller of made-up nodes with so many devices each."""

    def __init__(self, devices, nodes=4096):
        self.place = tempfile.mkdtemp(prefix="slurm-")
        os.chmod(self.place, 0o755)
        atexit.register(self.stop)
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        for name in ("state", "spool"):
            os.mkdir(os.path.join(self.place, name))
        self.environment = {"SLURM_CONF": os.path.join(self.place, "slurm.conf")}
        with open(self.environment["SLURM_CONF"], "w") as file:
            file.write(CONFIGURATION.format(host=socket.gethostname().split(".")[0], port=port, place=self.place, nodes=nodes, cores=256, devices=devices))
        key = os.path.join(self.place, "munge.key")
        with open(key, "wb") as file:
            file.write(os.urandom(128))
        os.chmod(key, 0o400)
        self.munge = subprocess.Popen(["munged", "--foreground", "--force", f"--key-file={key}", f"--socket={self.place}/munge.socket", f"--pid-file={self.place}/munge.pid",
                                       f"--seed-file={self.place}/munge.seed", f"--log-file={self.place}/munge.log"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        for _ in range(50):
            if os.path.exists(f"{self.place}/munge.socket"):
                break
            time.sleep(0.1)
        self.process = subprocess.Popen(["slurmctld", "-D", "-c", "-f", self.environment["SLURM_CONF"]], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        for _ in range(100):
            time.sleep(0.2)
            if "UP" in run("scontrol", "ping", environment=self.environment).stdout:
                return
        raise NotJudged("Slurm's controller did not start: " + log(os.path.join(self.place, "controller.log")))

    def stop(self):
        for process in (getattr(self, "process", None), getattr(self, "munge", None)):
            if process is not None:
                process.terminate()
                try:
                    process.wait(10)
                except subprocess.TimeoutExpired:
                    process.kill()
        shutil.rmtree(self.place, ignore_errors=True)


def log(path):
    try:
        with open(path) as file:
            return " ".join(file.read().split())[-300:]
    except OSError:
        return "it wrote no log"


def version():
    missing = [name for name in ("sbatch", "slurmctld", "munged") if shutil.which(name) is None and not os.path.exists(f"/usr/sbin/{name}")]
    if missing:
        raise NotJudged(f"{', '.join(missing)} not found; packages slurmctld, slurm-client, slurm-wlm-basic-plugins and munge hold them")
    os.environ["PATH"] += ":/usr/sbin"
    if os.geteuid():
        raise NotJudged("a controller of one's own needs the root user")
    try:
        import torch.distributed.run  # noqa: F401
    except ImportError as error:
        raise NotJudged(f"torch, which reads torchrun's options, is not installed ({error})") from error
    return run("slurmctld", "-V").stdout.strip()


def fields(text):
    return dict(re.findall(r"(\S+?)=(\S*)", text))


def processes(folder, name, devices, nodes, per_node):
    """Processes that train, as the script starts them: tasks of srun, times those of torchrun where srun starts that."""
    import io
    from contextlib import redirect_stderr

    from torch.distributed.run import get_args_parser
    environment = {"SLURM_JOB_ID": "1", "SLURM_JOB_NODELIST": "n1", "SLURM_NODELIST": "n1", "SLURM_JOB_NUM_NODES": str(nodes), "SLURM_NNODES": str(nodes), "SLURM_NTASKS": str(devices),
                   "SLURM_GPUS_ON_NODE": str(per_node), "SLURM_PROCID": "0", "SLURM_NODEID": "0", "SLURM_SUBMIT_DIR": folder, "HOSTNAME": "n1"}
    found = shell.calls(folder, name, ["srun", "torchrun", "mpirun", "scontrol"], environment)
    call = next((call for call in found if call["program"] in ("srun", "mpirun", "torchrun")), None)
    if call is None:
        raise Refused(f"{name} starts neither srun nor mpirun nor torchrun")
    words = call["arguments"]
    if call["program"] == "torchrun" or any(os.path.basename(word) == "torchrun" for word in words):
        at = -1 if call["program"] == "torchrun" else next(index for index, word in enumerate(words) if os.path.basename(word) == "torchrun")
        with redirect_stderr(io.StringIO()):
            parsed = get_args_parser().parse_args(words[at + 1:])
        return int(parsed.nnodes.split(":")[-1]) * int(parsed.nproc_per_node), True
    return None, False


def judge(rep, folder, plan):
    report.read(folder, "job.sbatch")
    per_node = plan.cluster_devices_per_node() or 8
    nodes = max(1, -(-plan.devices // per_node))
    if per_node not in controllers:
        controllers[per_node] = Controller(per_node)
    environment = controllers[per_node].environment
    path = os.path.join(os.path.abspath(folder), "job.sbatch")
    with open(path) as file:
        text = file.read()
    for partition in re.findall(r"^#SBATCH\s+(?:--partition[= ]|-p\s+)(\S+)", text, re.M):
        run("scontrol", "create", f"partition={partition}", "Nodes=ALL", "MaxTime=INFINITE", "State=UP", environment=environment)
    test = run("sbatch", "--test-only", path, environment=environment, folder=folder)
    if test.returncode:
        raise Refused(" ".join(test.stderr.split())[-300:])
    held = run("sbatch", "--hold", "--parsable", path, environment=environment, folder=folder)
    if held.returncode:
        raise Refused(" ".join(held.stderr.split())[-300:])
    job = held.stdout.strip().split(";")[0]
    shown = fields(run("scontrol", "show", "job", "-o", job, environment=environment).stdout)
    run("scancel", job, environment=environment)
    nodes_got = int(shown["NumNodes"].split("-")[0])
    rep.compare("devices", "NumNodes", nodes, nodes_got)
    gpus = re.search(r"gpu(?::[A-Za-z0-9_]+)?:(\d+)", shown.get("TresPerNode", ""))
    total = re.search(r"gres/gpu=(\d+)|gpu(?::[A-Za-z0-9_]+)?:(\d+)", shown.get("TresPerJob", ""))
    task = re.search(r"gpu(?::[A-Za-z0-9_]+)?:(\d+)", shown.get("TresPerTask", ""))
    tasks = int(shown["NumTasks"])
    got = int(gpus.group(1)) * nodes_got if gpus else int(total.group(1) or total.group(2)) if total else int(task.group(1)) * tasks if task else 0
    # A plan with `train` runs on cores.
    rep.compare("devices", "TresPerNode", 0 if plan.runs_on_cores else plan.devices, got)
    started, torchrun = processes(os.path.abspath(folder), "job.sbatch", plan.devices, nodes, per_node)
    if torchrun:
        rep.compare("devices", "torchrun --nnodes · --nproc-per-node", plan.devices, started)
        rep.compare("devices", "NumTasks", nodes, tasks)
    else:
        rep.compare("devices", "NumTasks", plan.devices, tasks)
        rep.compare("devices", "NtasksPerN", min(per_node, plan.devices), int(shown.get("NtasksPerN:B:S:C", "0").split(":")[0]))
    rep.compare("name", "JobName", report.plans.job_name(plan), shown["JobName"])
    # A job says how many devices are wanted; the plan beside it says what they do.
    rep.moot(*plan.keys)
    rep.unread(plan.keys)


if __name__ == "__main__":
    report.main("slurm", version, judge, __doc__)
