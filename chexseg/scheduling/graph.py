"""Builds the graph of a study's jobs with Snakemake, without running anything."""

from __future__ import annotations

import contextlib
import difflib
import io
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from chexseg.errors import InputError, Problem, Problems
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
        InputError: Snakemake cannot build the graph, for example because a file is missing.
    """
    snakefile = snakefile or default_snakefile()
    if not snakefile.is_file():
        remedy = "Run it where you run `snakemake`: in a checkout of CheXseg."
        raise InputError([Problem(str(snakefile.absolute()), "no such file", "a workflow", remedy)])
    from snakemake.api import SnakemakeApi
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

    config, said = _parsed(overrides), io.StringIO()
    with (
        contextlib.redirect_stdout(said),
        contextlib.redirect_stderr(said),
        SnakemakeApi(OutputSettings(quiet={Quietness.ALL}, dryrun=True)) as api,
    ):
        try:
            workflow = api.workflow(
                resource_settings=_resources_of(profiles),
                config_settings=ConfigSettings(
                    config=config,
                    configfiles=[path.absolute() for path in configs] or default_configs(),
                ),
                workflow_settings=WorkflowSettings(),
                snakefile=snakefile.absolute(),
            )
            workflow.dag(DAGSettings(targets=set(targets))).printrulegraph()
            dag = workflow._workflow.dag
            jobs = [job for level in dag.toposorted() for job in level if is_stage(job)]
            return _planned(dag, jobs)
        except OSError as error:
            where, found = str(error.filename or snakefile), error.strerror or str(error)
            remedy = "Correct the path, or ask its owner for permission."
            raise InputError([Problem(where, found, "a readable file", remedy)]) from None
        except (WorkflowError, RuleException, ApiError) as error:
            unknown = str(error) if isinstance(error, MissingRuleException) and targets else ""
            if not unknown:
                print_exception(error, {})
                found = str(error).strip() or said.getvalue().strip()
                command = snakemake_command((), "Snakefile", configs, overrides, "--dry-run")
                remedy = f"Fix what it reports; this command shows the same error: {command}"
                raise InputError([Problem(str(snakefile), found, "a workflow", remedy)]) from None
    target = unknown.removeprefix("No rule to produce ").rpartition(" (if you use")[0]
    jobs = read_graph(configs, overrides, (), snakefile, profiles)
    paths = [path for job in jobs for path in job.outputs]
    near = difflib.get_close_matches(target, paths, n=1, cutoff=0)
    remedy = f"Did you mean {' '.join(near) or 'another study'}?"
    raise InputError([Problem(target, "no rule that makes it", "an artifact", remedy)])


def _parsed(overrides: Sequence[str]) -> dict[str, Any]:
    """Parses `key=value` pairs in the same way as Snakemake."""
    from snakemake.cli import parse_config

    problems = Problems("config")
    for each in overrides:
        try:
            parse_config([each])
        except ValueError:
            expected = "KEY=VALUE, with a key of the config such as seed=1"
            remedy = (
                "Correct it; write nested keys as YAML: --config 'data={images: {image_size: 64}}'."
            )
            problems.add("--config", repr(each), expected, remedy)
    problems.raise_if_any()
    return parse_config(list(overrides))


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


def default_configs(profile: Path = Path("profiles/default/config.yaml")) -> list[Path]:
    """Returns the config file that `snakemake` uses by default.

    It comes from the profile or, in a folder with a deployed workflow, from its Snakefile.
    """
    import yte

    if profile.is_file():
        settings = yte.process_yaml(profile.read_text(encoding="utf-8"), require_use_yte=True)
        if settings and "configfile" in settings:
            return [Path(settings["configfile"]).absolute()]
    path = Path("config/config.yaml")
    return [path.absolute()] if path.is_file() else []


def _planned(dag: Any, jobs: list[Any]) -> list[PlannedJob]:
    digests, planned = Digests(MEMORY), {}
    for job in jobs:
        wanted, reason = dag.needrun(job), dag.reason(job)
        found = []
        if wanted and reason.missing_output:
            absent = [path for path in job.output if not Path(path).exists()]
            found = [Change(ARTIFACT, str(path), now="does not exist") for path in absent]
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
            before=[planned[each] for each in dag.dependencies[job] if each in planned],
        )
    digests.save()
    return list(planned.values())
