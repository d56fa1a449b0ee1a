"""One device of one process: the clock, and everything that is timed with it."""

from __future__ import annotations

import os
import statistics
import time
from collections.abc import Callable
from typing import Any

from product_table import Axes, np, say


class Machine:
    """One device of this process, its clock and its number formats."""

    def __init__(self, kind: str) -> None:
        import torch

        self.torch, self.cuda = torch, kind == "cuda"
        self.device = torch.device(kind, int(os.environ.get("LOCAL_RANK", "0")) if self.cuda else None)
        self.dtype = torch.bfloat16 if self.cuda else torch.float32
        if self.cuda:
            torch.cuda.set_device(self.device)
        else:
            torch.set_num_threads(1)  # a device is one core, as in cluster/laptop.yaml

    def random(self, *shape: int) -> Any:
        return self.torch.randn(*shape, device=self.device, dtype=self.dtype)

    def once(self, call: Callable[[], Any], repeats: int) -> float:
        """Mean seconds of `repeats` calls one after another."""
        if not self.cuda:
            begin = time.perf_counter()
            for _ in range(repeats):
                call()
            return (time.perf_counter() - begin) / repeats
        start, end = (self.torch.cuda.Event(enable_timing=True) for _ in range(2))
        self.torch.cuda._sleep(50_000 * repeats)  # clock ticks: the device waits until the host has queued them all
        start.record()
        for _ in range(repeats):
            call()
        end.record()
        end.synchronize()
        return start.elapsed_time(end) / 1e3 / repeats

    def seconds(self, call: Callable[[], Any]) -> float:
        """Median of three batches of 10 ms (GPU; 3 to 100 calls each) after a warm-up."""
        self.once(call, 2)
        repeats = max(3, min(100, int((0.01 if self.cuda else 0.002) / max(self.once(call, 1), 1e-7))))
        return statistics.median(self.once(call, repeats) for _ in range(3))

    def products(self, axes: Axes) -> Any:
        """Times of x[m, k] · w[n, k]ᵀ over the grid, as linear layers have them, where memory allows."""
        free = self.torch.cuda.mem_get_info()[0] if self.cuda else 2**30
        room = free // 4 // self.torch.finfo(self.dtype).bits * 8
        m, n, k = (max(axis) for axis in axes)
        x, w, y = self.random(min(m * k, room)), self.random(min(n * k, room)), self.random(min(m * n, room))
        rows = []
        for m in axes[0]:
            say(f"products of {m} rows")
            for n, k in ((n, k) for n in axes[1] for k in axes[2]):
                if max(m * k, n * k, m * n) <= room:
                    a, b, c = x[: m * k].view(m, k), w[: n * k].view(n, k).t(), y[: m * n].view(m, n)
                    rows.append((m, n, k, self.seconds(lambda: self.torch.mm(a, b, out=c))))
        return np.array(rows, float)

    def eight_bit(self) -> list[tuple[int, int, int, float]]:
        """Times of fp8 products; empty where the device or PyTorch has none."""
        rows, one = [], self.torch.ones((), device=self.device)
        try:
            for m, n, k in ((4096, 4096, 4096), (8192, 8192, 8192), (4096, 16384, 4096), (16384, 4096, 16384)):
                a, b = (self.random(size, k).to(self.torch.float8_e4m3fn) for size in (m, n))
                call = lambda: self.torch._scaled_mm(a, b.t(), scale_a=one, scale_b=one, out_dtype=self.dtype)
                rows.append((m, n, k, self.seconds(call)))
        except (AttributeError, RuntimeError, TypeError, ValueError) as error:
            say(f"no fp8 products here: {str(error).splitlines()[0]}")
        return rows

    def attention(self, length: int, heads: int, size: int, tokens: int) -> tuple[float, float]:
        """FLOP/s of causal flash attention, forward and backward (2.5 times the work)."""
        from torch.nn import attention, functional

        shape = (max(1, tokens // length), heads, length, size)
        q, k, v = (self.random(*shape).requires_grad_() for _ in range(3))
        work = 2.0 * shape[0] * heads * length**2 * size  # two products over the causal half
        with attention.sdpa_kernel(attention.SDPBackend.FLASH_ATTENTION):
            call = lambda: functional.scaled_dot_product_attention(q, k, v, is_causal=True)
            with self.torch.no_grad():
                forward = self.seconds(call)
            out, grad = call(), self.random(*shape)
            back = self.seconds(lambda: self.torch.autograd.grad(out, (q, k, v), grad, retain_graph=True))
        return work / forward, 2.5 * work / back

    def streams(self, elements: int) -> list[float]:
        """Bytes a second of a copy, a sum and an activation."""
        a, b, c = (self.random(elements) for _ in range(3))
        gelu = self.torch.ops.aten.gelu.out
        moved = elements * a.element_size()
        calls = [(2, lambda: c.copy_(a)), (3, lambda: self.torch.add(a, b, out=c)), (2, lambda: gelu(a, out=c))]
        return [passes * moved / self.seconds(call) for passes, call in calls]

    def launch(self) -> float:
        """Seconds between small kernels as eager code starts them: the host's pace."""
        x = self.random(1)

        def batch(calls: int) -> float:
            begin = time.perf_counter()
            for _ in range(calls):
                x.add_(1)
            if self.cuda:
                self.torch.cuda.synchronize()
            return (time.perf_counter() - begin) / calls

        batch(100)
        return statistics.median(batch(1000) for _ in range(5))

    def collective(self, call: Callable[[], Any]) -> float:
        """Seconds of a collective, the slowest rank's."""
        import torch.distributed as dist

        times = []
        for repeats in (5, 20, 20, 20):
            dist.barrier()
            begin = time.perf_counter()
            for _ in range(repeats):
                call()
            if self.cuda:
                self.torch.cuda.synchronize()
            taken = self.torch.tensor([(time.perf_counter() - begin) / repeats], device=self.device)
            dist.all_reduce(taken, dist.ReduceOp.MAX)
            times.append(taken.item())
        return statistics.median(times[1:])

    def level(self, ranks: int, group: Any, link: float) -> list[str]:
        """Bandwidth, latency and efficiencies of a network level: the cost model's formulas turned round."""
        import torch.distributed as dist

        small, large = (8 << 20, 512 << 20) if self.cuda else (64 << 10, 4 << 20)
        times = {}
        for size in (small, large):
            part = self.random(max(1, size // ranks // self.torch.finfo(self.dtype).bits * 8))
            whole = self.random(part.numel() * ranks)
            times[size] = self.collective(lambda: dist.all_gather_into_tensor(whole, part, group=group))
        total = self.torch.zeros_like(whole)
        reduce = self.collective(lambda: dist.all_reduce(total, group=group))
        sent = large * (ranks - 1) / ranks
        rate, sums = sent / times[large], 2 * sent / reduce
        link = max(link, rate) if link else max(rate, sums)  # no datasheet: what was measured
        latency = max(times[small] - small * (ranks - 1) / ranks / rate, 0) / (ranks - 1)
        lines = [f"    bandwidth: {link / 1e9:.4g} GB/s", f"    latency: {max(latency * 1e6, 0.1):.3g} us"]
        lines += [f"    efficiency: {rate / link:.3g} # all-gather of {large >> 20} MiB over {ranks}"]
        if sums > 1.1 * rate:  # well above what the rings of all-gathers reach (an A100's come to 1.08): switches add
            sums = large * (ranks + 1) / ranks / reduce
            lines += ["    inNetworkReduction: true"]
        return lines + [f"    allReduceEfficiency: {min(sums / link, 1):.3g}"]
