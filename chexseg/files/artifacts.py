"""What a stage's parameters mean for its artifacts: the marks in the signatures of the stages.

A parameter of type `Path`, or a tuple of them, is an input that counts by its content; `Output` is
what the stage writes; `Folder` says where something lies, and does not count itself. Parameters
in `EXECUTION` say how to compute, not what.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from pathlib import Path
from typing import Annotated

INPUT, OUTPUT, FOLDER = "input", "output", "folder"

Output = Annotated[Path, OUTPUT]
Folder = Annotated[Path, FOLDER]

WORKFLOW = "CHEXSEG_WORKFLOW"
"""The environment variable that tells a job what to type to go on: `snakemake --configfile ...`."""


@dataclass(frozen=True)
class Execution:
    """How to compute a training; what it trains does not depend on it.

    Each field is a flag of the stages that train.

    Attributes:
        threads: CPU threads of each process.
        devices: GPUs on each node, or processes where there is no GPU. They share each batch.
        nodes: Computers.
        state: File that keeps the state of the training while it runs, so that a training that
            was stopped goes on from there. Deleted at the end.
        save_every: Seconds between two saves of the state.
        scratch: Folder on a disk of the node, to which the stores are copied while the training
            reads them; None reads them where they are.
    """

    threads: int = 1
    devices: int = 1
    nodes: int = 1
    state: Path | None = None
    save_every: float = 600
    scratch: Path | None = None


EXECUTION = tuple(field.name for field in fields(Execution))
"""Parameters that say how to compute, not what: those of trainings, and `threads` of the others.
On a CPU the number of threads or devices changes at most the last bits of a sum, so they make
nothing stale; the record tells them."""

Inputs = dict[str, tuple[Path, ...]]
"""Role -> files: what a method reads. The command has a flag for each of the method's `roles`."""
