"""What lies in a study's folder, linked folders included."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from pathlib import Path

from chexseg.provenance.form import SUFFIX

TOP = ("logs", "report.html", "report.zip", "ro-crate-metadata.json")
"""What may lie in a study without a record, at its top; a folder stands for all that is in it."""
NAMES = ("*.state", ".state", "*.running.json", ".DS_Store", "._*")
"""Patterns for names of files that may lie anywhere without a record."""
UNFINISHED = ".*.partial*"
"""Files and folders that are being written, or that a killed job left."""

CLOSED = "cannot be read"
PERMIT = "Give yourself permission (chmod u+rX), or ask the owner."
"""What to do about files that are closed: nobody removes what he cannot read."""


@dataclass
class Listing:
    """What lies in a folder; all paths relative to it.

    Attributes:
        files: all that is no folder, dangling links too; a folder that is called like a record.
        links: folders that are links, followed or not.
        closed: folder -> why it cannot be listed.
    """

    files: list[str] = field(default_factory=list)
    links: list[str] = field(default_factory=list)
    closed: dict[str, str] = field(default_factory=dict)


def list_files(folder: Path) -> Listing:
    """Lists a folder with all below it.

    A linked folder is followed, unless it lies in the folder, or holds one that is being listed:
    a loop would never end.
    """
    listing = Listing()

    def closed(error: OSError) -> None:
        listing.closed[os.path.relpath(error.filename, folder)] = reason_of(error)

    ways = {os.fspath(folder): (os.path.realpath(folder),)}  # the links followed to a folder
    for place, folders, names in os.walk(folder, onerror=closed, followlinks=True):
        here, way = os.path.relpath(place, folder), ways.pop(place)
        followed = []
        for name in folders:
            path = os.path.join(place, name)
            relative = os.path.normpath(os.path.join(here, name))
            if name.endswith(SUFFIX):
                listing.files.append(relative)
                continue
            ways[path] = way
            if os.path.islink(path):
                target = os.path.realpath(path)
                listing.links.append(relative)
                if is_in(target, way[0]) or any(is_in(each, target) for each in way):
                    continue
                ways[path] = (*way, target)
            followed.append(name)
        folders[:] = followed
        listing.files += (os.path.normpath(os.path.join(here, name)) for name in names)
    listing.files.sort(key=lambda path: path.split("/"))
    return listing


def reason_of(error: OSError) -> str:
    """Returns why a file cannot be read, as part of a sentence."""
    return (error.strerror or str(error)).lower()


def is_companion(file: str) -> bool:
    """Says whether a file may lie in a study without a record."""
    parts = file.split("/")
    return (
        parts[0] in TOP
        or any(fnmatchcase(parts[-1], pattern) for pattern in NAMES)
        or any(fnmatchcase(part, UNFINISHED) for part in parts)
    )


def is_in(path: str, folder: str) -> bool:
    """Says whether a path is `folder`, or lies in it."""
    return path == folder or path.startswith(folder.rstrip("/") + "/")
