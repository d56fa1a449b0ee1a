#!/usr/bin/env python3
"""Prints the action lists of eager 1F1B (Zhuang et al. 2023): 1F1B whose ranks start with twice the forwards.

    Examples/own-schedule/lists.py RANKS MICROBATCHES > lists.csv

One row a pipeline rank, one action a cell: `0F3` is the forward of micro-batch 3 on stage 0, `0B3` its backward.
"""
import sys


def actions(rank: int, ranks: int, microbatches: int) -> list[str]:
    """What one rank runs, in order; it holds the stage of its own number."""
    warmup = min(microbatches, 2 * (ranks - 1 - rank))
    forwards = [f"{rank}F{i}" for i in range(microbatches)]
    backwards = [f"{rank}B{i}" for i in range(microbatches)]
    turns = [action for pair in zip(forwards[warmup:], backwards) for action in pair]
    return forwards[:warmup] + turns + backwards[microbatches - warmup:]


if len(sys.argv) != 3 or not all(word.isdecimal() and int(word) > 0 for word in sys.argv[1:]):
    sys.exit("usage: lists.py RANKS MICROBATCHES")
ranks, microbatches = map(int, sys.argv[1:])
for rank in range(ranks):
    print(",".join(actions(rank, ranks, microbatches)))
