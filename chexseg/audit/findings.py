"""What an audit says: the kinds of findings, and what to do about each."""

from __future__ import annotations

import os
import shlex
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from chexseg.audit.files import CLOSED, is_in
from chexseg.audit.recorded import is_tail
from chexseg.audit.study import Study

ERRORS = {
    "edited": "a file is not what its job wrote",
    "swapped": "a file, or its record, is that of another artifact",
    "missing": "what a record names is not there",
    "stale": "a file was made from another version of its input than there is now",
    "foreign": "a file that no job of this study wrote",
    "no record": "a file that jobs used, without the record of how it was made",
    "damaged record": "a record that has not the form of one",
    "edited record": "a record that was changed after its job",
    "mixed code": "two artifacts were made by two versions of the same function",
    CLOSED: "a file or folder that is closed to this account, so nobody checked it",
}
WARNINGS = {
    "running": "a file that a job is making, or was when it was killed",
    "other code": "the checkout here would compute it by other code",
    "uncommitted code": "the code was not a commit, so nobody can check it out",
    "unknown code state": "no commit of the code is known",
    "other seed": "another seed than that of the study",
    "same seed": "two studies that are no independent repeats",
    "other software": "another version of a package",
    "other machine": "another processor, GPU or choice of kernels than the rest of its stage",
    "not checked": "raw data that are not here",
}
BACK = "Put it back"
RECORD_BACK = "Put the record back"


@dataclass(frozen=True)
class Finding:
    """One thing that does not fit.

    Attributes:
        kind: a key of ERRORS or WARNINGS.
        files: what it is about, relative to the study.
        found: what was found.
        remedy: what to do, as an order to the reader.
    """

    kind: str
    files: tuple[str, ...]
    found: str
    remedy: str

    @property
    def is_error(self) -> bool:
        return self.kind in ERRORS


def together(findings: Iterable[Finding]) -> list[Finding]:
    """Makes one finding of those that differ in their files alone."""
    groups: dict[tuple[str, str, str], list[str]] = defaultdict(list)
    for finding in findings:
        groups[finding.kind, finding.found, finding.remedy] += finding.files
    return [
        Finding(kind, tuple(dict.fromkeys(files)), found, remedy)
        for (kind, found, remedy), files in groups.items()
    ]


def remedy_of(study: Study, first: str, *places: str) -> str:
    """Returns what to do: `first`, or what makes files of the study again, ready to be pasted.

    No command makes a study that lies in another folder than the one that its jobs wrote to.
    """
    home = os.path.abspath(study.folder)
    if not (study.prefix and is_tail(study.prefix, home)):
        return f"{first}."
    typed = (r.record["workflow"] for r in reversed(study.jobs))
    command = next(filter(None, typed), "snakemake --configfile CONFIG")
    there = home.removesuffix(study.prefix) or "."
    if not os.path.samefile(there, "."):
        command = f"(cd {shlex.quote(there)} && {command})"
    there = [place for place in places if os.path.lexists(study.folder / place)]
    removal = f"{removal_of(study, *there)} && " if there else ""
    return f"{first}, or make it again: {removal}{command}"


def removal_of(study: Study, *places: str) -> str:
    """Returns a command that removes files or folders; of a link to a folder, the link alone."""
    paths = (os.fspath(study.folder / place.rstrip("/")) for place in places)
    return shlex.join(["rm", "-r", *(f"./{p}" if p.startswith("-") else p for p in paths)])


def link_of(study: Study, place: str) -> str:
    """Returns the linked folder that a file lies in; the file itself if it lies in none."""
    return next((link for link in study.links if is_in(place, link)), place)


def first_of(names: Sequence[Any]) -> str:
    """Returns the first of some names, and the number of the others."""
    return f"{names[0]} and {len(names) - 1} more" if len(names) > 1 else str(names[0])
