"""Which artifacts must be made again, and why: jobs held against the records of their artifacts.

Snakemake remembers params and code in a hidden folder that does not travel, does not see the
package behind a shell command, and takes a newer time stamp for a change. `ask_records` makes it
ask the records instead, so that content alone decides: settings, code, inputs, and the artifact
itself. Nothing heavy is imported here: the Snakefile reads this module.
"""

from __future__ import annotations

import csv
import json
import os
import shlex
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache, lru_cache
from pathlib import Path
from typing import Any

from chexseg.files.artifacts import EXECUTION
from chexseg.provenance.code import code_of
from chexseg.provenance.digests import MEMORY, Digests, Stamp
from chexseg.provenance.record import (
    Record,
    entries,
    flags_of,
    known_content,
    read_record,
    settings_of,
)
from chexseg.scheduling.profiles import named_profiles

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
        *_code_changed(record, stage, arguments),
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


def typed(workflow: Any) -> str:
    """Returns what to type for a workflow where its paths begin: `snakemake --configfile ...`.

    Args:
        workflow: Snakemake's; its working directory is the process's.
    """

    def shown(path: str | Path) -> str:
        relative = os.path.relpath(path)
        return str(path) if relative.startswith("..") else relative

    chosen, snakefile = workflow.config_settings, shown(workflow.main_snakefile)
    words = ["snakemake", *(word for name in named_profiles() for word in ("--profile", name))]
    words += ["--snakefile", snakefile] if snakefile != "Snakefile" else []
    if chosen.configfiles:
        words += ["--configfile", *map(shown, chosen.configfiles)]
    if chosen.config:
        words += ["--config", *(f"{key}={_plain(value)}" for key, value in chosen.config.items())]
    return shlex.join(words)


def _plain(value: Any) -> str:
    """Writes a value of the config as `--config` reads it."""
    if value is None:
        return ""
    if isinstance(value, bool) or (isinstance(value, str) and value.isidentifier()):
        return str(value)
    return json.dumps(value, ensure_ascii=False)


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
            if wrong := _wrong(path, digest, digests, known_content(Path(path))):
                yield Change(INPUT, path, now=wrong)
    if record["stage"] in ("check-data", "build-index"):
        index = Path(now["out"][0]).with_name("index.csv")
        yield from _xrays_changed(now["root"][0], index, digests)


@lru_cache(maxsize=1)  # two jobs ask, of what may be a hundred thousand files on a network
def _xrays_changed(root: str, index: Path, digests: Digests) -> list[Change]:
    """Returns the X-rays whose content is no longer what the index says.

    An index that is itself damaged is told as such, and not read.
    """
    known, found = known_content(index), []
    if not index.exists() or known is None or digests.of(index, known) != known[1]:
        return []
    with open(index, newline="", encoding="utf-8") as file:
        for row in csv.DictReader(file):
            path = os.path.join(root, row["path"])
            if wrong := _wrong(path, row["sha256"], digests):
                found.append(Change(INPUT, path, now=wrong))
    return found


def _artifacts_changed(folder: Path, record: Record, digests: Digests) -> Iterator[Change]:
    for entry in entries(record["outputs"]):
        path = os.path.normpath(folder / entry["path"])
        known = entry["stamp"], entry["sha256"]
        if wrong := _wrong(path, entry["sha256"], digests, known, "is not what its job wrote"):
            yield Change(ARTIFACT, path, now=wrong)


def _wrong(
    path: str,
    digest: str,
    digests: Digests,
    known: tuple[Stamp, str] | None = None,
    other: str = "has other content",
) -> str:
    """Says what is wrong with a file that should have a digest; nothing if it has."""
    try:
        return "" if digests.of(path, known) == digest else other
    except FileNotFoundError:
        return "is not there"
    except OSError as error:
        return f"cannot be read: {error.strerror}"


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
