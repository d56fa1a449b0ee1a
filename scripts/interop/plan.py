"""Reads a written-out plan (docs/plan-format.md) into plain values that judges compare with.

This reader is apart from the program's own: it knows the format's words and defaults, and nothing of how files are exported.
"""
import math
import os
import re

import yaml

SUFFIX = {"": 1, "K": 10**3, "M": 10**6, "B": 10**9, "G": 10**9, "T": 10**12, "P": 10**15}
MIXERS = ("mamba2", "mamba", "gatedDeltaNet", "kimiDeltaAttention", "lightningAttention", "shortConvolution", "rgLRU", "rwkv", "mLSTM")
GATED = ("swiglu", "geglu", "reglu")

# Words of a model that say nothing about one block.
WHOLE = {"name", "source", "params", "hf", "family", "layers", "hidden", "vocab", "sequence", "tiedEmbeddings", "norm", "positions",
         "positionEntries", "biases", "embeddingNorm", "finalNorm", "embeddingSize", "mtp", "kinds", "pattern", "image", "video",
         "text", "diffusion", "classes", "otherParameters"}


class PlanError(Exception):
    """A plan that cannot be read, with what is wrong in it."""


def count(value):
    """A count as the format writes it: 4096, 4K, 1.5M, 3e12, 1_000_000."""
    if isinstance(value, bool) or value is None:
        raise PlanError(f"'{value}' is no number")
    if isinstance(value, (int, float)):
        return int(value) if float(value).is_integer() else float(value)
    text = str(value).replace(",", "").replace("_", "").strip()
    found = re.fullmatch(r"([0-9.]+(?:[eE][+-]?[0-9]+)?)\s*([KMBGTP]?)", text)
    if not found:
        raise PlanError(f"'{value}' is no number")
    number = float(found.group(1)) * SUFFIX[found.group(2)]
    return int(round(number)) if abs(number) >= 1 and abs(number - round(number)) < 1e-9 * abs(number) or number == 0 else number


def load(path):
    """A YAML file as values; numbers such as 3e12, which YAML 1.1 reads as text, stay text until a key asks for a count."""
    with open(path) as file:
        value = yaml.safe_load(file)
    if not isinstance(value, dict):
        raise PlanError(f"{path}: holds no map")
    return value


def merged(base, over):
    """A map changed key by key, as the format changes the maps of a named shape; `none` takes a key away."""
    result = dict(base)
    for key, value in over.items():
        if value == "none" and (key in ("moe", "mla", "mtp") or key in MIXERS or key == "window" or key == "chunk"):
            result.pop(key, None)
        elif isinstance(value, dict) and isinstance(result.get(key), dict):
            result[key] = merged(result[key], value)
        else:
            result[key] = value
    return result


def expand(pattern):
    """The names of a pattern of blocks: `(local*5 global)*8` or a list."""
    if isinstance(pattern, list):
        return [str(name) for name in pattern]
    tokens = re.findall(r"\(|\)|\*\s*\d+|[A-Za-z_][A-Za-z0-9_]*", pattern)
    stack = [[]]
    last = None
    for token in tokens:
        if token == "(":
            stack.append([])
        elif token == ")":
            last = stack.pop()
            stack[-1].append(last)
        elif token.startswith("*"):
            times = int(token[1:].strip())
            item = stack[-1].pop()
            stack[-1].append((item if isinstance(item, list) else [item]) * times)
        else:
            stack[-1].append(token)

    def flat(items):
        return [name for item in items for name in (flat(item) if isinstance(item, list) else [item])]

    return flat(stack[0])


class Model:
    """The shape of a model, each block with all its keys."""

    def __init__(self, keys, places):
        keys = {"name": keys} if isinstance(keys, str) else dict(keys)
        if "family" not in keys and "name" in keys:
            keys = merged(named(keys["name"], places), {key: value for key, value in keys.items() if key != "name"})
        if "family" not in keys:
            raise PlanError("model: no shape is written out")
        self.keys = keys
        self.family = keys["family"]
        gpt = self.family == "gpt"
        self.layers = count(keys["layers"])
        self.hidden = count(keys["hidden"])
        self.vocab = count(keys.get("vocab", 0))
        self.sequence = count(keys.get("sequence", 0))
        self.tied = bool(keys.get("tiedEmbeddings", gpt))
        self.norm = keys.get("norm", "layerNorm" if gpt else "rmsNorm")
        self.positions = keys.get("positions", "learned" if gpt else "rotary")
        self.position_entries = count(keys.get("positionEntries", self.sequence))
        biases = keys.get("biases", "all" if gpt else "none")
        words = {"all": ["attentionInput", "attentionOutput", "feedForward"], "none": []}
        self.biases = set(words[biases] if isinstance(biases, str) else biases)
        self.embedding_norm = bool(keys.get("embeddingNorm", False))
        self.final_norm = bool(keys.get("finalNorm", True))
        self.embedding_size = count(keys.get("embeddingSize", self.hidden))
        self.picture = "image" in keys or "video" in keys
        self.mtp = keys.get("mtp") or {}
        shared = {key: value for key, value in keys.items() if key not in WHOLE}
        kinds = keys.get("kinds") or {}
        if kinds:
            names = expand(keys["pattern"])
            if len(names) != self.layers:
                raise PlanError(f"model.pattern: names {len(names)} blocks of {self.layers}")
            self.blocks = [self.block(merged(shared, kinds[name] or {}), 0, whole=True) for name in names]
        else:
            self.blocks = [self.block(shared, index) for index in range(self.layers)]

    def block(self, keys, index, whole=False):
        """The keys of one block with their defaults. `whole`: a kind's maps hold for each of its blocks."""
        gpt = self.family == "gpt"
        heads = count(keys.get("heads", 1))
        result = {
            "heads": heads, "kvHeads": count(keys.get("kvHeads", heads)),
            "headSize": count(keys.get("headSize", self.hidden // heads)),
            "ffn": count(keys.get("ffn", 4 * self.hidden if gpt else 0)),
            "mlp": keys.get("mlp", "gelu" if gpt else "swiglu"), "window": None, "chunk": None, "qkNorm": "none",
            "outputGate": "none", "sinks": False, "keyValues": "own", "valueSize": None, "queryRank": 0, "norms": "pre",
            "parallel": "none", "halves": "both", "causal": not self.picture, "moe": None, "mla": None, "mixer": None,
        }
        for key in ("window", "chunk"):
            if keys.get(key) not in (None, "none"):
                result[key] = count(keys[key])
        for key in ("qkNorm", "outputGate", "sinks", "keyValues", "norms", "parallel", "halves", "causal"):
            if key in keys:
                result[key] = keys[key]
        if keys.get("valueSize"):
            result["valueSize"] = count(keys["valueSize"])
        if keys.get("queryRank"):
            result["queryRank"] = count(keys["queryRank"])
        for name in MIXERS:
            if isinstance(keys.get(name), dict):
                result["mixer"] = {"kind": name, **keys[name]}
        if isinstance(keys.get("mla"), dict):
            mla = {key: value if isinstance(value, dict) else count(value) for key, value in keys["mla"].items()}
            mla.setdefault("queryRank", 0)
            result["mla"] = mla
        if isinstance(keys.get("moe"), dict):
            moe = dict(keys["moe"])
            for key in ("experts", "topK", "ffn"):
                moe[key] = count(moe[key])
            moe["shared"] = count(moe.get("shared", 0))
            moe["sharedFfn"] = count(moe.get("sharedFfn", moe["ffn"]))
            first, every = (0, 1) if whole else (count(moe.get("firstDense", 0)), count(moe.get("every", 1)))
            if index >= first and (index - first) % every == every - 1:
                result["moe"] = moe
        return result

    @property
    def first(self):
        return self.blocks[0]

    @property
    def moe(self):
        """The experts of the first block that has any."""
        return next((block["moe"] for block in self.blocks if block["moe"]), None)

    @property
    def pattern(self):
        """One or nothing for each block: whether it has experts."""
        return [1 if block["moe"] else 0 for block in self.blocks]

    def same(self, key):
        """Whether all blocks hold the same value."""
        return all(block[key] == self.first[key] for block in self.blocks)

    def parameters(self, vocab=None):
        """All weights, counted from the shape, or None where it holds a part that is not counted here."""
        vocab = self.vocab if vocab is None else vocab
        width = self.hidden
        norm = {"layerNorm": 2, "rmsNorm": 1, "layerNormNoBias": 1, "nonParametric": 0}[self.norm]
        odd = self.picture or self.embedding_size != width or "otherParameters" in self.keys or self.mtp.get("kind")
        if odd or any(key in self.keys for key in ("extraParameters", "qkNormKind")):
            return None
        total = vocab * width * (1 if self.tied else 2)
        if self.positions == "learned":
            total += self.position_entries * width
        total += norm * width * ((1 if self.final_norm else 0) + (1 if self.embedding_norm else 0))
        if "head" in self.biases:
            total += vocab
        blocks = [self.block_parameters(block, norm) for block in self.blocks]
        if None in blocks:
            return None
        total += sum(blocks)
        modules = count(self.mtp.get("layers", 0))
        # A module of multi-token prediction: norms of both rows, a projection of both to one, a block, and a norm.
        return total + modules * (blocks[-1] + 2 * width * width + 3 * norm * width)

    def block_parameters(self, block, norm):
        width, heads, size = self.hidden, block["heads"], block["headSize"]
        known = (block["mixer"] is None and block["halves"] == "both" and block["keyValues"] == "own" and not block["queryRank"]
                 and block["outputGate"] in ("none",) and block["valueSize"] is None and block["parallel"] in ("none", "oneNorm", "twoNorms"))
        if not known or block["qkNorm"] not in ("none", "head", "whole"):
            return None
        norms = {"pre": 2, "post": 2, "both": 4}[block["norms"]] - (1 if block["parallel"] == "oneNorm" else 0)
        total = norms * norm * width
        if block["mla"]:
            mla = block["mla"]
            if "indexer" in mla:
                return None
            queries = heads * (mla["nopeSize"] + mla["ropeSize"])
            rank = mla["queryRank"]
            total += width * rank + norm * rank + rank * queries if rank else width * queries
            total += width * (mla["kvRank"] + mla["ropeSize"]) + norm * mla["kvRank"]
            total += mla["kvRank"] * heads * (mla["nopeSize"] + mla["valueSize"]) + heads * mla["valueSize"] * width
        else:
            keys = block["kvHeads"] * size
            total += width * (heads * size + 2 * keys) + heads * size * width
            total += heads * size + 2 * keys if "attentionInput" in self.biases else 0
            total += width if "attentionOutput" in self.biases else 0
            total += heads if block["sinks"] else 0
            total += {"none": 0, "head": 2 * size * norm, "whole": (heads * size + keys) * norm}[block["qkNorm"]]
        moe = block["moe"]
        if not moe:
            return total + self.network(block["ffn"], block["mlp"], "feedForward" in self.biases)
        if moe.get("latentSize") or moe.get("denseFfn"):
            return None
        total += moe["experts"] * self.network(moe["ffn"], block["mlp"], "experts" in self.biases)
        total += width * moe["experts"] + (moe["experts"] if "router" in self.biases else 0)
        total += moe["experts"] if moe.get("routerCorrection") else 0
        if moe["shared"]:
            total += moe["shared"] * self.network(moe["sharedFfn"], block["mlp"], "sharedExperts" in self.biases)
            total += width if moe.get("sharedGate") else 0
        return total

    def network(self, inner, kind, biased):
        gates = 2 if kind in GATED else 1
        return (gates + 1) * self.hidden * inner + ((gates * inner + self.hidden) if biased else 0)


def named(name, places):
    """A named shape's keys, from the folders that hold shapes."""
    for place in places:
        for folder in ("plans/models", "models"):
            path = os.path.join(place, folder, f"{name}.yaml")
            if os.path.exists(path):
                return load(path)
    raise PlanError(f"model: no shape named '{name}' in {', '.join(places)}")


class Plan:
    """All values of a plan, under the names of the format."""

    def __init__(self, path, places=None):
        root = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
        self.path = path
        self.keys = keys = load(path)
        self.model = Model(keys["model"], places or [os.environ.get("TRAINYARD_HOME", root), root, os.path.dirname(os.path.abspath(path))])
        layout = keys.get("layout")
        if not isinstance(layout, dict):
            raise PlanError(f"{path}: the layout is not written out")
        self.layout = layout
        degree = lambda key, default=1: count(layout.get(key, default))
        self.tensor, self.pipeline, self.context = degree("tensor"), degree("pipeline"), degree("context")
        self.expert, self.expert_tensor = degree("expert"), degree("expertTensor")
        self.schedule = layout.get("schedule", "1f1b")
        folded = self.schedule in ("zbv", "v-half", "v-min", "dualpipe", "dualpipev", "chimera")
        self.virtual = degree("virtualStages", 2 if folded else 1)
        model_parallel = self.tensor * self.pipeline * self.context
        self.data = degree("data", count(keys["devices"]) // model_parallel if "devices" in keys else 1)
        self.devices = model_parallel * self.data
        if "devices" in keys and count(keys["devices"]) != self.devices:
            raise PlanError(f"devices: {keys['devices']} is not the product {self.devices} of the degrees")
        self.microbatch = degree("microbatch")
        if "batch" in keys:
            self.batch = count(keys["batch"])
        elif "globalBatch" in layout:
            self.batch = count(layout["globalBatch"])
        else:
            self.batch = count(keys["accumulation"]) * self.microbatch * self.data
        self.microbatches = self.batch // (self.microbatch * self.data)
        self.sequence_parallel = bool(layout.get("sequenceParallel", False))
        self.sharding = layout.get("sharding", "none")
        self.shard_group = degree("shardGroup", self.data * self.context)
        self.outer_sharding = layout.get("outerSharding", "none")
        self.recompute = layout.get("recompute", "none")
        self.recompute_modules = layout.get("recomputeModules")
        self.recompute_layers = layout.get("recomputeLayers", "all")
        self.recompute_method = layout.get("recomputeMethod", "block")
        self.recompute_every = layout.get("recomputeEvery")
        self.flash = bool(layout.get("flashAttention", True))
        two_way = self.schedule in ("dualpipe", "dualpipev")
        self.overlap = {"data": True, "tensor": False, "pipeline": True, "expert": two_way, "sharedExperts": False,
                        **(layout.get("overlap") or {})}
        self.offload = layout.get("offload") or keys.get("offload") or {}
        self.context_exchange = layout.get("contextExchange", "ring")
        self.context_heads = layout.get("contextHeads")
        self.dispatcher = layout.get("dispatcher")
        self.vocabulary_parallel = layout.get("vocabularyParallel")
        precision = keys.get("precision", "bf16")
        self.recipe = None
        if isinstance(precision, dict):
            self.recipe = dict(precision)
        elif precision in ("mxfp8", "nvfp4"):
            self.recipe = {"recipe": precision}
        elif precision == "fp8":
            self.recipe = {"recipe": None}
        self.precision = "bf16" if self.recipe is not None else precision
        self.gradients = layout.get("gradients") or keys.get("gradients") or ("fp16" if self.precision == "fp16" else "fp32")
        optimizer = keys.get("optimizer", "adamw")
        optimizer = {"name": optimizer} if isinstance(optimizer, str) else dict(optimizer)
        optimizer.setdefault("name", "adamw")
        moments = optimizer.get("moments", "fp32")
        self.optimizer = {"name": optimizer["name"], "firstMoment": optimizer.get("firstMoment", moments),
                          "secondMoment": optimizer.get("secondMoment", moments), "master": optimizer.get("master", "fp32"),
                          "newtonSchulzSteps": count(optimizer.get("newtonSchulzSteps", 5)),
                          "tensorMode": optimizer.get("tensorMode", "duplicated"), "momentum": optimizer.get("momentum")}
        if self.optimizer["master"] in (False, "no", "none", "false"):
            self.optimizer["master"] = "no"
        elif self.optimizer["master"] in (True, "yes", "true"):
            self.optimizer["master"] = "fp32"
        loss = keys.get("loss", "standard")
        self.loss = {"kind": loss} if isinstance(loss, str) else dict(loss)
        if self.loss["kind"] == "chunked":
            self.loss.setdefault("chunks", 8)
        self.train = keys.get("train") or {}
        self.tokens = count(keys["tokens"]) if "tokens" in keys else None
        self.samples = count(keys["samples"]) if "samples" in keys else None
        self.rampup = [count(value) for value in keys["rampupBatchSize"]] if "rampupBatchSize" in keys else None
        self.layers_per_stage = self.stages(layout)

    def stages(self, layout):
        """Blocks of each stage, as stated, or equal numbers where nothing is stated and they divide."""
        number = self.pipeline * self.virtual
        stated = layout.get("layersPerStage")
        if stated is not None:
            stated = [count(value) for value in stated]
            if len(stated) != number or sum(stated) != self.model.layers:
                raise PlanError(f"layout.layersPerStage: {stated} does not fit {number} stages and {self.model.layers} blocks")
            return stated
        if self.model.layers % number:
            raise PlanError(f"layout.layersPerStage is not written out, and {self.model.layers} blocks do not divide by {number} stages")
        return [self.model.layers // number] * number

    @property
    def even(self):
        return len(set(self.layers_per_stage)) == 1

    @property
    def steps(self):
        """Optimizer steps of the run, where the plan states any length of it."""
        if self.train.get("steps") is not None:
            return count(self.train["steps"])
        if self.rampup is not None:
            return None
        total = self.samples if self.samples is not None else self.tokens / self.model.sequence if self.tokens is not None else None
        return None if total is None else math.ceil(total / self.batch)

    @property
    def run_samples(self):
        if self.samples is not None:
            return self.samples
        return None if self.tokens is None else self.tokens / self.model.sequence

    @property
    def checkpoint_every(self):
        checkpoint = self.train.get("checkpoint")
        return None if checkpoint is None else count((checkpoint or {}).get("every", 100))

    @property
    def runs_on_cores(self):
        """Whether the project's own runtime runs the plan, on CPU cores."""
        return "train" in self.keys

    def cluster_devices_per_node(self):
        """Devices of a node, from the cluster file the plan names, or None where none is found."""
        cluster = self.keys.get("cluster")
        root = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
        while cluster is not None:
            if isinstance(cluster, dict):
                if "devicesPerNode" in cluster:
                    return count(cluster["devicesPerNode"])
                cluster = cluster.get("extends")
                continue
            found = next((path for path in (os.path.join(root, "cluster", f"{cluster}.yaml"),
                                            os.path.join(os.path.dirname(os.path.abspath(self.path)), str(cluster)))
                          if os.path.exists(path)), None)
            if found is None:
                return None
            cluster = load(found)
        return None


def flattened(keys, prefix=""):
    """The dotted names of all values of a map."""
    result = {}
    for key, value in keys.items():
        name = f"{prefix}{key}"
        if isinstance(value, dict) and value and name not in ("model.kinds",):
            result.update(flattened(value, f"{name}."))
        else:
            result[name] = value
    return result


def job_name(plan, without=""):
    """The plan's name as batch systems take it: letters, digits, `.`, `_` and `-`, a letter first; `without`: what is taken out too."""
    name = "".join(letter if letter.isascii() and (letter.isalnum() or letter in "._-") and letter not in without else "-" for letter in str(plan.keys["name"]))
    name = re.sub(r"-+", "-", name).lstrip("-._")
    return (("job-" if name[:1].isdigit() else "") + name)[:63].rstrip("-._")
