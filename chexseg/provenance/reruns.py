"""Which artifacts must be made again, and why: jobs held against the records of their artifacts.

Snakemake remembers params and code in a hidden folder that does not travel, does not see the
package behind a shell command, and takes a newer time stamp for a change. `ask_records` makes it
ask the records instead, so that content alone decides: settings, code, inputs, and the artifact
itself. Nothing heavy is imported here: the Snakefile reads this module.
"""

from __future__ import annotations

import csv
import os
import shlex
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from chexseg.artifacts import EXECUTION
from chexseg.provenance.code import code_of
from chexseg.provenance.digests import MEMORY, Digests
from chexseg.provenance.record import (
    Record,
    entries,
    flags_of,
    known_content,
    read_record,
    settings_of,
)

ASKED = ("has_metadata", "has_outdated_metadata", "params_changed", "code_changed", "input_changed")
"""What Snakemake asks of its memory, and now of the records."""

SETTING, CODE, INPUT, ARTIFACT = "setting", "code", "input", "artifact"


@dataclass(frozen=True)
class Change:
    """One reason to make an artifact again."""

    kind: str
    what: str
    before: str = ""
    now: str = ""

    def __str__(self) -> str:
        if self.kind == SETTING:
            return f"{self.what}: {self.before or 'not there'} -> {self.now or 'not there'}"
        return f"{self.what} {self.now}".strip()


def changes(job: Any, digests: Digests) -> list[Change]:
    """Returns what differs between a job as it would run now and the record of its artifacts.

    Args:
        job: Snakemake's job of a rule whose command is `chexseg STAGE ...`, perhaps done.
        digests: of files.

    Returns:
        Nothing if the artifacts are what the job would make, or if all of them are absent.
    """
    there = [str(path) for path in job.output if os.path.exists(path)]
    if not job.is_shell or not there:
        return []
    stage, *arguments = command_of(job)
    found = read_record(there[0])
    if found is None:
        return [Change(ARTIFACT, there[0], now="has no record")]
    record = found[1]
    return [
        *_settings_changed(record, stage, arguments),
        *_code_changed(record, stage),
        *_inputs_changed(record, arguments, digests),
        *_artifacts_changed(found[0].parent, record, digests),
    ]


def command_of(job: Any) -> list[str]:
    """Returns the words of a job's command behind `chexseg`, the stage first.

    `job.shellcmd` would do, but needs a number that a job has not got yet.
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


@cache
def _code_now(stage: str) -> dict[str, str]:
    return code_of(stage)


def _code_changed(record: Record, stage: str) -> Iterator[Change]:
    before, now = record["code"]["definitions"], _code_now(stage)
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
            if not Path(path).exists():
                yield Change(INPUT, path, now="is not there")
            elif digests.of(path, known_content(Path(path))) != digest:
                yield Change(INPUT, path, now="has other content")
    if record["stage"] in ("check-data", "build-index"):
        index = Path(now["out"][0]).with_name("index.csv")
        yield from _xrays_changed(now["root"][0], index, digests)


def _xrays_changed(root: str, index: Path, digests: Digests) -> Iterator[Change]:
    """Yields the X-rays whose content is no longer what the index says.

    An index that is itself damaged is told as such, and not read.
    """
    known = known_content(index)
    if not index.exists() or known is None or digests.of(index, known) != known[1]:
        return
    with open(index, newline="", encoding="utf-8") as file:
        for row in csv.DictReader(file):
            path = Path(root) / row["path"]
            if not path.exists():
                yield Change(INPUT, str(path), now="is not there")
            elif digests.of(path) != row["sha256"]:
                yield Change(INPUT, str(path), now="has other content")


def _artifacts_changed(folder: Path, record: Record, digests: Digests) -> Iterator[Change]:
    for entry in entries(record["outputs"]):
        path = Path(os.path.normpath(folder / entry["path"]))
        if not path.exists():
            yield Change(ARTIFACT, str(path), now="is not there")
        elif digests.of(path, (entry["stamp"], entry["sha256"])) != entry["sha256"]:
            yield Change(ARTIFACT, str(path), now="is not what its job wrote")


def ask_records(memory: Path = MEMORY) -> None:
    """Makes Snakemake ask the records which jobs to run again, instead of its own memory.

    Takes the place of what Snakemake 9 asks of its persistence, and of the time stamps of
    outputs. Missing outputs, and jobs whose inputs are made anew, stay Snakemake's business.

    Args:
        memory: where digests are remembered.

    Raises:
        RuntimeError: this Snakemake asks other questions.
    """
    from snakemake.exceptions import WorkflowError
    from snakemake.jobs import Job
    from snakemake.persistence import ParamsChange, PersistenceBase

    if missing := [name for name in ASKED if not hasattr(PersistenceBase, name)]:
        raise RuntimeError(f"this Snakemake does not ask {', '.join(missing)}: use version 9.27")

    digests = Digests(memory)

    @cache
    def changes_of(job: Job) -> list[Change]:
        found = changes(job, digests)
        digests.save()
        return found

    def changed(*kinds: str) -> Callable[..., bool | list[str]]:
        def ask(_: PersistenceBase, job: Job, file: str | None = None) -> bool | list[str]:
            found = any(change.kind in kinds for change in changes_of(job))
            return (list(job.output) if found else []) if file is None else found

        return ask

    def params_changed(_: PersistenceBase, job: Job, file: str | None = None) -> ParamsChange:
        found = [change for change in changes_of(job) if change.kind == SETTING]
        return ParamsChange(
            {f"{change.what} {change.before}" for change in found},
            {f"{change.what} {change.now}" for change in found},
            {file} if file else set(job.output),
        )

    def has_metadata(persistence: PersistenceBase, _: Job) -> bool:
        on = {trigger.name for trigger in persistence.dag.workflow.rerun_triggers}
        if not on >= {"PARAMS", "INPUT", "CODE"}:
            raise WorkflowError("--rerun-triggers must hold params, input and code: leave it away.")
        return True

    async def no_time(_: Job) -> None:
        return None

    PersistenceBase.has_metadata = has_metadata
    PersistenceBase.has_outdated_metadata = lambda self, job: False
    PersistenceBase.params_changed = params_changed
    PersistenceBase.code_changed = changed(CODE)
    PersistenceBase.input_changed = changed(INPUT, ARTIFACT)
    Job.output_mintime = property(no_time)
