"""Real runs: which plans are trained, and on what."""
import glob
import os
import random

STEPS = 3
# Layouts that plans/strategies does not hold, on at most four ranks: a model's name and its layout.
MODELS = {
    "tied": "{family: gpt, layers: 8, hidden: 32, heads: 4, vocab: 256, sequence: 16, tiedEmbeddings: true}",
    "untied": "{family: gpt, layers: 8, hidden: 32, heads: 4, vocab: 256, sequence: 16, tiedEmbeddings: false}",
    "relu": "{family: gpt, layers: 4, hidden: 32, heads: 4, vocab: 256, sequence: 16, mlp: squaredRelu}",
    "llama": "{family: llama, layers: 4, hidden: 32, heads: 4, kvHeads: 2, ffn: 48, mlp: geglu, vocab: 256, sequence: 16}",
    "experts": "{family: llama, layers: 4, hidden: 32, heads: 4, kvHeads: 2, ffn: 48, vocab: 256, sequence: 16, "
               "moe: {experts: 4, topK: 2, ffn: 24, firstDense: 1}}",
    "shared": "{family: llama, layers: 4, hidden: 32, heads: 4, kvHeads: 2, ffn: 48, vocab: 256, sequence: 16, "
              "moe: {experts: 4, topK: 2, ffn: 24, shared: 1, every: 2}}",
}
LAYOUTS = [
    ("untied", "{}"), ("tied", "{recompute: full}"), ("relu", "{recompute: selective}"), ("shared", "{recompute: full}"),
    ("llama", "{tensor: 2}"), ("relu", "{tensor: 2, sequenceParallel: true}"), ("tied", "{data: 2, sharding: parameters}"),
    ("tied", "{pipeline: 3, layersPerStage: [1, 5, 2]}"), ("llama", "{pipeline: 2, virtualStages: 2, schedule: zbv}"),
    ("llama", "{data: 2, sharding: gradients}"), ("llama", "{context: 2, recompute: selective}"),
    ("tied", "{data: 2, context: 2, sharding: parameters}"), ("untied", "{pipeline: 2, recompute: full, recomputeLayers: 1}"),
    ("shared", "{pipeline: 2, schedule: zb-h1, recompute: full, recomputeLayers: 1}"), ("experts", "{pipeline: 2}"),
    ("shared", "{data: 4, expert: 2, sharding: parameters}"), ("experts", "{data: 4, expert: 2, sharding: optimizer}"),
    ("shared", "{data: 2, pipeline: 2, expert: 2, schedule: zb-h1, recompute: selective}"),
    ("experts", "{tensor: 2, expertTensor: 2}"), ("shared", "{tensor: 2, expert: 2, sequenceParallel: true}"),
    ("shared", "{data: 2, tensor: 2, expert: 2, expertTensor: 2, sharding: optimizer}"),
    ("tied", "{tensor: 2, pipeline: 2, virtualStages: 2, schedule: dualpipe, recompute: full, sequenceParallel: true}"),
    ("untied", "{data: 2, pipeline: 2, virtualStages: 2, schedule: chimera, sharding: optimizer}"),
    ("tied", "{data: 2, pipeline: 2, virtualStages: 2, schedule: interleaved-zb, sharding: gradients}"),
]
# Plans that the runtime refuses: what takes the place of a line of a sound one.
REFUSED = [
    ("family: gpt", "family: gpt, mlp: swiglu"), ("family: gpt", "family: gpt, kvHeads: 1"), ("fp32", "fp16"),
    ("vocab: 256", "vocab: 128"), ("vocab: 256", "vocab: 257"), ("layout: {}", "layout: {context: 3}"),
    ("layout: {}", "layout: {flashAttention: false}"), ("layout: {}", "layout: {data: 2}"), ("layout: {}", "layout: auto"),
    ("layout: {}", "layout: {gradients: bf16}"), ("layout: {}", "layout: {overlap: {data: false}}"),
    ("seed: 1", "init: none.safetensors"), ("learningRate: 1e-3", "learningRate: 900, clip: none"),
    ("family: gpt", "family: llama, ffn: 48, mlp: gelu"), ("family: gpt", "family: gpt, mla: {kvRank: 8, nopeSize: 8, "
     "ropeSize: 8, valueSize: 8}"), ("corpus.txt", "missing.txt"), ("sequence: 16", "sequence: 16000000"),
]


def corpus(folder):
    """Writes some text to train on: words of a small made-up language."""
    draw = random.Random(7)
    words = ["".join(chr(97 + int(draw.random() * 26)) for _ in range(2 + int(draw.random() * 6))) for _ in range(300)]
    path = os.path.join(folder, "corpus.txt")
    with open(path, "w") as file:
        for _ in range(4000):
            file.write(" ".join(words[int(draw.random() ** 2 * 300)] for _ in range(8)).capitalize() + ".\n")
    return path


def plan(name, model, layout, precision="fp32", more=""):
    return (
        f"name: {name}\nmodel: {model}\nbatch: 8\nprecision: {precision}\nlayout: {layout}\n"
        f"train: {{data: corpus.txt, order: shuffled, steps: {STEPS}, learningRate: 1e-3, warmup: 2, seed: 1{more}}}\n")


def trained(Question, path, text, name=None):
    out = "{out}/"
    train = ["trainyard", "train", path, "--data", text, "--steps", str(STEPS), "--folder", out + "run", "--save",
             out + "weights.safetensors", "--loss-svg", out + "loss.svg"]
    generate = ["trainyard", "generate", out + "weights.safetensors", "--prompt", "The ", "--tokens", "40"]
    return Question(name or f"trainyard train {path}", [train, generate], {
        "run/log.jsonl": "losses", "weights.safetensors": "weights", "run/manifest.json": "manifest", "run/plan.yaml": "text",
        "run/timeline.json": "order", "loss.svg": "text"}, is_run=True)


def questions(context, Question):
    text = corpus(context.inputs)
    for path in sorted(glob.glob(os.path.join(context.home, "plans", "strategies", "*.yaml"))):
        yield trained(Question, os.path.relpath(path, context.home), text)
    cases = [(model, layout, "fp32") for model, layout in LAYOUTS]
    cases += [("untied", "{pipeline: 2}", "bf16"), ("shared", "{data: 2, sharding: parameters}", "bf16")]
    for number, (model, layout, precision) in enumerate(cases):
        path = os.path.join(context.inputs, f"run-{number:02}.yaml")
        with open(path, "w") as file:
            file.write(plan(f"run-{number}", MODELS[model], layout.replace("{", "{microbatch: 1, ", 1), precision))
        yield trained(Question, path, text, f"trainyard train, {model} {layout} {precision}")
    # Checkpoints of a run, and a run that starts from one.
    kept = os.path.join(context.inputs, "run-kept.yaml")
    with open(kept, "w") as file:
        file.write(plan("kept", MODELS["tied"], "{data: 2, microbatch: 2}", more=", checkpoint: {every: 1, keep: 2}"))
    started = os.path.join(context.inputs, "run-started.yaml")
    with open(started, "w") as file:
        file.write(plan("started", MODELS["tied"], "{pipeline: 2, microbatch: 2}", more=", init: start.safetensors"))
    yield Question("trainyard train, from a checkpoint", [
        ["trainyard", "train", kept, "--folder", "{out}/kept", "--quiet"],
        ["cp", "{out}/kept/checkpoints/step-000003.safetensors", "{out}/start.safetensors"],
        ["cp", started, text, "{out}/"],
        ["trainyard", "train", "{out}/run-started.yaml", "--folder", "{out}/run", "--quiet", "--save", "{out}/w.safetensors"],
    ], {
        "kept/checkpoints/step-000002.safetensors": "weights", "kept/checkpoints/step-000003.safetensors": "weights",
        "kept/log.jsonl": "losses", "run/log.jsonl": "losses", "w.safetensors": "weights"}, is_run=True)
    sound = plan("refused", MODELS["tied"], "{}")
    for number, (old, new) in enumerate(REFUSED):
        assert old in sound, old
        path = os.path.join(context.inputs, f"refused-{number:02}.yaml")
        with open(path, "w") as file:
            file.write(sound.replace(old, new))
        yield Question(f"trainyard-train, {new}", [["trainyard-train", path, "--folder", "{out}/run", "--quiet"]], is_run=True)
