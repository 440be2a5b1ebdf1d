"""Lists the files in the folder of a study, including linked folders."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
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
PERMIT = "Give yourself permission (chmod u+rX), or ask the owner."
"""Remedy for unreadable files, which should not be removed unseen."""


@dataclass
class Listing:
    """Holds the content of a folder, with paths relative to it.

    Attributes:
        files: everything that is not a folder, including dangling links; and folders with the name
            of a record.
        links: folders that are links, whether followed or not.
        closed: folder -> why it cannot be listed.
    """

    files: list[str] = field(default_factory=list)
    links: list[str] = field(default_factory=list)
    closed: dict[str, str] = field(default_factory=dict)


def list_files(folder: Path) -> Listing:
    """Lists a folder recursively.

    Linked folders are followed, unless the target is inside the folder or contains a folder that is
    being listed, which would be an endless loop.
    """
    listing = Listing()

    def closed(error: OSError) -> None:
        listing.closed[os.path.relpath(error.filename, folder)] = reason_of(error)

    ways = {
        os.fspath(folder): (os.path.realpath(folder),)
    }  # folder -> the links followed to reach it
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
