"""Finds the X-rays that a person names: files, and folders of files."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from chexseg.errors import Problems

SUFFIXES = (".png", ".jpg", ".jpeg", ".dcm", ".dicom")
"""Suffixes of the files that are taken from a folder, in small letters."""


def find_x_rays(paths: Sequence[Path]) -> list[Path]:
    """Returns the X-rays of files and folders, those of a folder by name.

    A file is taken whatever its name is. Of a folder and its subfolders, files are taken by their
    suffix; hidden ones, such as those that macOS writes beside others, are not.

    Raises:
        InputError: a folder has no X-ray, or nothing is named.
    """
    problems, found = Problems("X-rays"), []
    if not paths:
        remedy = "Name files of X-rays, or a folder of them."
        problems.add("chexseg predict", "no X-ray", "one or more", remedy)
    for path in paths:
        if not path.is_dir():
            found.append(path)
            continue
        inside = sorted(
            p for p in path.rglob("*") if _is_x_ray(p.relative_to(path)) and p.is_file()
        )
        if not inside:
            expected = f"files named {', '.join(f'*{suffix}' for suffix in SUFFIXES)}"
            problems.add(path, "a folder without X-rays", expected, "Name another folder.")
        found += inside
    problems.raise_if_any()
    return found


def _is_x_ray(path: Path) -> bool:
    hidden = any(part.startswith(".") for part in path.parts)
    return path.suffix.lower() in SUFFIXES and not hidden
