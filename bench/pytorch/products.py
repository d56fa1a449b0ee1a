"""What PyTorch's matrix library needs for one micro-batch: every product of the linear layers and the head of a training
step, on one thread, and which library that is. bench/compare.py runs one on each core.

  bench/pytorch/products.py S
"""
import json
import os
import re
import statistics
import sys
import time

import torch

with open(os.path.join(os.path.dirname(os.path.abspath(__file__)), os.pardir, "shapes.json")) as file:
    SHAPES = json.load(file)


def library():
    """The name of the BLAS that fp32 products go to, as PyTorch's own build description gives it."""
    text = torch.__config__.show()
    named = re.search(r"BLAS_INFO=(\w+)", text)
    kind = named.group(1) if named else "unknown"
    if kind.lower() == "mkl":
        version = re.search(r"Math Kernel Library Version ([\d.]+)", text)
        return "Intel MKL" + (" " + version.group(1) if version else "")
    return {"open": "OpenBLAS", "openblas": "OpenBLAS"}.get(kind.lower(), kind)


def median_seconds(product, repeats):
    product()
    times = []
    for _ in range(repeats):
        begin = time.perf_counter()
        product()
        times.append(time.perf_counter() - begin)
    return statistics.median(times)


def main():
    shape = SHAPES[sys.argv[1]]
    torch.set_num_threads(1)
    rows, hidden = shape["microbatch"] * shape["sequence"], shape["hidden"]
    layer = [(hidden, 3 * hidden), (hidden, hidden), (hidden, 4 * hidden), (4 * hidden, hidden)]
    seconds = operations = 0.0
    for inputs, outputs, count in [(*pair, shape["layers"]) for pair in layer] + [(hidden, shape["vocab"], 1)]:
        x, w, dy = torch.rand(rows, inputs), torch.rand(inputs, outputs), torch.rand(rows, outputs)
        repeats = 15 if hidden < 512 else 5
        for product in (lambda: x @ w, lambda: dy @ w.t(), lambda: x.t() @ dy):
            seconds += count * median_seconds(product, repeats)
        operations += count * 6.0 * rows * inputs * outputs
    print(json.dumps(dict(library=library(), rate=operations / seconds)))


if __name__ == "__main__":
    main()
