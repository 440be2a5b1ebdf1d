"""The error that users see: it lists every problem of an input, each with a remedy."""

from __future__ import annotations

import difflib
from collections.abc import Sequence
from dataclasses import dataclass

GROUPS = ("config", "tables", "masks", "X-rays", "weights")
"""Parts of a user's input, in the order in which their problems are printed."""


@dataclass(frozen=True)
class Problem:
    """One thing that is wrong with an input.

    Attributes:
        where: `file`, `file:row` or `file:row:column`; rows count from 1, a CSV's header is row 1.
        found: what is there.
        expected: what should be there.
        remedy: how to fix it, as an imperative sentence.
        group: one of GROUPS, or "" if none applies.
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
    """Reports that an input cannot be used; `problems` lists everything wrong with it."""

    def __init__(self, problems: list[Problem]):
        self.problems = list(problems)
        super().__init__("\n".join(str(problem) for problem in self.problems))


class Problems:
    """Collects problems, so that a user can fix all of them at once.

    Args:
        group: the part of the input that the problems belong to, one of GROUPS, or "".

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
        """Adds a problem of this collection's group; the arguments are those of `Problem`."""
        self.found.append(Problem(str(where), found, expected, remedy, self.group))

    def raise_if_any(self) -> None:
        """Raises InputError if any problem was added."""
        if self.found:
            raise InputError(self.found)


def printable(text: str) -> str:
    """Escapes the characters of a text that a terminal would interpret or a file cannot store.

    File names and JSON keys come from other people and may contain anything. Line breaks are kept.
    """
    return "".join(
        each if each.isprintable() or each == "\n" else each.encode("unicode_escape").decode()
        for each in text
    )


def one_line(text: str) -> str:
    """Returns printable text on a single line, so that a file name cannot forge report lines."""
    return printable(text).replace("\n", "\\n")


def format_problems(problems: Sequence[Problem], *, most: int | None = None) -> str:
    """Formats problems as text, grouped, with one problem per line.

    Args:
        problems: the problems; their order is kept within each group.
        most: how many problems to show per group; the rest are only counted. None shows all.
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
    """Returns the entry of `names` whose spelling is closest to `name`, for error messages."""
    lower = {entry.lower(): entry for entry in names}
    return lower[difflib.get_close_matches(name.lower(), lower, n=1, cutoff=0.0)[0]]


NEAR = 0.7
"""Similarity (difflib's) from which a name may be meant: Edema and Odema are near, Pneumothorax and
Pneumonia are not."""


def near(name: str, names: Sequence[str]) -> str | None:
    """Returns the entry of `names` that may be meant by `name`, or None if none is spelt alike.

    Names of findings are proposed only by this: a mask of another finding under the nearest name
    would falsify results.
    """
    lower = {entry.lower(): entry for entry in names}
    found = difflib.get_close_matches(name.strip().lower(), lower, n=1, cutoff=NEAR)
    return lower[found[0]] if found else None
