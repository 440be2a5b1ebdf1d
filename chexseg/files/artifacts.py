"""What a stage's parameters mean for its artifacts: the marks in the signatures of the stages.

A parameter of type `Path`, or a tuple of them, is an input that counts by its content; `Output` is
what the stage writes; `Folder` says where something lies, and does not count itself.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

INPUT, OUTPUT, FOLDER = "input", "output", "folder"

Output = Annotated[Path, OUTPUT]
Folder = Annotated[Path, FOLDER]

WORKFLOW = "CHEXSEG_WORKFLOW"
"""The environment variable that tells a job what to type to go on: `snakemake --configfile ...`."""

EXECUTION = ("threads", "devices", "nodes", "state", "save_every", "scratch")
"""Parameters that say how to compute, not what. On a CPU the number of threads or devices changes at
most the last bits of a sum, so they make nothing stale; the record tells them."""

Inputs = dict[str, tuple[Path, ...]]
"""Role -> files: what a method reads. The command has a flag for each of the method's `roles`."""
