"""The kinds of findings of an audit, and their remedies."""

from __future__ import annotations

import os
import shlex
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from chexseg.audit.files import CLOSED
from chexseg.audit.recorded import is_tail
from chexseg.audit.study import Study

ERRORS = {
    "edited": "a file is not what its job wrote",
    "swapped": "a file or its record belongs to another artifact",
    "missing": "a record names a file that does not exist",
    "stale": "a file was made from an earlier version of its input, or by an earlier run of its job",
    "foreign": "a file that no job of this study wrote",
    "no record": "a file that jobs used, but without a record of how it was made",
    "damaged record": "a record with an invalid format",
    "edited record": "a record that was edited after its job",
    "mixed code": "two artifacts were made by two versions of the same function",
    CLOSED: "a file or folder that was not checked: no permission, or a link to a folder",
}
WARNINGS = {
    "running": "a file that a job is writing, or was writing when it was killed",
    "other code": "this checkout would compute it with different code",
    "uncommitted code": "the code was not committed, so nobody can check it out",
    "unknown code state": "the commit of the code is unknown",
    "other seed": "a seed other than that of the study",
    "same seed": "two studies that are not independent repeats",
    "other software": "a different version of a package",
    "other machine": "a different processor, GPU or choice of kernels than the rest of its stage",
    "not checked": "raw data that were not found",
}
BACK = "Restore it"
RECORD_BACK = "Restore the record"


@dataclass(frozen=True)
class Finding:
    """One error or warning of an audit.

    Attributes:
        kind: a key of ERRORS or WARNINGS.
        files: the files concerned, relative to the study.
        found: what was found.
        remedy: what to do, as an imperative sentence.
    """

    kind: str
    files: tuple[str, ...]
    found: str
    remedy: str

    @property
    def is_error(self) -> bool:
        return self.kind in ERRORS


def merge_findings(findings: Iterable[Finding]) -> list[Finding]:
    """Merges findings that differ only in their files."""
    groups: dict[tuple[str, str, str], list[str]] = defaultdict(list)
    for finding in findings:
        groups[finding.kind, finding.found, finding.remedy] += finding.files
    return [
        Finding(kind, tuple(dict.fromkeys(files)), found, remedy)
        for (kind, found, remedy), files in groups.items()
    ]


def remedy_of(study: Study, first: str, *places: str) -> str:
    """Returns the remedy: `first`, or a command that rebuilds files of the study.

    There is no command if the study is not in the folder that its jobs wrote to.
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
    return f"{first}, or rebuild it: {removal}{command}"


def removal_of(study: Study, *places: str) -> str:
    """Returns a command that removes files or folders."""
    paths = (os.fspath(study.folder / place.rstrip("/")) for place in places)
    return shlex.join(["rm", "-r", *(f"./{p}" if p.startswith("-") else p for p in paths)])


def first_of(names: Sequence[Any]) -> str:
    """Returns the first of several names, and the number of the others."""
    return f"{names[0]} and {len(names) - 1} more" if len(names) > 1 else str(names[0])
