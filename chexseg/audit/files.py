"""Lists and hashes the files of a study."""

from __future__ import annotations

import os
import stat
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from pathlib import Path

from chexseg.files.progress import progress
from chexseg.provenance.digests import sha256
from chexseg.provenance.form import SUFFIX

TOP = ("logs", "report.html", "report.zip", "ro-crate-metadata.json")
"""Files and folders that need no record, at the top level of a study."""
NAMES = ("*.state", ".state", "*.running.json", ".DS_Store", "._*")
"""Patterns of file names that need no record, anywhere in a study."""
UNFINISHED = ".*.partial*"
"""Patterns of files and folders that are being written, or that a killed job left behind."""

CLOSED = "cannot be read"
PERMIT = "Give yourself permission (chmod u+rX), or replace the link by the folder."
"""Remedy for what was not read, which should not be removed unseen."""

_READERS = 4
"""Number of files hashed at once: one waits for the disk while another is computed."""


def list_files(folder: Path) -> tuple[list[str], dict[str, str]]:
    """Lists a folder recursively, with paths relative to it. Links to folders are not followed.

    Returns:
        Everything that is not a folder, including dangling links, and folders with the name of a
        record; and each folder that was not listed, with the reason.
    """
    files: list[str] = []
    closed: dict[str, str] = {}

    def refused(error: OSError) -> None:
        closed[os.path.relpath(error.filename, folder)] = reason_of(error)

    for place, folders, names in os.walk(folder, onerror=refused):
        here = os.path.relpath(place, folder)
        for name in folders:
            path = place_from(here, name)
            if os.path.islink(os.path.join(place, name)) and not is_companion(path):
                closed[path] = "it is a link to a folder"
        names += [name for name in folders if name.endswith(SUFFIX)]
        folders[:] = [name for name in folders if name not in names]
        files += (place_from(here, name) for name in names)
    files.sort(key=lambda path: path.split("/"))
    return files, closed


@dataclass
class Hashed:
    """Holds the digests of some files.

    Attributes:
        contents: file -> digest of its content.
        unread: file -> why it cannot be read. A file that does not exist is in neither.
        bytes: number of bytes hashed.
    """

    contents: dict[str, str] = field(default_factory=dict)
    unread: dict[str, str] = field(default_factory=dict)
    bytes: int = 0

    def add(self, places: Mapping[str, Path | None], what: str) -> None:
        """Hashes files by name, unless their place is None, and shows the progress of `what`."""
        found = {name: place for name, place in places.items() if place is not None}
        with ThreadPoolExecutor(_READERS) as readers:
            read = progress(readers.map(_read, found.values()), what, len(found))
            for name, (digest, size, why) in zip(found, read, strict=True):
                if why:
                    self.unread[name] = why
                elif digest:
                    self.contents[name] = digest
                    self.bytes += size


def _read(place: Path) -> tuple[str, int, str]:
    """Returns digest and size of a file, or why it cannot be read; empty if it is not a file."""
    try:
        status = os.stat(place)
        return (sha256(place), status.st_size, "") if stat.S_ISREG(status.st_mode) else ("", 0, "")
    except FileNotFoundError:
        return "", 0, ""
    except OSError as error:
        return "", 0, reason_of(error)


def reason_of(error: OSError) -> str:
    """Returns why a file cannot be read, for use in a sentence."""
    return (error.strerror or str(error)).lower()


def is_companion(file: str) -> bool:
    """Returns whether a file in a study needs no record."""
    parts = file.split("/")
    return (
        parts[0] in TOP
        or any(fnmatchcase(parts[-1], pattern) for pattern in NAMES)
        or any(fnmatchcase(part, UNFINISHED) for part in parts)
    )


def is_in(path: str, folder: str) -> bool:
    """Returns whether a path is `folder` or is inside it."""
    return path == folder or path.startswith(folder.rstrip("/") + "/")


def place_from(folder: str, path: str) -> str:
    """Resolves a path relative to a folder, in its simplest form."""
    return os.path.normpath(os.path.join(folder, path))
