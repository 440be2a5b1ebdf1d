"""Builds the graph of a study's jobs with Snakemake, without running anything."""

from __future__ import annotations

import contextlib
import difflib
import io
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import chexseg
from chexseg.config.overrides import overrides_of
from chexseg.config.study import merged
from chexseg.errors import InputError, Problem, one_line
from chexseg.provenance.digests import MEMORY, Digests
from chexseg.provenance.record import flags_of, running_path
from chexseg.scheduling.profiles import snakemake_command
from chexseg.scheduling.reruns import ARTIFACT, Change, changes, command_of, is_stage


@dataclass
class PlannedJob:
    """Describes a job of the study."""

    rule: str
    wildcards: dict[str, str]
    arguments: list[str]
    """The words of its command after `chexseg`, starting with the stage."""
    outputs: list[str]
    log: str | None
    resources: dict[str, Any]
    would_run: bool
    changes: list[Change] = field(default_factory=list)
    """Its own reasons to run; empty if it runs only because of jobs before it, or not at all."""
    before: list[PlannedJob] = field(default_factory=list)
    """The jobs that make its inputs."""
    absent: list[str] = field(default_factory=list)
    """Files that it, or a job before it, needs, that are not there and that no job makes. If there are
    any, nobody can tell whether it would run."""

    @property
    def name(self) -> str:
        """Display name: the rule, and the entry that it works for."""
        return " ".join([self.rule, *self.wildcards.values()])

    @property
    def mark(self) -> Path:
        """File that marks the job as running, next to its first artifact or output folder."""
        folder = flags_of(self.arguments).get("out", self.outputs)[0]
        return running_path(self.outputs[0] if folder in self.outputs else folder)


def read_graph(
    configs: Sequence[Path] = (),
    overrides: Sequence[str] = (),
    targets: Sequence[str] = (),
    snakefile: Path | None = None,
    profiles: Sequence[str] = (),
) -> list[PlannedJob]:
    """Builds the graph of jobs.

    Args:
        configs: config files; if empty, the one of profiles/default.
        overrides: `key=value`, as after `snakemake --config`.
        targets: artifacts to make; if empty, the whole study.
        snakefile: Snakefile of the workflow; None for the one that `snakemake` would use.
        profiles: profiles that set resources; if empty, the rules' own values apply.

    Returns:
        The jobs, each after the jobs that it depends on.

    Raises:
        InputError: Snakemake cannot build the graph, for example because the config is wrong.
    """
    given, snakefile = snakefile is not None, snakefile or default_snakefile()
    if not snakefile.is_file():
        there = Path(chexseg.__file__).parents[1] / "Snakefile"
        remedy = f"Add {shlex.join(['--snakefile', str(there)])}." if there.is_file() else ""
        remedy = remedy or "Add --snakefile and the path of a workflow's Snakefile."
        raise InputError([Problem(str(snakefile.absolute()), "no such file", "a workflow", remedy)])
    files = [path.absolute() for path in configs] or default_configs(snakefile)
    from snakemake.api import SnakemakeApi
    from snakemake.cli import parse_config
    from snakemake.exceptions import (
        ApiError,
        MissingRuleException,
        RuleException,
        WorkflowError,
        print_exception,
    )
    from snakemake.settings.enums import Quietness
    from snakemake.settings.types import (
        ConfigSettings,
        DAGSettings,
        OutputSettings,
        WorkflowSettings,
    )

    from chexseg.scheduling.snakemake_questions import AbsentInput

    # Snakemake's own words for what is wrong with them name no place.
    merged(files, overrides_of(overrides))
    said = io.StringIO()
    with (
        contextlib.redirect_stdout(said),
        contextlib.redirect_stderr(said),
        SnakemakeApi(OutputSettings(quiet={Quietness.ALL}, dryrun=True)) as api,
    ):
        try:
            workflow = api.workflow(
                resource_settings=_resources_of(profiles),
                config_settings=ConfigSettings(
                    config=parse_config(list(overrides)),
                    config_args=list(overrides),
                    configfiles=files,
                ),
                workflow_settings=WorkflowSettings(),
                snakefile=snakefile.absolute(),
            )
            absent = {}
            try:
                workflow.dag(DAGSettings(targets=set(targets))).printrulegraph()
            except AbsentInput as error:
                absent = error.files
            dag = workflow._workflow.dag
            jobs = [job for level in dag.toposorted() for job in level if is_stage(job)]
            return _planned(dag, jobs, absent)
        except OSError as error:
            where, found = str(error.filename or snakefile), error.strerror or str(error)
            remedy = "Correct the path, or ask its owner for permission."
            raise InputError([Problem(where, found, "a readable file", remedy)]) from None
        except (WorkflowError, RuleException, ApiError) as error:
            if problems := getattr(error, "problems", None):  # of the config: see common.smk
                raise InputError(problems) from None
            unknown = str(error) if isinstance(error, MissingRuleException) and targets else ""
            if not unknown:
                print_exception(error, {})
                found = str(error).strip() or said.getvalue().strip()
                place = str(snakefile) if given else "Snakefile"
                command = snakemake_command((), place, configs, overrides, "--dry-run")
                remedy = f"Fix what it reports; this command shows the same error: {command}"
                raise InputError([Problem(str(snakefile), found, "a workflow", remedy)]) from None
    target = unknown.removeprefix("No rule to produce ").rpartition(" (if you use")[0]
    jobs = read_graph(configs, overrides, (), snakefile, profiles)
    paths = [path for job in jobs for path in job.outputs]
    near = difflib.get_close_matches(target, paths, n=1, cutoff=0)
    remedy = f"Did you mean {' '.join(near) or 'another study'}?"
    raise InputError([Problem(target, "no rule that makes it", "an artifact", remedy)])


def _resources_of(profiles: Sequence[str]) -> Any:
    """Returns Snakemake's resource settings from profiles."""
    from snakemake.cli import parse_args
    from snakemake.settings.types import ResourceSettings

    if not profiles:
        return ResourceSettings(cores=1)
    try:
        _, chosen = parse_args([word for name in profiles for word in ("--profile", name)])
    except SystemExit:  # Snakemake's message was captured with its other output
        remedy = "Correct the name, or the profile's config.yaml."
        found = "an invalid profile"
        problem = Problem("--profile " + " ".join(profiles), found, "a Snakemake profile", remedy)
        raise InputError([problem]) from None
    return ResourceSettings(
        cores=1,
        default_resources=chosen.default_resources,
        overwrite_resources=chosen.set_resources,
        overwrite_threads=chosen.set_threads,
    )


def default_snakefile() -> Path:
    """Returns the Snakefile that `snakemake` uses by default."""
    places = (Path("Snakefile"), Path("workflow/Snakefile"))
    return next((place for place in places if place.is_file()), places[0])


def default_configs(snakefile: Path | None = None) -> list[Path]:
    """Returns the config file that `snakemake` uses by default.

    It comes from the profile or, in a folder with a deployed workflow, from its Snakefile.

    Args:
        snakefile: Snakefile of the workflow; None for the one that `snakemake` would use.
    """
    import yte

    beside = (snakefile or default_snakefile()).parent / "profiles/default"
    for profile in (Path("default"), Path("profiles/default"), beside):
        if (file := profile / "config.yaml").is_file():
            settings = yte.process_yaml(file.read_text(encoding="utf-8"), require_use_yte=True)
            if settings and "configfile" in settings:
                return [Path(settings["configfile"]).absolute()]
            break
    path = Path("config/config.yaml")
    return [path.absolute()] if path.is_file() else []


def absent_text(jobs: Sequence[PlannedJob]) -> str:
    """Returns a sentence about the jobs that cannot be judged without absent files, or ""."""
    files = dict.fromkeys(file for job in jobs for file in job.absent)
    if not files:
        return ""
    number = sum(bool(job.absent) for job in jobs)
    reason = ", ".join(f"{file} is not there" for file in files)
    return one_line(f"{number} of {len(jobs)} jobs cannot be judged: {reason}.")


def _planned(dag: Any, jobs: list[Any], absent: Mapping[Any, list[str]]) -> list[PlannedJob]:
    digests, planned = Digests(MEMORY), {}
    for job in jobs:
        before = [planned[each] for each in dag.dependencies[job] if each in planned]
        lacks = dict.fromkeys(
            file for files in (absent.get(job, ()), *(b.absent for b in before)) for file in files
        )
        wanted, reason = dag.needrun(job), dag.reason(job)
        found = []
        if wanted and reason.missing_output:
            gone = [path for path in job.output if not Path(path).exists()]
            found = [Change(ARTIFACT, str(path), now="does not exist") for path in gone]
        elif wanted:
            found = changes(job, digests)
        planned[job] = PlannedJob(
            rule=job.rule.name,
            wildcards=dict(job.wildcards.items()),
            arguments=command_of(job),
            outputs=[str(path) for path in job.output],
            log=str(job.log[0]) if job.log else None,
            resources=dict(job.resources.items()),
            would_run=wanted,
            changes=found,
            before=before,
            absent=list(lacks),
        )
    digests.save()
    return list(planned.values())
