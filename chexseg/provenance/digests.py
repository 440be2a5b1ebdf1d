"""SHA-256 of files, computed as a stream, and cached for as long as a file's stamp is the same."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
from pathlib import Path

from chexseg.errors import InputError
from chexseg.files.atomic import atomic

MEMORY = Path(".snakemake/digests.json")
"""Cache of the digests of this machine's files, relative to the folder that the jobs run in."""

MOST = 500_000
"""Maximum number of files in the cache; those that were used last are kept."""

Stamp = tuple[int, int]
"""Size in bytes and time of modification in nanoseconds."""


def sha256(path: str | Path) -> str:
    """Returns the SHA-256 of a file's content, as hexadecimal digits."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def sha256_of_files(contents: dict[str, str]) -> str:
    """Returns one digest for a folder, from the digests of its files by relative path."""
    lines = "".join(f"{digest}  {path}\n" for path, digest in sorted(contents.items()))
    return hashlib.sha256(lines.encode()).hexdigest()


def stamp(path: str | Path) -> Stamp:
    """Returns size and modification time, which quickly show whether a file is unchanged."""
    status = os.stat(path)
    return status.st_size, status.st_mtime_ns


class Digests:
    """Computes digests of files, cached on this machine by stamp and change time.

    A new stamp alone never means that the content changed: the file is read again. The change time
    (`ctime`) is set by the file system, so it reveals an edit even if the modification time was set
    back. It is not preserved when a file is copied, so records do not include it. The cache can be
    deleted at any time; a damaged cache counts as empty.

    Args:
        memory: JSON file of the cache; None caches only in this process.
    """

    def __init__(self, memory: Path | None = None):
        self.memory, self.known, self.changed = memory, {}, False
        if memory is not None:
            damaged = (OSError, ValueError, TypeError, AttributeError, RecursionError)
            with contextlib.suppress(*damaged):
                known = json.loads(memory.read_text())
                self.known = {p: (tuple(s), str(d)) for p, (s, d) in known.items()}

    def of(self, path: str | Path, known: tuple[Stamp, str] | None = None) -> str:
        """Returns the digest of a file or folder.

        Args:
            path: the file, or a folder, whose digest is that of all its files.
            known: stamp and digest from a record, if any; of a file only.
        """
        if os.path.isdir(path):
            files = (p for p in Path(path).rglob("*") if p.is_file())
            return sha256_of_files({str(p.relative_to(path)): self.of(p) for p in files})
        key, status = os.path.abspath(path), os.stat(path)
        size_and_time = status.st_size, status.st_mtime_ns
        if known is not None and tuple(known[0]) == size_and_time:
            return known[1]
        now = *size_and_time, status.st_ctime_ns
        before, digest = self.known.get(key, ((), ""))
        if before != now:
            digest = sha256(path)
            self.changed = True
        self.known.pop(key, None)  # the files used last come last
        self.known[key] = now, digest
        return digest

    def save(self) -> None:
        """Writes the cache if it has changed; ignores a read-only folder."""
        if self.changed and self.memory is not None:
            with contextlib.suppress(OSError, InputError), atomic(self.memory) as temporary:
                last = list(self.known.items())[-MOST:]
                temporary.write_text(json.dumps(dict(last)))
            self.changed = False
