"""Progress of long loops: a bar on a terminal, one line per minute in a log."""

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
    """Yields `items` and reports progress on stderr.

    A terminal shows a bar with count, rate and time left. A log gets a line every `seconds`, so
    short loops print nothing.
    """
    if sys.stderr.isatty():
        yield from tqdm(items, desc=what, total=total, leave=False, smoothing=0.05)
        return
    began = reported = time.monotonic()
    for number, item in enumerate(items, 1):
        yield item
        now = time.monotonic()
        if now - reported >= seconds:
            reported = now
            of_total = f" of {total}" if total else ""
            rate = number / (now - began)
            print(f"{what}: {number}{of_total}, {rate:.3g} per second", file=sys.stderr, flush=True)
