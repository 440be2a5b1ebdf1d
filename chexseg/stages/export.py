"""Writes a segmenter for use elsewhere: its adapters merged or removed, no kept epochs."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from chexseg.files.artifacts import Output
from chexseg.models.adapters import merged, stripped
from chexseg.models.weights import load_checkpoint, save_checkpoint

ADAPTERS = {"merged": merged, "stripped": stripped, "kept": dict}
"""What becomes of adapters -> state dict to state dict."""


def run(
    *,
    checkpoint: Path,
    out: Output,
    adapters: Literal["merged", "stripped", "kept"] = "merged",
) -> None:
    """Write the checkpoint of a segmenter without what only training needs.

    Args:
        checkpoint: A segmenter's checkpoint, such as results/doll/segmenters/adapted/checkpoint.pt.
        out: The checkpoint to write.
        adapters: What becomes of adapters. Merged: they are added to the weights of their
            convolutions, which changes masks by no more than rounding. Stripped: encoder and decoder
            are those that the training started from, under the trained head.

    Raises:
        InputError: the file is no checkpoint of a segmenter.
    """
    trained = load_checkpoint(checkpoint, kind="segmenter")
    tensors = ADAPTERS[adapters](trained.state_dict)
    save_checkpoint(
        out,
        state_dict=tensors,
        kind=trained.kind,
        settings=trained.settings,
        classes=trained.classes,
        extra=trained.extra,
    )
    number = sum(each.numel() for each in tensors.values())
    print(f"{out}: {len(trained.classes)} classes, {number:,} numbers in {len(tensors)} tensors")
