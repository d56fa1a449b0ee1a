#!/usr/bin/env python3
"""Judges accelerate.yaml as `accelerate launch --config_file` reads it, down to the environment and the plugin that it makes."""
import os
import sys
import warnings

import yaml

# The folder of this file holds names of the packages that it asks, so the one above takes its place.
sys.path[0] = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
import report
from report import NotJudged, Refused

warnings.simplefilter("ignore")
os.environ.setdefault("DS_ACCELERATOR", "cpu")
PREFIXES = ("FSDP_", "ACCELERATE_", "PARALLELISM_CONFIG_", "MEGATRON_LM_")


def version():
    try:
        import accelerate
    except ImportError as error:
        raise NotJudged(f"accelerate is not installed ({error})") from error
    return f"accelerate {accelerate.__version__}"


def clean():
    for name in list(os.environ):
        if name.startswith(PREFIXES):
            del os.environ[name]


def parse(folder):
    from accelerate.commands.config.config_args import load_config_from_file
    from accelerate.commands.launch import _validate_launch_command, launch_command_parser
    clean()
    report.read(folder, "accelerate.yaml")
    path = os.path.join(folder, "accelerate.yaml")
    config = load_config_from_file(path)
    parser = launch_command_parser()
    known = {action.dest for action in parser._actions}
    parts = {"fsdp_config": "", "parallelism_config": "", "megatron_lm_config": "", "deepspeed_config": "", "fp8_config": "fp8_"}
    for part, prefix in parts.items():
        values = getattr(config, part, None) or {}
        unknown = sorted(key for key in values if key not in known and prefix + key not in known)
        if unknown:
            raise Refused(f"{part}: keys that accelerate never reads: {unknown}")
    args = parser.parse_args(["--config_file", path, "train.py"])
    args, _, _ = _validate_launch_command(args)
    return config, args


def degrees(args):
    """The degrees of parallelism_config, as accelerate checks them."""
    from accelerate.parallelism_config import ParallelismConfig
    if not getattr(args, "use_parallelism_config", False):
        return None
    return ParallelismConfig(dp_replicate_size=int(args.parallelism_config_dp_replicate_size), dp_shard_size=int(args.parallelism_config_dp_shard_size),
                             tp_size=int(args.parallelism_config_tp_size), cp_size=int(args.parallelism_config_cp_size), sp_size=int(args.parallelism_config_sp_size))


def plugin(args):
    """The plugin that a training script gets through the environment of the launcher."""
    from accelerate.utils import FullyShardedDataParallelPlugin
    from accelerate.utils.launch import prepare_multi_gpu_env
    for key, value in prepare_multi_gpu_env(args).items():
        if key.startswith(PREFIXES):
            os.environ[key] = value
    return FullyShardedDataParallelPlugin()


def judge(rep, folder, plan):
    config, args = parse(folder)
    same, silent = rep.compare, rep.says_nothing
    kind = str(getattr(config.distributed_type, "value", config.distributed_type))
    per_node = plan.cluster_devices_per_node()
    same("devices", "num_processes", plan.devices, config.num_processes)
    if per_node:
        same("devices", "num_machines", max(1, -(-plan.devices // per_node)), config.num_machines)
    fp8 = plan.recipe is not None
    same("precision", "mixed_precision", "fp8" if fp8 else plan.precision, {"no": "fp32"}.get(str(config.mixed_precision), str(config.mixed_precision)))
    if fp8:
        same("precision.recipe", "fp8_config.backend", {"delayed": "te", "mxfp8": "te", "tensorwise": "ao", None: "te"}.get(plan.recipe["recipe"]), (args.fp8_backend or "").lower())
    rep.moot("precision")
    mesh = degrees(args)
    fsdp = plugin(args) if kind == "FSDP" else None
    if kind == "FSDP":
        reshard = fsdp.reshard_after_forward if fsdp.fsdp_version == 2 else str(fsdp.reshard_after_forward).rsplit(".", 1)[-1] in ("FULL_SHARD", "HYBRID_SHARD")
        same("layout.sharding", "FullyShardedDataParallelPlugin.reshard_after_forward", plan.sharding, "parameters" if reshard else "gradients")
        same("layout.recompute", "FullyShardedDataParallelPlugin.activation_checkpointing", plan.recompute, "full" if fsdp.activation_checkpointing else "none")
        offloaded = bool(getattr(fsdp.cpu_offload, "offload_params", False)) or type(fsdp.cpu_offload).__name__ == "CPUOffloadPolicy"
        same("layout.offload.parameters", "FullyShardedDataParallelPlugin.cpu_offload", bool(plan.offload.get("parameters", False)), offloaded)
        same("layout.offload.activations", "FullyShardedDataParallelPlugin.activation_checkpointing_offload", bool(plan.offload.get("activations", False)), bool(fsdp.activation_checkpointing_offload))
        rep.moot("layout.offload.optimizer", "layout.offload.gradients")
        # FSDP2 copies shards from pinned memory on a stream of its own.
        silent("layout.offload.overlap", plan.offload.get("overlap", True), True)
        same("fsdp_config", "FullyShardedDataParallelPlugin.fsdp_version", 2, fsdp.fsdp_version)
    elif kind == "DEEPSPEED":
        levels = ["none", "optimizer", "gradients", "parameters"]
        if args.deepspeed_config_file:
            path = os.path.join(folder, args.deepspeed_config_file)
            if not os.path.exists(path):
                raise Refused(f"deepspeed_config_file: {args.deepspeed_config_file} does not exist")
            with open(path) as file:
                stage = yaml.safe_load(file).get("zero_optimization", {}).get("stage", 0)
        else:
            stage = int(args.zero_stage or 0)
            same("layout.microbatches", "deepspeed_config.gradient_accumulation_steps", plan.microbatches, int(args.gradient_accumulation_steps or 1))
            device = lambda value: str(value or "none") == "cpu"
            same("layout.offload.optimizer", "deepspeed_config.offload_optimizer_device", bool(plan.offload.get("optimizer", False)), device(args.offload_optimizer_device))
            same("layout.offload.parameters", "deepspeed_config.offload_param_device", bool(plan.offload.get("parameters", False)), device(args.offload_param_device))
        same("layout.sharding", "deepspeed zero stage", plan.sharding, levels[stage])
        rep.moot("layout.recompute", "layout.offload")
    else:
        same("layout.sharding", "distributed_type", plan.sharding, "none" if kind in ("MULTI_GPU", "NO") else kind)
        silent("layout.recompute", plan.recompute, ("none", "full"))
        silent("layout.offload.parameters", bool(plan.offload.get("parameters", False)), False)
        rep.moot("layout.offload")
    if mesh is not None:
        same("layout.tensor", "parallelism_config.tp_size", plan.tensor, mesh.tp_size)
        same("layout.context", "parallelism_config.cp_size · sp_size", plan.context, mesh.cp_size * mesh.sp_size)
        same("layout.data", "parallelism_config.dp_replicate_size · dp_shard_size", plan.data, mesh.dp_replicate_size * mesh.dp_shard_size)
        if plan.sharding != "none":
            same("layout.shardGroup", "parallelism_config.dp_shard_size · cp_size", plan.shard_group, mesh.dp_shard_size * mesh.cp_size)
        total = mesh.dp_replicate_size * mesh.dp_shard_size * mesh.tp_size * mesh.cp_size * mesh.sp_size
        if total != config.num_processes:
            raise Refused(f"ParallelismConfig total_size ({total}) does not match num_processes ({config.num_processes}).")
        if plan.context > 1:
            ways = {"allgather": "gather", "alltoall": "ring"}
            got = "heads" if mesh.sp_size > 1 else ways.get(args.parallelism_config_cp_comm_strategy)
            same("layout.contextExchange", "parallelism_config.cp_comm_strategy", plan.context_exchange, got)
    else:
        for name, value in (("tensor", plan.tensor), ("context", plan.context)):
            silent(f"layout.{name}", value, 1)
        silent("layout.data", plan.data, config.num_processes)
        if plan.sharding != "none":
            silent("layout.shardGroup", plan.shard_group, config.num_processes)
    rep.moot("layout.shardGroup", "layout.contextExchange")
    for name, value in (("pipeline", plan.pipeline), ("virtualStages", plan.virtual), ("expert", plan.expert), ("expertTensor", plan.expert_tensor)):
        silent(f"layout.{name}", value, 1)
    silent("layout.outerSharding", plan.outer_sharding, "none")
    silent("layout.recomputeModules", plan.recompute_modules, (None, []))
    silent("layout.recomputeEvery", plan.recompute_every, None)
    silent("layout.recomputeLayers", plan.recompute_layers == "all" or plan.recompute != "full", True)
    silent("layout.sequenceParallel", plan.sequence_parallel, False)
    silent("layout.schedule", plan.schedule, ("1f1b", "gpipe"))
    silent("layout.vocabularyParallel", plan.vocabulary_parallel, (None, "none"))
    silent("rampupBatchSize", plan.rampup, (None,))
    # The training script decides the model, its batches, its optimizer and its length.
    rep.moot("model", "tokens", "samples", "batch", "optimizer", "loss", "gradients", "train", "offload", "lora", "frozen", "quantized", "packing", "padding",
             "layout.microbatch", "layout.gradients", "layout.layersPerStage", "layout.recomputeMethod", "layout.contextHeads", "layout.dispatcher",
             "layout.overlap", "layout.flashAttention")
    rep.unread(plan.keys)


if __name__ == "__main__":
    report.main("accelerate", version, judge, __doc__)
