"""The model of one plan for torchtitan 0.3, started with --module trainyard_config --config plan.

The names below SHAPE are torchtitan's own; a shape of no known flavour is built from its blocks.
"""
from functools import partial

import torch.nn as nn
from torchtitan.components.loss import ChunkedLossWrapper, CrossEntropyLoss
from torchtitan.components.optimizer import LRSchedulersContainer, OptimizersContainer, ParamGroupConfig, register_moe_load_balancing_hook
from torchtitan.components.checkpoint import CheckpointManager
from torchtitan.config import ParallelismConfig, TrainingConfig
from torchtitan.distributed.pipeline_parallel import pipeline_llm
from torchtitan.hf_datasets.text_datasets import HuggingFaceTextDataLoader
from torchtitan.models.common import CosSinRoPE, Embedding, Linear, RMSNorm
from torchtitan.models.common.config_utils import (
    get_attention_config, make_ffn_config, make_gqa_config, make_moe_config, make_routed_experts_config, make_router_config)
from torchtitan.models.common.param_init import skip_param_init
from torchtitan.models.qwen3.model import Qwen3Model, Qwen3TransformerBlock
from torchtitan.models.qwen3.parallelize import parallelize_qwen3
from torchtitan.protocols.model_spec import ModelSpec
from torchtitan.trainer import Trainer

SHAPE = {
    "layers": 32, "hidden": 4096, "heads": 32, "kvHeads": 8, "headSize": 128, "ffn": 14336, "vocab": 128256, "sequence": 8192,
    "tied": False, "qkNorm": False, "moe": None, "first": 0, "every": 1,
}
STAGES = [4, 4, 4, 4, 4, 4, 4, 4]
CHUNKS = None  # of the loss
OPTIMIZER = {"lr": 3e-4, "betas": (0.9, 0.95), "eps": 1e-8, "weight_decay": 0.1}
WARMUP = 100

MATRIX = {"weight": partial(nn.init.trunc_normal_, std=0.02), "bias": nn.init.zeros_}
ONES = {"weight": nn.init.ones_}
EXPERTS = {name: MATRIX["weight"] for name in ("w1_EFD", "w2_EDF", "w3_EFD")}


def norm(size):
    return RMSNorm.Config(normalized_shape=size, param_init=ONES)


def experts(hidden, moe):
    shared = None
    if moe["shared"]:
        shared = make_ffn_config(dim=hidden, hidden_dim=moe["shared"] * moe["sharedFfn"], w1_param_init=MATRIX, w2w3_param_init=MATRIX)
    router = make_router_config(dim=hidden, num_experts=moe["experts"], gate_param_init=MATRIX, top_k=moe["topK"], score_func="softmax",
                                route_norm=True)
    routed = make_routed_experts_config(dim=hidden, hidden_dim=moe["ffn"], num_experts=moe["experts"], top_k=moe["topK"],
                                        param_init=EXPERTS, comm_backend=moe["dispatcher"])
    return make_moe_config(num_experts=moe["experts"], router=router, routed_experts=routed, shared_experts=shared, load_balance_coeff=None)


def attention():
    s = SHAPE
    return make_gqa_config(
        dim=s["hidden"], n_heads=s["heads"], n_kv_heads=s["kvHeads"], head_dim=s["headSize"], wqkv_param_init=MATRIX,
        wo_param_init=MATRIX, inner_attention=get_attention_config("flex"), fuse_qkv=True,
        rope=CosSinRoPE.Config(dim=s["headSize"], max_seq_len=s["sequence"], theta=500000.0),
        qk_norm=norm(s["headSize"]) if s["qkNorm"] else None)


def block(index):
    s = SHAPE
    mixed = s["moe"] and index >= s["first"] and (index - s["first"]) % s["every"] == s["every"] - 1
    return Qwen3TransformerBlock.Config(
        attention_norm=norm(s["hidden"]), ffn_norm=norm(s["hidden"]), attention=attention(),
        moe=experts(s["hidden"], s["moe"]) if mixed else None,
        feed_forward=None if mixed else make_ffn_config(dim=s["hidden"], hidden_dim=s["ffn"], w1_param_init=MATRIX, w2w3_param_init=MATRIX))


def parts():
    """The modules of each stage."""
    names, first = [], 0
    for count in STAGES:
        names.append([f"layers.{index}" for index in range(first, first + count)])
        first += count
    names[0].insert(0, "tok_embeddings")
    names[-1] += ["norm", "lm_head"]
    return names


def plan() -> Trainer.Config:
    s = SHAPE
    model = Qwen3Model.Config(
        dim=s["hidden"], vocab_size=s["vocab"], enable_weight_tying=s["tied"], norm=norm(s["hidden"]),
        tok_embeddings=Embedding.Config(num_embeddings=s["vocab"], embedding_dim=s["hidden"],
                                        param_init={"weight": skip_param_init} if s["tied"] else {"weight": partial(nn.init.normal_, std=0.02)}),
        lm_head=Linear.Config(in_features=s["hidden"], out_features=s["vocab"], param_init=MATRIX),
        layers=[block(index) for index in range(s["layers"])])
    loss = CrossEntropyLoss.Config(global_vocab_size=s["vocab"])
    return Trainer.Config(
        model_spec=ModelSpec(name="trainyard", flavor="plan", model=model, parallelize_fn=parallelize_qwen3, pipelining_fn=pipeline_llm,
                             post_optimizer_build_fn=register_moe_load_balancing_hook if s["moe"] else None, state_dict_adapter=None),
        loss=loss if CHUNKS is None else ChunkedLossWrapper.Config(loss_fn=loss, num_chunks=CHUNKS),
        optimizer=OptimizersContainer.Config(param_groups=[ParamGroupConfig(pattern=".*", optimizer_name="AdamW", optimizer_kwargs=OPTIMIZER)]),
        lr_scheduler=LRSchedulersContainer.Config(warmup_steps=WARMUP, decay_type="cosine", min_lr_factor=0.1),
        # The flags say the rest; a pipeline is refused while graphs of the device are on, so they are off from the start.
        training=TrainingConfig(seq_len=s["sequence"], disable_cuda_graphs=True),
        parallelism=ParallelismConfig(module_fqns_per_model_part=parts() if len(STAGES) > 1 else None),
        dataloader=HuggingFaceTextDataLoader.Config(dataset="c4"), checkpoint=CheckpointManager.Config())
