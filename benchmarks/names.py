"""What the rows of the tables are called. Imports nothing heavy: memory.py needs it so."""

from __future__ import annotations

import shlex


def row_name(command: str) -> str:
    """Returns the name of the row of a command: its stage, and behind it the source of masks.

    Args:
        command: of a stage, without `chexseg`, such as `make-masks --source drawn --index ...`.
    """
    stage, *words = shlex.split(command)
    return f"{stage} {words[words.index('--source') + 1]}" if "--source" in words else stage
