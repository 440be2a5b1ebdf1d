"""Shows the progress of a study: jobs done, running, waiting or failed, and how to continue."""

from __future__ import annotations

import sys
from dataclasses import asdict
from json import dumps
from pathlib import Path
from textwrap import wrap
from typing import Any

from chexseg.config.overrides import overrides_of
from chexseg.config.study import load_study
from chexseg.errors import InputError, Problem, one_line
from chexseg.files.sizes import duration_text, size_text
from chexseg.inference.gpus import count_gpus
from chexseg.scheduling.cost import CostModel
from chexseg.scheduling.gpu_rates import gpu_rates
from chexseg.scheduling.graph import absent_text, default_configs, read_graph
from chexseg.scheduling.plan import Plan, plan_of
from chexseg.scheduling.profiles import snakemake_command
from chexseg.scheduling.status import (
    CUT_OFF,
    DONE,
    FAILED,
    RUNNING,
    STATES,
    JobStatus,
    last_profiles,
    seconds_left,
    statuses_of,
)

WIDTH = 80
"""Columns of a plan and of a line on its rates."""
LOCKS = Path(".snakemake/locks")
"""Where Snakemake marks that it runs in a folder."""


def run(
    *,
    configfile: tuple[Path, ...] = (),
    config: tuple[str, ...] = (),
    snakefile: Path | None = None,
    profile: tuple[str, ...] = (),
    plan: bool = False,
    json: bool = False,
) -> None:
    """Show the progress of a study. Run it where you run `snakemake`; it changes nothing.

    If files are missing that no job makes, it says how many jobs cannot be judged without them; they
    are shown as waiting, and the exit code is 1.

    Args:
        configfile: Config files of the study; by default the one that `snakemake` uses.
        config: Overrides, `key=value`, as in `snakemake --config`.
        snakefile: Snakefile of the workflow, as in `snakemake --snakefile`.
        profile: Snakemake profiles, such as slurm, which set the limits of jobs and appear in the
            command to continue; by default those of the study's last run.
        plan: Show the estimated cost of the whole study instead, by the cost model
            (docs/cost.md), and the limits of its jobs for one attempt each.
        json: Print JSON instead of a table.

    Raises:
        InputError: the config is invalid, or `plan` lacks data.
    """
    planned = read_graph(configfile, config, (), snakefile, profile)
    model = _cost_model(configfile, config, snakefile)
    absent = absent_text(planned)
    if plan:
        if absent:
            remedy = "Bring the files back, or correct their paths in the config."
            raise InputError([Problem("the data", absent, "all files of the study", remedy)])
        whole = plan_of(planned, model)
        print(dumps(whole.as_dict(), indent=1) if json else "\n".join(_plan(whole)))
        return
    jobs = statuses_of(planned, model)
    names = profile or last_profiles(planned)
    of_study = names, str(snakefile or "Snakefile"), configfile, config
    condition, command = _to_continue(jobs, of_study)
    if json:
        print(_as_json(jobs, command, absent))
    else:
        lines = [f"Study {model.study.study}", *_table(jobs, f"{condition}: {command}", absent)]
        print("\n".join(map(one_line, lines)))
    if absent:
        sys.exit(1)


def _cost_model(
    configfile: tuple[Path, ...], config: tuple[str, ...], snakefile: Path | None
) -> CostModel:
    """Returns the cost model of the study that Snakemake would run."""
    files = configfile or default_configs(snakefile)
    return CostModel(load_study(*files, overrides=overrides_of(config)))


def _to_continue(jobs: list[JobStatus], of_study: tuple[Any, ...]) -> tuple[str, str]:
    """Returns when a study can continue, in words, and the command that continues it."""
    command = snakemake_command(*of_study)
    if any(job.state == RUNNING for job in jobs):
        return "It is running. To continue, when it has ended", command
    if any(LOCKS.glob("*.lock")):
        # Left by a run that was killed, or of a run whose jobs all wait, as in Slurm's queue.
        unlock = snakemake_command(*of_study, "--unlock")
        return "It is locked. To continue, if no snakemake runs here", f"{unlock} && {command}"
    return "To continue", command


def _table(jobs: list[JobStatus], to_continue: str, absent: str) -> list[str]:
    """Returns the lines of the table, at most 80 columns wide."""
    lines = [f"{'stage':<20}" + "".join(f"{s:>9}" for s in STATES) + f"{'time':>8}{'disk':>7}"]
    for rule in dict.fromkeys(job.rule for job in jobs):
        of_rule = [job for job in jobs if job.rule == rule]
        counts = [sum(job.state == state for job in of_rule) for state in STATES]
        took = sum(job.seconds or 0 for job in of_rule if job.state == DONE)
        lines.append(
            f"{rule:<20}" + "".join(f"{count or '':>9}" for count in counts)
            + f"{duration_text(took) if took else '':>8}{size_text(sum(j.disk for j in of_rule)):>7}"
        )  # fmt: skip
    for job in jobs:
        if job.state in (RUNNING, FAILED, CUT_OFF):
            since = f", {duration_text(job.seconds)}" if job.seconds is not None else ""
            lines += [
                "",
                f"{job.name}: {job.state}{since}" + (f" ({job.place})" if job.place else ""),
            ]
            lines += [f"  {line[:77]}" for line in job.log]
    on_gpus = count_gpus() > 0
    left, by_model = seconds_left(jobs, on_gpus)
    done = sum(job.state == DONE for job in jobs)
    lines += [
        "",
        f"{done} of {len(jobs)} jobs done, {size_text(sum(job.disk for job in jobs))} on disk.",
    ]
    if absent:
        lines.append(absent)
    elif done < len(jobs):
        part = "all" if by_model == left else duration_text(by_model)
        source = f", {part} of it by the cost model" if by_model else ""
        lines.append(f"Left: about {duration_text(left)} of job time{source}.")
        if by_model and not on_gpus:
            with_gpus = duration_text(seconds_left(jobs, True)[0])
            lines += wrap(f"With GPUs: about {with_gpus}; {_source_of_rates()}.", WIDTH)
        lines.append(to_continue)
    return lines


def _plan(plan: Plan) -> list[str]:
    """Returns the lines of a plan, at most 80 columns wide."""
    lines = [
        f"{'':<26}{'hours per job':>18}{'GPU hours':>18}{'core':>9}",
        f"{'stage':<20}{'jobs':>6}"
        + f"{'expected':>10}{'limit':>8}" * 2 + f"{'hours':>9}{'disk':>9}",
    ]  # fmt: skip
    for stage in plan.stages:
        lines.append(
            f"{stage.rule:<20}{stage.jobs:>6}{_hours(stage.hours):>10}{_hours(stage.limit):>8}"
            f"{_hours(stage.gpu_hours):>10}{_hours(stage.gpu_limit):>8}"
            f"{_hours(stage.core_hours):>9}{size_text(stage.disk):>9}"
        )
    of_gpus = ", ".join(map(str, plan.wall_hours))
    walls = ", ".join(map(_hours, plan.wall_hours.values()))
    lines += [
        "",
        f"{plan.total('jobs')} jobs, {size_text(plan.total('disk'))}. GPU hours:"
        f" {_hours(plan.total('gpu_hours'))} expected, at most {_hours(plan.total('gpu_limit'))} in"
        " one attempt.",
        f"From start to end on {of_gpus} GPUs: about {walls} hours.",
        f"Without a GPU: {_hours(plan.total('core_hours_without_gpus'))} core hours.",
        *wrap(f"Estimated by the cost model; {_source_of_rates()}.", WIDTH),
    ]
    return lines


def _source_of_rates() -> str:
    return f"{gpu_rates()} (docs/cost.md)"


def _hours(hours: float) -> str:
    """Formats hours for a table: <0.1, 1.5, 36, 1,234; "" for 0."""
    if not hours:
        return ""
    return f"{hours:,.0f}" if hours >= 10 else f"{hours:.1f}" if hours >= 0.05 else "<0.1"


def _as_json(jobs: list[JobStatus], command: str, absent: str) -> str:
    left, by_model = seconds_left(jobs, count_gpus() > 0)
    content = {
        "jobs": [asdict(job) for job in jobs],
        "seconds_left": round(left, 1),
        "seconds_left_by_model": round(by_model, 1),
        "seconds_left_with_gpus": round(seconds_left(jobs, True)[0], 1),
        "to_go_on": command,
        "cannot_be_judged": absent,
    }
    return dumps(content, indent=1)
