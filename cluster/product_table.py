"""From measured matrix products to the table of a cluster file: `products:`, in the form the planner reads.

A product is a row m, n, k, seconds of an array; a table is a flat array of shares of the peak, k innermost.
"""

from __future__ import annotations

import csv
import gzip
import math
import os
import sys
from collections.abc import Sequence
from typing import Any, NoReturn

try:
    import numpy as np
except ImportError:
    np = None  # type: ignore[assignment]

PULL = 0.01  # weight of a cell's first guess beside one measurement of that very shape
Axes = Sequence[Sequence[int]]
# Powers of two, as far as layers go; the vocabulary's width is the last point.
GRID = ([2**i for i in range(6, 16)], [2**i for i in range(6, 15)] + [65536], [2**i for i in range(6, 15)] + [65536])


def say(text: str) -> None:
    if os.environ.get("RANK", "0") == "0":
        print(text, file=sys.stderr, flush=True)


def fail(text: str) -> NoReturn:
    say(f"error: {text}")
    raise SystemExit(2)


def read_table(path: str) -> Any:
    """Rows (m, n, k, seconds) of a CSV, plain or .gz, whose latency is in ms."""
    names = ("m", "n", "k", "latency")
    rows = []
    try:
        with (gzip.open if path.endswith(".gz") else open)(path, "rt", newline="") as file:
            reader = csv.DictReader(file)
            missing = [name for name in names if name not in (reader.fieldnames or [])]
            if missing:
                fail(f"{path}: column {missing[0]} is missing; a table has m, n, k and latency in ms")
            for row in reader:
                m, n, k, latency = (float(row[name] or "nan") for name in names)
                if not (all(0 <= size < math.inf for size in (m, n, k)) and 0 < latency < math.inf):
                    raise ValueError
                rows.append((m, n, k, latency / 1e3))
    except ValueError:
        fail(f"{path}:{reader.line_num}: m, n and k must be numbers from 0, latency one above 0")
    except (OSError, EOFError) as error:
        fail(f"{path}: {getattr(error, 'strerror', None) or 'not a readable table'}")
    return np.array(rows).reshape(-1, 4)


def usable(rows: Any, peak: float) -> Any:
    """Without shapes that no training step has (below 64, odd m: other kernels) and times beyond the peak."""
    fits = (rows[:, :3].min(axis=1) >= 64) & (rows[:, 0] % 2 == 0) & (share(rows, peak) <= 1)
    say(f"{len(rows):,} shapes, {fits.sum():,} used: 64 or more, even m, at most the peak")
    return rows[fits]


def share(rows: Any, peak: float) -> Any:
    """Share of `peak` (FLOP/s) each of the products (m, n, k, seconds) reaches."""
    return 2 * rows[:, 0] * rows[:, 1] * rows[:, 2] / rows[:, 3] / peak


def hats(shapes: Any, axes: Axes) -> tuple[Any, Any]:
    """Cells [N, 8] of the table and their weights [N, 8], trilinear in log2 of m, n, k: how the planner reads it."""
    cells, weights = np.zeros((len(shapes), 1), int), np.ones((len(shapes), 1))
    for size, axis in zip(shapes.T[:3], axes):
        logs = np.log2(np.array(axis, float))
        at = np.clip(np.log2(size), logs[0], logs[-1])
        low = np.clip(np.searchsorted(logs, at, side="right") - 1, 0, len(logs) - 2)
        part = (at - logs[low]) / (logs[low + 1] - logs[low])
        cells = np.hstack([cells * len(axis) + (low + up)[:, None] for up in (0, 1)])
        weights = np.hstack([weights * one[:, None] for one in (1 - part, part)])
    return cells, weights


def nearest(shapes: Any, shares: Any, axes: Axes) -> Any:
    """The median share of the seven measured shapes nearest each cell, in log2: a first guess and a mild pull."""
    logs = np.log2(shapes[:, :3])
    grid = np.stack(np.meshgrid(*[np.log2(np.array(axis, float)) for axis in axes], indexing="ij"), -1).reshape(-1, 3)
    closest = min(7, len(shares)) - 1
    order = [np.argpartition(((logs - cell) ** 2).sum(axis=1), closest)[: closest + 1] for cell in grid]
    return np.array([np.median(shares[near]) for near in order])


def compress(rows: Any, axes: Axes, peak: float) -> Any:
    """Table of shares by least squares on relative errors of the time, each weighed down as it passes 5 %: measured
    tables hold outliers. Cells between measurements stay near the closest one."""
    measured = share(rows, peak)
    cells, weights = hats(rows, axes)
    guess = np.maximum(nearest(rows, measured, axes), 1e-3)
    design = weights / measured[:, None]
    pairs = cells[:, :, None] * len(guess) + cells[:, None, :]
    table = guess
    # From forgiving to strict, so that an outlier at a point of the grid cannot hold on to the first guess.
    for scale in (1, 0.5, 0.3, 0.2, 0.1, 0.05, 0.05, 0.05):
        error = (design * table[cells]).sum(axis=1) - 1
        robust = 1 / (1 + (error / scale) ** 2)
        outer = robust[:, None, None] * design[:, :, None] * design[:, None, :]
        normal = np.bincount(pairs.ravel(), outer.ravel(), len(guess) ** 2).reshape(len(guess), -1)
        right = np.bincount(cells.ravel(), (robust[:, None] * design).ravel(), len(guess))
        table = np.linalg.solve(normal + np.diag((PULL / guess) ** 2), right + PULL**2 / guess)
    return np.clip(np.round(table, 3), 1e-3, 1)


def errors(rows: Any, axes: Axes, table: Any, peak: float) -> Any:
    """Relative error of the time the table gives each product."""
    cells, weights = hats(rows, axes)
    return np.abs(share(rows, peak) / (weights * table[cells]).sum(axis=1) - 1)


def product_lines(rows: Any, axes: Axes, peak: float) -> list[str]:
    """`matmulEfficiency` and `products` of a device, from the products (m, n, k, seconds)."""
    table = compress(rows, axes, peak)
    off = errors(rows, axes, table, peak)
    said = f"{len(rows):,} products, median error {np.median(off):.1%}, 90 % within {np.quantile(off, 0.9):.1%}"
    large = off[(rows[:, 0] >= 512) & (rows[:, 1] >= 256) & (rows[:, 2] >= 256)]
    if len(large):
        said += f"; {len(large):,} of at least 512 x 256 x 256: {np.median(large):.1%}"
    say(f"table of {len(table):,} cells: {said}")
    measured, work = share(rows, peak), 2 * rows[:, :3].prod(axis=1)
    steps = np.round(np.log2(work / 2e9) / 2).astype(int)
    curve = [f"{count(2e9 * 4.0**i)}: {np.median(measured[steps == i]):.3g}" for i in np.unique(steps)]
    lines = ["  # Median share by FLOPs (2mnk) in steps of four.", f"  matmulEfficiency: {{{', '.join(curve)}}}"]
    lines += [f"  # By shape: least squares on {said}.", "  # Thousandths of the peak: a line for each n of each m."]
    lines += ["  products:", *(f"    {name}: [{', '.join(map(str, axis))}]" for name, axis in zip("mnk", axes))]
    lines += ["    thousandths: |"]
    cells = np.round(table * 1000).astype(int).reshape(-1, len(axes[2]))
    return lines + ["      " + " ".join(map(str, line)) for line in cells]


def count(value: float) -> str:
    """2e9 as 2G."""
    step = min(max(int(math.log10(value) // 3), 0), 4)
    return f"{value / 1000**step:.10g}{['', 'K', 'M', 'G', 'T'][step]}"
