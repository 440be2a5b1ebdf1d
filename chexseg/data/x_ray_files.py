"""Finds files below folders, and X-rays among them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from chexseg.errors import Problems

SUFFIXES = (".png", ".jpg", ".jpeg", ".dcm", ".dicom")
"""Suffixes of X-rays in a folder, in small letters; other files there are ignored."""


def files_below(folder: Path) -> Iterator[Path]:
    """Yields the files of a folder and its subfolders in the order of their paths.

    Hidden ones, such as those that macOS writes beside others, are left out.
    """
    for path in sorted(folder.rglob("*")):
        hidden = any(part.startswith(".") for part in path.relative_to(folder).parts)
        if not hidden and path.is_file():
            yield path


def x_rays_below(folder: Path) -> list[Path]:
    """Returns the X-rays among the files below a folder, known by their suffix."""
    return [path for path in files_below(folder) if path.suffix.lower() in SUFFIXES]


def find_x_rays(paths: Sequence[Path]) -> list[Path]:
    """Returns the X-rays that a person names: files, whatever their names, and those below folders.

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
        inside = x_rays_below(path)
        if not inside:
            expected = f"files named {', '.join(f'*{suffix}' for suffix in SUFFIXES)}"
            problems.add(path, "a folder without X-rays", expected, "Name another folder.")
        found += inside
    problems.raise_if_any()
    return found
