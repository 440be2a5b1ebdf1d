"""The kinds of findings of an audit, and their remedies. docs/provenance.md explains each kind."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from chexseg.audit.files import CLOSED
from chexseg.audit.study import Study

ERRORS = (
    *("edited", "swapped", "missing", "stale", "foreign", "no record", "damaged record"),
    *("mixed code", CLOSED),
)
WARNINGS = (
    *("running", "other code", "uncommitted code", "unknown code state"),
    *("other software", "other machine", "not checked"),
)
MOVE = "Move it out of the study, or delete it."
"""Remedy for what does not belong to the study."""


@dataclass(frozen=True)
class Finding:
    """One error or warning of an audit.

    Attributes:
        kind: one of ERRORS or WARNINGS.
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


def restore(study: Study, what: str = "it") -> str:
    """Returns the remedy for a file that a job of the study can make again."""
    typed = (r.record["workflow"] for r in reversed(study.jobs))
    command = next(filter(None, typed), "snakemake --configfile CONFIG")
    return f"Restore {what}, or delete it and, where the study was computed, run: {command}"


def first_of(names: Sequence[Any]) -> str:
    """Returns the first of several names, and the number of the others."""
    return f"{names[0]} and {len(names) - 1} more" if len(names) > 1 else str(names[0])
