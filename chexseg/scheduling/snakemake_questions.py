"""Makes Snakemake consult the records to decide which jobs to rerun. It is the only file that
patches Snakemake.

Why: Snakemake stores parameters and code in a hidden folder that is not copied along with a study,
does not see the package behind a shell command, and treats a newer time stamp as a change. It has
no hook for another decision procedure. So the methods in QUESTIONS, which Snakemake calls to decide
whether a job must run, are replaced while the Snakefile is read, for jobs whose command is
`chexseg STAGE ...`. Jobs of other rules keep Snakemake's own behaviour. Snakemake still handles
missing outputs and jobs whose inputs are rebuilt.

A job whose input is missing, and is made by no rule, leaves Snakemake's graph if its output exists: the
output counts as a source, and nobody asks whether it is up to date. Jobs of stages stay in the graph
instead, and `AbsentInput` stops the workflow before any job runs.

`--report` of an unfinished study, and `--delete-all-output`, which knows only declared outputs, are
completed here, too.

tests/unit/scheduling/test_snakemake_questions.py checks these assumptions: it fails with a clear
message if a new version of Snakemake decides in another way.
"""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from functools import cache
from pathlib import Path
from typing import Any

from snakemake.exceptions import WorkflowError

from chexseg.errors import printable
from chexseg.provenance.digests import MEMORY, Digests
from chexseg.provenance.record import entries, flags_of, read_record, record_path
from chexseg.scheduling.profiles import command_of_workflow, makes_report
from chexseg.scheduling.reruns import (
    ARTIFACT,
    CODE,
    INPUT,
    SETTING,
    Change,
    changes,
    command_of,
    is_stage,
)

QUESTIONS = {
    "has_metadata": ("self", "job"),
    "has_outdated_metadata": ("self", "job"),
    "params_changed": ("self", "job", "file"),
    "code_changed": ("self", "job", "file"),
    "input_changed": ("self", "job", "file"),
}
"""Methods of Snakemake's `PersistenceBase` that are replaced, with their parameters."""
GRAPH = {
    "collect_potential_dependencies": ("self", "job", "known_producers"),
    "update_": ("self", "job"),
    "update_needrun": ("self",),
    "clean": ("self", "only_temp", "dryrun"),
}
"""Methods of Snakemake's `DAG` around which something is done, with their first parameters."""


class AbsentInput(WorkflowError):
    """Stops a workflow that needs files that are not there and that no rule makes.

    It is raised when the graph is complete.

    Attributes:
        files: Snakemake's job -> those of its inputs.
    """

    def __init__(self, files: dict[Any, list[str]]):
        self.files = files
        needed: dict[str, list[str]] = {}
        for job, absent in files.items():
            for file in absent:
                needed.setdefault(file, []).append(job.rule.name)
        lines = [
            f"  {file}: found no such file, expected an input of {', '.join(sorted({*rules}))}."
            for file, rules in sorted(needed.items())
        ]
        remedy = "Correct the paths in the config, or bring the files back."
        super().__init__(
            f"{len(lines)} problem(s)\n" + "\n".join(map(printable, lines)) + f"\n{remedy}"
        )


def ask_records(memory: Path = MEMORY) -> None:
    """Makes Snakemake consult the records in this process.

    Args:
        memory: file that caches digests.

    Raises:
        RuntimeError: this version of Snakemake lacks the expected methods.
    """
    from snakemake.dag import DAG
    from snakemake.jobs import Job
    from snakemake.persistence import ParamsChange, PersistenceBase

    missing = [name for name in QUESTIONS if not hasattr(PersistenceBase, name)]
    missing += [name for name in GRAPH if not hasattr(DAG, name)]
    if missing:
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
    _keep_jobs(own)


def _keep_jobs(own: dict[str, Callable[..., Any]]) -> None:
    """Keeps jobs of stages in the graph whose inputs are missing, and stops the workflow then."""
    from snakemake.dag import DAG

    async def collect(dag: DAG, job: Any, known_producers: dict) -> AsyncIterator[Any]:
        async for each in own["collect_potential_dependencies"](dag, job, known_producers):
            if each.jobs or not is_stage(job) or await each.file.exists():
                yield each
            else:
                _of(dag, "absent").setdefault(job, []).append(str(each.file))

    async def update(dag: DAG, job: Any, *words: Any, **named: Any) -> None:
        try:
            await own["update_"](dag, job, *words, **named)
        except Exception as error:  # such as a missing input of another workflow's rule before it
            if is_stage(job):
                _of(dag, "dropped")[job] = error
            raise

    async def update_needrun(dag: DAG, *words: Any, **named: Any) -> None:
        await own["update_needrun"](dag, *words, **named)
        made = {file for job in dag.jobs for file in job.output}
        for job, error in _of(dag, "dropped").items():
            if made.isdisjoint(job.output):
                raise error
        absent = {job: files for job, files in _of(dag, "absent").items() if job in dag.jobs}
        if makes_report():
            _check_complete(dag)  # for which the data need not be there
        elif absent:
            raise AbsentInput(absent)

    async def clean(dag: DAG, only_temp: bool = False, dryrun: bool = False) -> None:
        files = [] if only_temp or dryrun else list(_undeclared(dag))
        await own["clean"](dag, only_temp=only_temp, dryrun=dryrun)
        for file in files:
            file.unlink(missing_ok=True)

    DAG.collect_potential_dependencies, DAG.clean = collect, clean
    DAG.update_, DAG.update_needrun = update, update_needrun


def _check_complete(dag: Any) -> None:
    """Stops `snakemake --report` of a study that is not finished."""
    files = [str(file) for job in dag.jobs if is_stage(job) for file in job.output]
    if gone := [file for file in files if not os.path.exists(file)]:
        raise WorkflowError(
            f"The report needs the whole study, but {len(gone)} of its {len(files)} files are missing, "
            f"such as {printable(gone[0])}. Finish it, then make the report: "
            f"{command_of_workflow(dag.workflow)}"
        )


def _undeclared(dag: Any) -> Iterator[Path]:
    """Yields what jobs of stages write beside their outputs: records, and files in output folders."""
    for job in filter(is_stage, dag.jobs):
        for out in {*job.output, *flags_of(command_of(job)).get("out", ())}:
            if os.path.isdir(out) and (found := read_record(out)) is not None:
                yield from (found[0].parent / e["path"] for e in entries(found[1]["outputs"]))
            yield record_path(out)


def _of(dag: Any, what: str) -> dict[Any, Any]:
    """Returns a dictionary of a graph that Snakemake does not have: job -> why it was `what`."""
    return vars(dag).setdefault(f"chexseg_{what}", {})


@cache
def _own_answers() -> dict[str, Callable[..., Any]]:
    """Returns Snakemake's original methods, from before the first replacement."""
    from snakemake.dag import DAG
    from snakemake.jobs import Job
    from snakemake.persistence import PersistenceBase

    own = {name: getattr(PersistenceBase, name) for name in QUESTIONS}
    own |= {name: getattr(DAG, name) for name in GRAPH}
    return own | {"output_mintime": Job.output_mintime.fget}


def _for_stages(answer: Callable[..., Any], own: Callable[..., Any]) -> Callable[..., Any]:
    """Returns a method that uses `answer` for jobs of stages, and Snakemake's own for others."""

    def method(persistence: Any, job: Any, *file: Any, **named: Any) -> Any:
        return (answer if is_stage(job) else own)(persistence, job, *file, **named)

    return method
