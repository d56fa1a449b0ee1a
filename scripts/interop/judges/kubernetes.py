#!/usr/bin/env python3
"""Judges mpijob.yaml, jobset.yaml and trainjob.yaml with the schemas of Kubernetes and Kubeflow.

JobSet and TrainJob are read by Kubeflow's own models; pod templates are checked, strictly, as Pods of Kubernetes. MPIJob has no
published package: its keys are those of the kubeflow.org/v2beta1 API.
"""
import os
import sys
import warnings

import yaml

# The folder of this file holds names of the packages that it asks, so the one above takes its place.
sys.path[0] = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
import report
from report import NotJudged, Refused

warnings.simplefilter("ignore")
KINDS = {"mpijob.yaml": "MPIJob", "jobset.yaml": "JobSet", "trainjob.yaml": "TrainJob"}
DEVICES = {"nvidia.com/gpu", "amd.com/gpu", "google.com/tpu", "aws.amazon.com/neuron", "aws.amazon.com/neuroncore", "habana.ai/gaudi", "huawei.com/Ascend910"}
MPI_SPEC = {"slotsPerWorker", "runLauncherAsWorker", "runPolicy", "sshAuthMountPath", "launcherCreationPolicy", "mpiImplementation", "mpiReplicaSpecs"}
RUN_POLICY = {"cleanPodPolicy", "ttlSecondsAfterFinished", "activeDeadlineSeconds", "backoffLimit", "schedulingPolicy", "suspend", "managedBy"}
REPLICA = {"replicas", "restartPolicy", "template"}


def version():
    try:
        import kubeflow_trainer_api  # noqa: F401
        import kubernetes_validate
    except ImportError as error:
        raise NotJudged(f"kubeflow-trainer-api or kubernetes-validate is not installed ({error})") from error
    from importlib.metadata import version as of
    return f"kubeflow-trainer-api {of('kubeflow-trainer-api')}, Kubernetes {kubernetes_validate.latest_version()}"


def pod(template, where):
    import kubernetes_validate
    unknown = set(template) - {"metadata", "spec"}
    if unknown:
        raise Refused(f"{where}.template: unknown fields {sorted(unknown)}")
    value = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "pod"}, "spec": template["spec"]}
    kubernetes_validate.validate(value, kubernetes_validate.latest_version(), strict=True)


def lost(given, kept, where):
    """Places of a file that its owner's model did not keep: it does not know them."""
    if isinstance(given, dict) and isinstance(kept, dict):
        return [place for key, value in given.items() for place in ([f"{where}.{key}"] if key not in kept and value not in (None, {}, []) else lost(value, kept.get(key), f"{where}.{key}"))]
    if isinstance(given, list) and isinstance(kept, list):
        return [place for index, (a, b) in enumerate(zip(given, kept)) for place in lost(a, b, f"{where}[{index}]")]
    return []


def known(values, names, where):
    unknown = set(values) - names
    if unknown:
        raise Refused(f"{where}: unknown fields {sorted(unknown)}")


def devices(container):
    """Devices of a pod, as its first container asks for them."""
    resources = container.get("resources") or {}
    for part in ("limits", "requests"):
        for key, value in (resources.get(part) or {}).items():
            if key in DEVICES:
                return int(value)
    return None


def started(container):
    """Processes that a container's command starts in all, and the program that starts them."""
    import contextlib
    import io
    import shlex

    words = [str(word) for word in [*(container.get("command") or []), *(container.get("args") or [])]]
    if words[:2] in (["/bin/sh", "-c"], ["/bin/bash", "-c"], ["bash", "-c"], ["sh", "-c"]):
        words = shlex.split(words[2])
    for index, word in enumerate(words):
        name = os.path.basename(word)
        if name == "torchrun":
            from torch.distributed.run import get_args_parser
            with contextlib.redirect_stderr(io.StringIO()):
                parsed = get_args_parser().parse_args(words[index + 1:])
            nodes = parsed.nnodes.split(":")[-1]
            return (int(nodes) if nodes.isdigit() else None, int(parsed.nproc_per_node) if str(parsed.nproc_per_node).isdigit() else None, "torchrun")
        if name == "mpirun":
            for at in range(index + 1, len(words) - 1):
                if words[at] in ("-n", "-np", "-c", "--n", "--np"):
                    return None, int(words[at + 1]), "mpirun"
            return None, None, "mpirun"
    return None, None, None


def judge(rep, folder, plan):
    names = [name for name in KINDS if os.path.exists(os.path.join(folder, name))]
    if len(names) != 1:
        raise Refused(f"one of {', '.join(KINDS)} is wanted in {folder}")
    rep.target = names[0].split(".")[0]
    documents = [document for document in yaml.safe_load_all(report.read(folder, names[0])) if document]
    if names[0] == "trainjob.yaml":
        documents += [document for document in yaml.safe_load_all(report.read(folder, "runtime.yaml")) if document]
    mine = [document for document in documents if document.get("kind") == KINDS[names[0]]]
    if len(mine) != 1:
        raise Refused(f"{names[0]} must hold one {KINDS[names[0]]}")
    import kubernetes_validate
    for document in documents:
        if document["kind"] == "TrainingRuntime":
            runtime(document)
        elif document is not mine[0]:
            kubernetes_validate.validate(document, kubernetes_validate.latest_version(), strict=True)
    per_node = plan.cluster_devices_per_node() or 8
    nodes, here = max(1, -(-plan.devices // per_node)), min(per_node, plan.devices)
    {"MPIJob": mpijob, "JobSet": jobset, "TrainJob": trainjob}[KINDS[names[0]]](rep, mine[0], plan, nodes, here)
    rep.compare("name", "metadata.name", label(plan), mine[0]["metadata"]["name"])
    # A job says how many devices are wanted; the plan beside it says what they do.
    rep.moot(*plan.keys)
    rep.unread(plan.keys)


def label(plan):
    """A name as Kubernetes takes it: small letters, digits and dashes, a letter first."""
    import re
    name = re.sub(r"[^a-z0-9]+", "-", report.plans.job_name(plan).lower())
    return name[:63].strip("-")


def head(document, api):
    known(document, {"apiVersion", "kind", "metadata", "spec"}, document["kind"])
    if document["apiVersion"] != api:
        raise Refused(f"apiVersion {document['apiVersion']}: {api} is current")


def mpijob(rep, document, plan, nodes, here):
    head(document, "kubeflow.org/v2beta1")
    spec = document["spec"]
    known(spec, MPI_SPEC, "spec")
    known(spec.get("runPolicy") or {}, RUN_POLICY, "spec.runPolicy")
    if spec.get("mpiImplementation", "OpenMPI") not in ("OpenMPI", "Intel", "MPICH"):
        raise Refused(f"spec.mpiImplementation: {spec['mpiImplementation']}")
    replicas = spec["mpiReplicaSpecs"]
    if "Launcher" not in replicas or set(replicas) - {"Launcher", "Worker"}:
        raise Refused("mpiReplicaSpecs: Launcher and Worker")
    for name, replica in replicas.items():
        known(replica, REPLICA, name)
        pod(replica["template"], name)
    worker = replicas["Worker"]
    rep.compare("devices", "mpiReplicaSpecs.Worker.replicas", nodes, worker["replicas"])
    rep.compare("devices", "mpiReplicaSpecs.Launcher.replicas", 1, replicas["Launcher"].get("replicas", 1))
    rep.compare("devices", "slotsPerWorker", here, spec.get("slotsPerWorker", 1))
    # A plan with `train` runs on cores.
    rep.compare("devices", "Worker limits", None if plan.runs_on_cores else here, devices(worker["template"]["spec"]["containers"][0]))
    _, number, program = started(replicas["Launcher"]["template"]["spec"]["containers"][0])
    rep.compare("devices", f"{program} -n", plan.devices, number)


def jobset(rep, document, plan, nodes, here):
    from kubeflow_trainer_api import models
    head(document, "jobset.x-k8s.io/v1alpha2")
    kept = models.JobsetV1alpha2JobSet.from_dict(document)
    unknown = [place for place in lost(document, kept.to_dict(), "JobSet") if ".template.spec.template" not in place]
    if unknown:
        raise Refused(f"unknown fields {unknown}")
    total, each, found = 0, None, (None, None, None)
    for job in kept.to_dict()["spec"]["replicatedJobs"]:
        template = job["template"]["spec"]["template"]
        pod(template, job["name"])
        own = next(given for given in document["spec"]["replicatedJobs"] if given["name"] == job["name"])
        inner = own["template"]["spec"]
        if inner.get("parallelism", 1) != inner.get("completions", inner.get("parallelism", 1)):
            raise Refused(f"{job['name']}: completions {inner.get('completions')} of {inner.get('parallelism')} pods")
        here_devices = devices(template["spec"]["containers"][0])
        if here_devices is not None:
            total += own.get("replicas", 1) * inner.get("parallelism", 1)
            each, found = here_devices, started(template["spec"]["containers"][0])
        elif found[2] is None:
            found = started(template["spec"]["containers"][0])
    rep.compare("devices", "replicatedJobs.replicas · parallelism", nodes, total)
    rep.compare("devices", "container limits", here, each)
    count_nodes, number, program = found
    rep.compare("devices", "torchrun or mpirun in the command", True, program is not None)
    if program == "torchrun":
        rep.compare("devices", "torchrun --nnodes", nodes, count_nodes)
        rep.compare("devices", "torchrun --nproc-per-node", here, number)
    elif program == "mpirun":
        rep.compare("devices", "mpirun -n", plan.devices, number)


def runtime(document):
    """What a TrainJob refers to: the jobs whose pods the trainer's settings fill in."""
    from kubeflow_trainer_api import models
    head(document, "trainer.kubeflow.org/v1alpha1")
    kept = models.TrainerV1alpha1TrainingRuntime.from_dict(document)
    unknown = [place for place in lost(document, kept.to_dict(), "TrainingRuntime") if ".template.spec.template" not in place]
    if unknown:
        raise Refused(f"unknown fields {unknown}")
    for job in document["spec"]["template"]["spec"]["replicatedJobs"]:
        pod(job["template"]["spec"]["template"], job["name"])


def trainjob(rep, document, plan, nodes, here):
    from kubeflow_trainer_api import models
    head(document, "trainer.kubeflow.org/v1alpha1")
    kept = models.TrainerV1alpha1TrainJob.from_dict(document)
    unknown = lost(document, kept.to_dict(), "TrainJob")
    if unknown:
        raise Refused(f"unknown fields {unknown}")
    trainer = kept.spec.trainer
    if trainer is None:
        raise Refused("spec.trainer is missing")
    rep.compare("devices", "trainer.numNodes", nodes, trainer.num_nodes)
    number = trainer.num_proc_per_node
    number = getattr(number, "actual_instance", number)
    rep.compare("devices", "trainer.numProcPerNode", here, int(number) if str(number).isdigit() else number)
    asked = document["spec"]["trainer"].get("resourcesPerNode")
    rep.compare("devices", "trainer.resourcesPerNode", None if plan.runs_on_cores else here, devices({"resources": asked or {}}))


if __name__ == "__main__":
    report.main("kubernetes", version, judge, __doc__)
