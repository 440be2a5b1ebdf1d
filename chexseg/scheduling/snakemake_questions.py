"""Makes Snakemake consult the records to decide which jobs to rerun. It is the only file that
patches Snakemake.

Why: Snakemake stores parameters and code in a hidden folder that is not copied along with a study,
does not see the package behind a shell command, and treats a newer time stamp as a change. It has
no hook for another decision procedure. So the methods in QUESTIONS, which Snakemake calls to decide
whether a job must run, are replaced while the Snakefile is read, for jobs whose command is
`chexseg STAGE ...`. Jobs of other rules keep Snakemake's own behaviour. Snakemake still handles
missing outputs and jobs whose inputs are rebuilt.

tests/unit/scheduling/test_snakemake_questions.py checks these assumptions: it fails with a clear
message if a new version of Snakemake decides in another way.
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from functools import cache
from pathlib import Path
from typing import Any

from chexseg.provenance.digests import MEMORY, Digests
from chexseg.scheduling.reruns import ARTIFACT, CODE, INPUT, SETTING, Change, changes, is_stage

QUESTIONS = {
    "has_metadata": ("self", "job"),
    "has_outdated_metadata": ("self", "job"),
    "params_changed": ("self", "job", "file"),
    "code_changed": ("self", "job", "file"),
    "input_changed": ("self", "job", "file"),
}
"""Methods of Snakemake's `PersistenceBase` that are replaced, with their parameters."""


def ask_records(memory: Path = MEMORY) -> None:
    """Makes Snakemake consult the records in this process.

    Args:
        memory: file that caches digests.

    Raises:
        RuntimeError: this version of Snakemake lacks the expected methods.
    """
    from snakemake.exceptions import WorkflowError
    from snakemake.jobs import Job
    from snakemake.persistence import ParamsChange, PersistenceBase

    if missing := [name for name in QUESTIONS if not hasattr(PersistenceBase, name)]:
        raise RuntimeError(f"this Snakemake has no {', '.join(missing)}: use version 9.27")

    digests = Digests(memory)

    @cache
    def changes_of(job: Job) -> list[Change]:
        found = changes(job, digests)
        digests.save()
        return found

    def has_metadata(persistence: PersistenceBase, job: Job) -> bool:
        on = {trigger.name for trigger in persistence.dag.workflow.rerun_triggers}
        if not on >= {"PARAMS", "INPUT", "CODE"}:
            raise WorkflowError("--rerun-triggers must include params, input and code: omit it.")
        return True

    def params_changed(_: PersistenceBase, job: Job, file: str | None = None) -> ParamsChange:
        found = [change for change in changes_of(job) if change.kind == SETTING]
        return ParamsChange(
            {f"{change.what} {change.before}" for change in found},
            {f"{change.what} {change.now}" for change in found},
            {file} if file else set(job.output),
        )

    def changed(*kinds: str) -> Callable[..., bool | list[str]]:
        def answer(_: PersistenceBase, job: Job, file: str | None = None) -> bool | list[str]:
            found = any(change.kind in kinds for change in changes_of(job))
            return (list(job.output) if found else []) if file is None else found

        return answer

    async def no_time() -> int:
        return 0  # None would mean the time of the next job, and any other time would be compared

    answers = {
        "has_metadata": has_metadata,
        "has_outdated_metadata": lambda persistence, job: False,
        "params_changed": params_changed,
        "code_changed": changed(CODE),
        "input_changed": changed(INPUT, ARTIFACT),
    }
    own = _own_answers()
    for name, answer in answers.items():
        setattr(PersistenceBase, name, _for_stages(answer, own[name]))

    def output_mintime(job: Job) -> Coroutine[Any, Any, float | None]:
        return no_time() if is_stage(job) else own["output_mintime"](job)

    Job.output_mintime = property(output_mintime)


@cache
def _own_answers() -> dict[str, Callable[..., Any]]:
    """Returns Snakemake's original methods, from before the first replacement."""
    from snakemake.jobs import Job
    from snakemake.persistence import PersistenceBase

    own = {name: getattr(PersistenceBase, name) for name in QUESTIONS}
    return own | {"output_mintime": Job.output_mintime.fget}


def _for_stages(answer: Callable[..., Any], own: Callable[..., Any]) -> Callable[..., Any]:
    """Returns a method that uses `answer` for jobs of stages, and Snakemake's own for others."""

    def method(persistence: Any, job: Any, *file: Any, **named: Any) -> Any:
        return (answer if is_stage(job) else own)(persistence, job, *file, **named)

    return method
