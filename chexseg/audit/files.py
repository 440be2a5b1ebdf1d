"""Lists the files in the folder of a study."""

from __future__ import annotations

import os
from fnmatch import fnmatchcase
from pathlib import Path

from chexseg.provenance.form import SUFFIX

TOP = ("logs", "report.html", "report.zip", "ro-crate-metadata.json")
"""Files and folders that need no record, at the top level of a study."""
NAMES = ("*.state", ".state", "*.running.json", ".DS_Store", "._*")
"""Patterns of file names that need no record, anywhere in a study."""
UNFINISHED = ".*.partial*"
"""Patterns of files and folders that are being written, or that a killed job left behind."""

CLOSED = "cannot be read"
PERMIT = "Give yourself permission (chmod u+rX), or put a folder in the place of its link."
"""Remedy for what was not read, which should not be removed unseen."""


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
