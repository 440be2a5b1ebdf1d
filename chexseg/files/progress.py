"""Progress of long work: a bar on a terminal, a line a minute in a log."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterable, Iterator
from typing import TypeVar

from tqdm import tqdm

Item = TypeVar("Item")
LOG_SECONDS = 60


def progress(
    items: Iterable[Item], what: str, total: int | None = None, *, seconds: float = LOG_SECONDS
) -> Iterator[Item]:
    """Passes `items` on, and tells on stderr how far it is.

    On a terminal that is a bar with count, rate and time left. In a log it is a line every
    `seconds`, so that short work leaves none.
    """
    if sys.stderr.isatty():
        yield from tqdm(items, desc=what, total=total, leave=False, smoothing=0.05)
        return
    began = told = time.monotonic()
    for number, item in enumerate(items, 1):
        yield item
        now = time.monotonic()
        if now - told >= seconds:
            told = now
            of_total = f" of {total}" if total else ""
            rate = number / (now - began)
            print(f"{what}: {number}{of_total}, {rate:.3g} a second", file=sys.stderr, flush=True)
