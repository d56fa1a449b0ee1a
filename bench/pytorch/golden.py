#!/usr/bin/env python3
"""Writes Tests/Goldens/pytorch_gpt.json: twenty steps of a tiny GPT trained by PyTorch, from weights and text that
both sides compute by the same formulas, so that no weights need to be stored.

Weights. For element `index` (row-major) of the tensor `name`, in 32-bit unsigned arithmetic that wraps:
    x = index · 0x9E3779B1 + crc32(name)           (the CRC-32 of zlib, over the name's UTF-8 bytes)
    x ^= x >> 16;  x *= 0x85EBCA6B;  x ^= x >> 13;  x *= 0xC2B2AE35;  x ^= x >> 16      (MurmurHash3's finaliser)
    m = x >> 8                                     (24 bits)
    LayerNorm weights (ln_1.weight, ln_2.weight, ln_f.weight): 1 + ((m >> 12) − 2048) / 65536
    every other tensor, biases too:                (m − 8388608) / 268435456, which is uniform in [−1/32, 1/32)
Each value is an integer over a power of two that fits a float's 24 bits: both sides have the same float.

Text. text[0] = 32, r[0] = 1; then r[i] = r[i−1] · 1664525 + 1013904223 (mod 2³²) and
    text[i] = 32 + ((5 · text[i−1] + (r[i] >> 30)) mod 64)
so that a byte leaves four choices for the next: something to learn.

Losses are the mean over the step's tokens, summed in double precision, of the losses PyTorch computes in single.
"""
import json
import os
import sys
import zlib

os.environ["OMP_NUM_THREADS"] = "1"
HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, HERE)
import torch
from torch.nn import functional as F
import gpt

MASK = 0xFFFFFFFF
STEPS = 20
TEXT = 4096
LEARNING_RATE = 3e-4


def formula_weights(name, count):
    x = (torch.arange(count, dtype=torch.int64) * 0x9E3779B1 + zlib.crc32(name.encode())) & MASK
    x ^= x >> 16
    x = wrapped_product(x, 0x85EBCA6B)
    x ^= x >> 13
    x = wrapped_product(x, 0xC2B2AE35)
    x ^= x >> 16
    m = x >> 8
    if name.rsplit(".", 2)[-2].startswith("ln_") and name.endswith(".weight"):
        return (1 + ((m >> 12) - 2048).double() / 65536).float()
    return ((m - 8388608).double() / 268435456).float()


def wrapped_product(x, factor):
    """x · factor mod 2³² without passing 2⁶³."""
    return ((x * (factor & 0xFFFF)) + (((x * (factor >> 16)) & 0xFFFF) << 16)) & MASK


def formula_text(count):
    text, r = [32], 1
    while len(text) < count:
        r = (r * 1664525 + 1013904223) & MASK
        text.append(32 + ((5 * text[-1] + (r >> 30)) % 64))
    return text


def trained(tied):
    c = dict(gpt.SIZES["tiny"], tied=tied)
    model = gpt.Stage(c, 0, c["layers"], True, True)
    with torch.no_grad():
        for name, p in model.named_parameters():
            p.copy_(formula_weights(name, p.numel()).view(p.shape))
    data = gpt.Data(c, torch.tensor(formula_text(TEXT)))
    optimizer = gpt.optimizer_of(model.parameters(), LEARNING_RATE)
    micro, losses, norms = c["microbatch"], [], {}
    for step in range(STEPS):
        x, y = data.batch(step)
        total = 0.0
        optimizer.zero_grad(set_to_none=True)
        for i in range(0, c["batch"], micro):
            each = F.cross_entropy(
                model(x[i : i + micro]).view(-1, c["vocab"]), y[i : i + micro].reshape(-1), reduction="none")
            total += each.double().sum().item()
            (each.mean() * (micro / c["batch"])).backward()
        if step == 0:
            norms = {name: p.grad.double().norm().item() for name, p in model.named_parameters()}
        optimizer.step()
        losses.append(total / (c["batch"] * c["sequence"]))
    return dict(config=c, losses=losses, firstGradientNorms=norms)


if __name__ == "__main__":
    torch.set_num_threads(1)
    names = ["wte.weight", "h.0.attn.c_attn.bias", "h.1.ln_2.weight", "ln_f.bias"]
    golden = dict(
        about="Written by bench/pytorch/golden.py, which gives the formulas of weights and text.",
        torch=torch.__version__,
        optimizer=dict(
            name="AdamW", learningRate=LEARNING_RATE, schedule="constant", betas=[0.9, 0.95], epsilon=1e-8,
            weightDecay=0.1, weightDecayOn="tensors of two dimensions", clip=None),
        text=dict(count=TEXT, order="sequential", first=formula_text(24)),
        weights=[
            dict(name=name, index=index, value=formula_weights(name, index + 1)[index].item())
            for name in names for index in (0, 1, 63)],
        runs=dict(untied=trained(False), tied=trained(True)))
    path = os.path.join(HERE, "..", "..", "Tests", "Goldens", "pytorch_gpt.json")
    with open(path, "w") as file:
        json.dump(golden, file, indent=1)
        file.write("\n")
    print("wrote", os.path.normpath(path))
