"""Shows how far a study is: what is done, running, waiting or failed, and how to go on."""

from __future__ import annotations

import csv
import os
import platform
import shlex
import shutil
import subprocess
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from json import dumps, loads
from pathlib import Path

from chexseg.config.study import load_study
from chexseg.errors import one_line
from chexseg.files.sizes import duration_text, size_text
from chexseg.inference.gpus import count_gpus
from chexseg.provenance.record import read_record, record_path
from chexseg.scheduling.cost import CostModel
from chexseg.scheduling.graph import PlannedJob, default_configs, read_graph
from chexseg.scheduling.plan import Plan, amount, plan_of
from chexseg.scheduling.profiles import named_profiles

DONE, RUNNING, FAILED, CUT_OFF, WAITING = "done", "running", "failed", "cut off", "waiting"
STATES = (DONE, RUNNING, WAITING, FAILED, CUT_OFF)
SLURM_STATES = {
    **dict.fromkeys(("RUNNING", "COMPLETING", "CONFIGURING", "SUSPENDED"), RUNNING),
    **dict.fromkeys(("PENDING", "REQUEUED", "REQUEUE_HOLD"), WAITING),
}
"""What those of Slurm mean; jobs in any other have ended."""
LOG_LINES = 4
START_SECONDS = 120
"""A job that imports its packages says nothing for so long at most."""


@dataclass
class JobStatus:
    """What is known of a job."""

    name: str
    rule: str
    state: str
    seconds: float | None = None
    """Of a job that is done: how long it took; of one that runs: how long so far. With the epochs
    that earlier attempts of a training have left."""
    expected: float = 0
    """Seconds from start to end by the cost model, on one core."""
    expected_with_gpu: float = 0
    """The same with the GPUs that it asks for."""
    disk: int = 0
    """Bytes of its artifacts."""
    place: str = ""
    """Of a job that runs: host, and process or Slurm job."""
    log: list[str] = field(default_factory=list)
    """The last lines of its log, unless it is done or waiting."""
    gpu: int = 0
    runtime_minutes: int = 0


def run(
    *,
    configfile: tuple[Path, ...] = (),
    config: tuple[str, ...] = (),
    profile: tuple[str, ...] = (),
    plan: bool = False,
    json: bool = False,
) -> None:
    """Show how far a study is. Type it where `snakemake` is typed; it changes nothing.

    Args:
        configfile: Config files of the study; config/demo.yaml if there is none.
        config: Overrides, `key=value`, as in `snakemake --config`.
        profile: Profiles of Snakemake, such as slurm: jobs have their limits. The command to go
            on names them; if there is none, those that the study was last run with.
        plan: Show instead what the whole study takes, by the cost model (docs/cost.md), and
            what its jobs may take at most, in one attempt each.
        json: Print JSON instead of a table.

    Raises:
        InputError: the config is wrong, or data are absent.
    """
    planned = read_graph(configfile, config, profiles=profile)
    model = _cost_model(configfile, config)
    if plan:
        whole = plan_of(planned, model)
        print(dumps(whole.as_dict(), indent=1) if json else "\n".join(_plan(whole)))
        return
    marks = [_read_mark(job.mark) for job in planned]
    slurm = _slurm_states([_slurm_job(mark) for mark in marks if mark])
    jobs = [status_of(job, slurm) for job in planned]
    for job, status in zip(planned, jobs, strict=True):
        cost = model.of(job.rule, job.wildcards)
        status.expected, status.expected_with_gpu = cost.seconds(), cost.seconds(status.gpu)
    names = profile or _last_profiles(planned)
    command = shlex.join(
        ["snakemake", *(word for name in names for word in ("--profile", name)),
         *(["--configfile", *map(str, configfile)] if configfile else []),
         *(["--config", *config] if config else [])]
    )  # fmt: skip
    if json:
        print(_as_json(jobs, command))
    else:
        print("\n".join(map(one_line, _table(jobs, command))))


def _cost_model(configfile: tuple[Path, ...], config: tuple[str, ...]) -> CostModel:
    """Returns the cost model of the study that Snakemake would run."""
    from snakemake.cli import parse_config

    overrides = parse_config(list(config)) if config else {}
    return CostModel(load_study(*(configfile or default_configs()), overrides=overrides))


def _last_profiles(jobs: Sequence[PlannedJob]) -> list[str]:
    """Returns the profiles of the `snakemake` that made the latest of the artifacts."""
    records = [found[1] for job in jobs if (found := read_record(job.outputs[0]))]
    last = max(records, key=lambda record: record.get("started", ""), default={})
    return named_profiles(shlex.split(last.get("workflow") or "")[1:])


def status_of(job: PlannedJob, slurm: Mapping[str, str] | None = None) -> JobStatus:
    """Finds out about a job from its artifacts, its records, its mark and its log.

    Args:
        job: the job.
        slurm: number -> state of the jobs that Slurm knows; None if it does not answer.
    """
    status = JobStatus(job.name, job.rule, WAITING)
    status.gpu, status.runtime_minutes = amount(job, "gpu"), amount(job, "runtime")
    status.disk = sum(os.path.getsize(path) for path in job.outputs if os.path.exists(path))
    if (seen := _read_mark(job.mark)) is not None:
        status.state = _state_by_mark(seen, slurm)
        started = datetime.fromisoformat(seen["started"])
        elapsed = (datetime.now(UTC) - started).total_seconds()
        status.seconds = max(elapsed, _trained(job))
        number = _slurm_job(seen)
        status.place = f"{seen['host']}, " + (f"Slurm job {number}" if number else f"{seen['pid']}")
    elif not job.would_run:
        status.state = DONE
        found = read_record(job.outputs[0])
        status.seconds = max(found[1].get("seconds", 0), _trained(job)) if found else None
    elif job.log and os.path.exists(job.log) and not all(map(os.path.exists, job.outputs)):
        status.state = _state_by_log(job)
    if status.state not in (DONE, WAITING) and job.log and os.path.exists(job.log):
        lines = Path(job.log).read_text(errors="replace").splitlines()
        status.log = [line for line in lines if line.strip()][-LOG_LINES:]
    return status


def _state_by_log(job: PlannedJob) -> str:
    """Says what the log of a job without artifact means."""
    written, record = os.path.getmtime(job.log), record_path(job.outputs[0])
    if record.exists() and record.stat().st_mtime >= written:
        return WAITING  # the job went well, and somebody has deleted the artifact since
    if os.path.getsize(job.log):
        return FAILED
    # It has just begun, or was killed before it could speak.
    return RUNNING if time.time() - written < START_SECONDS else CUT_OFF


def _read_mark(path: Path) -> dict | None:
    try:
        return loads(path.read_text())
    except (OSError, ValueError):  # the job has ended meanwhile
        return None


def _slurm_job(mark: dict) -> str:
    """Returns the number of the Slurm job behind a mark; nothing for another job."""
    return mark.get("slurm", {}).get("slurm_job_id", "")


def _slurm_states(numbers: Sequence[str]) -> dict[str, str] | None:
    """Asks Slurm, once, for the states of jobs; None if it does not answer."""
    numbers = [number for number in numbers if number]
    if not numbers or shutil.which("squeue") is None:
        return None
    words = ["squeue", "--noheader", "--format=%i %T", "--jobs", ",".join(numbers)]
    asked = subprocess.run(words, capture_output=True, text=True)
    if asked.returncode and "Invalid job id" not in asked.stderr:
        return None
    return dict(line.split() for line in asked.stdout.splitlines())


def _state_by_mark(mark: dict, slurm: Mapping[str, str] | None) -> str:
    """Says whether the process behind a mark still runs; one that nobody can ask for counts."""
    number = _slurm_job(mark)
    if number and slurm is not None:
        return SLURM_STATES.get(slurm.get(number, ""), CUT_OFF)
    if number or mark["host"] != platform.node():
        return RUNNING
    try:
        os.kill(mark["pid"], 0)
    except ProcessLookupError:
        return CUT_OFF
    except PermissionError:
        pass
    return RUNNING


def _trained(job: PlannedJob) -> float:
    """Returns the seconds of a training's epochs, in all of its attempts; 0 of other jobs."""
    seconds = 0.0
    for path in job.outputs:
        if Path(path).name == "metrics.csv" and os.path.exists(path):
            with open(path, newline="") as file:
                seconds += sum(float(row["seconds"]) for row in csv.DictReader(file))
    return seconds


def _table(jobs: list[JobStatus], command: str) -> list[str]:
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
    left, by_model = _seconds_left(jobs, on_gpus)
    done = sum(job.state == DONE for job in jobs)
    lines += [
        "",
        f"{done} of {len(jobs)} jobs done, {size_text(sum(job.disk for job in jobs))} on disk.",
    ]
    if done < len(jobs):
        part = "all" if by_model == left else duration_text(by_model)
        source = f", {part} of it by the cost model" if by_model else ""
        lines.append(f"Left: about {duration_text(left)} of job time{source}.")
        if by_model and not on_gpus:
            with_gpus = duration_text(_seconds_left(jobs, True)[0])
            lines.append(f"With GPUs: about {with_gpus}; their rates are assumed (docs/cost.md).")
        lines.append(f"To go on: {command}")
    return lines


def _seconds_left(jobs: list[JobStatus], on_gpus: bool) -> tuple[float, float]:
    """Returns the seconds of the jobs not done, and those of them that the cost model expects.

    A job takes what the model says, times what those of its stage that are done took of that.
    """

    def expected(job: JobStatus) -> float:
        return job.expected_with_gpu if on_gpus else job.expected

    left, by_model = 0.0, 0.0
    for job in jobs:
        if job.state == DONE:
            continue
        took = [j for j in jobs if j.rule == job.rule and j.state == DONE and j.seconds]
        spent = job.seconds if job.state == RUNNING and job.seconds else 0
        seconds = expected(job)
        if took:
            seconds *= sum(j.seconds for j in took) / sum(map(expected, took))
        seconds = max(0.0, seconds - spent)
        left += seconds
        by_model += 0 if took else seconds
    return left, by_model


def _plan(plan: Plan) -> list[str]:
    """Returns the lines of a plan, at most 80 columns wide."""
    lines = [
        f"{'':<26}{'hours of a job':>18}{'GPU hours':>18}{'core':>9}",
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
        "Expected by the cost model; its rates of GPUs are assumed (docs/cost.md).",
    ]
    return lines


def _hours(hours: float) -> str:
    """Returns hours for a table: <0.1, 1.5, 36, 1,234; nothing for none."""
    if not hours:
        return ""
    return f"{hours:,.0f}" if hours >= 10 else f"{hours:.1f}" if hours >= 0.05 else "<0.1"


def _as_json(jobs: list[JobStatus], command: str) -> str:
    left, by_model = _seconds_left(jobs, count_gpus() > 0)
    content = {
        "jobs": [asdict(job) for job in jobs],
        "seconds_left": round(left, 1),
        "seconds_left_by_model": round(by_model, 1),
        "seconds_left_with_gpus": round(_seconds_left(jobs, True)[0], 1),
        "to_go_on": command,
    }
    return dumps(content, indent=1)
