"""Writes interchange/{nemo,primus,maxtext}.json: the shapes that these tools' configurations name instead of stating.

    python scripts/interop/model_tables.py --nemo NEMO --primus PRIMUS --maxtext MAXTEXT

Each argument is a git directory (a checkout's .git, or a mirror); its HEAD is read. NeMo's configuration classes are Python:
only assignments of plain values in dataclasses are taken, nothing is imported or run.
"""

import argparse
import ast
import json
import subprocess
from pathlib import Path

import yaml

OUT = Path(__file__).resolve().parents[2] / "interchange"

# Fields of Megatron-Core's configurations that say a model's shape.
SHAPE = """num_layers hidden_size ffn_hidden_size num_attention_heads num_query_groups group_query_attention kv_channels
seq_length max_position_embeddings position_embedding_type normalization gated_linear_unit activation_func swiglu quick_geglu
squared_relu add_bias_linear add_qkv_bias qk_layernorm share_embeddings_and_output_weights untie_embeddings_and_output_weights
vocab_size window_size window_attn_skip_freq softmax_type multi_latent_attention q_lora_rank kv_lora_rank qk_head_dim
qk_pos_emb_head_dim v_head_dim mtp_num_layers num_moe_experts num_experts moe_router_topk moe_ffn_hidden_size moe_layer_freq
moe_shared_expert_intermediate_size moe_shared_expert_gate moe_router_enable_expert_bias moe_router_score_function
moe_token_dispatcher_type moe_expert_capacity_factor moe_latent_size moe_shared_expert_overlap moe_router_num_groups
moe_router_group_topk tokenizer_type tokenizer_model hybrid_override_pattern hybrid_layer_pattern is_hybrid_model
attention_chunk_size nope_layer_interval interleaved_attn_pattern heterogeneous_layers_config_path sequence_parallel
expert_model_parallel_size moe_grouped_gemm model_type experimental_attention_variant
linear_attention_freq attention_output_gate attn_res_block_size compress_ratios csa_compress_ratios lfm_layer_types""".split()

MLA = "q_lora_rank kv_lora_rank qk_head_dim qk_pos_emb_head_dim v_head_dim".split()

MAXTEXT = """base_emb_dim base_num_query_heads base_num_kv_heads base_mlp_dim base_moe_mlp_dim base_num_decoder_layers head_dim
mlp_activations vocab_size logits_via_embedding decoder_block num_experts num_experts_per_tok shared_experts
first_num_dense_layers interleave_moe_layer_step attention_type q_lora_rank kv_lora_rank qk_nope_head_dim qk_rope_head_dim
v_head_dim use_qk_norm attention_bias mlp_bias attention_sink sliding_window_size chunk_attn_window_size use_post_attn_norm
use_post_ffw_norm trainable_position_size routed_bias mtp_num_layers topk_routing_group inhomogeneous_layer_cycle_interval
use_indexer global_head_dim global_num_kv_heads share_kv_projections""".split()


def git(directory, *words):
    return subprocess.run(["git", "-C", directory, *words], check=True, capture_output=True, text=True).stdout


def names(directory, folder, ending):
    return [p for p in git(directory, "ls-tree", "-r", "--name-only", "HEAD", folder).split("\n") if p.endswith(ending)]


def source(directory, name):
    return f"{name} at {git(directory, 'rev-parse', 'HEAD')[:12]}"


def write(file, source, key, table):
    lines = ",\n".join(f"  {json.dumps(name)}: {json.dumps(table[name])}" for name in sorted(table))
    (OUT / file).write_text(f'{{\n "source": {json.dumps(source)},\n "{key}": {{\n{lines}\n }}\n}}\n')
    print(file, len(table))


def literal(node):
    """A plain value, the last word of a dotted name, or None."""
    if isinstance(node, ast.Attribute):
        return node.attr
    if isinstance(node, ast.Name):
        return node.id
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Mult):
        factors = literal(node.left), literal(node.right)
        return factors[0] * factors[1] if all(isinstance(f, int) for f in factors) else None
    try:
        value = ast.literal_eval(node)
    except ValueError:
        return None
    return list(value) if isinstance(value, tuple) else value


def nemo(directory):
    classes = {}
    for path in names(directory, "nemo/collections/llm/gpt/model", ".py"):
        for node in ast.parse(git(directory, "show", f"HEAD:{path}")).body:
            if not isinstance(node, ast.ClassDef):
                continue
            fields = {}
            for line in node.body:
                if isinstance(line, ast.AnnAssign) and isinstance(line.target, ast.Name) and line.value is not None:
                    value = literal(line.value)
                    factory = [k.value for k in getattr(line.value, "keywords", []) if k.arg == "default_factory"]
                    if factory and isinstance(factory[0], ast.Lambda):
                        value = literal(factory[0].body)
                    if line.target.id in SHAPE:
                        fields[line.target.id] = value
            classes[node.name] = ([literal(base) for base in node.bases], fields)

    def flat(name, seen=()):
        bases, fields = classes.get(name, ([], {}))
        all = {}
        for base in reversed(bases):
            if base not in seen:
                all |= flat(base, seen + (name,))
        if name == "MLATransformerConfig":
            all["multi_latent_attention"] = True
        return all | fields

    def descends(name, of):
        return name == of or any(descends(base, of) for base in classes.get(name, ([], {}))[0] if base != name)

    table = {}
    for name in classes:
        if descends(name, "GPTConfig"):
            table[name] = {k: v for k, v in flat(name).items() if v is not None}
        if descends(name, "SSMConfig"):
            table[name] = {"is_hybrid_model": True}
    write("nemo.json", source(directory, "configuration classes of NVIDIA/NeMo, nemo/collections/llm/gpt/model,"), "models", table)


def primus(directory):
    folder = "primus/configs/models/megatron"
    trees = {}
    for path in names(directory, folder, ".yaml"):
        trees[path.removeprefix(folder + "/")] = yaml.safe_load(git(directory, "show", f"HEAD:{path}")) or {}

    def flat(name):
        tree = trees.get(name, {})
        all = {}
        for base in tree.get("extends") or tree.get("includes") or tree.get("bases") or []:
            all |= flat(base)
        return all | {k: v for k, v in tree.items() if k in SHAPE}

    table = {}
    for name in trees:
        if name.startswith("diffusion") or name.endswith("_base.yaml"):
            continue
        fields = {k: v for k, v in flat(name).items() if v is not None and (v is not False or k == "add_bias_linear")}
        if fields.get("model_type") == "gpt":
            del fields["model_type"]
        if not fields.get("num_experts"):
            fields = {k: v for k, v in fields.items() if not k.startswith("moe_") and k != "expert_model_parallel_size"}
        if not fields.get("multi_latent_attention"):
            fields = {k: v for k, v in fields.items() if k not in MLA}
        if "hidden_size" in trees[name] or any("hidden_size" in trees.get(b, {}) for b in trees[name].get("extends", [])):
            table[name.removesuffix(".yaml")] = fields
    write("primus.json", source(directory, "model files of AMD-AGI/Primus, primus/configs/models/megatron,"), "models", table)


def maxtext(directory):
    table = {}
    for path in names(directory, "src/maxtext/configs/models", ".yml"):
        tree = yaml.safe_load(git(directory, "show", f"HEAD:{path}")) or {}
        table[Path(path).stem] = {k: v for k, v in tree.items() if k in MAXTEXT}
    base = yaml.safe_load(git(directory, "show", "HEAD:src/maxtext/configs/base.yml"))
    table["default"] = {k: v for k, v in base.items() if k in MAXTEXT and v not in (None, False, 0, -1)}
    write("maxtext.json", source(directory, "model files of AI-Hypercomputer/maxtext, src/maxtext/configs/models,"), "models", table)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    for name in ("nemo", "primus", "maxtext"):
        parser.add_argument(f"--{name}")
    given = parser.parse_args()
    for name, read in (("nemo", nemo), ("primus", primus), ("maxtext", maxtext)):
        if getattr(given, name):
            read(getattr(given, name))
