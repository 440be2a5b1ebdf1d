"""What a command computes before its work begins: core seconds of its start, in a process of its own.

Stages import what they use; a tiny study would otherwise spend its time on imports. Medians of a few
starts with files in the page cache. The bar stands in the place of a peer.
"""

from __future__ import annotations

import os
import subprocess
import sys
from statistics import median

from comparison import comparison

REPEATS = 3
COMMAND = "import tyro, chexseg.provenance.record; from chexseg.stages import {}"
OPTIMIZER = "; import torch; torch.optim.Adam([torch.ones(1)])"
STARTS = {
    "chexseg --help": (("-m", "chexseg", "--help"), 0.3),
    "store-images (no torch)": (("-c", COMMAND.format("store_images")), 1.0),
    "score-runs (no torch)": (("-c", COMMAND.format("score_runs")), 1.0),
    "train-classifier, up to its optimizer": (
        ("-c", COMMAND.format("train_classifier") + OPTIMIZER), 4.0,
    ),
}  # fmt: skip
"""What starts: arguments of Python, and the most core seconds."""


def core_seconds_of(arguments: tuple[str, ...]) -> float:
    """Returns the core seconds of a Python process."""
    before = os.times()
    command = [sys.executable, *arguments]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    after = os.times()
    user = after.children_user - before.children_user
    return user + after.children_system - before.children_system


def rows() -> list[dict]:
    """Returns a row for each start."""
    table = []
    for name, (arguments, most) in STARTS.items():
        core_seconds_of(arguments)  # reads files and compiles modules
        table.append(
            comparison(
                f"start of {name}, core seconds", "the most that it may take",
                ours_seconds=median(core_seconds_of(arguments) for _ in range(REPEATS)),
                peer_seconds=most, difference=0, most_difference=0, least_ratio=1,
            )
        )  # fmt: skip
    return table


if __name__ == "__main__":
    for row in rows():
        print(row)
