"""Progress of long work: a bar on a terminal, silence in a log."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TypeVar

from tqdm import tqdm

Item = TypeVar("Item")


def progress(items: Iterable[Item], what: str, total: int | None = None) -> Iterator[Item]:
    """Passes `items` on, showing a bar with count, rate and time left if stderr is a terminal."""
    return iter(tqdm(items, desc=what, total=total, disable=None, leave=False, smoothing=0.05))
