"""What readers saw in X-rays: their boxes, and who looked and drew nothing, as a table."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from chexseg.data.boxes import Box
from chexseg.errors import InputError, Problem

ABNORMALITY = "Abnormality"
"""The class of whatever any box encloses: the union of all findings."""

COLUMNS = ("cxr_id", "reader", "finding", "x_min", "y_min", "x_max", "y_max")


@dataclass(frozen=True)
class Reading:
    """Holds what the readers of one X-ray drew.

    Attributes:
        readers: all who read it, whether or not they drew anything.
        boxes: their boxes, in pixels of the X-ray as `chexseg.data.images` opens it.
    """

    readers: tuple[str, ...]
    boxes: tuple[Box, ...]

    def of(self, findings: Iterable[str]) -> Reading:
        """Returns the reading with the boxes of some findings only."""
        named = set(findings)
        return Reading(self.readers, tuple(box for box in self.boxes if box.finding in named))

    def showing(self, name: str) -> tuple[Box, ...]:
        """Returns the boxes of a class: those of a finding, or all for ABNORMALITY."""
        return tuple(box for box in self.boxes if name in (box.finding, ABNORMALITY))

    def label(self, name: str) -> float:
        """Returns the label of a class: 1 if most readers drew it, 0 if none did, else -1."""
        drew = len({box.reader for box in self.showing(name)})
        if 2 * drew > len(self.readers):
            return 1.0
        return -1.0 if drew else 0.0


Readings = dict[str, Reading]
"""cxr_id -> its reading."""


def write_readings(path: str | Path, readings: Readings) -> None:
    """Writes readings as a CSV with COLUMNS: a row for each box.

    A reader who drew nothing has a row without finding and corners.
    """
    with open(path, "w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(COLUMNS)
        for cxr_id, reading in readings.items():
            idle = set(reading.readers) - {box.reader for box in reading.boxes}
            rows = [(box.reader, box.finding, *box.corners) for box in reading.boxes]
            rows += [(reader, "", "", "", "", "") for reader in idle]
            writer.writerows([cxr_id, *row] for row in sorted(rows, key=str))


def read_readings(path: str | Path) -> Readings:
    """Returns the readings of a table, by X-ray in the order of the table.

    Raises:
        InputError: the file is missing, or is not such a table.
    """
    found: dict[str, tuple[dict[str, None], list[Box]]] = {}
    try:
        for cxr_id, reader, finding, *corners in _rows(path):
            readers, boxes = found.setdefault(cxr_id, ({}, []))
            readers[reader] = None
            if finding:
                x_min, y_min, x_max, y_max = map(float, corners)
                boxes.append(Box(cxr_id, reader, finding, x_min, y_min, x_max, y_max))
    except (OSError, ValueError, csv.Error) as error:
        what, remedy = f"an unreadable table of boxes ({error})", "Run the workflow again."
        raise InputError([Problem(str(path), what, ", ".join(COLUMNS), remedy)]) from None
    return {name: Reading(tuple(readers), tuple(boxes)) for name, (readers, boxes) in found.items()}


def _rows(path: str | Path) -> Iterator[Sequence[str]]:
    with open(path, newline="", encoding="utf-8") as file:
        reader = csv.reader(file, strict=True)
        if tuple(next(reader, ())) != COLUMNS:
            raise ValueError("other columns")
        yield from reader
