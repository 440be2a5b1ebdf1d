"""Content of files: SHA-256, read as a stream, and not again while a file's stamp is the same."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
from pathlib import Path

from chexseg.errors import InputError
from chexseg.files.atomic import atomic

MEMORY = Path(".snakemake/digests.json")
"""Where the digests of this machine's files are remembered, in the folder that the jobs run in."""

Stamp = tuple[int, int]
"""Size in bytes and time of modification in nanoseconds."""


def sha256(path: str | Path) -> str:
    """Returns the SHA-256 of a file's content, as hexadecimal digits."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def sha256_of_files(contents: dict[str, str]) -> str:
    """Returns one digest of a folder, from the digests of its files by relative path."""
    lines = "".join(f"{digest}  {path}\n" for path, digest in sorted(contents.items()))
    return hashlib.sha256(lines.encode()).hexdigest()


def stamp(path: str | Path) -> Stamp:
    """Returns what says at a glance that a file is the same as before."""
    status = os.stat(path)
    return status.st_size, status.st_mtime_ns


class Digests:
    """Digests of files, remembered in a file of this machine under stamps and times of change.

    A stamp alone never decides that content changed: a file with another stamp is read again. The
    time of change (`ctime`) is the file system's own: who edits a file and sets its time back
    changes it. It does not travel, so records have none. Deleting the memory costs time and
    nothing else; a damaged one is empty.

    Args:
        memory: JSON file to remember in; None: only in this process.
    """

    def __init__(self, memory: Path | None = None):
        self.memory, self.known, self.changed = memory, {}, False
        if memory is not None:
            damaged = (OSError, ValueError, TypeError, AttributeError, RecursionError)
            with contextlib.suppress(*damaged):
                known = json.loads(memory.read_text())
                self.known = {p: (tuple(s), str(d)) for p, (s, d) in known.items()}

    def of(self, path: str | Path, known: tuple[Stamp, str] | None = None) -> str:
        """Returns the digest of a file; `known` is what a record says of its stamp and digest."""
        key, status = os.path.abspath(path), os.stat(path)
        size_and_time = status.st_size, status.st_mtime_ns
        if known is not None and tuple(known[0]) == size_and_time:
            return known[1]
        now = *size_and_time, status.st_ctime_ns
        before, digest = self.known.get(key, ((), ""))
        if before != now:
            digest = sha256(path)
            self.known[key], self.changed = (now, digest), True
        return digest

    def save(self) -> None:
        """Writes the memory, if anything new was read; a folder that is read-only is no error."""
        if self.changed and self.memory is not None:
            with contextlib.suppress(OSError, InputError), atomic(self.memory) as temporary:
                temporary.write_text(json.dumps(self.known))
            self.changed = False
