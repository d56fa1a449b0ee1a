#!/usr/bin/env python3
"""Writes Tests/Goldens/optimizers.json: three steps of the runtime's optimizers on small matrices.

Muon: the formula of torch.optim.Muon in double precision, where PyTorch rounds to bf16; the script compares both. SGD:
torch.optim.SGD with its weight decay applied as AdamW's. Lion: Chen et al. 2023, algorithm 2. AdamW with bf16 moments: AdamW's
formula in single precision with moments rounded by torch's bfloat16.
"""
import json
import math
import pathlib

import torch

STEPS, RATE, DECAY = 3, 0.01, 0.1


def start(rows, columns, phase):
    values = [math.sin(0.37 * i * i + phase) for i in range(rows * columns)]
    return torch.tensor(values, dtype=torch.float32).reshape(rows, columns)


def gradients(rows, columns):
    return [start(rows, columns, 1.3 * (step + 1)) for step in range(STEPS)]


def newton_schulz(x, steps=5):
    a, b, c = 3.4445, -4.7750, 2.0315
    x = x.double()
    turned = x.shape[0] > x.shape[1]
    x = x.T if turned else x
    x = x / (x.norm() + 1e-7)
    for _ in range(steps):
        gram = x @ x.T
        x = a * x + (b * gram + c * gram @ gram) @ x
    return x.T if turned else x


def muon(rows, columns):
    p, moment = start(rows, columns, 0.2).double(), torch.zeros(rows, columns, dtype=torch.float64)
    theirs = torch.nn.Parameter(start(rows, columns, 0.2).clone())
    optimizer = torch.optim.Muon([theirs], lr=RATE, weight_decay=DECAY, adjust_lr_fn="match_rms_adamw")
    for g in gradients(rows, columns):
        theirs.grad = g.clone()
        optimizer.step()
        g = g.double()
        moment = moment + 0.05 * (g - moment)
        update = newton_schulz(g + 0.95 * (moment - g))
        p = p * (1 - RATE * DECAY) - RATE * 0.2 * math.sqrt(max(rows, columns)) * update
    gap = (p - theirs.detach().double()).norm() / (p - start(rows, columns, 0.2)).norm()
    print(f"muon {rows} x {columns}: torch.optim.Muon's steps differ by {gap:.2%}")
    assert gap < 0.05
    return p


def lion(rows, columns):
    p, moment = start(rows, columns, 0.2).double(), torch.zeros(rows, columns, dtype=torch.float64)
    for g in gradients(rows, columns):
        g = g.double()
        p = p * (1 - RATE * DECAY) - RATE * torch.sign(0.9 * moment + 0.1 * g)
        moment = 0.99 * moment + 0.01 * g
    return p


def sgd(rows, columns, momentum):
    p = torch.nn.Parameter(start(rows, columns, 0.2).double())
    optimizer = torch.optim.SGD([p], lr=RATE, momentum=momentum)
    for g in gradients(rows, columns):
        with torch.no_grad():
            p.mul_(1 - RATE * DECAY)
        p.grad = g.double()
        optimizer.step()
    return p.detach()


def adamw(rows, columns):
    p = start(rows, columns, 0.2)
    m = v = torch.zeros(rows, columns, dtype=torch.bfloat16)
    for step, g in enumerate(gradients(rows, columns), 1):
        mean = 0.9 * m.float() + 0.1 * g
        square = 0.95 * v.float() + 0.05 * g * g
        root = square.sqrt() / math.sqrt(1 - 0.95**step) + 1e-8
        p = p * (1 - RATE * DECAY) - RATE / (1 - 0.9**step) * mean / root
        m, v = mean.bfloat16(), square.bfloat16()
    return p


def case(name, rows, columns, result):
    return {"name": name, "rows": rows, "columns": columns, "parameters": [float(x) for x in result.flatten()]}


cases = [case("muon", r, c, muon(r, c)) for r, c in [(6, 10), (12, 5)]]
cases.append(case("lion", 6, 10, lion(6, 10)))
cases.append(case("sgd", 6, 10, sgd(6, 10, 0.9)))
cases.append(case("sgd without momentum", 6, 10, sgd(6, 10, 0)))
cases.append(case("adamw with bf16 moments", 6, 10, adamw(6, 10)))
path = pathlib.Path(__file__).resolve().parents[2] / "Tests/Goldens/optimizers.json"
path.write_text(json.dumps({"torch": torch.__version__.split("+")[0], "cases": cases}, indent=1) + "\n")
