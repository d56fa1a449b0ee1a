/// The module `trainyard_config.py`: the model of a plan, built from torchtitan's own parts.
enum TorchtitanModuleText {
    static let text = #"""
        """The model of a plan for torchtitan 0.3. PLAN says its shape in the words of the plan; the flags say the rest."""
        import json
        from functools import partial

        import torch.nn as nn
        from torchtitan.components.checkpoint import CheckpointManager
        from torchtitan.components.loss import ChunkedLossWrapper, CrossEntropyLoss
        from torchtitan.components.optimizer import (
            LRSchedulersContainer, OptimizersContainer, ParamGroupConfig, register_moe_load_balancing_hook)
        from torchtitan.config import ParallelismConfig, TrainingConfig
        from torchtitan.distributed.pipeline_parallel import pipeline_llm
        from torchtitan.hf_datasets.text_datasets import HuggingFaceTextDataLoader
        from torchtitan.models.common import ComplexRoPE, CosSinRoPE, Embedding, Linear, RMSNorm
        from torchtitan.models.common.config_utils import (
            get_attention_config, make_ffn_config, make_gqa_config, make_moe_config, make_routed_experts_config,
            make_router_config)
        from torchtitan.models.common.param_init import skip_param_init
        from torchtitan.models.deepseek_v3 import make_mla_attention_config
        from torchtitan.models.deepseek_v3.model import DeepSeekV3Model, DeepSeekV3TransformerBlock
        from torchtitan.models.deepseek_v3.parallelize import parallelize_deepseekv3
        from torchtitan.models.qwen3.model import Qwen3Model, Qwen3TransformerBlock
        from torchtitan.models.qwen3.parallelize import parallelize_qwen3
        from torchtitan.protocols.model_spec import ModelSpec
        from torchtitan.trainer import Trainer

        PLAN = json.loads("""@PLAN@""")
        SHAPE, MOE, MLA = PLAN["model"], PLAN["model"].get("moe"), PLAN["model"].get("mla")
        WEIGHTS = {"weight": partial(nn.init.trunc_normal_, std=0.02), "bias": nn.init.zeros_}
        ONES = {"weight": nn.init.ones_}
        EXPERTS = {name: WEIGHTS["weight"] for name in ("w1_EFD", "w2_EDF", "w3_EFD")}


        def norm(size):
            return RMSNorm.Config(normalized_shape=size, param_init=ONES)


        def network(width):
            return make_ffn_config(dim=SHAPE["hidden"], hidden_dim=width, w1_param_init=WEIGHTS, w2w3_param_init=WEIGHTS)


        def experts():
            corrected, hidden = MOE.get("routerCorrection", False), SHAPE["hidden"]
            router = make_router_config(
                dim=hidden, num_experts=MOE["experts"], gate_param_init=WEIGHTS, top_k=MOE["topK"], route_norm=True,
                score_func="sigmoid" if corrected else "softmax", num_expert_groups=PLAN.get("groups"),
                num_limited_groups=MOE.get("nodeLimit"))
            routed = make_routed_experts_config(
                dim=hidden, hidden_dim=MOE["ffn"], num_experts=MOE["experts"], top_k=MOE["topK"], param_init=EXPERTS,
                comm_backend=PLAN["dispatcher"])
            return make_moe_config(
                num_experts=MOE["experts"], router=router, routed_experts=routed,
                shared_experts=network(MOE["shared"] * MOE["sharedFfn"]) if "shared" in MOE else None,
                load_balance_coeff=1e-3 if corrected else None)


        def attention(index):
            if MLA:
                rope = ComplexRoPE.Config(dim=MLA["ropeSize"], max_seq_len=SHAPE["sequence"], theta=10000.0)
                return make_mla_attention_config(
                    layer_id=index, dim=SHAPE["hidden"], n_heads=SHAPE["heads"], q_lora_rank=MLA["queryRank"],
                    kv_lora_rank=MLA["kvRank"], qk_nope_head_dim=MLA["nopeSize"], qk_rope_head_dim=MLA["ropeSize"],
                    v_head_dim=MLA["valueSize"], attn_backend="flex", linear_init=WEIGHTS, norm_init=ONES,
                    depth_init=lambda _: WEIGHTS, rope=rope)
            size = SHAPE["headSize"]
            config = make_gqa_config(
                dim=SHAPE["hidden"], n_heads=SHAPE["heads"], n_kv_heads=SHAPE["kvHeads"], head_dim=size,
                wqkv_param_init=WEIGHTS, wo_param_init=WEIGHTS, inner_attention=get_attention_config("flex"), fuse_qkv=True,
                rope=CosSinRoPE.Config(dim=size, max_seq_len=SHAPE["sequence"], theta=500000.0),
                qk_norm=norm(size) if "qkNorm" in SHAPE else None)
            config.qkv_linear.wqkv.bias = "attentionInput" in SHAPE.get("biases", [])
            return config


        def block(index):
            first, every = (MOE.get("firstDense", 0), MOE.get("every", 1)) if MOE else (0, 1)
            mixed = MOE and index >= first and (index - first) % every == every - 1
            kind = DeepSeekV3TransformerBlock if MLA else Qwen3TransformerBlock
            return kind.Config(
                attention_norm=norm(SHAPE["hidden"]), ffn_norm=norm(SHAPE["hidden"]), attention=attention(index),
                moe=experts() if mixed else None, feed_forward=None if mixed else network(SHAPE["ffn"]))


        def parts():
            """The modules of each stage."""
            names, first = [], 0
            for count in PLAN["stages"]:
                names.append([f"layers.{index}" for index in range(first, first + count)])
                first += count
            names[0].insert(0, "tok_embeddings")
            names[-1] += ["norm", "lm_head"]
            return names


        def model():
            hidden, vocab, tied = SHAPE["hidden"], SHAPE["vocab"], SHAPE["tiedEmbeddings"]
            table = {"weight": skip_param_init if tied else partial(nn.init.normal_, std=0.02)}
            config = (DeepSeekV3Model if MLA else Qwen3Model).Config(
                dim=hidden, vocab_size=vocab, enable_weight_tying=tied, norm=norm(hidden),
                tok_embeddings=Embedding.Config(num_embeddings=vocab, embedding_dim=hidden, param_init=table),
                lm_head=Linear.Config(in_features=hidden, out_features=vocab, param_init=WEIGHTS),
                layers=[block(index) for index in range(SHAPE["layers"])])
            if PLAN.get("recipe") == "mxfp8":
                from torchtitan.components.quantization import MXFP8LinearConverter as Converter
            elif PLAN.get("recipe") == "nvfp4":
                from torchtitan.components.quantization import NVFP4LinearConverter as Converter
            else:
                return config
            # The head stays in bf16.
            return Converter.Config(fqns=["layers"]).build().convert(config)


        def plan() -> Trainer.Config:
            loss = CrossEntropyLoss.Config(global_vocab_size=SHAPE["vocab"])
            if "chunks" in PLAN:
                loss = ChunkedLossWrapper.Config(loss_fn=loss, num_chunks=PLAN["chunks"])
            balances = MOE and MOE.get("routerCorrection", False)
            spec = ModelSpec(
                name="trainyard", flavor="plan", model=model(), pipelining_fn=pipeline_llm, state_dict_adapter=None,
                parallelize_fn=parallelize_deepseekv3 if MLA else parallelize_qwen3,
                post_optimizer_build_fn=register_moe_load_balancing_hook if balances else None)
            group = ParamGroupConfig(
                pattern=".*", optimizer_name="AdamW",
                optimizer_kwargs={**PLAN["optimizer"], "betas": tuple(PLAN["optimizer"]["betas"])})
            return Trainer.Config(
                model_spec=spec, loss=loss, optimizer=OptimizersContainer.Config(param_groups=[group]),
                lr_scheduler=LRSchedulersContainer.Config(
                    warmup_steps=PLAN["warmup"], decay_type="cosine", min_lr_factor=PLAN["minimum"]),
                # A pipeline is refused while graphs of the device are on, so they are off until the flags say it.
                training=TrainingConfig(seq_len=SHAPE["sequence"], disable_cuda_graphs=True),
                parallelism=ParallelismConfig(module_fqns_per_model_part=parts() if "stages" in PLAN else None),
                dataloader=HuggingFaceTextDataLoader.Config(dataset="c4"), checkpoint=CheckpointManager.Config())

        """#
}
