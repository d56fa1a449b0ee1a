#!/usr/bin/env python3
"""Judges training_args.yaml and config.json with transformers' own readers.

HfArgumentParser(TrainingArguments) refuses unknown keys; the configuration's class reads config.json, and its model is built on the
meta device, where its weights are counted.
"""
import json
import os
import sys
import warnings

import yaml

# The folder of this file holds names of the packages that it asks, so the one above takes its place.
sys.path[0] = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
import report
from report import NotJudged, Refused

warnings.simplefilter("ignore")
os.environ.update(HF_HUB_OFFLINE="1", TRANSFORMERS_VERBOSITY="error", ACCELERATE_USE_CPU="1")
FSDP = {"version", "min_num_params", "transformer_layer_cls_to_wrap", "xla", "xla_fsdp_v2", "xla_fsdp_grad_ckpt", "xla_fsdp_settings", "cpu_offload",
        "auto_wrap_policy", "cpu_ram_efficient_loading", "state_dict_type", "activation_checkpointing", "reshard_after_forward", "forward_prefetch",
        "backward_prefetch", "use_orig_params", "sync_module_states", "limit_all_gathers"}
# Keys that every configuration may hold and no class lists.
COMMON = {"architectures", "transformers_version", "dtype", "torch_dtype", "model_type", "rope_theta", "rope_scaling", "rope_parameters", "head_dim", "use_cache"}


def version():
    try:
        import transformers
    except ImportError as error:
        raise NotJudged(f"transformers is not installed ({error})") from error
    return f"transformers {transformers.__version__}"


def arguments(folder):
    from transformers import HfArgumentParser, TrainingArguments
    values = yaml.safe_load(report.read(folder, "training_args.yaml"))
    if not isinstance(values, dict):
        raise Refused("training_args.yaml holds no map")
    fsdp = values.get("fsdp_config") or {}
    unknown = {key[5:] if key.startswith("fsdp_") else key for key in fsdp} - FSDP
    if unknown:
        raise Refused(f"fsdp_config: keys that transformers never reads: {sorted(unknown)}")
    stated = dict(values)
    # A machine without devices refuses bf16 unless it trains on its cores; what the file says is compared.
    values["use_cpu"] = True
    values.setdefault("output_dir", "output")
    values.setdefault("report_to", "none")
    stage, deepspeed = None, values.pop("deepspeed", None)
    if deepspeed is not None:
        if isinstance(deepspeed, str):
            path = os.path.join(folder, deepspeed)
            if not os.path.exists(path):
                raise Refused(f"deepspeed: {deepspeed} does not exist")
            with open(path) as file:
                deepspeed = json.load(file)
        stage = deepspeed.get("zero_optimization", {}).get("stage", 0)
        for key, mine in (("train_micro_batch_size_per_gpu", "per_device_train_batch_size"), ("gradient_accumulation_steps", "gradient_accumulation_steps")):
            value = deepspeed.get(key, "auto")
            if value != "auto" and value != values.get(mine, 8 if mine.startswith("per") else 1):
                raise Refused(f"Please correct the DeepSpeed config values that mismatch TrainingArguments values: {key}={value} and {mine}={values.get(mine)}")
    (parsed,) = HfArgumentParser(TrainingArguments).parse_dict(values)
    return parsed, stated, stage


def configuration(folder):
    from transformers.models.auto.configuration_auto import CONFIG_MAPPING
    values = json.loads(report.read(folder, "config.json"))
    if values.get("model_type") not in CONFIG_MAPPING:
        raise Refused(f"config.json: the model type {values.get('model_type')} is unknown to transformers")
    kind = CONFIG_MAPPING[values["model_type"]]
    known = set(kind().to_dict()) | set(kind.attribute_map) | COMMON
    unknown = set(values) - known
    if unknown:
        raise Refused(f"config.json: keys that {kind.__name__} never reads: {sorted(unknown)}")
    return kind.from_dict(values)


def weights(config):
    import torch
    from transformers import AutoModelForCausalLM
    with torch.device("meta"):
        model = AutoModelForCausalLM.from_config(config)
    model.tie_weights()
    return sum(parameter.numel() for parameter in model.parameters()), model


def first(config, *names, default=None):
    for name in names:
        value = getattr(config, name, None)
        if value is not None:
            return name, value
    return names[0], default


def shape(rep, plan, config):
    model, same, silent = plan.model, rep.compare, rep.says_nothing

    def read(name, want, *names, default=None):
        peer, got = first(config, *names, default=default)
        same(name, f"config.{peer}", want, got)

    total, built = weights(config)
    expected = model.parameters()
    if expected is not None:
        correction = sum(model.pattern) * model.moe["experts"] if model.moe and model.moe.get("routerCorrection") else 0
        modules = report.plans.count(model.mtp.get("layers", 0))
        if modules:
            # transformers leaves modules of multi-token prediction out of its models.
            module = model.block_parameters(model.blocks[-1], 1 if model.norm == "rmsNorm" else 2)
            expected -= modules * (module + 2 * model.hidden**2 + 3 * model.hidden * (1 if model.norm == "rmsNorm" else 2))
        same("model.parameters", f"{type(built).__name__} on the meta device", expected - correction, total)
    read("model.layers", model.layers, "num_hidden_layers", "n_layer")
    read("model.hidden", model.hidden, "hidden_size", "n_embd")
    read("model.heads", model.first["heads"], "num_attention_heads", "n_head")
    read("model.vocab", model.vocab, "vocab_size")
    read("model.sequence", model.position_entries, "max_position_embeddings", "n_positions")
    rep.moot("model.positionEntries")
    same("model.tiedEmbeddings", "config.tie_word_embeddings", model.tied, bool(getattr(config, "tie_word_embeddings", True)))
    if model.first["mla"]:
        names = (("queryRank", "q_lora_rank"), ("kvRank", "kv_lora_rank"), ("nopeSize", "qk_nope_head_dim"), ("ropeSize", "qk_rope_head_dim"), ("valueSize", "v_head_dim"))
        for key, peer in names:
            same(f"model.mla.{key}", f"config.{peer}", model.first["mla"][key], getattr(config, peer, None) or 0)
        rep.moot("model.kvHeads", "model.headSize", "model.mla")
    else:
        same("model.mla", "config.kv_lora_rank", False, getattr(config, "kv_lora_rank", None) is not None)
        read("model.kvHeads", model.first["kvHeads"], "num_key_value_heads", default=getattr(config, "num_attention_heads", None))
        read("model.headSize", model.first["headSize"], "head_dim", default=config.hidden_size // config.num_attention_heads)
    if not all(model.pattern):
        dense = next(block for block in model.blocks if not block["moe"])
        read("model.ffn", dense["ffn"], "intermediate_size", "n_inner", default=4 * config.hidden_size)
    rep.moot("model.ffn")
    activations = {"silu": "swiglu", "swish": "swiglu", "gelu_new": "gelu", "gelu": "gelu", "gelu_pytorch_tanh": "gelu", "relu": "relu", "relu2": "squaredRelu"}
    peer, got = first(config, "hidden_act", "activation_function")
    word = activations.get(got, got)
    same("model.mlp", f"config.{peer}", model.first["mlp"], word)
    if model.moe:
        read("model.moe.experts", model.moe["experts"], "n_routed_experts", "num_local_experts", "num_experts")
        read("model.moe.topK", model.moe["topK"], "num_experts_per_tok", "moe_topk")
        read("model.moe.ffn", model.moe["ffn"], "moe_intermediate_size", "intermediate_size")
        peer, got = first(config, "n_shared_experts", default=None)
        if got is None and getattr(config, "shared_expert_intermediate_size", None):
            peer, got = "shared_expert_intermediate_size", config.shared_expert_intermediate_size
            same("model.moe.shared", f"config.{peer}", model.moe["shared"] * model.moe["sharedFfn"], got)
        else:
            same("model.moe.shared", f"config.{peer}", model.moe["shared"], got or 0)
        rep.moot("model.moe.sharedFfn", "model.moe.imbalance")
        from torch import nn
        pattern = [1 if any("expert" in name for name, _ in layer.named_parameters()) else 0 for layer in layers(built, nn)]
        same("model.moe.firstDense", "experts of the built blocks", model.pattern, pattern)
        rep.moot("model.moe.every")
        same("model.moe.routerCorrection", "e_score_correction_bias of the built blocks", bool(model.moe.get("routerCorrection", False)) or "e_score_correction_bias" in str([name for name, _ in built.named_buffers()]),
             any("e_score_correction_bias" in name for name, _ in built.named_buffers()))
        if model.moe.get("nodeLimit") is not None:
            same("model.moe.nodeLimit", "config.topk_group", model.moe["nodeLimit"], getattr(config, "topk_group", None))
        for key in ("capacityFactor", "latentSize"):
            silent(f"model.moe.{key}", model.moe.get(key), None)
        rep.moot("model.moe")
    else:
        peer, got = first(config, "n_routed_experts", "num_local_experts", "num_experts")
        same("model.moe.experts", f"config.{peer}", 0, got or 0)
    names = [name for name, _ in built.named_parameters()]
    biased = set()
    for name in names:
        if name.endswith(".bias") and "norm" not in name and ".ln_" not in name:
            end = name.rsplit(".", 2)[-2]
            attention = "attn" in name or "attention" in name
            biased.add("attentionInput" if attention and end not in ("o_proj", "c_proj", "dense", "out_proj") else "attentionOutput" if attention else "head" if end == "lm_head" else "feedForward")
    same("model.biases", "biases of the built model", sorted(model.biases), sorted(biased))
    normal = "rmsNorm" if any("rmsnorm" in type(module).__name__.lower() for module in built.modules()) else "layerNorm"
    same("model.norm", "norms of the built model", model.norm, normal)
    learned = any(name.endswith(("wpe.weight", "embed_positions.weight")) for name in names)
    same("model.positions", "tables of the built model", model.positions, "learned" if learned else "rotary")
    heads = any(name.endswith(("q_norm.weight", "query_norm.weight")) for name in names)
    same("model.qkNorm", "norms of the built attention", [block["qkNorm"] for block in model.blocks][:1], ["head" if heads else "none"])
    windows = {block["window"] for block in model.blocks}
    if windows == {None}:
        silent("model.window", getattr(config, "sliding_window", None) if getattr(config, "use_sliding_window", True) else None, None)
    elif len(windows) == 1:
        same("model.window", "config.sliding_window", model.first["window"], getattr(config, "sliding_window", None))
    rep.moot("model.mtp")
    for key, neutral in (("outputGate", "none"), ("keyValues", "own"), ("halves", "both"), ("causal", True), ("chunk", None), ("mixer", None), ("queryRank", 0), ("sinks", False), ("norms", "pre")):
        silent(f"model.{key}", next((block[key] for block in model.blocks if block[key] != neutral), neutral), neutral)
    if model.keys.get("kinds"):
        rep.moot("model.kinds", "model.pattern")


def layers(model, nn):
    """The blocks of a built model: its longest list of modules."""
    lists = [module for module in model.modules() if isinstance(module, nn.ModuleList)]
    return max(lists, key=len)


def judge(rep, folder, plan):
    config = configuration(folder)
    args, stated, stage = arguments(folder)
    same, silent = rep.compare, rep.says_nothing
    shape(rep, plan, config)
    same("layout.microbatch", "per_device_train_batch_size", plan.microbatch, args.per_device_train_batch_size)
    same("layout.microbatches", "gradient_accumulation_steps", plan.microbatches, args.gradient_accumulation_steps)
    same("batch", "per_device_train_batch_size · gradient_accumulation_steps · devices", plan.batch, args.per_device_train_batch_size * args.gradient_accumulation_steps * plan.data)
    same("precision", "bf16, fp16", plan.precision, "bf16" if args.bf16 else "fp16" if args.fp16 else "fp32")
    silent("precision.recipe", (plan.recipe or {}).get("recipe", "none"), "none")
    fsdp = args.fsdp_config or {}
    if args.fsdp:
        sharding = "parameters" if str(fsdp.get("reshard_after_forward", True)).lower() in ("true", "full_shard") else "gradients"
        same("layout.sharding", "fsdp, fsdp_config.reshard_after_forward", plan.sharding, sharding)
        same("layout.offload.parameters", "fsdp_config.cpu_offload", bool(plan.offload.get("parameters", False)), bool(fsdp.get("cpu_offload", False)))
        recomputed = bool(fsdp.get("activation_checkpointing", False)) or bool(args.activation_checkpointing)
    else:
        levels = ["none", "optimizer", "gradients", "parameters"]
        same("layout.sharding", "fsdp, deepspeed.zero_optimization.stage", plan.sharding, levels[stage or 0])
        recomputed = bool(args.activation_checkpointing)
        if stage is not None:
            rep.moot("layout.offload")
        else:
            silent("layout.offload.parameters", bool(plan.offload.get("parameters", False)), False)
    rep.moot("layout.offload.optimizer", "layout.offload.gradients", "layout.offload.overlap", "offload")
    silent("layout.offload.activations", bool(plan.offload.get("activations", False)), False)
    same("layout.recompute", "activation_checkpointing", plan.recompute, "full" if recomputed else "none")
    every = (args.activation_checkpointing_kwargs or {}).get("every_n_layers")
    same("layout.recomputeEvery", "activation_checkpointing_kwargs.every_n_layers", plan.recompute_every or 1, every or 1)
    silent("layout.recomputeLayers", plan.recompute_layers == "all" or plan.recompute != "full", True)
    silent("layout.recomputeModules", plan.recompute_modules, (None, []))
    rep.moot("layout.recomputeMethod")
    for name, value in (("tensor", plan.tensor), ("pipeline", plan.pipeline), ("context", plan.context), ("virtualStages", plan.virtual), ("expert", plan.expert), ("expertTensor", plan.expert_tensor)):
        silent(f"layout.{name}", value, 1)
    silent("layout.data", plan.data, plan.devices)
    silent("layout.shardGroup", plan.shard_group if plan.sharding != "none" else plan.data, plan.data)
    silent("layout.outerSharding", plan.outer_sharding, "none")
    silent("layout.schedule", plan.schedule, ("1f1b", "gpipe"))
    silent("layout.sequenceParallel", plan.sequence_parallel, False)
    silent("layout.vocabularyParallel", plan.vocabulary_parallel, (None, "none"))
    silent("rampupBatchSize", plan.rampup, (None,))
    # Without devices' formats of their own, the Trainer keeps gradients as the weights are: fp32 under autocast.
    silent("layout.gradients", plan.gradients, ("fp32",) if not stage else ("fp32", "bf16", "fp16"))
    rep.moot("layout.layersPerStage", "layout.contextExchange", "layout.dispatcher", "layout.overlap", "gradients", "precision")
    optimizer = str(getattr(args.optim, "value", args.optim))
    names = {"adamw_torch": "adamw", "adamw_torch_fused": "adamw", "adamw_bnb_8bit": "adamw", "adamw_8bit": "adamw", "adamw_torch_8bit": "adamw", "paged_adamw_32bit": "adamw",
             "lion_32bit": "lion", "lion_8bit": "lion", "adafactor": "adafactor", "sgd": "sgd"}
    same("optimizer.name", "optim", plan.optimizer["name"], names.get(optimizer, optimizer))
    moments = "8bit" if "8bit" in optimizer else "fp32"
    same("optimizer.firstMoment", "optim", plan.optimizer["firstMoment"], moments)
    if plan.optimizer["name"] == "adamw":
        same("optimizer.secondMoment", "optim", plan.optimizer["secondMoment"], moments)
    rep.moot("optimizer")
    kernel = bool(args.use_liger_kernel)
    same("loss", "use_liger_kernel", plan.loss["kind"] != "standard", kernel)
    train = plan.train
    if plan.steps is not None:
        same("train.steps" if "steps" in train else "tokens", "max_steps", plan.steps, args.max_steps)
    rep.moot("tokens", "samples")
    if plan.checkpoint_every is not None:
        same("train.checkpoint.every", "save_strategy, save_steps", plan.checkpoint_every, args.save_steps if str(getattr(args.save_strategy, "value", args.save_strategy)) == "steps" else None)
    for key, peer in (("learningRate", "learning_rate"), ("warmup", "warmup_steps"), ("eps", "adam_epsilon"), ("weightDecay", "weight_decay"), ("seed", "seed")):
        if key in train:
            same(f"train.{key}", peer, report.plans.count(train[key]), getattr(args, peer))
    if "betas" in train:
        same("train.betas", "adam_beta1, adam_beta2", [report.plans.count(value) for value in train["betas"]], [args.adam_beta1, args.adam_beta2])
    if "clip" in train:
        same("train.clip", "max_grad_norm", 0 if train["clip"] == "none" else report.plans.count(train["clip"]), args.max_grad_norm)
    if "schedule" in train:
        same("train.schedule", "lr_scheduler_type", train["schedule"], str(getattr(args.lr_scheduler_type, "value", args.lr_scheduler_type)).replace("_with_min_lr", "").replace("constant_with_warmup", "constant"))
    del stated
    rep.moot("train", "layout.flashAttention", "lora", "frozen", "quantized", "packing", "padding")
    rep.unread(plan.keys)


if __name__ == "__main__":
    report.main("transformers", version, judge, __doc__)
