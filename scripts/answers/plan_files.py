"""Plan, cluster and framework files that no checkout ships: varied ones, and broken ones."""
import random

BASE = """\
model:
  family: gpt
  layers: 12
  hidden: 768
  heads: 12
  vocab: 50304
  sequence: 1024
tokens: 10B
cluster: a100-80g-sxm
devices: 8
batch: 64
precision: bf16
layout:
  tensor: 2
  pipeline: 2
  data: 2
  microbatch: 4
"""
EXPERTS = """\
name: experts
model:
  family: llama
  layers: 8
  hidden: 1024
  heads: 16
  kvHeads: 4
  ffn: 4096
  mlp: swiglu
  vocab: 32000
  sequence: 4096
  moe:
    experts: 16
    topK: 2
    ffn: 1024
    shared: 1
    sharedFfn: 512
    firstDense: 2
    imbalance: 1.2
    nodeLimit: 2
  mla:
    queryRank: 256
    kvRank: 128
    nopeSize: 64
    ropeSize: 32
    valueSize: 64
tokens: 1e12
cluster: {extends: h100-80g-sxm, price: 2.5}
devices: 32
batch: 128
framework: megatron-core
layout:
  data: 8
  tensor: 2
  pipeline: 2
  expert: 8
  expertTensor: 2
  virtualStages: 2
  schedule: interleaved-1f1b
  recompute: full
  recomputeLayers: 1
  sharding: optimizer
  sequenceParallel: true
  gradients: fp32
  layersPerStage: [3, 3, 1, 1]
  overlap: {data: true, tensor: false, pipeline: true, expert: false}
measured: {seconds: 12.5, memory: 30 GiB, memoryKind: reserved, source: somewhere}
"""
TRAINING = """\
model: {family: gpt, layers: 4, hidden: 64, heads: 4, vocab: 256, sequence: 16}
batch: 8
precision: fp32
layout: {pipeline: 2, microbatch: 2}
train:
  data: corpus.txt
  steps: 3
  tokenizer: bytes
  order: shuffled
  learningRate: 1e-3
  minLearningRate: 1e-4
  warmup: 2
  schedule: cosine
  betas: [0.9, 0.95]
  eps: 1e-8
  weightDecay: 0.1
  auxiliaryLoss: 0.01
  clip: 1
  seed: 7
  checkpoint: {every: 5, keep: 2}
"""
CLUSTER = """\
name: own
device:
  name: chip
  source: nobody
  memory: 64 GiB
  bandwidth: 1.6 TB/s
  bandwidthEfficiency: 0.8
  peak: {bf16: 320 TFLOP/s, fp8: 640 TFLOP/s}
  matmulEfficiency: {1G: 0.2, 64G: 0.7}
  attentionEfficiency: {1K: 0.2, 8K: 0.5}
  launch: 5 us
  reserved: 2 GiB
  power: 400 W
devicesPerNode: 8
nicGbps: 200
nicsPerNode: 8
networks:
  - {name: inner, bandwidth: 200 GB/s, latency: 5 us, efficiency: 0.8, inNetworkReduction: true, allReduceEfficiency: 0.7}
  - {name: outer, latency: 10 us, efficiency: {100: 0.9, 400: 0.7}}
price: 1.5
meanTimeBetweenFailures: 5 y
"""
FRAMEWORK = """\
name: own
elementwise: 1
hostMicrobatch: 343 us
hostStep: 12.7 ms
hostExperts: 1.9 ms
contention: 0.127
nodeVariation: 0.00618
hostForward: 0.6 ms
hostBackward: 0.3 ms
hostCollective: 20 us
gatherContention: 0.594
keepsCombinedRows: false
bucketParameters: 40M
bucketParametersPerReplica: 1M
oneBucketWithoutOverlap: true
bandLow: 0.19
bandHigh: 0.28
can:
  schedules: [1f1b, interleaved-1f1b]
  sharding: [none, optimizer]
  shardingWithPipeline: [none, optimizer]
  shardGroups: true
  stages: ends
  experts: any
  expertsNeedSequenceParallel: true
  context: [ring, gather, heads]
"""

# Lines put in place of others in BASE.
REPLACED = [
    ("  heads: 12", "  heads: 12\n  kvHeads: 5"), ("  tensor: 2", "  tensor: 2\n  schedule: 1f1c"),
    ("  tensor: 2", "  tensor: 2\n  recompute: some"), ("  tensor: 2", "  tensor: 2\n  layersPerStage: [5, 5]"),
    ("  tensor: 2", "  tensor: 2\n  layersPerStage: [4, 4, 4]"), ("  tensor: 2", "  tensor: 2\n  expert: 8"),
    ("  tensor: 2", "  tensor: 2\n  overlap: {dat: true}"), ("  tensor: 2", "  tensor: 2\n  virtualStages: 2"),
    ("  tensor: 2", "  tensor: 2\n  virtualStages: 2\n  schedule: zbv"), ("  tensor: 2", "  tensor: 2\n  context: 2"),
    ("  tensor: 2", "  tensor: 2\n  sequenceParallel: yes"), ("  tensor: 2\n", "  sequenceParallel: true\n"),
    ("  tensor: 2", "  tensor: 8"), ("  pipeline: 2", "  pipeline: 4"), ("  data: 2", "  data: 1\n  sharding: optimizer"),
    ("  data: 2", "  data: 2\n  shardGroup: 1\n  sharding: parameters"), ("  data: 2", "  data: 2\n  shardGroup: 2"),
    ("cluster: a100-80g-sxm", "cluster: {extends: a100-80g-sxm, nicGbs: 9}"),
    ("cluster: a100-80g-sxm", "cluster: {devicesPerNode: 8}"), ("cluster: a100-80g-sxm", "cluster: v100-32g-sxm"),
    ("cluster: a100-80g-sxm\n", ""), ("batch: 64\n", ""), ("devices: 8\n", ""), ("precision: bf16\n", ""),
    ("batch: 64", "batch: 4M tokens"), ("batch: 64", "batch: 8"), ("batch: 64", "batch: 60"),
    ("batch: 64", "minibatch: 64"), ("precision: bf16", 'precision: bf16\nname: "a\\nb"'),
    ("precision: bf16", "precision: bf16\ntrain: 5"), ("layout:\n", "layout: best\nlayuot:\n"),
    ("tokens: 10B", "tokens: 10B\ntokens: 20B"), ("tokens: 10B", "tokens: [10B"), ("tokens: 10B", "tokens: 10B\n---\na: 1"),
    ("tokens: 10B", "tokens: 10B\nmeasured: {seconds: x}"), ("tokens: 10B", "tokens: 10B\nframework: megatron"),
    ("tokens: 10B", "tokens: 10B\nframework: torch-fsdp"), ("tokens: 10B", "[a, b]: 1"), ("tokens: 10B", "tokens: 1 B"),
    ("  heads: 12", "  heads: seven\n  layers: -1\n  hiden: 5"), ("  sequence: 1024", "  sequence: 1023\n  moe: {experts: 8}"),
    ("  sequence: 1024", "  sequence: 1024\n  mla: {kvRank: 8}"), ("  family: gpt", "  family: llama"),
    ("  vocab: 50304", "  vocab: 1e15"), ("  layers: 12", "  layers: 10000\n  ffn: 16777216"),
]
MODELS = [
    "name: {hf: config.json}", "hf: config.json", "params: 100B, moe: {experts: 8}", "params: 100B, mla: {kvRank: 8}",
    "params: 5", "params: -1", "params: 100B, layers: 12", "params: 7B, name: llama2-7b", "name: gpt3-176b", "nam: x",
    "family: llama, layers: 1, hidden: 8, heads: 1, vocab: 8, sequence: 8", "params: 7B, sequence: 8192",
    "name: llama2-70b, layers: 40, ffn: 20000", "name: deepseek-v3, layers: 8", "family: bert, layers: 2",
]
WHOLE = ["", "- 1\n", "model: [a\n", "model: {name: gpt3-175b}\n", "\t\n", "a: &x 1\nb: *x\n", "model: gpt3-175b\nlayout: auto\n"]
VALUES = ["-1", "0", "1e30", ".nan", "[1, 2]", "{a: 1}", "x", "1.5", ""]


def mutations(text):
    """`text` with each of its lines left out, its key misspelt, and its value replaced: what every key says when wrong."""
    lines = text.splitlines()
    for number, line in enumerate(lines):
        key, colon, value = line.partition(":")
        if not colon:
            continue
        yield "\n".join(lines[:number] + lines[number + 1:]) + "\n"
        word = key.strip("- {")
        if len(word) > 2:
            misspelt = key.replace(word, word[:-2] + word[-1] + word[-2] + ("x" if word[-1] == word[-2] else ""))
            yield "\n".join(lines[:number] + [misspelt + colon + value] + lines[number + 1:]) + "\n"
        if value.strip() and not value.strip().startswith("{"):
            for other in VALUES:
                yield "\n".join(lines[:number] + [f"{key}: {other}"] + lines[number + 1:]) + "\n"


def broken_plans():
    for old, new in REPLACED:
        assert old in BASE, old
        yield BASE.replace(old, new)
    for model in MODELS:
        yield f"model: {{{model}}}\ncluster: a100-80g-sxm\ndevices: 8\nbatch: 8\n"
    yield from WHOLE
    for text in (BASE, EXPERTS, TRAINING):
        yield from mutations(text)


def one_of(draw, values):
    return values[int(draw.random() * len(values))]


def shape(draw, models):
    """A model of a plan: a shipped one, one with another sequence, a dense one, one with experts, one with latent attention."""
    kind = one_of(draw, ["named", "named", "sequence", "gpt", "llama", "experts", "experts", "latent"])
    if kind == "named":
        return f"{{name: {one_of(draw, models)}}}"
    if kind == "sequence":
        return f"{{name: {one_of(draw, models)}, sequence: {one_of(draw, [2048, 8192, 32768])}}}"
    heads = one_of(draw, [16, 32, 64])
    keys = dict(
        family="gpt" if kind == "gpt" else "llama", layers=one_of(draw, [16, 24, 32, 48]), hidden=heads * 128, heads=heads,
        vocab=one_of(draw, [32000, 50304, 128256]), sequence=one_of(draw, [2048, 4096, 16384]))
    if kind == "gpt":
        keys.update(mlp=one_of(draw, ["gelu", "relu", "squaredRelu"]), tiedEmbeddings=one_of(draw, ["true", "false"]))
    else:
        keys.update(
            kvHeads=one_of(draw, [heads, 8]), ffn=heads * 128 * one_of(draw, [2, 3, 4]),
            mlp=one_of(draw, ["swiglu", "swiglu", "geglu"]), tiedEmbeddings=one_of(draw, ["false", "false", "true"]))
    if kind in ("experts", "latent"):
        mixture = dict(experts=one_of(draw, [8, 16, 64]), topK=one_of(draw, [1, 2, 8]), ffn=one_of(draw, [1024, 2048, 8192]))
        if draw.random() < 0.5:
            mixture.update(shared=one_of(draw, [1, 2]), sharedFfn=one_of(draw, [1024, 4096]))
        if draw.random() < 0.5:
            mixture.update(firstDense=one_of(draw, [1, 2, 3]))
        if draw.random() < 0.3:
            mixture.update(every=2)
        if draw.random() < 0.3:
            mixture.update(imbalance=1.3)
        if draw.random() < 0.2:
            mixture.update(nodeLimit=2)
        keys.update(moe=flow(mixture))
    if kind == "latent":
        keys.pop("kvHeads")
        keys.update(mla=flow(dict(
            queryRank=one_of(draw, [0, 1536]), kvRank=512, nopeSize=128, ropeSize=64, valueSize=one_of(draw, [128, 192]))))
    return flow(keys)


def flow(keys):
    return "{" + ", ".join(f"{key}: {value}" for key, value in keys.items()) + "}"


def layout(draw, has_experts):
    tensor, pipeline = one_of(draw, [1, 1, 2, 4, 8]), one_of(draw, [1, 1, 2, 4, 8])
    context, data = one_of(draw, [1, 1, 1, 2, 4]), one_of(draw, [1, 2, 4, 8, 16])
    keys = dict(tensor=tensor, pipeline=pipeline, context=context, data=data, microbatch=one_of(draw, [1, 1, 2, 4]))
    if pipeline > 1:
        name = one_of(draw, [
            "gpipe", "1f1b", "1f1b", "interleaved-1f1b", "interleaved-1f1b", "looped-bfs", "zb-h1", "zb-h2", "interleaved-zb",
            "zbv", "v-half", "v-min", "dualpipe", "dualpipev", "chimera", "auto"])
        keys.update(schedule=name)
        if name in ("interleaved-1f1b", "looped-bfs", "interleaved-zb"):
            keys.update(virtualStages=2)
    if draw.random() < 0.6:
        keys.update(recompute=one_of(draw, ["selective", "full"]))
        if keys["recompute"] == "full" and draw.random() < 0.5:
            keys.update(recomputeLayers=one_of(draw, [1, 2]))
    if draw.random() < 0.7:
        keys.update(sharding=one_of(draw, ["optimizer", "gradients", "parameters"]))
        if data * context >= 4 and draw.random() < 0.3:
            keys.update(shardGroup=2)
    if tensor > 1 and draw.random() < 0.7:
        keys.update(sequenceParallel="true")
    if draw.random() < 0.15:
        keys.update(flashAttention="false")
    if draw.random() < 0.2:
        keys.update(gradients=one_of(draw, ["bf16", "fp32"]))
    if has_experts:
        keys.update(expert=one_of(draw, [1, 2, 4, 8]), expertTensor=one_of(draw, [1, 1, tensor]))
    if draw.random() < 0.3:
        keys.update(overlap=flow({
            name: one_of(draw, ["true", "false"]) for name in ("data", "tensor", "pipeline", "expert")}))
    return flow(keys)


def varied_plans(count, models, clusters, frameworks):
    """`count` plans over everything a plan file can say; the same ones for the same lists. Some break a rule."""
    draw = random.Random(1)
    for number in range(count):
        model = shape(draw, models)
        lines = [
            f"name: varied-{number}", f"model: {model}", f"tokens: {one_of(draw, ['300B', '1T', '15T'])}",
            f"cluster: {one_of(draw, clusters)}", f"batch: {one_of(draw, [256, 512, 1024])}",
            "layout: " + layout(draw, "moe" in model or "deepseek" in model)]
        if draw.random() < 0.4:
            lines.append(f"precision: {one_of(draw, ['bf16', 'fp16', 'fp8', 'fp32'])}")
        if draw.random() < 0.6:
            lines.append(f"framework: {one_of(draw, frameworks)}")
        yield "\n".join(lines) + "\n"
