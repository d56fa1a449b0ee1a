#!/usr/bin/env python3
"""Judges deepspeed.json with DeepSpeedConfig, and with what DeepSpeed's engine asks of it before it trains."""
import json
import logging
import os
import sys
import warnings

# The folder of this file holds names of the packages that it asks, so the one above takes its place.
sys.path[0] = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
import report
from report import NotJudged, Refused

warnings.simplefilter("ignore")
logging.disable(logging.WARNING)
os.environ.setdefault("DS_ACCELERATOR", "cpu")

# Read by deepspeed.initialize and by transformers, not by DeepSpeedConfig.
ELSEWHERE = {"sequence_parallel_size", "data_parallel_size", "mesh_param"}
NESTED = ("activation_checkpointing", "data_types", "checkpoint", "pipeline", "tensor_parallel", "expert_parallel")


def version():
    try:
        import deepspeed
    except ImportError as error:
        raise NotJudged(f"deepspeed is not installed ({error})") from error
    return f"DeepSpeed {deepspeed.__version__}"


class Watched(dict):
    """A map that remembers which keys were asked for: a key that nobody asks for does nothing."""

    def __init__(self, values):
        super().__init__({key: Watched(value) if isinstance(value, dict) and key in NESTED else value for key, value in values.items()})
        self.asked = set()

    def __getitem__(self, key):
        self.asked.add(key)
        return super().__getitem__(key)

    def get(self, key, default=None):
        self.asked.add(key)
        return super().get(key, default)

    def __contains__(self, key):
        self.asked.add(key)
        return super().__contains__(key)

    def keys(self):
        watched = self

        class Keys:
            def __contains__(self, key):
                return key in watched

            def __iter__(self):
                return iter(list(dict.keys(watched)))

            def __len__(self):
                return len(watched)
        return Keys()

    def __copy__(self):
        return self


class Ranks:
    """What DeepSpeed asks a framework of model parallelism: how many ranks train on different sequences."""

    def __init__(self, data):
        self.data = data

    def get_data_parallel_world_size(self):
        return self.data


def parse(text, plan):
    import deepspeed.runtime.config as runtime

    def once(pairs):
        names = [name for name, _ in pairs]
        if len(names) != len(set(names)):
            raise Refused(f"Duplicate keys in DeepSpeed config: {sorted({name for name in names if names.count(name) > 1})}")
        return dict(pairs)

    try:
        values = json.loads(text, object_pairs_hook=once)
    except json.JSONDecodeError as error:
        raise Refused(f"deepspeed.json: {error}") from error
    watched = Watched(values)
    runtime.dist.get_rank = lambda *_: 0
    runtime.dist.get_world_size = lambda *_: plan.devices
    config = runtime.DeepSpeedConfig(watched, Ranks(plan.data))
    unknown = set(dict.keys(watched)) - watched.asked - ELSEWHERE
    if unknown:
        raise Refused(f"keys that DeepSpeed never reads: {sorted(unknown)}")
    pipeline = set(runtime.get_pipeline_config({})) | {"use_reentrant"}
    from deepspeed.module_inject.auto_ep_config import AutoEPConfig
    parts = {"pipeline": pipeline, "expert_parallel": set(vars(AutoEPConfig()))}
    for name, known in parts.items():
        unknown = set(values.get(name, {})) - known
        if unknown:
            raise Refused(f"{name}: keys that DeepSpeed never reads: {sorted(unknown)}")
    for name in ("activation_checkpointing", "data_types", "checkpoint"):
        part = dict.get(watched, name)
        unknown = set(dict.keys(part)) - part.asked if isinstance(part, Watched) else set()
        if unknown:
            raise Refused(f"{name}: keys that DeepSpeed never reads: {sorted(unknown)}")
    unknown = set(values.get("optimizer", {})) - {"type", "params", "legacy_fusion"}
    if unknown:
        raise Refused(f"optimizer: keys that DeepSpeed never reads: {sorted(unknown)}")
    return config, values


def engine(config, values):
    """What the engine refuses when it starts."""
    import torch
    from deepspeed.runtime.config import DEEPSPEED_OPTIMIZERS
    stage = int(config.zero_optimization_stage)
    words = {"fp32": torch.float32, "fp16": torch.float16, "bf16": torch.bfloat16}
    model = torch.float16 if config.float16_config.enabled else torch.bfloat16 if config.bfloat16_config.enabled else torch.float32
    from deepspeed.runtime.config import DtypeEnum
    gradients = model if config.grad_accum_dtype is None else DtypeEnum(config.grad_accum_dtype).value
    if not stage and model != gradients:
        raise Refused(f"unsupported mix of model_dtype={model} and grad_accum_dtype={gradients}")
    if stage >= 2 and values.get("pipeline"):
        raise Refused("ZeRO-2 and ZeRO-3 are incompatible with pipeline parallelism")
    name = config.optimizer_name
    if name is not None and name not in DEEPSPEED_OPTIMIZERS and not hasattr(torch.optim, name):
        raise Refused(f"optimizer.type: {name} is neither DeepSpeed's nor PyTorch's")
    if stage and name is not None and name not in DEEPSPEED_OPTIMIZERS and not config.zero_allow_untested_optimizer:
        raise Refused("You are using an untested ZeRO Optimizer: zero_allow_untested_optimizer is not set")
    return {value: word for word, value in words.items()}[gradients]


def judge(rep, folder, plan):
    config, values = parse(report.read(folder, "deepspeed.json"), plan)
    gradients = engine(config, values)
    same, silent = rep.compare, rep.says_nothing
    zero = config.zero_config
    stage = int(config.zero_optimization_stage)
    same("batch", "train_batch_size", plan.batch, config.train_batch_size)
    same("layout.microbatch", "train_micro_batch_size_per_gpu", plan.microbatch, config.train_micro_batch_size_per_gpu)
    same("layout.microbatches", "gradient_accumulation_steps", plan.microbatches, config.gradient_accumulation_steps)
    same("layout.data", "train_batch_size / (micro · accumulation)", plan.data, config.train_batch_size / (config.train_micro_batch_size_per_gpu * config.gradient_accumulation_steps))
    same("layout.tensor", "tensor_parallel.autotp_size", plan.tensor, max(1, config.tensor_parallel_config.autotp_size))
    stages = config.pipeline["stages"]
    same("layout.pipeline", "pipeline.stages", plan.pipeline, 1 if stages == "auto" else stages)
    same("layout.context", "sequence_parallel_size", plan.context, values.get("sequence_parallel_size", 1))
    if plan.context > 1:
        silent("layout.contextExchange", plan.context_exchange, "heads")
    rep.moot("layout.contextExchange", "layout.contextHeads")
    experts = config.expert_parallel_config
    same("layout.expert", "expert_parallel.autoep_size", plan.expert, experts.autoep_size if experts.enabled else 1)
    same("layout.expertTensor", "expert_parallel.expert_tensor_parallel_size", plan.expert_tensor, experts.expert_tensor_parallel_size if experts.enabled else 1)
    silent("layout.virtualStages", plan.virtual, 1)
    silent("layout.schedule", plan.schedule, ("1f1b",) if plan.pipeline > 1 else ("1f1b", "gpipe"))
    if plan.pipeline > 1:
        # With partition "uniform" DeepSpeed gives every stage the same number of blocks.
        same("layout.layersPerStage", "pipeline.partition", "uniform" if plan.even else "best", config.pipeline["partition"])
    rep.moot("layout.layersPerStage")
    silent("layout.sequenceParallel", plan.sequence_parallel, False)
    silent("layout.dispatcher", plan.dispatcher, (None, "alltoall"))
    levels = ["none", "optimizer", "gradients", "parameters"]
    same("layout.sharding", "zero_optimization.stage", plan.sharding, levels[stage])
    if plan.sharding == "none":
        rep.moot("layout.shardGroup")
    else:
        silent("layout.shardGroup", plan.shard_group, plan.data * plan.context)
    silent("layout.outerSharding", plan.outer_sharding, "none")
    silent("rampupBatchSize", plan.rampup, (None,))

    words = "fp16" if config.float16_config.enabled else "bf16" if config.bfloat16_config.enabled else "fp32"
    same("precision", "bf16.enabled, fp16.enabled", plan.precision, words)
    silent("precision.recipe", (plan.recipe or {}).get("recipe", "none"), "none")
    same("layout.gradients", "data_types.grad_accum_dtype", plan.gradients, gradients)
    rep.moot("gradients", "precision")
    silent("optimizer.firstMoment", plan.optimizer["firstMoment"], "bf16" if config.bfloat16_config.bf16_optimizer_states else "fp32")
    silent("optimizer.secondMoment", plan.optimizer["secondMoment"], "bf16" if config.bfloat16_config.bf16_optimizer_states else "fp32")
    if words != "fp32":
        low = config.bfloat16_config.bf16_master_weights_and_grads or config.float16_config.fp16_master_weights_and_grads
        same("optimizer.master", "bf16.bf16_master_weights_and_grads", plan.optimizer["master"], "no" if low else "fp32")
    name = config.optimizer_name
    params = config.optimizer_params or {}
    if name is not None:
        decoupled = name == "adamw" or (name == "adam" and params.get("adam_w_mode", True))
        same("optimizer.name", "optimizer.type", plan.optimizer["name"], "adamw" if decoupled else name.lower())
    else:
        silent("optimizer.name", plan.optimizer["name"], "left to the training script")
    rep.moot("optimizer")

    offload = plan.offload
    device = lambda part: part is not None and str(getattr(part.device, "value", part.device)) == "cpu"
    share = zero.offload_optimizer.ratio if device(zero.offload_optimizer) else 0
    wanted = offload.get("optimizer", 0)
    same("layout.offload.optimizer", "zero_optimization.offload_optimizer", 1 if wanted is True else wanted or 0, share)
    same("layout.offload.parameters", "zero_optimization.offload_param", bool(offload.get("parameters", False)), device(zero.offload_param))
    if wanted and stage >= 2:
        # DeepSpeed's offload of sharded gradients goes with that of the optimizer.
        silent("layout.offload.gradients", bool(offload.get("gradients", offload.get("parameters", False))), True)
    else:
        silent("layout.offload.gradients", bool(offload.get("gradients", False)), False)
    rep.moot("layout.offload.overlap", "offload")
    section = values.get("activation_checkpointing")
    interval = config.pipeline["activation_checkpoint_interval"]
    if plan.pipeline > 1:
        same("layout.recompute", "pipeline.activation_checkpoint_interval", plan.recompute, "none" if interval == 0 else "full")
        if plan.recompute == "full":
            # Runs of so many blocks keep the input of their first block alone.
            layers = 1 if plan.recompute_layers == "all" or plan.recompute_method == "block" else report.plans.count(plan.recompute_layers)
            same("layout.recomputeLayers", "pipeline.activation_checkpoint_interval", layers, interval)
    else:
        same("layout.recompute", "activation_checkpointing", plan.recompute, "none" if section is None else "full")
        whole = plan.recompute_layers == "all" or plan.recompute != "full"
        silent("layout.recomputeLayers", whole, True)
    silent("layout.recomputeModules", plan.recompute_modules, (None, []))
    silent("layout.recomputeEvery", plan.recompute_every, None)
    rep.moot("layout.recomputeMethod")
    host = bool(section and section.get("cpu_checkpointing", False))
    same("layout.offload.activations", "activation_checkpointing.cpu_checkpointing", bool(offload.get("activations", False)), host)
    if stage:
        same("layout.overlap.data", "zero_optimization.overlap_comm", plan.overlap["data"], bool(zero.overlap_comm))
    rep.moot("layout.overlap")
    silent("layout.vocabularyParallel", plan.vocabulary_parallel, (None, "none"))
    train = plan.train
    if "clip" in train:
        clip = train["clip"]
        same("train.clip", "gradient_clipping", 0 if clip == "none" else report.plans.count(clip), config.gradient_clipping)
    for key, peer in (("learningRate", "lr"), ("eps", "eps"), ("weightDecay", "weight_decay")):
        if key in train and name is not None:
            same(f"train.{key}", f"optimizer.params.{peer}", report.plans.count(train[key]), params.get(peer))
    if "betas" in train and name is not None:
        same("train.betas", "optimizer.params.betas", [report.plans.count(value) for value in train["betas"]], list(params.get("betas", ())))
    # The file describes how a model is trained, not the model, the length of the run, or what the training script decides.
    rep.moot("model", "tokens", "samples", "train", "loss", "layout.flashAttention", "lora", "frozen", "quantized", "packing", "padding")
    rep.unread(plan.keys)


if __name__ == "__main__":
    report.main("deepspeed", version, judge, __doc__)
