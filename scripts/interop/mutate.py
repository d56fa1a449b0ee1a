#!/usr/bin/env python3
"""Changes every value of exported files, one at a time, and checks that the judge of the target notices.

  scripts/interop/mutate.py                                 the hand-made samples
  scripts/interop/mutate.py --targets deepspeed FOLDER PLAN one folder of exported files

Each value is given another one, its key is misspelt, and it is taken out. A change is noticed where the file is then refused or a
value of the plan is no longer equal. Exit 0: every change was noticed, or is of a key that no plan states; 1: not so.
"""
import argparse
import copy
import csv
import fnmatch
import glob
import io
import json
import os
import re
import shlex
import shutil
import sys
import tempfile

import judging

# Keys that say where and how a job is started, which no plan states, or whose other values mean the same, with why.
FREE = {
    "megatron-lm": {
        "--make-vocab-size-divisible-by removed": "128 is the default", "--position-embedding-type *": "", "--max-position-embeddings value": "a longer table of rotary positions changes nothing",
        "--transformer-impl *": "kernels", "--tokenizer-type *": "a tokenizer of the user's", "--mock-data *": "data of the user's", "--save value": "a folder", "--lr*": "the plan of this sample has no train",
        "--kv-channels removed": "hidden / heads is the default", "--ffn-hidden-size removed": "", "--cp-comm-type removed": "p2p is the default", "--optimizer removed": "adam is the default",
        "--attention-backend *": "auto, flash and fused are all fused attention", "--recompute-method value": "", "--fp8-format *": "e4m3 and hybrid differ in the format of gradients, which no plan states",
        "--q-lora-rank removed": "", "--qk-head-dim removed": "", "--qk-pos-emb-head-dim removed": "", "--v-head-dim removed": "", "--moe-router-topk removed": "2 is the default",
        "--moe-grouped-gemm *": "", "--expert-tensor-parallel-size removed": "", "--moe-flex-dispatcher-backend removed": "deepep is the default", "--num-layers-at-end-in-bf16 removed": "1 is the default"},
    "torchtitan": {"--module *": "", "--parallelism.data_parallel_replicate_degree removed": "1 is the default", "--parallelism.data_parallel_shard_degree removed": "the rest of the devices is the default",
                   "--parallelism.tensor_parallel_degree removed": "1 is the default", "--parallelism.pipeline_parallel_microbatch_size removed": "1 is the default",
                   "--training.dtype removed": "float32 is the default", "--training.mixed_precision_param removed": "bfloat16 is the default", "--training.disable_cuda_graphs *": "set in the module too",
                   "--training.seq_len removed": "set in the module too", "--checkpoint.interval removed": "500 is the default", "activation-checkpoint:selective removed": "selective is the default",
                   "--parallelism.fsdp_reshard_after_forward removed": "the default follows from the pipeline", "--training.global_batch_size removed": "local batch times data-parallel ranks is the default",
                   "module sequence value": "a longer table of rotary positions changes nothing", "module first value": "a model without experts does not read it", "module every value": "a model without experts does not read it",
                   "module STAGES value": "a model without a pipeline does not read it"},
    "deepspeed": {"activation_checkpointing.partition_activations*": "how inputs of blocks are kept over tensor ranks", "optimizer.params.lr *": "the plan of this sample has no train",
                  "zero_optimization.overlap_comm removed": "the default of the stage", "gradient_clipping removed": "1 is the default",
                  "train_batch_size removed": "it follows from the two others", "train_micro_batch_size_per_gpu removed": "it follows from the two others",
                  "gradient_accumulation_steps removed": "it follows from the two others"},
    "accelerate": {"machine_rank*": "where", "main_process_*": "where", "rdzv_backend*": "how ranks meet", "same_network*": "where", "compute_environment*": "where", "use_cpu*": "where",
                   "fsdp_config.fsdp_auto_wrap_policy*": "which modules are gathered at once", "fsdp_config.fsdp_transformer_layer_cls_to_wrap*": "which modules are gathered at once",
                   "fsdp_config.fsdp_state_dict_type*": "the form of checkpoints", "fsdp_config.fsdp_offload_params removed": "false is the default", "fsdp_config.fsdp_activation_checkpointing removed": "false is the default",
                   "fsdp_config.fsdp_reshard_after_forward removed": "true is the default", "parallelism_config.parallelism_config_cp_comm_strategy removed": "allgather is the default"},
    "transformers": {"config.json architectures*": "a name", "config.json num_key_value_heads *": "latent attention does not read it", "training_args.yaml fsdp_config.version removed": "2 is the default",
                     "training_args.yaml fsdp_config.reshard_after_forward removed": "true is the default", "config.json head_dim removed": "hidden / heads is the default",
                     "training_args.yaml optim*": "both are AdamW", "training_args.yaml max_grad_norm removed": "1 is the default", "training_args.yaml gradient_accumulation_steps *": "",
                     "config.json hidden_act removed": "silu is the default", "config.json tie_word_embeddings removed": "false is the default", "config.json n_group*": "", "deepspeed.json bf16*": "training_args.yaml says it too",
                     "config.json num_attention_heads removed": "", "training_args.yaml fsdp_config.version value": "FSDP 1 and 2 shard alike",
                     "config.json * removed": "the class's default is this model's value", "training_args.yaml adam_beta1 removed": "0.9 is the default", "training_args.yaml save_strategy removed": "steps is the default"},
    "slurm": {"--cpus-per-task*": "cores of a task", "--time*": "how long the job may take", "--exclusive*": "how nodes are shared", "--requeue*": "what follows a failure", "--signal*": "how a job is ended",
              "--output*": "a file", "--partition*": "where", "--job-name removed": "", "--ntasks-per-node removed": "one task a node is the default"},
    "mpijob": {"*image*": "where the program is", "*cleanPodPolicy*": "what follows the job", "*sshAuthMountPath*": "where", "*containers[[]0].name*": "a name", "*command[[]3]*": "the program", "*command[[]4]*": "its plan",
               "*Launcher.replicas removed": "1 is the default", "*command[[]0] *": ""},
    "jobset": {"*image*": "where the program is", "*name*": "a name", "*backoffLimit*": "what follows a failure", "*restartPolicy*": "what follows a failure", "*command[[]6]*": "how ranks meet", "*command[[]8]*": "how ranks meet",
               "*command[[]5]*": "how ranks meet", "*command[[]7]*": "how ranks meet", "*command[[]9]*": "the program", "*replicas removed": "1 is the default", "*completions removed": ""},
    "trainjob": {"*image*": "where the program is", "*command*": "the program", "*runtimeRef*": "the runtime of the user's cluster"},
    "skypilot": {"run value": "words of the script beside torchrun's"},
    "torch-schedule": {"row * cells * (*W*) exchanged": "the schedule is the same whenever the weights' part runs, as long as no rank waits or holds more"}, "hostfile": {"* name*": "a name"},
}
OTHER = {"true": "false", "false": "true", "bf16": "fp16", "fp16": "bf16", "no": "bf16"}


def other(value):
    """Another value of the same kind."""
    if isinstance(value, bool):
        return not value
    if isinstance(value, (int, float)):
        return value * 2 if value else 1
    text = str(value)
    if text in OTHER:
        return OTHER[text]
    if re.fullmatch(r"\d+", text):
        return str(int(text) * 2 if int(text) else 1)
    if re.fullmatch(r"\d+[./e][\d./e-]*", text):
        try:
            return repr(float(text) * 2)
        except ValueError:
            pass
    found = re.search(r"(?<=:)\d+$", text) or re.search(r"\d+", text)
    return text[:found.start()] + str(int(found.group()) * 2 or 1) + text[found.end():] if found else text + "x"


def misspelt(key):
    at = max(range(1, len(key) - 1), key=lambda index: key[index].isalpha() and not key[index - 1] == "-", default=0)
    return key[:at] + key[at + 1:] if len(key) > 3 else key + "x"


def of_flags(text):
    """A file of flags, one with its values a line."""
    lines = text.splitlines()
    for index, line in enumerate(lines):
        words = shlex.split(line, comments=True)
        if not words:
            continue
        key = words[0]
        put = lambda new: "\n".join([*lines[:index], *([new] if new is not None else []), *lines[index + 1:]]) + "\n"
        yield f"{key} removed", put(None)
        yield f"{key} misspelt", put(" ".join(shlex.quote(word) for word in [misspelt(key), *words[1:]]))
        for at, word in enumerate(words[1:], 1):
            yield f"{key} value", put(" ".join(shlex.quote(word) for word in [*words[:at], other(word), *words[at + 1:]]))


def leaves(value, place=()):
    if isinstance(value, dict):
        for key, inner in value.items():
            yield from leaves(inner, (*place, key))
    elif isinstance(value, list):
        for index, inner in enumerate(value):
            yield from leaves(inner, (*place, index))
    else:
        yield place, value


def dotted(place):
    return "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in place).lstrip(".")


def of_values(documents, write):
    for number, document in enumerate(documents):
        for place, value in leaves(document):
            for kind in ("value", "misspelt", "removed"):
                changed = copy.deepcopy(documents)
                inner = changed[number]
                for part in place[:-1]:
                    inner = inner[part]
                last = place[-1]
                if kind == "value":
                    inner[last] = other(value)
                elif isinstance(last, int):
                    if kind == "misspelt":
                        continue
                    del inner[last]
                elif kind == "misspelt":
                    inner[misspelt(last)] = inner.pop(last)
                else:
                    del inner[last]
                yield f"{dotted(place)} {kind}", write(changed)


def of_json(text):
    return of_values([json.loads(text)], lambda documents: json.dumps(documents[0], indent=1))


def of_yaml(text):
    import yaml
    return of_values([document for document in yaml.safe_load_all(text) if document], yaml.safe_dump_all)


def of_batch(text):
    lines = text.splitlines()
    for index, line in enumerate(lines):
        found = re.match(r"#SBATCH (--[a-z-]+)(?:[= ](.*))?$", line)
        if not found:
            continue
        key, value = found.groups()
        put = lambda new: "\n".join([*lines[:index], *([new] if new is not None else []), *lines[index + 1:]]) + "\n"
        yield f"{key} removed", put(None)
        yield f"{key} misspelt", put(f"#SBATCH {misspelt(key)}" + ("" if value is None else f"={value}"))
        if value is not None:
            yield f"{key} value", put(f"#SBATCH {key}={other(value)}")


def of_csv(text):
    rows = list(csv.reader(io.StringIO(text)))

    def write(changed):
        out = io.StringIO()
        csv.writer(out, lineterminator="\n").writerows(changed)
        return out.getvalue()

    for row, cells in enumerate(rows):
        changed = copy.deepcopy(rows)
        del changed[row]
        yield f"row {row} removed", write(changed)
        for column, cell in enumerate(cells):
            if not cell:
                continue
            changed = copy.deepcopy(rows)
            del changed[row][column]
            yield f"row {row} cell {column} ({cell}) removed", write(changed)
            changed = copy.deepcopy(rows)
            changed[row][column] = other(cell) if other(cell) != cell else cell + "1"
            yield f"row {row} cell {column} ({cell}) value", write(changed)
            if column + 1 < len(cells) and cells[column + 1]:
                changed = copy.deepcopy(rows)
                changed[row][column], changed[row][column + 1] = changed[row][column + 1], cell
                yield f"row {row} cells {column} and {column + 1} ({cell}, {cells[column + 1]}) exchanged", write(changed)


def of_hosts(text):
    lines = text.splitlines()
    for index, line in enumerate(lines):
        put = lambda new: "\n".join([*lines[:index], *([new] if new is not None else []), *lines[index + 1:]]) + "\n"
        yield f"line {index} removed", put(None)
        yield f"line {index} slots misspelt", put(line.replace("slots", "slot"))
        yield f"line {index} slots value", put(re.sub(r"=(\d+)", lambda found: f"={int(found.group(1)) * 2}", line))


def of_module(text):
    """The numbers and flags of the tables in front of the fixed text of a configuration module."""
    end = text.find("\ndef ")
    start = text.find("SHAPE = {")
    for found in re.finditer(r"(?<![\w.])(\d[\d.e-]*|True|False)(?![\w])", text[:end]):
        if found.start() < start or text.rfind("\n", 0, found.start()) < text.find("\n", start) - 10**6:
            continue
        line = text[text.rfind("\n", 0, found.start()) + 1:found.start()]
        if re.match(r"(MATRIX|ONES|EXPERTS|WARMUP|OPTIMIZER)", line):
            continue
        word = found.group()
        new = {"True": "False", "False": "True"}.get(word) or str(other(json.loads(word)))
        name = re.findall(r"\"(\w+)\": *$", line) or re.findall(r"^(\w+)", line)
        yield f"module {name[0] if name else ''} value", text[:found.start()] + new + text[found.end():]


WAYS = {".args": of_flags, ".json": of_json, ".yaml": of_yaml, ".sbatch": of_batch, ".csv": of_csv, ".py": of_module}


def mutants(folder):
    """Every changed form of the files of a folder: what was changed, the file, its new text."""
    for path in sorted(glob.glob(os.path.join(folder, "*"))):
        name = os.path.basename(path)
        way = of_hosts if name == "hostfile" else WAYS.get(os.path.splitext(name)[1])
        if name == "plan.yaml" or way is None or not os.path.isfile(path):
            continue
        with open(path) as file:
            text = file.read()
        several = len([other_name for other_name in os.listdir(folder) if other_name != "plan.yaml"]) > 1 and name.endswith((".json", ".yaml"))
        for what, changed in way(text):
            if changed != text:
                yield (f"{name} {what}" if several else what), name, changed


def free(target, what):
    return next((why or "another change of it is noticed" for pattern, why in FREE.get(target, {}).items() if fnmatch.fnmatchcase(what, pattern)), None)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", nargs="?", help="a folder of exported files; with --targets TARGET")
    parser.add_argument("plan", nargs="?", help="its plan with every value written out")
    parser.add_argument("--targets", help="targets, with commas (default: all that have a judge)")
    parser.add_argument("--environment", help="the folder that setup.sh made (default: .build/interop)")
    parser.add_argument("--json", action="store_true", help="print one JSON document")
    options = parser.parse_args()
    targets = options.targets.split(",") if options.targets else list(judging.JUDGES)
    if options.folder and (len(targets) != 1 or not options.plan):
        parser.error("a folder needs its plan and one target")
    python = judging.environment(options.environment)
    report, failed = {}, False
    for target in targets:
        folders = [(options.folder, options.plan)] if options.folder else [(folder, os.path.join(folder, "plan.yaml")) for folder in sorted(glob.glob(os.path.join(judging.HERE, "samples", target, "*")))]
        with tempfile.TemporaryDirectory(prefix="mutants-") as place:
            pairs, names = [], []
            for folder, plan in folders:
                pairs.append((folder, plan))
                names.append((folder, None))
                for number, (what, name, text) in enumerate(mutants(folder)):
                    changed = os.path.join(place, f"{os.path.basename(folder)}-{number}")
                    shutil.copytree(folder, changed)
                    with open(os.path.join(changed, name), "w") as file:
                        file.write(text)
                    pairs.append((changed, plan))
                    names.append((folder, what))
            found = judging.verdicts(target, pairs, python)
        absent = next((verdict["notJudged"] for verdict in found if "notJudged" in verdict), None)
        if absent:
            report[target] = {"notJudged": absent}
            print(f"{target}: not judged: {absent}", file=sys.stderr)
            continue
        entry = report[target] = {"changes": 0, "refused": 0, "unequal": 0, "free": {}, "unnoticed": []}
        for (folder, what), verdict in zip(names, found):
            if what is None:
                if not judging.equal(verdict):
                    failed = True
                    entry["unnoticed"].append(f"{folder} is not accepted as it stands: {verdict['refusal']}")
                continue
            entry["changes"] += 1
            if verdict["refusal"] is not None:
                entry["refused"] += 1
            elif not judging.equal(verdict):
                entry["unequal"] += 1
            elif (why := free(target, what)) is not None:
                entry["free"][what] = why
            else:
                entry["unnoticed"].append(f"{os.path.basename(folder)}: {what}")
        failed |= bool(entry["unnoticed"])
        if not options.json:
            print(f"{target}: {entry['changes']} changes: {entry['refused']} refused, {entry['unequal']} unequal, {len(entry['free'])} of keys that no plan states, {len(entry['unnoticed'])} unnoticed", flush=True)
            for line in entry["unnoticed"]:
                print(f"    {line}")
    if options.json:
        print(json.dumps(report, indent=1))
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
