#!/usr/bin/env python3
"""Writes Tests/Goldens/pytorch_llama.json: twenty steps of tiny llamas trained by PyTorch with the models of Hugging
Face's transformers, from weights and text that both sides compute by the formulas of golden.py.

Norms' weights follow the formula of golden.py's LayerNorms. LlamaForCausalLM with grouped queries, attention in its
plain form, single precision, no dropout. In run "experts" the second block's feed-forward is `Experts` below.
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
import golden
import gpt

SHAPE = dict(
    layers=2, hidden=64, heads=4, kvHeads=2, ffn=96, sequence=32, vocab=256, batch=8, microbatch=2)
RUNS = {
    "untied": dict(tied=False), "tied": dict(tied=True),
    "experts": dict(tied=False, experts=4, topK=2, expertFfn=48, shared=1, sharedFfn=32, auxiliaryLoss=0.05)}


class Gated(torch.nn.Module):
    def __init__(self, hidden, ffn):
        super().__init__()
        self.gate_proj, self.up_proj = (torch.nn.Linear(hidden, ffn, bias=False) for _ in range(2))
        self.down_proj = torch.nn.Linear(ffn, hidden, bias=False)

    def forward(self, x):
        return self.down_proj(F.silu(self.gate_proj(x)) * self.up_proj(x))


class Experts(torch.nn.Module):
    """A softmax over all experts, of which every token keeps the most probable, with weights that sum to 1; beside them
    experts that every token passes through. `auxiliary` is E · Σ load · mean probability of the last call, the load a
    constant (Fedus et al. 2021, equation 4)."""

    def __init__(self, c):
        super().__init__()
        self.topK = c["topK"]
        self.gate = torch.nn.Linear(c["hidden"], c["experts"], bias=False)
        self.experts = torch.nn.ModuleList(Gated(c["hidden"], c["expertFfn"]) for _ in range(c["experts"]))
        self.shared_experts = Gated(c["hidden"], c["shared"] * c["sharedFfn"])

    def forward(self, x):
        rows = x.reshape(-1, x.size(-1))
        probabilities = self.gate(rows).softmax(-1)
        weights, choices = probabilities.topk(self.topK, dim=-1)
        weights = weights / weights.sum(-1, keepdim=True)
        y = self.shared_experts(rows)
        for number, expert in enumerate(self.experts):
            row, slot = (choices == number).nonzero(as_tuple=True)
            y = y.index_add(0, row, expert(rows[row]) * weights[row, slot, None])
        load = torch.bincount(choices.reshape(-1), minlength=len(self.experts)) / choices.numel()
        self.auxiliary = len(self.experts) * (load * probabilities.mean(0)).sum()
        return y.view_as(x)


def model_of(c):
    config = transformers.LlamaConfig(
        vocab_size=c["vocab"], hidden_size=c["hidden"], intermediate_size=c["ffn"], num_hidden_layers=c["layers"],
        num_attention_heads=c["heads"], num_key_value_heads=c["kvHeads"], max_position_embeddings=c["sequence"],
        rms_norm_eps=1e-5, rope_theta=10000.0, tie_word_embeddings=c["tied"], attention_dropout=0.0,
        attn_implementation="eager", use_cache=False)
    model = transformers.LlamaForCausalLM(config)
    if "experts" in c:
        model.model.layers[1].mlp = Experts(c)
    return model


def weights(name, count):
    """The formula of golden.py; its norms are called ln_…, these …norm."""
    if not name.endswith("norm.weight"):
        return golden.formula_weights(name, count)
    x = (torch.arange(count, dtype=torch.int64) * 0x9E3779B1 + golden.zlib.crc32(name.encode())) & golden.MASK
    x ^= x >> 16
    x = golden.wrapped_product(x, 0x85EBCA6B)
    x ^= x >> 13
    x = golden.wrapped_product(x, 0xC2B2AE35)
    x ^= x >> 16
    return (1 + ((x >> 20) - 2048).double() / 65536).float()


def trained(change):
    c = dict(SHAPE, **change)
    model = model_of(c)
    names = []
    with torch.no_grad():
        for name, p in model.named_parameters():
            names.append((name, list(p.shape)))
            p.copy_(weights(name, p.numel()).view(p.shape))
    data = gpt.Data(c, torch.tensor(golden.formula_text(golden.TEXT)))
    optimizer = gpt.optimizer_of(model.parameters(), golden.LEARNING_RATE)
    micro, losses, norms = c["microbatch"], [], {}
    for step in range(golden.STEPS):
        x, y = data.batch(step)
        total = 0.0
        optimizer.zero_grad(set_to_none=True)
        for i in range(0, c["batch"], micro):
            logits = model(input_ids=x[i : i + micro]).logits
            each = F.cross_entropy(
                logits.reshape(-1, c["vocab"]), y[i : i + micro].reshape(-1), reduction="none")
            total += each.double().sum().item()
            loss = each.mean()
            if "experts" in c:
                loss = loss + c["auxiliaryLoss"] * model.model.layers[1].mlp.auxiliary
            (loss * (micro / c["batch"])).backward()
        if step == 0:
            norms = {name: p.grad.double().norm().item() for name, p in model.named_parameters()}
        optimizer.step()
        losses.append(total / (c["batch"] * c["sequence"]))
    return dict(config=c, tensors=names, losses=losses, firstGradientNorms=norms)


if __name__ == "__main__":
    torch.set_num_threads(1)
    result = dict(
        about="Written by bench/pytorch/llama_golden.py; golden.py gives the formulas of weights and text.",
        torch=torch.__version__, transformers=transformers.__version__,
        text=dict(count=golden.TEXT, order="sequential"),
        runs={name: trained(change) for name, change in RUNS.items()})
    path = os.path.join(HERE, "..", "..", "Tests", "Goldens", "pytorch_llama.json")
    with open(path, "w") as file:
        json.dump(result, file, indent=1)
        file.write("\n")
    print("wrote", os.path.normpath(path))
