"""Determines the state of each job of a study from its artifacts, records, marks and logs."""

from __future__ import annotations

import csv
import os
import platform
import shlex
import shutil
import subprocess
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from json import loads
from pathlib import Path

from chexseg.provenance.record import read_record, record_path
from chexseg.scheduling.cost import CostModel
from chexseg.scheduling.graph import PlannedJob
from chexseg.scheduling.plan import amount
from chexseg.scheduling.profiles import profiles_of

DONE, RUNNING, FAILED, CUT_OFF, WAITING = "done", "running", "failed", "cut off", "waiting"
STATES = (DONE, RUNNING, WAITING, FAILED, CUT_OFF)
SLURM_STATES = {
    **dict.fromkeys(("RUNNING", "COMPLETING", "CONFIGURING", "SUSPENDED"), RUNNING),
    **dict.fromkeys(("PENDING", "REQUEUED", "REQUEUE_HOLD"), WAITING),
}
"""Slurm's states of jobs that have not ended -> our states."""
LOG_LINES = 4
START_SECONDS = 120
"""Maximum time for which a job that imports its packages prints nothing."""


@dataclass
class JobStatus:
    """Holds what is known about a job."""

    name: str
    rule: str
    state: str
    seconds: float | None = None
    """Duration of a finished job, or of a running job so far, including epochs of earlier attempts
    of a training."""
    expected: float = 0
    """Wall-clock seconds on one core, according to the cost model."""
    expected_with_gpu: float = 0
    """Wall-clock seconds with the GPUs that it requests, according to the cost model."""
    disk: int = 0
    """Size of its artifacts in bytes."""
    place: str = ""
    """Host and process or Slurm job of a running job."""
    log: list[str] = field(default_factory=list)
    """Last lines of its log, unless it is done or waiting."""
    gpu: int = 0
    runtime_minutes: int = 0


def statuses_of(jobs: Sequence[PlannedJob], model: CostModel) -> list[JobStatus]:
    """Returns the states of all jobs of a study, querying Slurm once."""
    slurm = _slurm_states([number for job in jobs if (number := _slurm_job(_read_mark(job.mark)))])
    found = [status_of(job, slurm) for job in jobs]
    for job, status in zip(jobs, found, strict=True):
        cost = model.of(job.rule, job.wildcards)
        status.expected, status.expected_with_gpu = cost.seconds(), cost.seconds(status.gpu)
    return found


def status_of(job: PlannedJob, slurm: Mapping[str, str] | None = None) -> JobStatus:
    """Returns the state of a job from its artifacts, records, mark and log.

    Args:
        job: the job.
        slurm: number -> state of the jobs that Slurm knows; None if it does not respond.
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
    """Returns the state of a job without artifacts, from its log."""
    written, record = os.path.getmtime(job.log), record_path(job.outputs[0])
    if record.exists() and record.stat().st_mtime >= written:
        return WAITING  # the job succeeded, and its artifact has been deleted since
    if os.path.getsize(job.log):
        return FAILED
    # The job has just begun, or was killed before it printed anything.
    return RUNNING if time.time() - written < START_SECONDS else CUT_OFF


def _read_mark(path: Path) -> dict | None:
    try:
        return loads(path.read_text())
    except (OSError, ValueError):  # the job has ended in the meantime
        return None


def _slurm_job(mark: dict | None) -> str:
    """Returns the number of the Slurm job of a mark; "" for other jobs."""
    return (mark or {}).get("slurm", {}).get("slurm_job_id", "")


def _slurm_states(numbers: Sequence[str]) -> dict[str, str] | None:
    """Queries Slurm once for the states of jobs; returns None if it does not respond."""
    if not numbers or shutil.which("squeue") is None:
        return None
    words = ["squeue", "--noheader", "--format=%i %T", "--jobs", ",".join(numbers)]
    answer = subprocess.run(words, capture_output=True, text=True)
    if answer.returncode and "Invalid job id" not in answer.stderr:
        return None
    return dict(line.split() for line in answer.stdout.splitlines())


def _state_by_mark(mark: dict, slurm: Mapping[str, str] | None) -> str:
    """Returns whether the process of a mark still runs; assumes so if that cannot be checked."""
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
    """Returns the seconds of a training's epochs over all attempts; 0 for other jobs."""
    seconds = 0.0
    for path in job.outputs:
        if Path(path).name == "metrics.csv" and os.path.exists(path):
            with open(path, newline="") as file:
                seconds += sum(float(row["seconds"]) for row in csv.DictReader(file))
    return seconds


def seconds_left(jobs: list[JobStatus], on_gpus: bool) -> tuple[float, float]:
    """Estimates the seconds of unfinished jobs, and how many of them rest on the cost model alone.

    The estimate of the model is scaled by the ratio of actual to estimated time of the finished
    jobs of the same stage.
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


def last_profiles(jobs: Sequence[PlannedJob]) -> list[str]:
    """Returns the profiles of the `snakemake` command that made the latest artifact."""
    records = [found[1] for job in jobs if (found := read_record(job.outputs[0]))]
    last = max(records, key=lambda record: record.get("started", ""), default={})
    return profiles_of(shlex.split(last.get("workflow") or "")[1:])
