"""The same GPT with its matrices split over processes (Shoeybi et al. 2019): columns of the first product of a pair,
rows of the second, the head's vocabulary entries, with cross-entropy over the split vocabulary. Untied heads only.

Each tensor is made whole, cut, and let go, so that no process ever holds the whole model.
"""
import torch
import torch.distributed as dist
from torch import nn
from torch.nn import functional as F

import gpt


class Copy(torch.autograd.Function):
    """Forward: nothing. Backward: the sum over processes."""

    @staticmethod
    def forward(ctx, x):
        return x

    @staticmethod
    def backward(ctx, gradient):
        gradient = gradient.contiguous()
        dist.all_reduce(gradient)
        return gradient


class Sum(torch.autograd.Function):
    """Forward: the sum over processes. Backward: nothing."""

    @staticmethod
    def forward(ctx, x):
        x = x.contiguous()
        dist.all_reduce(x)
        return x

    @staticmethod
    def backward(ctx, gradient):
        return gradient


class CrossEntropy(torch.autograd.Function):
    """Mean cross-entropy of logits [rows, vocab / processes], the entries from `first` on; the logits' memory is reused."""

    @staticmethod
    def forward(ctx, logits, targets, first):
        largest = logits.max(1).values
        dist.all_reduce(largest, dist.ReduceOp.MAX)
        exponentials = (logits - largest[:, None]).exp_()
        held = (targets >= first) & (targets < first + logits.size(1))
        local = (targets - first).clamp(0, logits.size(1) - 1)
        chosen = torch.where(held, logits.gather(1, local[:, None])[:, 0] - largest, torch.zeros(()))
        both = torch.stack([exponentials.sum(1), chosen])
        dist.all_reduce(both)
        ctx.save_for_backward(exponentials.div_(both[0][:, None]), held, local)
        return (both[0].log() - both[1]).mean()

    @staticmethod
    def backward(ctx, gradient):
        probabilities, held, local = ctx.saved_tensors
        probabilities[torch.arange(len(local)), local] -= held.float()
        return probabilities.mul_(gradient / len(local)), None, None


class Part(nn.Module):
    """One process's part of the whole model. `value(name, shape)` gives a whole tensor of it."""

    def __init__(self, c, rank, size, value):
        super().__init__()
        assert c["heads"] % size == 0 and c["vocab"] % size == 0 and not c["tied"]
        self.c, self.rank, self.size = c, rank, size
        hidden, vocab = c["hidden"], c["vocab"]
        self.parts = nn.ParameterDict()

        def add(name, shape, axis=None, groups=1):
            whole = value(name, shape)
            if axis is not None:
                pieces = whole.chunk(groups, axis)
                whole = torch.cat([piece.chunk(size, axis)[rank] for piece in pieces], axis).clone()
            self.parts[name.replace(".", "_")] = nn.Parameter(whole)

        add("wte.weight", [vocab, hidden])
        add("wpe.weight", [c["sequence"], hidden])
        for layer in range(c["layers"]):
            h = f"h.{layer}."
            for norm in ("ln_1", "ln_2"):
                add(h + norm + ".weight", [hidden])
                add(h + norm + ".bias", [hidden])
            add(h + "attn.c_attn.weight", [hidden, 3 * hidden], 1, 3)
            add(h + "attn.c_attn.bias", [3 * hidden], 0, 3)
            add(h + "attn.c_proj.weight", [hidden, hidden], 0)
            add(h + "attn.c_proj.bias", [hidden])
            add(h + "mlp.c_fc.weight", [hidden, 4 * hidden], 1)
            add(h + "mlp.c_fc.bias", [4 * hidden], 0)
            add(h + "mlp.c_proj.weight", [4 * hidden, hidden], 0)
            add(h + "mlp.c_proj.bias", [hidden])
        add("ln_f.weight", [hidden])
        add("ln_f.bias", [hidden])
        add("lm_head.weight", [vocab, hidden], 0)

    def forward(self, ids, targets):
        c, p = self.c, self.parts
        batch, sequence = ids.shape
        hidden, heads = c["hidden"], c["heads"] // self.size

        def norm(x, name):
            return F.layer_norm(x, (hidden,), p[name + "_weight"], p[name + "_bias"])

        x = (F.embedding(ids, p["wte_weight"]) + p["wpe_weight"][:sequence]).view(-1, hidden)
        for layer in range(c["layers"]):
            h = f"h_{layer}_"
            qkv = torch.addmm(p[h + "attn_c_attn_bias"], Copy.apply(norm(x, h + "ln_1")), p[h + "attn_c_attn_weight"])
            q, k, v = qkv.view(batch, sequence, 3, heads, hidden // c["heads"]).permute(2, 0, 3, 1, 4)
            y = F.scaled_dot_product_attention(q, k, v, is_causal=True)
            y = y.transpose(1, 2).reshape(batch * sequence, -1)
            x = x + (Sum.apply(y @ p[h + "attn_c_proj_weight"]) + p[h + "attn_c_proj_bias"])
            u = torch.addmm(p[h + "mlp_c_fc_bias"], Copy.apply(norm(x, h + "ln_2")), p[h + "mlp_c_fc_weight"])
            y = F.gelu(u, approximate="tanh")
            x = x + (Sum.apply(y @ p[h + "mlp_c_proj_weight"]) + p[h + "mlp_c_proj_bias"])
        logits = Copy.apply(norm(x, "ln_f")) @ p["lm_head_weight"].t()
        return CrossEntropy.apply(logits, targets.reshape(-1), self.rank * (c["vocab"] // self.size))


def made(c, rank, size, seed):
    return Part(c, rank, size, lambda name, shape: gpt.initial(name, shape, c, seed))
