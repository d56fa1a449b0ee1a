"""A GPT-2 style model in PyTorch, cut into pipeline stages, with the data order and optimizer of a Trainyard run.

Pre-LN blocks, learned positions, tanh GELU, causal attention, no dropout. Parameters bear Hugging Face GPT-2's names
without the "transformer." prefix; matrices of the blocks lie [in, out] (y = x W + b), q, k and v side by side;
lm_head.weight [vocab, hidden] exists only when the head is not tied to wte.
AdamW decays tensors of two dimensions. Loss: mean cross-entropy over the tokens of the global batch.
"""
import json
import math
import os
import zlib

import torch
from torch import nn
from torch.nn import functional as F

with open(os.path.join(os.path.dirname(os.path.abspath(__file__)), os.pardir, "shapes.json")) as file:
    SIZES = json.load(file)


class Linear(nn.Module):
    def __init__(self, inputs, outputs):
        super().__init__()
        self.weight = nn.Parameter(torch.empty(inputs, outputs))
        self.bias = nn.Parameter(torch.empty(outputs))

    def forward(self, x):
        return torch.addmm(self.bias, x.reshape(-1, x.size(-1)), self.weight).view(*x.shape[:-1], -1)


class Attention(nn.Module):
    def __init__(self, c):
        super().__init__()
        self.heads = c["heads"]
        self.c_attn, self.c_proj = Linear(c["hidden"], 3 * c["hidden"]), Linear(c["hidden"], c["hidden"])

    def forward(self, x):
        batch, sequence, hidden = x.shape
        q, k, v = (
            t.view(batch, sequence, self.heads, hidden // self.heads).transpose(1, 2)
            for t in self.c_attn(x).split(hidden, dim=2))
        y = F.scaled_dot_product_attention(q, k, v, is_causal=True)
        return self.c_proj(y.transpose(1, 2).reshape(batch, sequence, hidden))


class MLP(nn.Module):
    def __init__(self, c):
        super().__init__()
        self.c_fc, self.c_proj = Linear(c["hidden"], 4 * c["hidden"]), Linear(4 * c["hidden"], c["hidden"])

    def forward(self, x):
        return self.c_proj(F.gelu(self.c_fc(x), approximate="tanh"))


class Block(nn.Module):
    def __init__(self, c):
        super().__init__()
        self.ln_1, self.attn = nn.LayerNorm(c["hidden"]), Attention(c)
        self.ln_2, self.mlp = nn.LayerNorm(c["hidden"]), MLP(c)

    def forward(self, x):
        x = x + self.attn(self.ln_1(x))
        return x + self.mlp(self.ln_2(x))


class Stage(nn.Module):
    """Layers [low, high); stage 0 embeds, the last one gives logits."""

    def __init__(self, c, low, high, first, last):
        super().__init__()
        self.first, self.last, self.tied = first, last, c["tied"]
        if first:
            self.wpe = nn.Embedding(c["sequence"], c["hidden"])
        if first or (last and self.tied):
            self.wte = nn.Embedding(c["vocab"], c["hidden"])
        self.h = nn.ModuleDict({str(i): Block(c) for i in range(low, high)})
        if last:
            self.ln_f = nn.LayerNorm(c["hidden"])
            if not self.tied:
                self.lm_head = nn.Linear(c["hidden"], c["vocab"], bias=False)

    def forward(self, x):
        if self.first:
            x = self.wte(x) + self.wpe.weight[: x.size(1)]
        for block in self.h.values():
            x = block(x)
        if self.last:
            x = F.linear(self.ln_f(x), self.wte.weight if self.tied else self.lm_head.weight)
        return x


def loss_of(logits, targets):
    return F.cross_entropy(logits.view(-1, logits.size(-1)), targets.reshape(-1))


def initial(name, shape, c, seed):
    """Each tensor has its own generator, seeded by (seed, name): the same weights however the model is cut."""
    if name.endswith("bias"):
        return torch.zeros(shape)
    if ".ln_" in "." + name:
        return torch.ones(shape)
    deviation = 0.02 / math.sqrt(2 * c["layers"]) if name.endswith("c_proj.weight") else 0.02
    generator = torch.Generator().manual_seed((seed << 32) ^ zlib.crc32(name.encode()))
    return torch.empty(shape).normal_(0.0, deviation, generator=generator)


def initialize(module, c, seed):
    with torch.no_grad():
        for name, p in module.named_parameters():
            p.copy_(initial(name, p.shape, c, seed))


def load(module, path):
    from safetensors import safe_open
    with safe_open(path, "pt") as file, torch.no_grad():
        for name, p in module.named_parameters():
            p.copy_(file.get_tensor(name))


def save(named, path):
    from safetensors.torch import save_file
    save_file({name: p.detach().clone().contiguous() for name, p in named}, path)


ADAMW = dict(betas=(0.9, 0.95), eps=1e-8, fused=True)


def groups_of(parameters):
    parameters = list(parameters)
    groups = [
        dict(params=[p for p in parameters if p.dim() >= 2], weight_decay=0.1),
        dict(params=[p for p in parameters if p.dim() < 2], weight_decay=0.0)]
    return [g for g in groups if g["params"]]


def optimizer_of(parameters, lr):
    return torch.optim.AdamW(groups_of(parameters), lr=lr, **ADAMW)


class Data:
    """Sequence i of step s starts at token ((s·batch + i)·sequence) mod (length − sequence − 1); targets follow by one."""

    def __init__(self, c, tokens):
        self.c, self.tokens = c, tokens

    def batch(self, step):
        batch, sequence = self.c["batch"], self.c["sequence"]
        starts = [((step * batch + i) * sequence) % (len(self.tokens) - sequence - 1) for i in range(batch)]
        return tuple(torch.stack([self.tokens[s + o : s + o + sequence] for s in starts]) for o in (0, 1))


def memory(key="VmHWM"):
    """Resident memory of this process in bytes: the most so far, or with "VmRSS" now."""
    with open("/proc/self/status") as status:
        return next(int(line.split()[1]) * 1024 for line in status if line.startswith(key))


def report(c, times, losses, **extra):
    """One line of JSON: tokens a second over the timed steps, every step's time and loss."""
    tokens = c["batch"] * c["sequence"]
    ordered = sorted(times)
    n = len(ordered)
    median = (ordered[(n - 1) // 2] + ordered[n // 2]) / 2
    print(json.dumps(dict(
        framework="pytorch " + torch.__version__, **c, **extra, tokensPerSecond=round(tokens / median, 1),
        stepTokensPerSecond=[round(tokens / t, 1) for t in times], losses=losses)), flush=True)
