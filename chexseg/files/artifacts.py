"""Types that mark, in the signature of a stage, how each parameter relates to its artifacts.

A `Path` parameter, or a tuple of paths, is an input that is identified by its content. `Output` is
a file that the stage writes. `Folder` is a location that has no influence on the result. The
parameters in `EXECUTION` control how the stage computes, not what it computes.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from pathlib import Path
from typing import Annotated

INPUT, OUTPUT, FOLDER = "input", "output", "folder"

Output = Annotated[Path, OUTPUT]
Folder = Annotated[Path, FOLDER]

WORKFLOW = "CHEXSEG_WORKFLOW"
"""Environment variable with the command that resumes the workflow, for remedies in messages."""


@dataclass(frozen=True)
class Execution:
    """Controls how a training runs, without changing what it trains.

    Each field is a flag of the training stages.

    Attributes:
        threads: CPU threads of each process.
        devices: GPUs on each node, or processes if there is no GPU. They share each batch.
        nodes: Number of computers.
        state: File for the state of the training while it runs, so that an interrupted training
            can resume. Deleted at the end.
        save_every: Seconds between two saves of the state.
        scratch: Folder on a local disk of the node, to which the stores are copied while the
            training reads them; None reads them in place.
    """

    threads: int = 1
    devices: int = 1
    nodes: int = 1
    state: Path | None = None
    save_every: float = 600
    scratch: Path | None = None


EXECUTION = tuple(field.name for field in fields(Execution))
"""Parameters that control how a stage computes: those of trainings, and `threads` of the others.
On a CPU, the number of threads or devices changes at most the last bits of a sum, so changing one
does not make an artifact stale. The record still lists them."""

Inputs = dict[str, tuple[Path, ...]]
"""Role -> files that a method reads. The command has a flag for each of the method's `roles`."""
