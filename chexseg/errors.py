"""The one error that users see: every problem of an input at once, each with its remedy."""

from __future__ import annotations

import difflib
from collections.abc import Sequence
from dataclasses import dataclass

GROUPS = ("config", "tables", "masks", "X-rays", "weights")
"""What an input can belong to, in the order in which problems are told."""


@dataclass(frozen=True)
class Problem:
    """One thing that is wrong with an input.

    Attributes:
        where: `file`, `file:row` or `file:row:column`; rows count from 1, a CSV's header is row 1.
        found: what stands there.
        expected: what should stand there.
        remedy: how to mend it, as an order to the reader.
        group: one of GROUPS, or "" for what belongs to none.
    """

    where: str
    found: str
    expected: str
    remedy: str
    group: str = ""

    def __str__(self) -> str:
        text = f"{self.where}: found {self.found}, expected {self.expected}. {self.remedy}"
        return printable(text)


class InputError(Exception):
    """Something given by the user cannot be used; `problems` holds all that was found."""

    def __init__(self, problems: list[Problem]):
        self.problems = list(problems)
        super().__init__("\n".join(str(problem) for problem in self.problems))


class Problems:
    """Collects problems, so that a user mends all of them in one go.

    Args:
        group: what the problems belong to, one of GROUPS.

    >>> problems = Problems()
    >>> problems.add("train.csv:7:Edema", "'2'", "1, 0, -1 or blank", "Correct the label.")
    >>> problems.raise_if_any()
    Traceback (most recent call last):
    chexseg.errors.InputError: train.csv:7:Edema: found '2', expected 1, 0, -1 or blank. ...
    """

    def __init__(self, group: str = "") -> None:
        self.group = group
        self.found: list[Problem] = []

    def add(self, where: str, found: str, expected: str, remedy: str) -> None:
        self.found.append(Problem(str(where), found, expected, remedy, self.group))

    def raise_if_any(self) -> None:
        """Raises InputError when at least one problem was added."""
        if self.found:
            raise InputError(self.found)


def printable(text: str) -> str:
    """Returns text with escapes for what a terminal would obey, and for what no file can hold.

    Names of files and keys of JSON come from others, and may be anything. Lines stay lines.
    """
    return "".join(
        each if each.isprintable() or each == "\n" else each.encode("unicode_escape").decode()
        for each in text
    )


def one_line(text: str) -> str:
    """Returns printable text on one line: who names a file must not write lines of a report."""
    return printable(text).replace("\n", "\\n")


def told(problems: Sequence[Problem], *, most: int | None = None) -> str:
    """Returns problems as text for people: by group, each on one line, which can be searched.

    Args:
        problems: in any order; those of a group keep theirs.
        most: problems to tell of each group; how many more there are is told. None: all.
    """
    lines = []
    for group in ("", *GROUPS):
        mine = [problem for problem in problems if problem.group == group]
        if group and mine:
            lines.append(f"{group}: {len(mine)} problem{'s' * (len(mine) > 1)}")
        lines += [f"  {problem}" for problem in mine[:most]]
        if most is not None and len(mine) > most:
            lines.append(f"  and {len(mine) - most} more")
    return "\n".join(lines)


def nearest(name: str, names: tuple[str, ...]) -> str:
    """Returns the entry of `names` spelt most like `name`, for error messages."""
    lower = {entry.lower(): entry for entry in names}
    return lower[difflib.get_close_matches(name.lower(), lower, n=1, cutoff=0.0)[0]]
