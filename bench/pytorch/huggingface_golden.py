#!/usr/bin/env python3
"""Writes Tests/Goldens/huggingface_logits.json: what transformers computes from tiny models of every type that the runtime
reads, from weights that both sides compute by the formulas of golden.py, so that no weights need to be stored.

A tensor has the formula's values for its name in the file, times `scale` unless it is a norm's. The configuration is the one
that save_pretrained writes, or an older form of it. Logits are those of every `every`-th position of the formula's text, and
`loss` is the mean cross-entropy of a batch of the text's first sequences.

    huggingface_golden.py                       writes the golden file
    huggingface_golden.py FOLDER TOKEN...       prints the logits of every position of a folder's model, as JSON
"""
import json
import os
import sys

os.environ["OMP_NUM_THREADS"] = "1"
HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, HERE)
import torch
import transformers
from torch.nn import functional as F

SCALE, SEQUENCE, BATCH, EVERY, VOCAB = 8, 32, 4, 8, 96
LLAMA = dict(
    vocab_size=VOCAB, hidden_size=64, intermediate_size=96, num_hidden_layers=2, num_attention_heads=4,
    num_key_value_heads=2, max_position_embeddings=SEQUENCE, bos_token_id=None, eos_token_id=None)
CASES = {
    "gpt2": (transformers.GPT2Config, dict(
        vocab_size=VOCAB, n_embd=64, n_layer=2, n_head=4, n_inner=96, n_positions=48, layer_norm_epsilon=1e-4,
        bos_token_id=None, eos_token_id=None)),
    "gpt2-untied": (transformers.GPT2Config, dict(
        vocab_size=VOCAB, n_embd=64, n_layer=2, n_head=4, n_positions=SEQUENCE, activation_function="relu",
        tie_word_embeddings=False, bos_token_id=None, eos_token_id=None)),
    "llama3": (transformers.LlamaConfig, dict(
        LLAMA, rms_norm_eps=1e-4, tie_word_embeddings=True, rope_parameters=dict(
            rope_type="llama3", rope_theta=500000.0, factor=8.0, low_freq_factor=1.0, high_freq_factor=4.0,
            original_max_position_embeddings=16))),
    "llama-linear": (transformers.LlamaConfig, dict(
        LLAMA, hidden_act="gelu_pytorch_tanh", head_dim=32, rope_parameters=dict(
            rope_type="linear", rope_theta=1000.0, factor=4.0))),
    "mistral": (transformers.MistralConfig, dict(LLAMA, sliding_window=8)),
    "qwen2": (transformers.Qwen2Config, dict(LLAMA, tie_word_embeddings=True)),
    "qwen3": (transformers.Qwen3Config, dict(
        LLAMA, head_dim=32, rope_parameters=dict(
            rope_type="yarn", rope_theta=100000.0, factor=4.0, original_max_position_embeddings=8))),
    "mixtral": (transformers.MixtralConfig, dict(LLAMA, num_local_experts=4, num_experts_per_tok=2)),
    "qwen3-moe": (transformers.Qwen3MoeConfig, dict(
        LLAMA, head_dim=16, moe_intermediate_size=48, num_experts=4, num_experts_per_tok=2, norm_topk_prob=True,
        mlp_only_layers=[0])),
}
# Forms of a configuration that older releases wrote: base and scaling apart.
OLD = {"llama3", "qwen3"}


def written(name, tensor):
    """The formula's values for a tensor's name in a file."""
    import llama_golden

    values = llama_golden.weights(name, tensor.numel())
    is_norm = name.endswith(".weight") and (name.split(".")[-2].endswith("norm") or name.split(".")[-2].startswith("ln_"))
    return (values if is_norm else values * SCALE).view(tensor.shape)


def stored(model, folder):
    """Saves the model with the formula's weights and returns it opened again, and its tensors' names and shapes."""
    from safetensors.torch import load_file, save_file

    model.save_pretrained(folder)
    path = os.path.join(folder, "model.safetensors")
    tensors = load_file(path)
    save_file({name: written(name, tensor) for name, tensor in tensors.items()}, path, metadata={"format": "pt"})
    opened = transformers.AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32).eval()
    return opened, sorted((name, list(tensor.shape)) for name, tensor in tensors.items())


def logits(model, tokens):
    with torch.no_grad():
        return model(input_ids=torch.tensor(tokens)).logits


def case(name, folder):
    import golden

    kind, values = CASES[name]
    model, tensors = stored(transformers.AutoModelForCausalLM.from_config(kind(**values)), folder)
    with open(os.path.join(folder, "config.json")) as file:
        config = json.load(file)
    for key in ["transformers_version", "dtype", "architectures"]:
        config.pop(key, None)
    if name in OLD:
        scaling = config.pop("rope_parameters")
        config["rope_theta"] = scaling.pop("rope_theta")
        config["rope_scaling"] = scaling
    text = golden.formula_text(BATCH * SEQUENCE + 1)
    rows = [text[i * SEQUENCE : (i + 1) * SEQUENCE] for i in range(BATCH)]
    targets = torch.tensor([text[i * SEQUENCE + 1 : (i + 1) * SEQUENCE + 1] for i in range(BATCH)])
    all_logits = logits(model, rows)
    each = F.cross_entropy(all_logits.reshape(-1, VOCAB), targets.reshape(-1), reduction="none")
    chosen = all_logits[0, EVERY - 1 :: EVERY]
    return dict(
        config=config, tensors=tensors, loss=each.double().mean().item(),
        logits=[[round(x, 6) for x in row] for row in chosen.tolist()])


if __name__ == "__main__":
    torch.set_num_threads(1)
    transformers.logging.set_verbosity_error()
    if len(sys.argv) > 2:
        opened = transformers.AutoModelForCausalLM.from_pretrained(sys.argv[1], dtype=torch.float32).eval()
        print(json.dumps(logits(opened, [[int(x) for x in sys.argv[2:]]])[0].tolist()))
        sys.exit()
    import tempfile

    result = dict(
        about="Written by bench/pytorch/huggingface_golden.py; golden.py gives the formulas of weights and text.",
        torch=torch.__version__, transformers=transformers.__version__, scale=SCALE, sequence=SEQUENCE, batch=BATCH,
        every=EVERY, models={})
    for name in CASES:
        with tempfile.TemporaryDirectory() as folder:
            result["models"][name] = case(name, folder)
    path = os.path.join(HERE, "..", "..", "Tests", "Goldens", "huggingface_logits.json")
    with open(path, "w") as file:
        lines = json.dumps(result, indent=1, sort_keys=True)
        # A row of logits, or a tensor, on one line.
        import re

        lines = re.sub(r"\[\s+([^\[\]{}]+?)\s+\]", lambda m: "[" + re.sub(r"\s+", " ", m.group(1)) + "]", lines)
        file.write(lines + "\n")
    print("wrote", os.path.normpath(path))
