#!/usr/bin/env python3
"""Judges torchtitan.args, and trainyard_config.py beside it, with torchtitan's own configuration manager.

ConfigManager.parse_args and ParallelDims.from_config read the flags as torchtitan's trainer does; the model is then built on the
meta device, dealt out to stages by torchtitan, and its weights are counted.
"""
import importlib
import logging
import os
import shlex
import sys
import warnings

# The folder of this file holds names of the packages that it asks, so the one above takes its place.
sys.path[0] = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
import report
from report import NotJudged, Refused

warnings.simplefilter("ignore")
logging.disable(logging.WARNING)
SCHEDULES = {"1f1b": "1F1B", "gpipe": "GPipe", "interleaved-1f1b": "Interleaved1F1B", "looped-bfs": "LoopedBFS",
             "interleaved-zb": "InterleavedZeroBubble", "zbv": "ZBVZeroBubble", "dualpipev": "DualPipeV"}
MODULES = ("trainyard_config",)


def version():
    import typing

    import typing_extensions
    if not hasattr(typing, "override"):
        typing.override = typing_extensions.override
    try:
        import torchtitan
        from importlib.metadata import version as of
    except ImportError as error:
        raise NotJudged(f"torchtitan is not installed ({error})") from error
    del torchtitan
    pretend()
    return f"torchtitan {of('torchtitan')}"


def pretend():
    """Lets configurations be read that need a package or a device which is not here: DeepEP, and devices with fp8 and fp4."""
    import types
    from torchtitan.components.quantization import float8, mx, nvfp4
    if "deep_ep" not in sys.modules:
        absent = sys.modules["deep_ep"] = types.ModuleType("deep_ep")
        absent.ElasticBuffer = type("ElasticBuffer", (), {})
    for module in (float8, mx, nvfp4):
        module.has_cuda_capability = lambda *_: True


def parse(folder):
    from torchtitan.config import ConfigManager
    words = [word for line in report.read(folder, "torchtitan.args").splitlines() for word in shlex.split(line, comments=True)]
    for name in MODULES:
        sys.modules.pop(name, None)
    importlib.invalidate_caches()
    sys.path.insert(0, os.path.abspath(folder))
    before, sys.dont_write_bytecode = sys.dont_write_bytecode, True
    try:
        return ConfigManager().parse_args(words)
    finally:
        sys.path.pop(0)
        sys.dont_write_bytecode = before


def stages(config, dims, model):
    """The modules of each stage, as torchtitan deals them out."""
    from torchtitan.distributed import pipeline_parallel as pipeline
    if dims.pp == 1:
        return pipeline._generate_llm_fqn_per_model_part(1, len(model.layers))
    number, layers, first, last = pipeline._get_pipeline_metadata(dims, config.parallelism, model)
    stated = config.parallelism.module_fqns_per_model_part
    parts = pipeline._generate_llm_fqn_per_model_part(number, layers, first, last) if stated is None else stated
    if len(parts) % dims.pp:
        raise Refused(f"num_stages {len(parts)} must be evenly divisible by pp_degree {dims.pp}")
    if parts[0][0] != "tok_embeddings" or list(parts[-1][-2:]) != ["norm", "lm_head"]:
        raise Refused("the first stage must begin with tok_embeddings and the last end with norm and lm_head")
    names = [name for part in parts for name in part]
    if names != ["tok_embeddings", *(f"layers.{index}" for index in range(layers)), "norm", "lm_head"]:
        raise Refused("the stages do not hold every module once and in order")
    ranks = {rank: pipeline._get_pp_rank_to_stage_indices_mapping(rank, dims.pp, config.parallelism.pipeline_parallel_schedule, len(parts)) for rank in range(dims.pp)}
    if sorted(stage for mine in ranks.values() for stage in mine) != list(range(len(parts))):
        raise Refused("a stage has no rank")
    return parts


def activation(block):
    """All networks of torchtitan's decoders are gated by SiLU."""
    from torchtitan.models.common.feed_forward import FeedForward
    network = block.feed_forward if block.feed_forward is not None else block.moe
    return "swiglu" if isinstance(network, FeedForward.Config) or block.moe is not None else type(network).__qualname__


def judge(rep, folder, plan):
    import torch
    from torchtitan.components.loss import ChunkedLossWrapper, CrossEntropyLoss
    from torchtitan.distributed import ParallelDims
    from torchtitan.distributed.activation_checkpoint import FullAC, SelectiveAC

    config = parse(folder)
    parallelism, training = config.parallelism, config.training
    dims = ParallelDims.from_config(parallelism, plan.devices)
    same, silent = rep.compare, rep.says_nothing
    model, spec = plan.model, config.model_spec.model

    same("layout.tensor", "ParallelDims.tp", plan.tensor, dims.tp)
    same("layout.pipeline", "ParallelDims.pp", plan.pipeline, dims.pp)
    same("layout.context", "ParallelDims.cp", plan.context, dims.cp)
    same("layout.data", "ParallelDims.dp_replicate · dp_shard", plan.data, dims.dp_replicate * dims.dp_shard)
    same("layout.expert", "ParallelDims.ep", plan.expert, dims.ep)
    if dims.dp_shard * dims.cp * dims.tp % dims.ep:
        raise Refused(f"expert_parallel_degree {dims.ep} does not divide dp_shard {dims.dp_shard} · cp {dims.cp} · tp {dims.tp}")
    divisor = (dims.tp if parallelism.enable_sequence_parallel else 1) * (2 * dims.cp if dims.cp > 1 else 1)
    if training.seq_len % divisor:
        raise Refused(f"Training sequence length ({training.seq_len}) must be divisible by {divisor}")
    spec.update_from_config(config=config)
    if model.moe and dims.ep == 1:
        # Without expert ranks torchtitan cuts every expert along its columns by the tensor ranks.
        same("layout.expertTensor", "ParallelDims.tp", plan.expert_tensor, dims.tp)
    else:
        silent("layout.expertTensor", plan.expert_tensor, 1)
    if plan.tensor > 1:
        same("layout.sequenceParallel", "parallelism.enable_sequence_parallel", plan.sequence_parallel, parallelism.enable_sequence_parallel)
    else:
        silent("layout.sequenceParallel", plan.sequence_parallel, False)

    if dims.dp_shard * dims.cp == 1:
        sharding = "none"
    else:
        policy = parallelism.fsdp_reshard_after_forward
        sharding = "parameters" if policy == "always" or (policy == "default" and dims.pp == 1) else "gradients"
    if plan.data * plan.context == 1:
        rep.moot("layout.sharding", "layout.shardGroup")
    else:
        same("layout.sharding", "ParallelDims.dp_shard · cp, parallelism.fsdp_reshard_after_forward", plan.sharding, sharding)
        if plan.sharding != "none":
            same("layout.shardGroup", "ParallelDims.dp_shard · cp", plan.shard_group, dims.dp_shard * dims.cp)
        else:
            rep.moot("layout.shardGroup")
    silent("layout.outerSharding", plan.outer_sharding, "none")

    batch = training.global_batch_size
    share = dims.dp_replicate * dims.dp_shard
    batch = training.local_batch_size * share if batch < 0 else batch
    if batch % (training.local_batch_size * share):
        raise Refused(f"global batch size must be multiple of local batch size times data-parallel degree ({batch} % ({training.local_batch_size} * {share}) != 0)")
    steps = batch // (training.local_batch_size * share)
    same("batch", "training.global_batch_size", plan.batch, batch)
    if dims.pp > 1:
        same("layout.microbatch", "parallelism.pipeline_parallel_microbatch_size", plan.microbatch, parallelism.pipeline_parallel_microbatch_size)
        same("layout.microbatches", "training.local_batch_size // pipeline_parallel_microbatch_size", plan.microbatches, training.local_batch_size // parallelism.pipeline_parallel_microbatch_size)
        same("accumulation", "gradient accumulation steps around the pipeline", 1, steps)
    else:
        same("layout.microbatch", "training.local_batch_size", plan.microbatch, training.local_batch_size)
        same("layout.microbatches", "gradient accumulation steps", plan.microbatches, steps)
    silent("rampupBatchSize", plan.rampup, (None,))

    parts = stages(config, dims, spec)
    same("layout.virtualStages", "module_fqns_per_model_part", plan.virtual, len(parts) // dims.pp)
    same("layout.layersPerStage", "module_fqns_per_model_part", plan.layers_per_stage, [sum(name.startswith("layers.") for name in part) for part in parts])
    if dims.pp > 1:
        from torch.distributed.pipelining.schedules import get_schedule_class
        csv = parallelism.pipeline_parallel_schedule_csv
        if csv:
            path = csv if os.path.isabs(csv) else os.path.join(folder, csv)
            if not os.path.isfile(path):
                raise Refused(f"The specified path {csv} does not exist or is not a file.")
            same("layout.schedule", "parallelism.pipeline_parallel_schedule_csv", plan.schedule not in SCHEDULES, True)
        else:
            known = {get_schedule_class(name): word for word, name in SCHEDULES.items()}
            same("layout.schedule", "parallelism.pipeline_parallel_schedule", plan.schedule, known.get(get_schedule_class(parallelism.pipeline_parallel_schedule)))
    else:
        silent("layout.schedule", plan.schedule, ("1f1b", "gpipe"))

    shape(rep, plan, spec, training)
    with torch.device("meta"):
        built = spec.build()
    expected = model.parameters()
    if expected is not None:
        correction = sum(model.pattern) * model.moe["experts"] if model.moe and model.moe.get("routerCorrection") else 0
        same("model.parameters", "the model on the meta device", expected - correction, sum(parameter.numel() for parameter in built.parameters()))

    checkpointing = config.activation_checkpoint
    kind = "none" if checkpointing is None else "full" if isinstance(checkpointing, FullAC.Config) else "selective" if isinstance(checkpointing, SelectiveAC.Config) else type(checkpointing).__qualname__
    same("layout.recompute", "activation_checkpoint", plan.recompute, kind)
    silent("layout.recomputeModules", plan.recompute_modules, (None, []))
    silent("layout.recomputeEvery", plan.recompute_every, None)
    layers = plan.recompute_layers
    whole = layers == "all" or plan.recompute != "full" or layers == plan.layers_per_stage or (not isinstance(layers, list) and report.plans.count(layers) >= max(plan.layers_per_stage))
    silent("layout.recomputeLayers", whole, True)
    silent("layout.recomputeMethod", plan.recompute_method, ("block", "uniform") if whole else "block")
    numbers(rep, plan, config)
    offload = plan.offload
    for key in ("optimizer", "gradients", "parameters"):
        wanted = offload.get(key, offload.get("parameters", False) if key == "gradients" else False)
        same(f"layout.offload.{key}", "training.enable_cpu_offload", wanted is True or wanted == 1, training.enable_cpu_offload)
    silent("layout.offload.activations", bool(offload.get("activations", False)), False)
    rep.moot("layout.offload.overlap", "offload")
    if isinstance(config.loss, ChunkedLossWrapper.Config):
        same("loss.kind", "loss", plan.loss["kind"], "chunked")
        same("loss.chunks", "loss.num_chunks", plan.loss.get("chunks"), config.loss.num_chunks)
    else:
        same("loss.kind", "loss", plan.loss["kind"], "standard" if isinstance(config.loss, CrossEntropyLoss.Config) else type(config.loss).__qualname__)
    rep.moot("loss")
    inner = config.loss.loss_fn if isinstance(config.loss, ChunkedLossWrapper.Config) else config.loss
    same("model.vocab", "loss.global_vocab_size", model.vocab, inner.global_vocab_size)
    if plan.context > 1:
        silent("layout.contextExchange", plan.context_exchange, "gather")
    else:
        rep.moot("layout.contextExchange")
    silent("layout.contextHeads", plan.context_heads, None)
    silent("layout.vocabularyParallel", plan.vocabulary_parallel, (None, "none"))
    # torchtitan hides what FSDP gathers and reduces; with async tensor parallelism, collectives of tensor ranks as well.
    silent("layout.overlap.data", plan.overlap["data"], True)
    if plan.tensor > 1:
        same("layout.overlap.tensor", "compile.enable_async_tensor_parallel", plan.overlap["tensor"], config.compile.enable_async_tensor_parallel)
    rep.moot("layout.overlap")
    silent("layout.flashAttention", plan.flash, True)
    run(rep, plan, config)
    rep.unread(plan.keys)


def shape(rep, plan, spec, training):
    model, same, silent = plan.model, rep.compare, rep.says_nothing
    same("model.layers", "len(model.layers)", model.layers, len(spec.layers))
    same("model.hidden", "model.dim", model.hidden, spec.dim)
    same("model.vocab", "model.vocab_size", model.vocab, spec.vocab_size)
    same("model.vocab", "model.tok_embeddings.num_embeddings", model.vocab, spec.tok_embeddings.num_embeddings)
    same("model.vocab", "model.lm_head.out_features", model.vocab, spec.lm_head.out_features)
    same("model.sequence", "training.seq_len", model.sequence, training.seq_len)
    same("model.tiedEmbeddings", "model.enable_weight_tying", model.tied, spec.enable_weight_tying)
    attentions = [layer.attention for layer in spec.layers]
    same("model.heads", "attention.n_heads", [block["heads"] for block in model.blocks], [attention.n_heads for attention in attentions])
    latent = hasattr(attentions[0], "kv_lora_rank")
    same("model.mla", "attention.kv_lora_rank", model.first["mla"] is not None, latent)
    if latent and model.first["mla"]:
        names = (("queryRank", "q_lora_rank"), ("kvRank", "kv_lora_rank"), ("nopeSize", "qk_nope_head_dim"), ("ropeSize", "qk_rope_head_dim"), ("valueSize", "v_head_dim"))
        for key, peer in names:
            same(f"model.mla.{key}", f"attention.{peer}", [block["mla"][key] for block in model.blocks], [getattr(attention, peer) for attention in attentions])
        rep.moot("model.kvHeads", "model.headSize")
    elif not latent:
        same("model.kvHeads", "attention.n_kv_heads", [block["kvHeads"] for block in model.blocks], [attention.n_kv_heads or attention.n_heads for attention in attentions])
        same("model.headSize", "attention.head_dim", [block["headSize"] for block in model.blocks], [attention.head_dim or attention.dim // attention.n_heads for attention in attentions])
        same("model.qkNorm", "attention.qk_norm", [block["qkNorm"] for block in model.blocks], ["head" if attention.qk_norm is not None else "none" for attention in attentions])
    networks = [layer.feed_forward for layer in spec.layers]
    dense = [None if block["moe"] else block["ffn"] for block in model.blocks]
    same("model.ffn", "feed_forward.w1.out_features", dense, [None if network is None else network.w1.out_features for network in networks])
    same("model.mlp", "feed_forward", model.first["mlp"], activation(spec.layers[0]))
    experts = [layer.moe for layer in spec.layers]
    same("model.moe.firstDense", "layers.moe", model.pattern, [0 if moe is None else 1 for moe in experts])
    rep.moot("model.moe.every", "model.moe.imbalance")
    if model.moe and any(experts):
        mixtures = [moe for moe in experts if moe is not None]
        wanted = model.moe
        for key, peer, value in (("experts", "moe.num_experts", lambda moe: moe.num_experts), ("experts", "moe.router.num_experts", lambda moe: moe.router.num_experts),
                                 ("topK", "moe.router.top_k", lambda moe: moe.router.top_k), ("ffn", "moe.routed_experts.inner_experts.hidden_dim", lambda moe: moe.routed_experts.inner_experts.hidden_dim)):
            same(f"model.moe.{key}", peer, [wanted[key]] * len(mixtures), [value(moe) for moe in mixtures])
        same("model.moe.shared", "moe.shared_experts.w1.out_features", [wanted["shared"] * wanted["sharedFfn"]] * len(mixtures), [moe.shared_experts.w1.out_features if moe.shared_experts is not None else 0 for moe in mixtures])
        rep.moot("model.moe.sharedFfn")
        gates = [hasattr(moe.shared_experts, "gate") for moe in mixtures]
        same("model.moe.sharedGate", "moe.shared_experts.gate", [bool(wanted.get("sharedGate", False))] * len(mixtures), gates)
        same("model.moe.routerCorrection", "moe.load_balance_coeff", [bool(wanted.get("routerCorrection", False))] * len(mixtures), [moe.load_balance_coeff is not None for moe in mixtures])
        same("model.moe.nodeLimit", "moe.router.num_limited_groups", [wanted.get("nodeLimit")] * len(mixtures), [moe.router.num_limited_groups for moe in mixtures])
        for key in ("capacityFactor", "latentSize"):
            silent(f"model.moe.{key}", wanted.get(key), None)
        silent("model.moe.denseFfn", wanted.get("denseFfn", 0), 0)
        silent("model.moe.padToCapacity", bool(wanted.get("padToCapacity", False)), False)
        rep.moot("model.moe.tokenDropPolicy")
        kinds = {"AllToAllTokenDispatcher": "alltoall", "DeepEPTokenDispatcher": "deepep", "HybridEPTokenDispatcher": "hybridep"}
        got = sorted({kinds.get(type(moe.routed_experts.token_dispatcher).__qualname__.split(".")[0], type(moe.routed_experts.token_dispatcher).__qualname__) for moe in mixtures})
        same("layout.dispatcher", "moe.routed_experts.token_dispatcher", [plan.dispatcher or "alltoall"], got)
    else:
        rep.moot("layout.dispatcher", "layout.overlap.expert")
    rep.moot("model.moe")
    silent("model.norm", model.norm, "rmsNorm")
    silent("model.positions", model.positions, "rotary")
    biases = sorted(model.biases)
    attention = attentions[0]
    got = []
    if not latent:
        inner = getattr(attention.qkv_linear, "wqkv", None) or attention.qkv_linear.wq
        got = (["attentionInput"] if inner.bias else []) + (["attentionOutput"] if attention.wo.bias else [])
    same("model.biases", "attention.qkv_linear.bias, attention.wo.bias", biases, got)
    modules = len(getattr(spec, "mtp_layers", None) or [])
    same("model.mtp.layers", "model.mtp_layers", report.plans.count(model.mtp.get("layers", 0)), modules)
    silent("model.embeddingNorm", model.embedding_norm, False)
    silent("model.finalNorm", model.final_norm, True)
    silent("model.embeddingSize", model.embedding_size, model.hidden)
    rep.moot("model.positionEntries")
    for key, neutral in (("window", None), ("outputGate", "none"), ("sinks", False), ("keyValues", "own"), ("norms", "pre"), ("parallel", "none"),
                         ("halves", "both"), ("causal", True), ("chunk", None), ("mixer", None), ("queryRank", 0)):
        silent(f"model.{key}", next((block[key] for block in model.blocks if block[key] != neutral), neutral), neutral)
    if model.keys.get("kinds"):
        rep.moot("model.kinds", "model.pattern")


def numbers(rep, plan, config):
    same, silent = rep.compare, rep.says_nothing
    training = config.training
    words = {"bfloat16": "bf16", "float32": "fp32"}
    products = words[training.dtype] if training.dtype == "bfloat16" else words[training.mixed_precision_param]
    same("precision", "training.dtype, training.mixed_precision_param", plan.precision, products)
    from torchtitan.models.common.linear import Linear
    kinds = {type(found).__qualname__.split(".")[0] for _, found, _, _ in config.model_spec.model.traverse(Linear.Config)}
    recipes = {"MXFP8Linear": "mxfp8", "NVFP4Linear": "nvfp4", "Float8Linear": "rowwise"}
    got = next((recipes[kind] for kind in sorted(kinds) if kind in recipes), None)
    same("precision.recipe", "model.traverse(Linear)", (plan.recipe or {}).get("recipe"), got)
    for key in ("bf16LayersAtStart", "bf16LayersAtEnd"):
        silent(f"precision.{key}", report.plans.count((plan.recipe or {}).get(key, 0)), 0)
    for key in ("parameterGather", "activationFuncFP8InputStore"):
        silent(f"precision.{key}", bool((plan.recipe or {}).get(key, False)), False)
    same("layout.gradients", "training.mixed_precision_reduce", plan.gradients, words[training.mixed_precision_reduce] if training.dtype == "float32" else words[training.dtype])
    rep.moot("gradients")
    groups = config.optimizer.param_groups
    names = {"AdamW": "adamw", "DistMuon": "muon"}
    got = sorted({names.get(group.optimizer_name, group.optimizer_name) for group in groups})
    wanted = ["adamw", "muon"] if plan.optimizer["name"] == "muon" else [plan.optimizer["name"]]
    same("optimizer.name", "optimizer.param_groups", wanted, got)
    moments = "bf16" if config.optimizer.implementation == "fused_opt_states_bf16" or training.dtype == "bfloat16" else "fp32"
    same("optimizer.firstMoment", "optimizer.implementation", plan.optimizer["firstMoment"], moments)
    same("optimizer.secondMoment", "optimizer.implementation", plan.optimizer["secondMoment"], moments)
    if plan.precision != "fp32":
        same("optimizer.master", "training.dtype", plan.optimizer["master"], "fp32" if training.dtype == "float32" else "no")
    rep.moot("optimizer")


def run(rep, plan, config):
    same, train = rep.compare, plan.train
    if plan.steps is not None:
        same("train.steps" if "steps" in train else "tokens", "training.steps", plan.steps, config.training.steps)
    rep.moot("tokens", "samples", "train.steps")
    if plan.checkpoint_every is not None:
        same("train.checkpoint.every", "checkpoint.interval", plan.checkpoint_every, config.checkpoint.interval if config.checkpoint.enable else None)
    options = config.optimizer.param_groups[-1].optimizer_kwargs
    for key, name in (("learningRate", "lr"), ("eps", "eps"), ("weightDecay", "weight_decay")):
        if key in train:
            same(f"train.{key}", f"optimizer_kwargs.{name}", report.plans.count(train[key]), options.get(name))
    if "betas" in train:
        same("train.betas", "optimizer_kwargs.betas", [report.plans.count(value) for value in train["betas"]], list(options.get("betas", ())))
    if "warmup" in train:
        same("train.warmup", "lr_scheduler.warmup_steps", report.plans.count(train["warmup"]), config.lr_scheduler.warmup_steps)
    if "schedule" in train and train["schedule"] == "cosine":
        same("train.schedule", "lr_scheduler.decay_type", "cosine", config.lr_scheduler.decay_type)
    if "minLearningRate" in train:
        same("train.minLearningRate", "lr_scheduler.min_lr_factor", report.plans.count(train["minLearningRate"]) / report.plans.count(train["learningRate"]), config.lr_scheduler.min_lr_factor)
    if "clip" in train and train["clip"] not in ("none", 0):
        same("train.clip", "training.max_norm", report.plans.count(train["clip"]), config.training.max_norm)
    if "seed" in train:
        same("train.seed", "debug.seed", report.plans.count(train["seed"]), config.debug.seed)
    rep.moot("train.data", "train.tokenizer", "train.order", "train.init", "train.folder", "train.momentum", "train.auxiliaryLoss", "train.schedule",
             "train.clip", "train.checkpoint.path", "train.checkpoint.keep", "train.checkpoint.asynchronous")
    for key in ("lora", "frozen", "quantized", "packing"):
        rep.says_nothing(key, plan.keys.get(key), (None, "none"))
    rep.says_nothing("padding", plan.keys.get("padding", 0), 0)


if __name__ == "__main__":
    report.main("torchtitan", version, judge, __doc__)
