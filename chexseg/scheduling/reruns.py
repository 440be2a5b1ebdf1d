"""Decides which artifacts must be rebuilt, and why, by comparing jobs with the artifacts' records.

Only content matters: settings, code, inputs, and the artifact itself. This module imports nothing
heavy, since the Snakefile imports it.
"""

from __future__ import annotations

import csv
import os
import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from chexseg.catalog import STAGES
from chexseg.files.artifacts import EXECUTION
from chexseg.provenance.code import code_of
from chexseg.provenance.digests import Digests, Stamp
from chexseg.provenance.record import (
    Record,
    entries,
    flags_of,
    known_content,
    read_record,
    settings_of,
)

STAGE_NAMES = {stage.name for stage in STAGES}
SETTING, CODE, INPUT, ARTIFACT = "setting", "code", "input", "artifact"


@dataclass(frozen=True)
class Change:
    """One reason to rebuild an artifact."""

    kind: str
    what: str
    before: str = ""
    now: str = ""

    def __str__(self) -> str:
        if self.kind == SETTING:
            return f"{self.what}: {self.before or 'not set'} -> {self.now or 'not set'}"
        return f"{self.what} {self.now}".strip()


def changes(job: Any, digests: Digests) -> list[Change]:
    """Returns the differences between a job as it would run now and the record of its artifacts.

    Args:
        job: Snakemake's job.
        digests: digests of files.

    Returns:
        An empty list if the artifacts are up to date, if all of them are missing, or if the job
        does not run a stage.
    """
    there = [str(path) for path in job.output if os.path.exists(path)]
    if not is_stage(job) or not there:
        return []
    stage, *arguments = command_of(job)
    found = read_record(there[0])
    if found is None:
        return [Change(ARTIFACT, there[0], now="has no record")]
    record = found[1]
    return [
        *_settings_changed(record, stage, arguments),
        *_code_changed(record, stage, arguments),
        *_inputs_changed(record, arguments, digests),
        *_artifacts_changed(found[0].parent, record, digests),
    ]


def is_stage(job: Any) -> bool:
    """Returns whether the command of a Snakemake job is `chexseg STAGE ...`."""
    words = (job.rule.shellcmd or "").split(maxsplit=2)
    return len(words) > 1 and words[0] == "chexseg" and words[1] in STAGE_NAMES


def command_of(job: Any) -> list[str]:
    """Returns the words of a job's command after `chexseg`, starting with the stage.

    `job.shellcmd` cannot be used, since it needs a job number that is not assigned yet.
    """
    from snakemake.utils import format as formatted

    command = formatted(
        job.rule.shellcmd,
        input=job.input,
        output=job.output,
        params=job.params,
        wildcards=job.wildcards,
        resources=job.resources,
        log=job.log,
        threads=1,
    )
    words = shlex.split(command)
    return words[1 : words.index(">")] if ">" in words else words[1:]


def _settings_changed(record: Record, stage: str, arguments: list[str]) -> Iterator[Change]:
    if record["stage"] != stage:
        yield Change(SETTING, "stage", record["stage"], stage)
    files = (*record["inputs"], *record["outputs"], *record["folders"], *EXECUTION)
    now, before = settings_of(arguments, without=files), record["settings"]
    for name in dict.fromkeys((*before, *now)):
        if before.get(name) != now.get(name):
            yield Change(SETTING, name, before.get(name, ""), now.get(name, ""))


def _code_changed(record: Record, stage: str, arguments: list[str]) -> Iterator[Change]:
    before, now = record["code"]["definitions"], code_of(stage, flags_of(arguments))
    for name in sorted({*before, *now}):
        if before.get(name) != now.get(name):
            module, _, definition = name.partition(":")
            said = "is new" if name not in before else "is gone" if name not in now else "changed"
            yield Change(CODE, f"{definition} of {module.replace('.', '/')}.py", now=said)


def _inputs_changed(record: Record, arguments: list[str], digests: Digests) -> Iterator[Change]:
    now = flags_of(arguments)
    for role, listed in record["inputs"].items():
        paths = now.get(role, [])
        before = [entry["sha256"] for entry in listed]
        if len(paths) != len(before):
            yield Change(INPUT, f"--{role}", now=f"has {len(paths)} files, had {len(before)}")
            continue
        for path, digest in zip(paths, before, strict=True):
            if mismatch := _find_mismatch(path, digest, digests, known_content(Path(path))):
                yield Change(INPUT, path, now=mismatch)
    if record["stage"] in ("check-data", "build-index"):
        index = Path(now["out"][0]).with_name("index.csv")
        yield from _xrays_changed(now["root"][0], index, digests)


@lru_cache(maxsize=1)  # two jobs need it, for what may be 100,000 files on a network
def _xrays_changed(root: str, index: Path, digests: Digests) -> list[Change]:
    """Returns the X-rays whose content differs from the index.

    A damaged index is skipped, since it counts as a change itself.
    """
    known, found = known_content(index), []
    if not index.exists() or known is None or digests.of(index, known) != known[1]:
        return []
    with open(index, newline="", encoding="utf-8") as file:
        for row in csv.DictReader(file):
            path = os.path.join(root, row["path"])
            if mismatch := _find_mismatch(path, row["sha256"], digests):
                found.append(Change(INPUT, path, now=mismatch))
    return found


def _artifacts_changed(folder: Path, record: Record, digests: Digests) -> Iterator[Change]:
    for entry in entries(record["outputs"]):
        path = os.path.normpath(folder / entry["path"])
        known = entry["stamp"], entry["sha256"]
        if mismatch := _find_mismatch(path, entry["sha256"], digests, known):
            yield Change(ARTIFACT, path, now=mismatch)


def _find_mismatch(
    path: str,
    digest: str,
    digests: Digests,
    known: tuple[Stamp, str] | None = None,
) -> str:
    """Returns how a file differs from its expected digest; "" if it does not."""
    try:
        return "" if digests.of(path, known) == digest else "has other content"
    except FileNotFoundError:
        return "does not exist"
    except OSError as error:
        return f"cannot be read: {error.strerror}"
