"""What is asked of both builds, part by part."""
import glob
import itertools
import os
import re
import shutil
import subprocess
from dataclasses import dataclass, field

import moved_answers

from . import plan_files, real_runs

SCHEDULES = [
    "gpipe", "1f1b", "interleaved-1f1b", "looped-bfs", "zb-h1", "zb-h2", "interleaved-zb", "zbv", "v-half", "v-min",
    "dualpipe", "dualpipev", "chimera"]


@dataclass
class Question:
    """Commands that run one after the other, and the files they leave in their folder `{out}`."""
    name: str
    commands: list
    # Name of a file in the folder → what it is: document, text, losses, weights, manifest or order.
    files: dict = field(default_factory=dict)
    # Whether standard output ends in a comparison with the clock, which is left out.
    is_run: bool = False


def ask(line, files=None):
    """A question of one `trainyard` command line, words parted by blanks."""
    words = line if isinstance(line, list) else line.split()
    return Question("trainyard " + " ".join(words), [["trainyard", *words]], files or {})


def paths(home, *folders):
    for folder in folders:
        for path in sorted(glob.glob(os.path.join(home, folder, "*.yaml"))):
            yield os.path.relpath(path, home)


def names(home, folder):
    return [os.path.basename(path)[:-5] for path in paths(home, folder)]


def written(inputs, texts, prefix):
    """Writes each text into a file of its own and gives their paths."""
    for number, text in enumerate(texts):
        path = os.path.join(inputs, f"{prefix}-{number:04}.yaml")
        with open(path, "w") as file:
            file.write(text)
        yield path


def help_pages(context):
    """Every page of help, and what an unknown word of a command is met with."""
    for program in ("trainyard", "trainyard-train"):
        commands = set()
        for root in context.roots:
            page = subprocess.run([context.program(root, program), "--help"], capture_output=True, text=True).stdout
            commands |= set(re.findall(r"^  ([a-z]+)(?: \(default\))? ", page.partition("SUBCOMMANDS:")[2], re.MULTILINE))
        for words in ([], *([command] for command in sorted(commands))):
            for option in ("--help", "--version", "--nonsense"):
                yield Question(" ".join([program, *words, option]), [[program, *words, option]])
            yield Question(" ".join([program, "help", *words]), [[program, "help", *words]])
    yield ask("plna")
    yield ask("")


def plans(context):
    """Every shipped plan: figures, arithmetic, the document, and the plan it writes."""
    for path in itertools.chain(paths(context.home, "plans", "plans/strategies"), context.more_plans):
        yield ask(["plan", path])
        yield ask(["plan", path, "--explain", "--width", "140"])
        yield ask(["plan", path, "--json", "--explain"])
        yield ask(["plan", path, "--json", "--write-plan", "{out}/plan.yaml"], {"plan.yaml": "text"})
    for path in itertools.chain(paths(context.home, "plans"), context.more_plans):
        yield ask(["plan", path, "--search", "--json"])
        yield ask(["plan", path, "--search", "--any-software", "--price", "3.5"])
        yield ask(["plan", path, "--devices", "512", "--explain"])


def estimates(context):
    """Every named model on every shipped cluster, and sizes without a name."""
    # The same questions that moved_answers.py asks.
    for _, arguments in moved_answers.questions(context.home):
        yield ask([*arguments, "--json", "--explain"])
        yield ask([*arguments, "--explain"])
    others = [name for name in names(context.home, "cluster") if name not in moved_answers.CLUSTERS]
    for number, cluster in enumerate(others):
        for model in names(context.home, "plans/models")[number % 2::2]:
            yield ask(f"estimate --model {model} --tokens 300B --gpu {cluster} --gpus 256 --json --explain")
    for size, count in (("125M", 8), ("1.3B", 64), ("7B", 64), ("13B", 100), ("70B", 512), ("100B", 1024), ("1T", 3072)):
        yield ask(f"estimate --params {size} --tokens 3T --gpu a100-80g-sxm --gpus {count}")
        yield ask(f"estimate --params {size} --tokens 3T --gpu h100-80g-sxm --gpus {count} --json --any-software")
        yield ask(
            f"estimate --params {size} --tokens 3T --gpu h200-141g-sxm --gpus {count} --json --batch 1000 --sequence 8192 "
            "--precision fp8 --price 4 --write-plan {out}/plan.yaml", {"plan.yaml": "text"})
    yield ask("estimate --model gpt3-175b --tokens 300B --gpu h100-80g-sxm --gpus 1024 --schedules 1f1b,zbv,dualpipev")


def published(context):
    """The published runs."""
    yield ask("validate")
    yield ask("validate --json")
    yield ask("validate --markdown --svg {out}/runs.svg", {"runs.svg": "text"})
    for path in paths(context.home, "plans/published"):
        yield ask(["validate", "--runs", path])
        yield ask(["validate", "--runs", path, "--json"])
    yield ask("validate --runs plans")


def schedules(context):
    """Action lists of every schedule in many sizes, possible and not."""
    for name in SCHEDULES + ["optimal", "unknown", "zb1p", "ZBVZeroBubble", "DualPipeV", "1F1B", "Interleaved1F1B"]:
        yield ask(f"schedule {name}")
        for ranks, stages, microbatches in itertools.product((1, 2, 3, 4, 8), (1, 2, 3, 4), (1, 4, 8, 9)):
            yield ask(f"schedule {name} --ranks {ranks} --virtual-stages {stages} --microbatches {microbatches} --json")
    for size in (1, 2, 3, 4, 5, 8):
        yield ask(f"schedule interleaved-1f1b --virtual-stages 3 --microbatches 16 --group-size {size}")
    yield ask("schedule 1f1b --ranks 64 --microbatches 512 --json")


def drawn(words):
    files = {"t.json": "document", "t.svg": "text"}
    return ask([*words, "--trace", "{out}/t.json", "--svg", "{out}/t.svg"], files)


def simulations(context):
    """Timelines of schedules with relative costs, of plans, of lists from a file; drawings and traces."""
    for name in SCHEDULES + ["optimal"]:
        sizes = ((4, 8), (2, 5), (8, 16)) if name != "optimal" else ((3, 6),)
        for ranks, microbatches in sizes:
            for stages in (1, 2) if name not in ("interleaved-zb", "looped-bfs") else (2,):
                words = f"simulate --schedule {name} --ranks {ranks} --microbatches {microbatches} --virtual-stages {stages}"
                yield drawn(words.split())
                yield ask(words + " --json --forward 1.1 --backward-input 1.3 --backward-weight 0.9 --transfer 0.2 "
                          "--transfer-mode link --reduction 3 --optimizer 0.5")
        yield ask(f"simulate --schedule {name} --microbatches 6 --transfer-mode blocking --transfer 0.3 --virtual-stages 2")
        yield ask(f"simulate --schedule {name} --jitter 5% --runs 40 --seed 3 --slow-rank 2=1.3 --virtual-stages 2 --json")
    for line in (
        "--compare 1f1b,zb-h1,zbv,dualpipev,optimal", "--overlap-reduction --reduction 4 --json", "--backward 1.5 --width 60",
        "--fused-share 0.8 --schedule dualpipe --microbatches 16 --json", "--forward 1,1,1.5,2 --json", "--colour",
        "--schedule optimal --memory-limit 6 --json", "--jitter 10% --runs 20", "--forward 0", "--slow-rank 9=2",
        "--memory-limit 2", "--ranks 1000 --microbatches 2000 --json --schedule gpipe", "--transfer 1e308", "--width 7",
        "--schedule 1f1b --compare gpipe", "--actions no-such-file.csv", "--svg no-such-folder/out.svg",
    ):
        yield ask("simulate " + line)
    for path in itertools.chain(paths(context.home, "plans", "plans/strategies"), context.more_plans):
        yield drawn(["simulate", path, "--json"])
        yield ask(["simulate", path])
    for path in paths(context.home, "plans"):
        yield ask(["simulate", path, "--compare", "1f1b,zb-h1,interleaved-1f1b,zbv", "--json", "--any-software"])
        yield ask(["simulate", path, "--schedule", "zbv", "--microbatches", "32", "--jitter", "3%", "--runs", "10", "--json"])
    for number, lists in enumerate((
        "0F0,,0F1,0B0,0B1\n,1F0,1B0,1F1,1B1\n", "0F0,0F1,0B0,0B1\n1F0,1I0,1F1,1B1\n", "0F0,0B1,0F1,0B0\n1F0,1B0,1F1,1B1\n",
        "0F0,0F1,0B0,0X1\n1F0,1B0,1F1,1B1\n", "0F0,0B0,0F1,0B1\n1F0,1F1,1B0,1B1\n", "0F0,0F1,0B0,0B1\n1F1,1F0,1B0,1B1\n",
        "", "0F0,0F1,0B0,0B1,1B1\n1F0,1B0,1F1,1B1\n",
    )):
        path = os.path.join(context.inputs, f"lists-{number}.csv")
        with open(path, "w") as file:
            file.write(lists)
        yield drawn(["simulate", "--actions", path])
        yield ask(["simulate", "--actions", path, "--json"])


def searches(context):
    """Rankings of layouts under many wishes."""
    for path in itertools.chain(paths(context.home, "plans"), context.more_plans):
        yield ask(["search", path, "--json", "--top", "50"])
        yield ask(["search", path, "--pareto", "--width", "160"])
        yield ask(["search", path, "--any-software", "--json", "--write-plan", "{out}/plan.yaml", "--row", "2"],
                  {"plan.yaml": "text"})
    for path in ("plans/100b-3t-1024.yaml", "plans/deepseek-v3-2048-h800.yaml", "plans/llama3-405b-16384-h100.yaml"):
        for line in (
            "--objective cost --json", "--objective memory", "--objective devices --top 5", "--tensor 8 --pipeline 8",
            "--schedules zbv,dualpipe,1f1b --any-software --json", "--context 2 --sharding parameters --any-software",
            "--recompute full --recompute-layers 2 --json", "--no-sequence-parallel --max-tensor 4", "--unfused-attention",
            "--hidden-exchanges --expert 16", "--headroom 0.2 --precision fp16", "--devices 8", "--devices 1000 --json",
            "--threads 1 --top 3 --price 9", "--expert-tensor 2 --json", "--virtual-stages 2 --microbatch 2", "--top 0",
        ):
            yield ask(f"search {path} {line}")


def comparisons(context):
    """Strategies side by side."""
    for path in itertools.chain(paths(context.home, "plans"), context.more_plans):
        yield ask(["compare", path])
        yield ask(["compare", path, "--json", "--any-software"])
    yield ask("compare plans/100b-3t-1024.yaml --strategies 3d,zero --clusters a100-80g-sxm,h100-80g-sxm,gb200-nvl72 --json")
    yield ask("compare plans/100b-3t-1024.yaml plans/gpt3-175b-1024-a100.yaml --devices 512 --unfused-attention")
    yield ask("compare plans/100b-3t-1024.yaml --strategies unknown")


def sweeps(context):
    """What if: other devices, batches, sequences, sizes, clusters, networks, deadlines and budgets."""
    for path in ("plans/100b-3t-1024.yaml", "plans/deepseek-v3-2048-h800.yaml"):
        for line in (
            "--devices 256..4096", "--devices 256..4096 --json --svg {out}/s.svg", "--batch 512,1024,2048 --json",
            "--sequence 2048,8192 --json", "--clusters a100-80g-sxm,h100-80g-sxm,b200-sxm", "--network-speed 0.5,1,2 --json",
            "--deadline 90d", "--deadline 120d --json", "--cost 5M", "--gpu-months 4000", "--params 7B,70B",
        ):
            yield ask(f"sweep {path} {line}", {"s.svg": "text"} if "--svg" in line else None)
    for line in ("--gpu-months 400 --largest", "--deadline 30d --largest --json", "", "--devices x", "--deadline 1s"):
        yield ask(f"sweep plans/100b-3t-1024.yaml {line}")


def varied(context):
    """Plans drawn over everything a plan file can say."""
    texts = plan_files.varied_plans(
        context.varied, names(context.home, "plans/models"), names(context.home, "cluster"), names(context.home, "frameworks"))
    for number, path in enumerate(written(context.inputs, texts, "varied")):
        yield ask(["plan", path, "--json", "--explain"])
        yield ask(["simulate", path, "--json"] if number % 3 else ["plan", path, "--explain", "--width", "120"])


def errors(context):
    """Broken plans, cluster files, framework files and command lines."""
    for number, path in enumerate(written(context.inputs, plan_files.broken_plans(), "broken")):
        yield ask(["plan", path, "--json"])
        if number % 10 == 0:
            yield ask(["simulate", path])
    clusters = list(written(context.inputs, plan_files.mutations(plan_files.CLUSTER), "cluster"))
    for cluster in clusters:
        yield ask(["estimate", "--params", "7B", "--tokens", "1T", "--gpu", cluster, "--gpus", "16"])
    for framework in list(written(context.inputs, plan_files.mutations(plan_files.FRAMEWORK), "framework")):
        path = framework.replace("framework-", "with-framework-")
        with open(path, "w") as file:
            file.write(plan_files.BASE + f"framework: ./{os.path.basename(framework)}\n")
        yield ask(["plan", path, "--json"])
    for line in (
        "plan", "plan plans", "plan nowhere.yaml", "plan --dvices 8", "plan plans/100b-3t-1024.yaml --devices 1.5",
        "plan plans/gpt3-175b-64-a100.yaml --devices 100", "plan plans/gpt3-175b-64-a100.yaml --devices 0",
        "plan plans/100b-3t-1024.yaml --schedules 1f1c", "plan plans/100b-3t-1024.yaml --write-plan no-such-folder/x",
        "plan plans/100b-3t-1024.yaml --price -1", "plan plans/100b-3t-1024.yaml --width 3", "estimate",
        "estimate --tokens 3T --gpu a100-80g-sxm --gpus 8", "estimate --params 100B --tokens nan --gpu x --gpus 8",
        "estimate --params 100B --tokens 3T --gpu a100-80g-smx --gpus 8", "search", "search nowhere.yaml", "sweep", "compare",
        "estimate --params 100B --tokens 3T --gpu a100-80g-sxm --gpus 8 --precision fp9", "validate --runs nowhere",
        "validate --runs README.md", "train nowhere.yaml", "train plans/100b-3t-1024.yaml", "generate nowhere",
        "train plans/tiny-gpt.yaml --steps 0", "calibrate --plan nowhere.yaml", "simulate nowhere.yaml",
    ):
        yield ask(line)


def runs(context):
    """Real runs: every plan of plans/strategies and layouts beside them, their losses, weights, records and words."""
    if shutil.which("mpirun") is None:
        context.say("runs: left out, mpirun is not installed")
        return
    yield from real_runs.questions(context, Question)


PARTS = {
    "help": help_pages, "plans": plans, "estimates": estimates, "published": published, "schedules": schedules,
    "simulations": simulations, "searches": searches, "comparisons": comparisons, "sweeps": sweeps, "varied": varied,
    "errors": errors, "runs": runs,
}
