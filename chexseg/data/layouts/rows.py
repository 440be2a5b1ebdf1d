"""Reads the rows and labels of a CSV, and collects what is wrong with the file."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from chexseg.errors import Problems, near

LABELS = {"1": 1.0, "1.0": 1.0, "0": 0.0, "0.0": 0.0, "-1": -1.0, "-1.0": -1.0, "": float("nan")}
"""Every accepted spelling of a label. Blank is NaN: the report does not mention the finding."""


def rows_of(
    path: str | Path, what: str, accepts: Callable[[list[str]], bool], problems: Problems
) -> Iterator[tuple[int, dict[str, str]]]:
    """Yields each row's number and its cells by column.

    Not read with pandas, which treats the missing cells of a short row as blank.

    Args:
        path: the CSV.
        what: what it is, such as "a CSV of labels".
        accepts: whether the header has the columns that are needed; if not, it adds the problems,
            and no row is read.
        problems: collects a missing or unreadable file, rows of another length than the header, and
            a truncated last row.
    """
    row = 1
    try:
        text = Path(path).read_text(encoding="utf-8-sig")
        file = io.StringIO(text)
        reader = csv.reader(file, strict=True)
        header = next(reader, [])
        if not accepts(header):
            return
        for cells in filter(None, reader):
            row = reader.line_num
            unended = file.tell() == len(text) and not text.endswith("\n")
            if unended and (len(cells) < len(header) or not cells[-1].strip()):
                problems.add(
                    f"{path}:{row}", "a truncated last row", "a whole file",
                    "Copy the file again; if it is whole, end it with a line break.",
                )  # fmt: skip
            elif len(cells) != len(header):
                problems.add(
                    f"{path}:{row}", f"{len(cells)} cells", f"{len(header)}, one per column",
                    'Correct the row; quote a cell that contains a comma: "like, this".',
                )  # fmt: skip
            else:
                yield row, dict(zip(header, cells, strict=True))
    except FileNotFoundError:
        problems.add(path, "no such file", what, "Correct the path in the config.")
    except PermissionError:
        remedy = "Ask the owner of the file for permission to read it."
        problems.add(path, "an unreadable file", what, remedy)
    except (OSError, ValueError, csv.Error) as error:
        found = f"an unreadable table ({str(error).strip()})"
        problems.add(f"{path}:{row}", found, what, "Replace the file.")


def has_columns(
    needed: Sequence[str], header: list[str], path: str | Path, problems: Problems
) -> bool:
    """Returns whether a header has each column exactly once; adds a problem for each fault."""
    wrong = [name for name in needed if header.count(name) != 1]
    for name in wrong:
        found, remedy = f"no column {name!r}", "Add it."
        if name in header:
            found, remedy = f"column {name!r} twice", "Delete one of the two."
        elif meant := near(name, header):
            remedy = f"The nearest column is {meant!r}."
        problems.add(f"{path}:1", found, ", ".join(needed), remedy)
    return not wrong
