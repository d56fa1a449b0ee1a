#!/usr/bin/env python3
"""Measures the GPUs of a node and prints their cluster file, for `trainyard plan`.

    python cluster/calibrate_gpu.py > my-gpu.yaml                               one GPU
    torchrun --nproc-per-node 8 cluster/calibrate_gpu.py > my-gpu.yaml          eight and the links between them
    python cluster/calibrate_gpu.py --from-table gemm.csv --gpu h100-80g-sxm    a table measured elsewhere

The file goes to standard output, progress to standard error. Needs PyTorch and NumPy; a table needs NumPy alone.
Exit codes: 0 done, 2 bad input. The cluster files shipped beside this script come from public measurements, each named
in its file, not from this script.
"""

from __future__ import annotations

import argparse
import datetime
import os
import statistics
from dataclasses import dataclass, replace
from typing import Any

from gpu_machine import Machine
from product_table import GRID, Axes, compress, fail, hats, np, product_lines, read_table, say, share, usable


@dataclass(frozen=True)
class Gpu:
    """What a datasheet says of a GPU, dense rates. GB/s, TFLOP/s, W; link: one direction; nic: Gb/s a GPU."""

    file: str  # shipped cluster file, if any
    fragment: str  # of the name the driver gives
    bandwidth: float
    fp32: float
    bf16: float
    fp8: float  # 0: none
    watts: float
    link: tuple[str, float]
    nic: float


GPUS = [
    Gpu("a100-40g-sxm", "A100-SXM4-40GB", 1555, 19.5, 312, 0, 400, ("nvlink", 300), 200),
    Gpu("a100-80g-sxm", "A100-SXM4-80GB", 2039, 19.5, 312, 0, 400, ("nvlink", 300), 200),
    Gpu("a100-80g-pcie", "A100 80GB PCIe", 1935, 19.5, 312, 0, 300, ("pcie", 32), 200),
    Gpu("h100-80g-sxm", "H100 80GB HBM3", 3350, 67, 989, 1979, 700, ("nvlink", 450), 400),
    Gpu("", "H100 PCIe", 2000, 51, 756, 1513, 350, ("pcie", 64), 400),
    Gpu("h200-141g-sxm", "NVIDIA H200", 4800, 67, 989, 1979, 700, ("nvlink", 450), 400),
    Gpu("h800-80g-sxm", "NVIDIA H800", 3350, 67, 989, 1979, 700, ("nvlink", 200), 400),
    Gpu("h20-96g-sxm", "NVIDIA H20", 4000, 44, 148, 296, 400, ("nvlink", 450), 400),
    Gpu("gb200-nvl72", "NVIDIA GB200", 8000, 80, 2500, 5000, 1200, ("nvlink", 900), 400),
    Gpu("gb300-nvl72", "NVIDIA GB300", 8000, 80, 2500, 5000, 1400, ("nvlink", 900), 800),
    Gpu("b300-sxm", "NVIDIA B300", 7750, 75, 2250, 4500, 1100, ("nvlink", 900), 800),
    Gpu("b200-sxm", "NVIDIA B200", 8000, 80, 2250, 4500, 1000, ("nvlink", 900), 400),
    Gpu("mi300x", "MI300X", 5300, 163.4, 1307, 2615, 750, ("infinity-fabric", 448), 400),
    Gpu("mi325x", "MI325X", 6000, 163.4, 1307, 2615, 1000, ("infinity-fabric", 448), 400),
    Gpu("mi350x", "MI350X", 8000, 144.2, 2307, 4614, 1000, ("infinity-fabric", 535.5), 400),
    Gpu("mi355x", "MI355X", 8000, 157.3, 2517, 5033, 1400, ("infinity-fabric", 535.5), 400),
    Gpu("l40s", "NVIDIA L40S", 864, 91.6, 362, 733, 350, ("pcie", 32), 100),
    Gpu("rtx-4090", "RTX 4090", 1008, 82.6, 165.2, 330.3, 450, ("pcie", 32), 100),
    Gpu("rtx-5090", "RTX 5090", 1792, 104.8, 209.5, 419, 575, ("pcie", 64), 100),
    Gpu("rtx-a6000", "RTX A6000", 768, 38.7, 154.8, 0, 300, ("pcie", 32), 100),
    Gpu("rtx-6000-ada", "RTX 6000 Ada", 960, 91.1, 364.2, 728.5, 300, ("pcie", 32), 100),
]
FILES = ", ".join(gpu.file for gpu in GPUS if gpu.file)
QUICK = ([64, 512, 4096, 32768], [64, 512, 4096, 16384], [64, 512, 4096, 16384])
TINY = ([16, 64, 256], [16, 64, 256], [16, 64, 256])


def chosen(name: str, options: argparse.Namespace) -> Gpu:
    """The datasheet of the GPU the driver or the user calls `name`, with what the command line says instead."""
    known = [gpu for gpu in GPUS if name == gpu.file or gpu.fragment in name]
    if not known and not (options.peak_bf16 and options.bandwidth):
        fail(f"unknown device '{name}'; give --peak-bf16 and --bandwidth from its datasheet, or --gpu, one of {FILES}")
    gpu = known[0] if known else Gpu("", name, 0, 0, 0, 0, 0, ("link", 0), 100)
    return replace(gpu, bandwidth=options.bandwidth or gpu.bandwidth, bf16=options.peak_bf16 or gpu.bf16)


def table_file(options: argparse.Namespace) -> list[str]:
    """The shipped file of a device with the products of a measured table."""
    if not options.gpu:
        fail(f"--from-table needs --gpu, one of {FILES}")
    gpu = chosen(options.gpu, options)
    if not gpu.file:
        fail(f"there is no cluster file of '{gpu.fragment}' that a table could extend; see --gpu")
    if np is None:
        fail("NumPy is not installed; pip install numpy")
    rows = usable(read_table(options.from_table), gpu.bf16 * 1e12)
    ends = zip(GRID, rows.min(axis=0), rows.max(axis=0)) if len(rows) else []
    axes = [[at for at in axis if low <= at <= high] for axis, low, high in ends]
    if not axes or min(map(len, axes)) < 2:
        fail(f"{options.from_table}: too few usable shapes; m, n and k must each reach over two powers of two from 64")
    lines = [f"extends: {gpu.file}", f"name: {gpu.file}-measured", "device:"]
    lines += [f"  source: products of {os.path.basename(options.from_table)!r}"]
    lines += [f"  bandwidth: {gpu.bandwidth:g} GB/s"] if options.bandwidth else []
    lines += [f"  peak: {{bf16: {gpu.bf16:g} TFLOP/s}}"] if options.peak_bf16 else []
    return lines + product_lines(rows, axes, gpu.bf16 * 1e12)


def network_lines(machine: Machine, gpu: Gpu | None, options: argparse.Namespace, world: int, node: int) -> list[str]:
    """`devicesPerNode` and `networks`: measured where there are processes to do so, assumed elsewhere."""
    import torch.distributed as dist

    def own(groups: list[range]) -> Any:
        made = [dist.new_group(list(group)) for group in groups]
        return next(one for one, group in zip(made, groups) if dist.get_rank() in group)

    devices = node if world > 1 or not gpu else machine.torch.cuda.device_count()
    name, link = gpu.link if gpu else ("shared memory", 0)
    nic, nics = options.nic_gbps or (gpu.nic if gpu else 0), options.nics or devices
    lines = [f"devicesPerNode: {devices}", "networks:", f"  - name: {name}"]
    if node > 1:
        say(f"collectives of {node} devices of a node")
        lines += machine.level(node, own([range(at, at + node) for at in range(0, world, node)]), link * 1e9)
    else:
        lines += [f"    bandwidth: {link or 10:g} GB/s # not measured: one process; torchrun starts several"]
        lines += ["    latency: 5 us # assumption", "    efficiency: 0.75 # assumption"]
    if world > node:
        say(f"collectives over {world // node} nodes")
        group = own([range(at, world, node) for at in range(node)])
        lines += ["  - name: network", *machine.level(world // node, group, nic * nics / devices / 8 * 1e9)]
    elif nic:
        said = "as given" if options.nic_gbps else "assumption; --nic-gbps and --nics say otherwise"
        lines[1:1] = [f"nicGbps: {nic:g} # {said}", f"nicsPerNode: {nics}"]
        lines += ["  - {name: network, latency: 10 us, efficiency: 0.88} # not measured: as in the shipped files"]
    return lines


def eight_bit_lines(machine: Machine, gpu: Gpu, rows: Any, axes: Axes) -> list[str]:
    """How fp8 products compare with what plans take them for: the bf16 product of half the depth."""
    eight = np.array(machine.eight_bit()).reshape(-1, 4)
    if not len(eight):
        return []
    cells, weights = hats(eight[:, :3] * [1, 1, 0.5], axes)
    planned = (weights * compress(rows, axes, gpu.bf16 * 1e12)[cells]).sum(axis=1)
    reached = share(eight, gpu.fp8 * 1e12)
    ratio = np.median(reached / planned)
    return [f"  # fp8 products reach {reached.max():.2f} of the peak and {ratio:.2f} of the rate plans expect."]


def measured_file(options: argparse.Namespace) -> list[str]:
    """Everything a cluster file needs, measured on all processes' devices at once, as rank 0 saw it."""
    try:
        import torch
        import torch.distributed as dist
    except ImportError:
        fail("PyTorch is not installed; pip install torch, or give a measured table with --from-table")
    if np is None:
        fail("NumPy is not installed; pip install numpy")
    on_gpu = options.device == "cuda"
    if on_gpu and not torch.cuda.is_available():
        fail("PyTorch sees no GPU here; --device cpu tries the script without one")
    machine = Machine(options.device)
    name = torch.cuda.get_device_name(machine.device) if on_gpu else "cpu"
    gpu = chosen(options.gpu or name, options) if on_gpu else None
    memory = torch.cuda.mem_get_info()[1] if on_gpu else os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    world, node = (int(os.environ.get(key, "1")) for key in ("WORLD_SIZE", "LOCAL_WORLD_SIZE"))
    if world > 1:
        dist.init_process_group("nccl" if on_gpu else "gloo")

    axes = TINY if not on_gpu else QUICK if options.quick else GRID
    rows = machine.products(axes)
    best = float((share(rows, 1.0)).max())
    peaks = {"fp32": gpu.fp32, "fp16": gpu.bf16, "bf16": gpu.bf16, "fp8": gpu.fp8} if gpu else {"fp32": best / 1e12}
    peak = gpu.bf16 * 1e12 if gpu else best
    if best > peak:
        say(f"note: products reach {best / 1e12:.0f} TFLOP/s, above the stated peak, and count as it; see --peak-bf16")
        rows[:, 3] = np.maximum(rows[:, 3], rows[:, 3] * share(rows, peak))
    say("fp8, attention, memory, launches")
    eight = eight_bit_lines(machine, gpu, rows, axes) if gpu and gpu.fp8 else []
    lengths, shape = ((512, 1024, 2048, 4096, 8192), (32, 128, 16384)) if gpu else ((64, 128, 256), (2, 32, 512))
    flash = {length: machine.attention(length, *shape) for length in lengths[:: 2 if options.quick else 1]}
    back = statistics.median(backward / forward for forward, backward in flash.values())
    streams = machine.streams(2**27 if gpu else 2**20)
    bandwidth = gpu.bandwidth * 1e9 if gpu else max(streams)
    launch = machine.launch()
    networks = network_lines(machine, gpu, options, world, node)

    lines = ["device:", f"  name: '{name}'", f"  source: PyTorch {torch.__version__}, {datetime.date.today()}"]
    lines += [f"  memory: {memory / 2**30:.1f} GiB", f"  bandwidth: {bandwidth / 1e9:.4g} GB/s"]
    lines += [f"  bandwidthEfficiency: {min(statistics.median(streams) / bandwidth, 1):.3g}"]
    lines += [f"  peak: {{{', '.join(f'{key}: {rate:.6g} TFLOP/s' for key, rate in peaks.items() if rate)}}}"]
    lines += [*eight, *product_lines(rows, axes, peak)]
    lines += [f"  # Causal, forward, by tokens. The backward reached {back:.2f} of that rate, plans take 0.85."]
    curve = ", ".join(f"{length}: {min(forward / peak, 1):.3g}" for length, (forward, _) in flash.items())
    lines += [f"  attentionEfficiency: {{{curve}}}", f"  launch: {launch * 1e6:.3g} us"]
    if on_gpu:
        torch.cuda.empty_cache()
        free, total = torch.cuda.mem_get_info()
        reserved = total - free - torch.cuda.memory_reserved()
        lines += [f"  reserved: {reserved / 2**30:.2f} GiB # driver and libraries"]
    lines += [f"  power: {gpu.watts:g} W"] if gpu and gpu.watts else []
    if world > 1:
        dist.destroy_process_group()
    return [*lines, *networks]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="a coarse grid")
    parser.add_argument("--device", choices=["cuda", "cpu"], default="cuda", help="cpu: tries the script, in fp32")
    parser.add_argument("--gpu", help="the device, by a shipped file's name (default: by the driver's)")
    parser.add_argument("--peak-bf16", type=float, metavar="TFLOP/S", help="dense datasheet rate")
    parser.add_argument("--bandwidth", type=float, metavar="GB/S", help="datasheet memory bandwidth")
    parser.add_argument("--nic-gbps", type=float, metavar="GB/S", help="speed of a network card, Gb/s")
    parser.add_argument("--nics", type=int, help="network cards a node (default: one a GPU)")
    parser.add_argument("--from-table", metavar="CSV", help="columns m, n, k, latency (ms): no measurement here")
    options = parser.parse_args()
    for option in ("peak_bf16", "bandwidth", "nic_gbps", "nics"):
        if not 0 < (getattr(options, option) or 1) < 1e9:
            fail(f"--{option.replace('_', '-')} must be above 0")
    lines = table_file(options) if options.from_table else measured_file(options)
    if os.environ.get("RANK", "0") == "0":
        print("\n".join(["# Made by cluster/calibrate_gpu.py, whose options say how.", *lines]))


if __name__ == "__main__":
    main()
