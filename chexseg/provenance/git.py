"""The git commit of the code, and changes made since."""

from __future__ import annotations

import hashlib
import os
import subprocess
from pathlib import Path
from typing import Any

from chexseg.provenance.code import PACKAGE
from chexseg.provenance.digests import sha256


def git_state(folder: Path = PACKAGE) -> dict[str, Any] | None:
    """Returns the commit of the code, and a digest of the changes made since.

    Only files of the package count: those that differ from the commit, and new ones that git does
    not ignore.

    Returns:
        `commit`, `dirty` and `changes`, which is None for clean code. None if git does not track
        the package: there is no git or no commit, or it was copied into another repository.
    """

    def git(*words: str) -> bytes:
        command = ["git", "--no-optional-locks", "-C", str(folder), *words, "--", "."]
        return subprocess.run(command, check=True, capture_output=True).stdout

    try:
        git("ls-files", "--error-unmatch")
        head = git("rev-parse", "HEAD").split()[0].decode()
        if not git("status", "--porcelain", "--untracked-files=all"):
            return {"commit": head, "dirty": False, "changes": None}
        changes = hashlib.sha256(git("diff", "--binary", "--no-ext-diff", "HEAD"))
        for name in git("ls-files", "--others", "--exclude-standard", "-z").split(b"\0"):
            path = os.path.join(os.fsencode(folder), name)
            if name and os.path.isfile(path):
                changes.update(name + sha256(path).encode())
    except (OSError, subprocess.CalledProcessError):
        return None
    return {"commit": head, "dirty": True, "changes": changes.hexdigest()}
