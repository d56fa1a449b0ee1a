#!/usr/bin/env python3
"""Judges megatron-lm.args and megatron-lm.sh with Megatron-LM's own parser.

MEGATRON_LM names a checkout of Megatron-LM. Its parse_args, validate_args and core_transformer_config_from_args read the flags as
its pretrain_gpt.py does; the model is then built on the meta device and its weights are counted.
"""
import math
import os
import shlex
import subprocess
import sys
import warnings

# The folder of this file holds names of the packages that it asks, so the one above takes its place.
sys.path[0] = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
import report
import shell
from report import NotJudged, Refused

warnings.simplefilter("ignore")
CHECKOUT = os.environ.get("MEGATRON_LM", "")
WORDS = {"torch.float32": "fp32", "torch.float16": "fp16", "torch.bfloat16": "bf16", "torch.uint8": "fp8"}
# Transformer Engine is asked for its version by many rules; a machine without devices holds no such package.
ENGINE = os.environ.get("INTEROP_TRANSFORMER_ENGINE", "2.16.0")


def version():
    if not os.path.isdir(os.path.join(CHECKOUT, "megatron", "training")):
        raise NotJudged("MEGATRON_LM does not name a checkout of Megatron-LM; its wheel lacks megatron.training")
    commit = subprocess.run(["git", "-C", CHECKOUT, "rev-parse", "--short=10", "HEAD"], capture_output=True, text=True).stdout.strip()
    return f"Megatron-LM {commit or 'of an unknown commit'}"


def prepare():
    """Makes the parser believe in a device: it asks for its capability, and for the version of Transformer Engine."""
    if CHECKOUT not in sys.path:
        sys.path.insert(0, CHECKOUT)
    import typing

    import typing_extensions
    if not hasattr(typing, "override"):
        typing.override = typing_extensions.override
    import torch
    if not torch.cuda.is_available():
        capability = tuple(int(part) for part in os.environ.get("INTEROP_CAPABILITY", "9.0").split("."))
        device = type("Device", (), {"major": capability[0], "minor": capability[1], "name": "stand-in"})
        torch.cuda.get_device_capability = lambda *_: capability
        torch.cuda.get_device_properties = lambda *_: device
        torch.cuda.device_count = lambda: 8
        torch.cuda.current_device = lambda: "meta"
    import megatron.core.utils as utils
    from packaging.version import Version
    if utils.get_te_version() == Version("0.0.0"):
        utils._te_version = Version(ENGINE)


def flags(text):
    return [word for line in text.splitlines() for word in shlex.split(line, comments=True)]


def started(rep, folder, plan, words):
    """What the launch script starts; its environment decides what the parser takes."""
    from torch.distributed.run import get_args_parser
    calls = shell.calls(folder, "megatron-lm.sh", ["torchrun"], {"MASTER_ADDR": "127.0.0.1", "NODE_RANK": "0", "MEGATRON_LM": CHECKOUT})
    call = calls[0]
    parsed = get_args_parser().parse_args(call["arguments"])
    processes = int(parsed.nnodes.split(":")[-1]) * int(parsed.nproc_per_node)
    rep.compare("layout.data", "torchrun --nnodes · --nproc-per-node", plan.devices, processes)
    rep.compare("megatron-lm.args", "arguments behind the training script", words, parsed.training_script_args)
    return call["environment"]


def parse(words, environment, world):
    from megatron.training.arguments import parse_args, validate_args
    try:
        from megatron.training.argument_utils import core_transformer_config_from_args
    except ImportError:
        from megatron.training.arguments import core_transformer_config_from_args
    # The parser reads these, and sets some itself: of a run before, none may be left.
    for name in [name for name in os.environ if name.startswith(("CUDA_", "NVTE_", "NCCL_"))]:
        del os.environ[name]
    os.environ.update({name: value for name, value in environment.items() if name.startswith(("CUDA_", "NVTE_", "NCCL_"))})
    os.environ.update(RANK="0", WORLD_SIZE=str(world), LOCAL_RANK="0")
    before, sys.argv = sys.argv, ["pretrain_gpt.py", *words]
    try:
        args = parse_args(ignore_unknown_args=False)
        asked = vars(args).copy()
        validate_args(args, {})
    finally:
        sys.argv = before
    fusion, args.apply_rope_fusion = args.apply_rope_fusion, False   # Its kernel is in Transformer Engine.
    config = core_transformer_config_from_args(args)
    args.apply_rope_fusion = fusion
    return args, asked, config


def weights(args):
    """All parameters of the model that Megatron builds from the flags, on the meta device and on one rank."""
    import copy

    import torch
    import torch.distributed as dist
    from megatron.core import parallel_state
    from megatron.core.models.gpt import GPTModel
    from megatron.core.models.gpt.gpt_layer_specs import get_gpt_decoder_block_spec, get_gpt_layer_local_spec, get_gpt_mtp_block_spec
    from megatron.core.tensor_parallel.random import model_parallel_cuda_manual_seed
    try:
        from megatron.training.argument_utils import core_transformer_config_from_args
    except ImportError:
        from megatron.training.arguments import core_transformer_config_from_args
    class NoWeights(torch.nn.Module):
        """In place of core attention, which has none, and whose local form is not made for latent attention."""

        def __init__(self, *_, **__):
            super().__init__()

    if not dist.is_initialized():
        dist.init_process_group("gloo", store=dist.HashStore(), rank=0, world_size=1)
        parallel_state.initialize_model_parallel()
    one = copy.copy(args)
    whole = dict(tensor_model_parallel_size=1, pipeline_model_parallel_size=1, virtual_pipeline_model_parallel_size=None,
                 context_parallel_size=1, expert_model_parallel_size=1, expert_tensor_parallel_size=1, sequence_parallel=False,
                 pipeline_model_parallel_layout=None, decoder_first_pipeline_num_layers=None, decoder_last_pipeline_num_layers=None,
                 account_for_embedding_in_pipeline_split=False, account_for_loss_in_pipeline_split=False, recompute_granularity=None,
                 recompute_method=None, recompute_num_layers=None, recompute_modules=None, fp8=None, fp4=None, fp8_param_gather=False,
                 fp4_param_gather=False, tp_comm_overlap=False, overlap_moe_expert_parallel_comm=False, transformer_impl="local",
                 use_cpu_initialization=True, perform_initialization=False, overlap_p2p_comm=False, moe_grouped_gemm=False,
                 first_last_layers_bf16=False, cpu_offloading_num_layers=0, apply_rope_fusion=False, moe_permute_fusion=False,
                 moe_token_dispatcher_type="allgather", moe_flex_dispatcher_backend="deepep", moe_enable_deepep=False, hierarchical_context_parallel_sizes=None,
                 moe_shared_expert_overlap=False, cp_comm_type=["p2p"], gradient_accumulation_fusion=False, no_persist_layer_norm=True)
    for name, value in whole.items():
        setattr(one, name, value)
    config = core_transformer_config_from_args(one)
    config.cpu_offloading = False
    with torch.device("meta"):
        if args.num_experts:
            spec = get_gpt_decoder_block_spec(config, use_transformer_engine=False, normalization=args.normalization)
        else:
            spec = get_gpt_layer_local_spec(None, None, args.qk_layernorm, args.multi_latent_attention, normalization=args.normalization)
        for layer in getattr(spec, "layer_specs", [spec]):
            layer.submodules.self_attention.submodules.core_attention = NoWeights
        mtp = None
        if args.mtp_num_layers:
            from megatron.core.transformer import multi_token_prediction
            multi_token_prediction.is_inference_column_parallel_linear = lambda _: False   # A kind of Transformer Engine's.
            mtp = get_gpt_mtp_block_spec(config, spec, use_transformer_engine=False)
        # The padding of the vocabulary is a matter of layout; the plan counts the words alone.
        model = GPTModel(config=config, transformer_layer_spec=spec, vocab_size=args.vocab_size,
                         max_sequence_length=args.max_position_embeddings, pre_process=True, post_process=True, parallel_output=False,
                         share_embeddings_and_output_weights=not args.untie_embeddings_and_output_weights,
                         position_embedding_type=args.position_embedding_type, rotary_percent=args.rotary_percent, mtp_block_spec=mtp)
    return sum(parameter.numel() for parameter in model.parameters())


def stages(config, args):
    """Blocks of each stage, in the order of the stages, as Megatron itself deals them out."""
    from megatron.core.transformer.transformer_block import get_num_layers_to_build
    pipeline, chunks = args.pipeline_model_parallel_size, args.virtual_pipeline_model_parallel_size or 1
    layout = config.pipeline_model_parallel_layout
    if layout is not None:
        return [sum(1 for layer in layout.layout[rank][chunk] if layer.name == "decoder") for chunk in range(chunks) for rank in range(pipeline)]
    return [get_num_layers_to_build(config, vp_stage=chunk if chunks > 1 else None, pp_rank=rank) for chunk in range(chunks) for rank in range(pipeline)]


def recomputed(method, number, blocks):
    """Of each stage: how many of its first blocks are recomputed, and the blocks of one run."""
    if method == "uniform":
        return [[count, min(number, count)] if count else [0, 0] for count in blocks]
    return [[min(number, count), 1] if min(number, count) else [0, 0] for count in blocks]


def judge(rep, folder, plan):
    prepare()
    words = flags(report.read(folder, "megatron-lm.args"))
    environment = started(rep, folder, plan, words)
    args, asked, config = parse(words, environment, plan.devices)
    same, silent = rep.compare, rep.says_nothing
    model, layout = plan.model, plan

    same("layout.tensor", "args.tensor_model_parallel_size", plan.tensor, args.tensor_model_parallel_size)
    same("layout.pipeline", "args.pipeline_model_parallel_size", plan.pipeline, args.pipeline_model_parallel_size)
    same("layout.context", "args.context_parallel_size", plan.context, args.context_parallel_size)
    same("layout.data", "args.data_parallel_size", plan.data, args.data_parallel_size)
    same("layout.expert", "args.expert_model_parallel_size", plan.expert, args.expert_model_parallel_size)
    if model.moe:
        same("layout.expertTensor", "args.expert_tensor_parallel_size", plan.expert_tensor, args.expert_tensor_parallel_size)
    else:
        silent("layout.expertTensor", plan.expert_tensor, 1)
    same("layout.virtualStages", "args.virtual_pipeline_model_parallel_size", plan.virtual, args.virtual_pipeline_model_parallel_size or 1)
    same("layout.layersPerStage", "get_num_layers_to_build", plan.layers_per_stage, stages(config, args))
    schedule = "1f1b" if (args.virtual_pipeline_model_parallel_size or 1) == 1 else "interleaved-1f1b"
    if plan.pipeline > 1:
        from megatron.core.pipeline_parallel.schedules import get_forward_backward_func
        function = get_forward_backward_func(args.pipeline_model_parallel_size, args.virtual_pipeline_model_parallel_size).__name__
        names = {"forward_backward_pipelining_without_interleaving": "1f1b", "forward_backward_pipelining_with_interleaving": "interleaved-1f1b"}
        same("layout.schedule", "get_forward_backward_func", plan.schedule, names.get(function, function))
    else:
        silent("layout.schedule", plan.schedule, ("1f1b", "gpipe"))
    same("layout.sequenceParallel", "args.sequence_parallel", plan.sequence_parallel, args.sequence_parallel)

    from megatron.core import num_microbatches_calculator as calculator
    same("layout.microbatch", "args.micro_batch_size", plan.microbatch, args.micro_batch_size)
    calculator.unset_num_microbatches_calculator()
    calculator.init_num_microbatches_calculator(0, args.rampup_batch_size, args.global_batch_size, args.micro_batch_size, args.data_parallel_size,
                                                args.decrease_batch_size_if_needed, args.step_batch_size_schedule, args.seq_length)
    # The batch at places of the run: it grows after equal numbers of sequences, and stays once it is whole.
    places, want = [0], [plan.batch]
    if plan.rampup:
        start, growth, until = plan.rampup
        steps = (plan.batch - start) // growth
        places = [round(until * (2 * step + 1) / (2 * steps)) for step in range(steps)] + [until * 2]
        want = [start + growth * step for step in range(steps + 1)]
    got = []
    for place in places:
        calculator.update_num_microbatches(place, consistency_check=False)
        got.append(calculator.get_current_global_batch_size())
    same("batch", "get_current_global_batch_size()", want[-1], got[-1])
    same("layout.microbatches", "get_num_microbatches()", plan.microbatches, calculator.get_num_microbatches())
    same("rampupBatchSize", "get_current_global_batch_size()", want, got)

    same("model.layers", "config.num_layers", model.layers, config.num_layers)
    same("model.hidden", "config.hidden_size", model.hidden, config.hidden_size)
    same("model.heads", "config.num_attention_heads", model.first["heads"], config.num_attention_heads)
    if not model.first["mla"]:
        same("model.kvHeads", "config.num_query_groups", model.first["kvHeads"], config.num_query_groups)
        same("model.headSize", "config.kv_channels", model.first["headSize"], config.kv_channels)
    else:
        rep.moot("model.kvHeads", "model.headSize")
    if any(not block["moe"] for block in model.blocks):
        dense = next(block for block in model.blocks if not block["moe"])
        same("model.ffn", "config.ffn_hidden_size", dense["ffn"], config.ffn_hidden_size)
    else:
        rep.moot("model.ffn")
    same("model.vocab", "args.vocab_size", model.vocab, args.vocab_size)
    from megatron.core.tokenizers.utils.build_tokenizer import build_tokenizer
    if args.tokenizer_type == "NullTokenizer":
        args.padded_vocab_size = None
        build_tokenizer(args)
        multiple = 128 * plan.tensor
        same("model.vocab", "args.padded_vocab_size", -(-model.vocab // multiple) * multiple, args.padded_vocab_size)
    same("model.sequence", "args.seq_length", model.sequence, args.seq_length)
    same("model.tiedEmbeddings", "not args.untie_embeddings_and_output_weights", model.tied, not args.untie_embeddings_and_output_weights)
    norms = {"LayerNorm": "layerNorm", "RMSNorm": "rmsNorm"}
    same("model.norm", "config.normalization", model.norm, norms.get(config.normalization, config.normalization))
    places = {"learned_absolute": "learned", "rope": "rotary", "none": "none"}
    same("model.positions", "args.position_embedding_type", model.positions, places.get(args.position_embedding_type, args.position_embedding_type))
    if model.positions == "learned":
        same("model.positionEntries", "args.max_position_embeddings", model.position_entries, args.max_position_embeddings)
    biases = {"attentionInput", "attentionOutput", "feedForward"} if config.add_bias_linear else {"attentionInput"} if config.add_qkv_bias else set()
    wanted = model.biases - ({"feedForward"} if model.moe and all(model.pattern) else set())
    if model.moe and config.add_bias_linear:
        biases |= {"experts"}
        biases -= {"feedForward"} if all(model.pattern) else set()
    same("model.biases", "config.add_bias_linear, config.add_qkv_bias", sorted(wanted), sorted(biases))
    same("model.mlp", "config.activation_func, config.gated_linear_unit", model.first["mlp"], activation(config))
    same("model.qkNorm", "config.qk_layernorm", model.first["qkNorm"], "head" if config.qk_layernorm and not config.multi_latent_attention else "none")
    from megatron.core.transformer.utils import is_layer_window_attention
    windows = [config.window_size[0] + 1 if is_layer_window_attention(config.window_size, config.window_attn_skip_freq, index + 1) else None for index in range(config.num_layers)]
    same("model.window", "is_layer_window_attention", [block["window"] for block in model.blocks], windows)
    same("model.mtp.layers", "config.mtp_num_layers", report.plans.count(model.mtp.get("layers", 0)), config.mtp_num_layers or 0)
    experts(rep, plan, args, config)
    latent(rep, plan, config)
    silent("model.embeddingNorm", model.embedding_norm, False)
    silent("model.finalNorm", model.final_norm, True)
    silent("model.embeddingSize", model.embedding_size, model.hidden)
    for key, neutral in (("outputGate", "none"), ("sinks", False), ("keyValues", "own"), ("norms", "pre"), ("parallel", "none"),
                         ("halves", "both"), ("causal", True), ("chunk", None), ("mixer", None), ("queryRank", 0)):
        silent(f"model.{key}", next((block[key] for block in model.blocks if block[key] != neutral), neutral), neutral)
    expected = model.parameters()
    # Queries without a latent are normed inside a projection of Transformer Engine's, which cannot be built here; it has a norm
    # of its own that the model has not.
    whole = config.multi_latent_attention and config.q_lora_rank is None
    if expected is not None and not config.experimental_attention_variant and not whole:
        correction = sum(model.pattern) * model.moe["experts"] if model.moe and model.moe.get("routerCorrection") else 0
        same("model.parameters", "GPTModel on the meta device", expected - correction, weights(args))
    if model.keys.get("kinds"):
        rep.moot("model.kinds", "model.pattern")

    numbers(rep, plan, args, config)
    memory(rep, plan, args, config)
    run(rep, plan, args, asked)
    rep.unread(plan.keys)


def activation(config):
    name = getattr(config.activation_func, "__name__", str(config.activation_func))
    words = {"gelu": "gelu", "silu": "silu", "squared_relu": "squaredRelu", "quick_gelu": "quickGelu"}
    word = words.get(name, name)
    return {"silu": "swiglu", "gelu": "geglu"}.get(word, f"gated {word}") if config.gated_linear_unit else word


def experts(rep, plan, args, config):
    model, same, silent = plan.model, rep.compare, rep.says_nothing
    moe = model.moe
    same("model.moe.experts", "config.num_moe_experts", moe["experts"] if moe else 0, config.num_moe_experts or 0)
    if not moe or not config.num_moe_experts:
        rep.moot("layout.dispatcher", "layout.overlap.expert", "layout.overlap.sharedExperts")
        return
    frequency = config.moe_layer_freq
    pattern = [1 if index % frequency == 0 else 0 for index in range(config.num_layers)] if isinstance(frequency, int) else list(frequency)
    same("model.moe.firstDense", "config.moe_layer_freq", model.pattern, pattern)
    same("model.moe.every", "config.moe_layer_freq", model.pattern, pattern)
    same("model.moe.topK", "config.moe_router_topk", moe["topK"], config.moe_router_topk)
    same("model.moe.ffn", "config.moe_ffn_hidden_size", moe["ffn"], config.moe_ffn_hidden_size)
    same("model.moe.shared", "config.moe_shared_expert_intermediate_size", moe["shared"] * moe["sharedFfn"], config.moe_shared_expert_intermediate_size or 0)
    rep.moot("model.moe.sharedFfn", "model.moe.imbalance")
    same("model.moe.sharedGate", "config.moe_shared_expert_gate", bool(moe.get("sharedGate", False)), config.moe_shared_expert_gate)
    same("model.moe.capacityFactor", "config.moe_expert_capacity_factor", moe.get("capacityFactor"), config.moe_expert_capacity_factor)
    same("model.moe.padToCapacity", "config.moe_pad_expert_input_to_capacity", bool(moe.get("padToCapacity", False)), config.moe_pad_expert_input_to_capacity)
    same("model.moe.tokenDropPolicy", "config.moe_token_drop_policy", moe.get("tokenDropPolicy", "probs"), config.moe_token_drop_policy)
    same("model.moe.latentSize", "config.moe_latent_size", moe.get("latentSize"), config.moe_latent_size)
    same("model.moe.routerCorrection", "config.moe_router_enable_expert_bias", bool(moe.get("routerCorrection", False)), config.moe_router_enable_expert_bias)
    silent("model.moe.denseFfn", report.plans.count(moe.get("denseFfn", 0)), 0)
    same("model.moe.nodeLimit", "config.moe_router_group_topk", moe.get("nodeLimit"), config.moe_router_group_topk)
    backend = args.moe_flex_dispatcher_backend if args.moe_token_dispatcher_type == "flex" else args.moe_token_dispatcher_type
    same("layout.dispatcher", "args.moe_token_dispatcher_type", plan.dispatcher or "alltoall", backend)
    same("layout.overlap.expert", "config.overlap_moe_expert_parallel_comm", plan.overlap["expert"], config.overlap_moe_expert_parallel_comm)
    same("layout.overlap.sharedExperts", "config.moe_shared_expert_overlap", plan.overlap["sharedExperts"], config.moe_shared_expert_overlap)


def latent(rep, plan, config):
    mla = plan.model.first["mla"]
    rep.compare("model.mla", "config.multi_latent_attention", mla is not None, bool(config.multi_latent_attention))
    if mla and config.multi_latent_attention:
        names = (("queryRank", "q_lora_rank"), ("kvRank", "kv_lora_rank"), ("nopeSize", "qk_head_dim"), ("ropeSize", "qk_pos_emb_head_dim"), ("valueSize", "v_head_dim"))
        for key, peer in names:
            rep.compare(f"model.mla.{key}", f"config.{peer}", mla[key], getattr(config, peer) or 0)


def numbers(rep, plan, args, config):
    """Formats of numbers: products, gradients, optimizer."""
    same, silent = rep.compare, rep.says_nothing
    same("precision", "args.bf16, args.fp16", plan.precision, "bf16" if args.bf16 else "fp16" if args.fp16 else "fp32")
    recipe = plan.recipe or {}
    peer = config.fp4_recipe if config.fp4 else config.fp8_recipe if config.fp8 else None
    if plan.recipe and recipe["recipe"] is None:
        same("precision", "config.fp8", True, bool(config.fp8))
    else:
        same("precision.recipe", "config.fp8_recipe, config.fp4_recipe", recipe.get("recipe"), None if peer is None else str(getattr(peer, "value", peer)))
    same("precision.parameterGather", "args.fp8_param_gather, args.fp4_param_gather", bool(recipe.get("parameterGather", False)), bool(args.fp8_param_gather or args.fp4_param_gather))
    for key, name in (("bf16LayersAtStart", "num_layers_at_start_in_bf16"), ("bf16LayersAtEnd", "num_layers_at_end_in_bf16")):
        got = getattr(config, name) if config.first_last_layers_bf16 else 0
        same(f"precision.{key}", f"config.{name}", report.plans.count(recipe.get(key, 0)), got)
    silent("precision.activationFuncFP8InputStore", bool(recipe.get("activationFuncFP8InputStore", False)), bool(config.activation_func_fp8_input_store))
    gradients = "fp32" if args.accumulate_allreduce_grads_in_fp32 or not (args.bf16 or args.fp16) else WORDS[str(args.params_dtype)]
    same("layout.gradients", "args.accumulate_allreduce_grads_in_fp32", plan.gradients, gradients)
    rep.moot("gradients")
    optimizer = plan.optimizer
    names = {"adam": "adamw" if getattr(args, "decoupled_weight_decay", True) else "adam"}
    same("optimizer.name", "args.optimizer", optimizer["name"], names.get(args.optimizer, args.optimizer))
    aware = args.use_precision_aware_optimizer
    if aware and args.optimizer != "adam":
        raise Refused("--use-precision-aware-optimizer only supported with adam")
    first = WORDS[str(args.exp_avg_dtype)] if aware else "fp32"
    second = WORDS[str(args.exp_avg_sq_dtype)] if aware else "fp32"
    if args.bf16 or args.fp16:
        # Transformer Engine keeps the low halves alone of fp32 weights whose high halves are the bf16 ones; the optimizer
        # that steps on the host keeps all of them.
        remainders = aware and args.bf16 and args.main_params_dtype.itemsize == 4 and not args.optimizer_cpu_offload
        master = "remainders" if remainders else WORDS[str(args.main_params_dtype)] if aware else "fp32"
        same("optimizer.master", "args.main_params_dtype, OptimizerConfig.store_param_remainders", optimizer["master"], master)
    else:
        rep.moot("optimizer.master")
    same("optimizer.firstMoment", "args.exp_avg_dtype", optimizer["firstMoment"], first)
    if optimizer["name"] == "adamw":
        same("optimizer.secondMoment", "args.exp_avg_sq_dtype", optimizer["secondMoment"], second)
    rep.moot("optimizer")
    if optimizer["name"] == "muon":
        same("optimizer.newtonSchulzSteps", "args.muon_num_ns_steps", optimizer["newtonSchulzSteps"], args.muon_num_ns_steps)
        same("optimizer.tensorMode", "args.muon_tp_mode", optimizer["tensorMode"], args.muon_tp_mode)
    # Both of its fused kernels read logits that are in memory, as the plain one does.
    same("loss", "args.cross_entropy_fusion_impl", plan.loss["kind"], "standard" if args.cross_entropy_fusion_impl in ("native", "te") else "fused")
    name = args.attention_backend.name
    same("layout.flashAttention", "args.attention_backend", plan.flash, name in ("flash", "fused", "auto"))


def memory(rep, plan, args, config):
    """What is sharded, recomputed, offloaded and hidden."""
    same, silent = rep.compare, rep.says_nothing
    levels = {"no_shard": "none", "optim": "optimizer", "optim_grads": "gradients", "optim_grads_params": "parameters"}
    if args.use_torch_fsdp2:
        sharding = "parameters"
    elif args.use_megatron_fsdp:
        sharding = levels[args.data_parallel_sharding_strategy]
    else:
        sharding = "optimizer" if args.use_distributed_optimizer or args.use_layer_wise_distributed_optimizer else "none"
    same("layout.sharding", "args.use_distributed_optimizer, args.data_parallel_sharding_strategy", plan.sharding, sharding)
    ranks = plan.data * plan.context
    if plan.sharding == "none":
        rep.moot("layout.shardGroup")
    else:
        same("layout.shardGroup", "args.num_distributed_optimizer_instances", plan.shard_group, ranks // args.num_distributed_optimizer_instances)
    outer = "optimizer" if args.use_megatron_fsdp and args.outer_dp_sharding_strategy == "optim" else "none"
    same("layout.outerSharding", "args.outer_dp_sharding_strategy", plan.outer_sharding, outer)

    granularity = config.recompute_granularity or "none"
    same("layout.recompute", "config.recompute_granularity", plan.recompute, granularity)
    if plan.recompute == "selective" and granularity == "selective":
        same("layout.recomputeModules", "config.recompute_modules", sorted(plan.recompute_modules or ["core_attn"]), sorted(config.recompute_modules))
    else:
        silent("layout.recomputeModules", plan.recompute_modules, (None, []))
    if plan.recompute == "full" and granularity == "full":
        blocks = plan.layers_per_stage
        got = recomputed(config.recompute_method, config.recompute_num_layers, stages(config, args))
        layers, every = plan.recompute_layers, plan.recompute_every
        if isinstance(layers, list):
            want = [[min(report.plans.count(layer), count), 1] if report.plans.count(layer) and count else [0, 0] for layer, count in zip(layers, blocks)]
        else:
            want = recomputed(plan.recompute_method, max(blocks) if layers == "all" and plan.recompute_method == "block" else 1 if layers == "all" else report.plans.count(layers), blocks)
        same("layout.recomputeLayers", "config.recompute_method, config.recompute_num_layers", want, got)
        rep.moot("layout.recomputeMethod")
        silent("layout.recomputeEvery", every, None)
    else:
        rep.moot("layout.recomputeLayers", "layout.recomputeMethod", "layout.recomputeEvery")

    if ranks > 1:
        same("layout.overlap.data", "args.overlap_grad_reduce", plan.overlap["data"], args.overlap_grad_reduce)
        if plan.sharding != "none" and plan.optimizer["name"] in ("adamw", "sgd"):
            same("layout.overlap.data", "args.overlap_param_gather", plan.overlap["data"], args.overlap_param_gather)
    else:
        rep.moot("layout.overlap.data")
    if plan.tensor > 1:
        same("layout.overlap.tensor", "args.tp_comm_overlap", plan.overlap["tensor"], args.tp_comm_overlap)
    else:
        rep.moot("layout.overlap.tensor")
    if plan.virtual > 1:
        same("layout.overlap.pipeline", "args.overlap_p2p_comm", plan.overlap["pipeline"], args.overlap_p2p_comm)
    else:
        rep.moot("layout.overlap.pipeline")
    exchange = {"p2p": "ring", "all_gather": "gather", "allgather": "gather", "a2a": "heads", "a2a+p2p": "headsAndRing"}
    if plan.context > 1:
        kinds = config.cp_comm_type if isinstance(config.cp_comm_type, str) else config.cp_comm_type[0]
        same("layout.contextExchange", "config.cp_comm_type", plan.context_exchange, exchange[kinds])
        if plan.context_exchange == "headsAndRing":
            same("layout.contextHeads", "args.hierarchical_context_parallel_sizes", plan.context_heads, args.hierarchical_context_parallel_sizes[0])
    else:
        rep.moot("layout.contextExchange", "layout.contextHeads")
    silent("layout.vocabularyParallel", plan.vocabulary_parallel, (None, "none"))
    offload = plan.offload
    share = args.optimizer_offload_fraction if args.optimizer_cpu_offload else 0
    wanted = offload.get("optimizer", 0)
    same("layout.offload.optimizer", "args.optimizer_offload_fraction", 1 if wanted is True else wanted or 0, share)
    if wanted:
        same("layout.offload.overlap", "args.overlap_cpu_optimizer_d2h_h2d", bool(offload.get("overlap", True)), args.overlap_cpu_optimizer_d2h_h2d)
    else:
        rep.moot("layout.offload.overlap")
    silent("layout.offload.parameters", bool(offload.get("parameters", False)), False)
    silent("layout.offload.gradients", bool(offload.get("gradients", False)), False)
    blocks = offload.get("activations", 0)
    wanted = plan.model.layers if blocks is True else blocks or 0
    same("layout.offload.activations", "config.cpu_offloading_num_layers", wanted, config.cpu_offloading_num_layers if config.cpu_offloading else 0)
    rep.moot("offload")


def run(rep, plan, args, asked):
    """How long is trained, and the keys of a real run."""
    same = rep.compare
    if plan.steps is not None or plan.run_samples is not None:
        if args.train_samples is not None:
            same("samples" if plan.samples is not None else "tokens", "args.train_samples", math.ceil(plan.run_samples), args.train_samples)
        else:
            same("tokens", "args.train_iters", plan.steps, args.train_iters)
    rep.moot("tokens", "samples", "train.steps")
    train = plan.train
    if plan.checkpoint_every is not None:
        same("train.checkpoint.every", "args.save, args.save_interval", plan.checkpoint_every, args.save_interval if args.save else None)
    names = (("learningRate", "lr"), ("minLearningRate", "min_lr"), ("warmup", "lr_warmup_iters"), ("eps", "adam_eps"), ("weightDecay", "weight_decay"), ("seed", "seed"))
    for key, name in names:
        if key in train:
            same(f"train.{key}", f"args.{name}", report.plans.count(train[key]), getattr(args, name))
    if "betas" in train:
        same("train.betas", "args.adam_beta1, args.adam_beta2", [report.plans.count(value) for value in train["betas"]], [args.adam_beta1, args.adam_beta2])
    if "schedule" in train:
        same("train.schedule", "args.lr_decay_style", train["schedule"], args.lr_decay_style)
    if "clip" in train:
        clip = train["clip"]
        same("train.clip", "args.clip_grad", 0 if clip == "none" else report.plans.count(clip), args.clip_grad)
    rep.moot("train.data", "train.tokenizer", "train.order", "train.init", "train.folder", "train.momentum", "train.auxiliaryLoss",
             "train.checkpoint.path", "train.checkpoint.keep", "train.checkpoint.asynchronous")
    rep.says_nothing("lora", plan.keys.get("lora"), (None, "none"))
    rep.says_nothing("frozen", plan.keys.get("frozen"), (None, "none"))
    rep.says_nothing("quantized", plan.keys.get("quantized"), (None, "none"))
    rep.says_nothing("packing", plan.keys.get("packing"), (None, "none"))
    rep.says_nothing("padding", plan.keys.get("padding", 0), 0)


if __name__ == "__main__":
    report.main("megatron-lm", version, judge, __doc__)
