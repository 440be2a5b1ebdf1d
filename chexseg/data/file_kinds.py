"""Says what a file is that was given as an X-ray and cannot be read as one."""

from __future__ import annotations

import os
from pathlib import Path

HEAD = 512
"""Number of bytes that tell what a file is."""

KINDS = (
    (0, b"II*\0", "a TIFF"),
    (0, b"MM\0*", "a TIFF"),
    (0, b"II+\0", "a TIFF"),
    (0, b"BM", "a BMP"),
    (8, b"WEBP", "a WebP"),
    (0, b"GIF8", "a GIF"),
    (4, b"ftypheic", "a HEIC"),
    (4, b"ftypavif", "an AVIF"),
    (0, b"\0\0\0\x0cjP  ", "a JPEG 2000"),
    (0, b"%PDF", "a PDF"),
    (0, b"%!PS", "a PostScript file"),
    (0, b"\x89HDF", "an HDF5 file"),
    (0, b"PK\3\4", "a ZIP archive"),
    (0, b"\x1f\x8b", "a gzip archive"),
    (344, b"n+1\0", "a NIfTI file"),
    (0, b"version https://git-lfs", "a pointer of Git LFS"),
)
"""Offset, bytes there, and what a file is that has them."""

REMEDIES = {
    "a folder": "Name an X-ray in it.",
    "an empty file": "Fetch the file again: nothing of it arrived.",
    "a ZIP archive": "Unpack it.",
    "a gzip archive": "Unpack it.",
    "a pointer of Git LFS": "Fetch the file itself with `git lfs pull`.",
}


def kind_of(path: str | Path) -> str | None:
    """Returns what a file or folder is, if it cannot hold an X-ray that is readable here.

    Args:
        path: of a file that was not read as an image.

    Returns:
        Such as "a TIFF", "an empty file" or "a web page"; None if it is of no kind that is known.
    """
    if os.path.isdir(path):
        return "a folder"
    try:
        with open(path, "rb") as file:
            head = file.read(HEAD)
    except OSError:
        return None
    if not head:
        return "an empty file"
    for offset, magic, kind in KINDS:
        if head[offset:].startswith(magic):
            return kind
    if head.lstrip()[:9].lower().startswith((b"<!doctype", b"<html")):
        return "a web page"
    return None


def remedy_for(kind: str) -> str:
    """Returns what to do about a file of a kind from `kind_of`, as a sentence."""
    if kind == "a web page":
        return "Fetch the X-ray again; the server sent a page instead, perhaps to log in."
    return REMEDIES.get(kind, "Convert it to PNG without loss, in the same grey levels.")
