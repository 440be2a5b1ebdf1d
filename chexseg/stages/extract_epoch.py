"""Takes a kept epoch out of a segmenter's checkpoint."""

from __future__ import annotations

from pathlib import Path

from chexseg.errors import InputError, Problem
from chexseg.files.artifacts import Output
from chexseg.models.weights import load_checkpoint, save_checkpoint


def run(*, checkpoint: Path, epoch: int, out: Output) -> None:
    """Write the segmenter of a kept epoch, with the thresholds of that epoch.

    Args:
        checkpoint: The segmenter.
        epoch: One of its `keep_epochs`.
        out: The checkpoint of that epoch.

    Raises:
        InputError: the file is no checkpoint of a segmenter, or does not keep the epoch.
    """
    trained = load_checkpoint(checkpoint, kind="segmenter")
    if epoch not in trained.epochs:
        kept = ", ".join(map(str, trained.epochs)) or "there is none"
        found, remedy = f"no epoch {epoch}", "Add it to `keep_epochs` and train again."
        problem = Problem(str(checkpoint), found, f"one that it keeps: {kept}", remedy, "weights")
        raise InputError([problem])
    kept = trained.epochs[epoch]
    save_checkpoint(
        out,
        state_dict=kept.state_dict,
        kind=trained.kind,
        # So that its bytes do not depend on which other epochs are kept.
        settings={**trained.settings, "keep_epochs": []},
        classes=trained.classes,
        extra=kept.extra,
    )
    print(f"epoch {epoch} of {checkpoint}")
