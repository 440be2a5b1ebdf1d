"""Shows how far a study is: what is done, running, waiting or failed, and how to go on."""

from __future__ import annotations

import os
import platform
import shlex
import shutil
import subprocess
import time
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from json import dumps, loads
from pathlib import Path

from chexseg.provenance.graph import PlannedJob, read_graph
from chexseg.provenance.record import read_record

DONE, RUNNING, FAILED, CUT_OFF, WAITING = "done", "running", "failed", "cut off", "waiting"
STATES = (DONE, RUNNING, WAITING, FAILED, CUT_OFF)
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
    """Of a job that is done: how long it took; of one that runs: how long so far."""
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
    plan: bool = False,
    json: bool = False,
) -> None:
    """Show how far a study is. Type it where `snakemake` is typed; it changes nothing.

    Args:
        configfile: Config files of the study; config/demo.yaml if there is none.
        config: Overrides, `key=value`, as in `snakemake --config`.
        plan: Show the jobs of the whole study and what they may use at most instead.
        json: Print JSON instead of a table.

    Raises:
        InputError: the config is wrong, or data are absent.
    """
    jobs = [status_of(job) for job in read_graph(configfile, config)]
    command = shlex.join(
        ["snakemake", *(["--configfile", *map(str, configfile)] if configfile else []),
         *(["--config", *config] if config else [])]
    )  # fmt: skip
    if json:
        print(_as_json(jobs, command))
    elif plan:
        print("\n".join(_plan(jobs)))
    else:
        print("\n".join(_table(jobs, command)))


def status_of(job: PlannedJob) -> JobStatus:
    """Finds out about a job from its artifacts, its records, its mark and its log."""
    status = JobStatus(job.name, job.rule, WAITING)
    status.gpu, status.runtime_minutes = (_number(job.resources.get(k)) for k in ("gpu", "runtime"))
    status.disk = sum(os.path.getsize(path) for path in job.outputs if os.path.exists(path))
    if (seen := _read_mark(job.mark)) is not None:
        status.state = RUNNING if _alive(seen) else CUT_OFF
        started = datetime.fromisoformat(seen["started"])
        status.seconds = (datetime.now(UTC) - started).total_seconds()
        slurm = seen.get("slurm", {}).get("slurm_job_id")
        status.place = f"{seen['host']}, " + (f"Slurm job {slurm}" if slurm else f"{seen['pid']}")
    elif not job.would_run:
        status.state = DONE
        found = read_record(job.outputs[0])
        status.seconds = found[1].get("seconds") if found else None
    elif job.log and os.path.exists(job.log) and not all(map(os.path.exists, job.outputs)):
        status.state = FAILED if os.path.getsize(job.log) else _started(job.log)
    if status.state not in (DONE, WAITING) and job.log and os.path.exists(job.log):
        lines = Path(job.log).read_text(errors="replace").splitlines()
        status.log = [line for line in lines if line.strip()][-LOG_LINES:]
    return status


def _started(log: str) -> str:
    """Says what an empty log means: the job has just begun, or was killed before it could speak."""
    return RUNNING if time.time() - os.path.getmtime(log) < START_SECONDS else CUT_OFF


def _number(resource: object) -> int:
    """Returns a resource; 0 for one that Snakemake knows only once the inputs are there."""
    return resource if isinstance(resource, int) else 0


def _read_mark(path: Path) -> dict | None:
    try:
        return loads(path.read_text())
    except (OSError, ValueError):  # the job has ended meanwhile
        return None


def _alive(mark: dict) -> bool:
    """Says whether the process behind a mark still runs; one on an unreachable host counts."""
    slurm = mark.get("slurm", {}).get("slurm_job_id")
    if slurm and shutil.which("squeue"):
        listed = subprocess.run(
            ["squeue", "--noheader", "--format=%T", "--jobs", slurm], capture_output=True, text=True
        )
        return listed.stdout.strip() in ("RUNNING", "COMPLETING", "CONFIGURING")
    if mark["host"] != platform.node():
        return True
    try:
        os.kill(mark["pid"], 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        pass
    return True


def _table(jobs: list[JobStatus], command: str) -> list[str]:
    """Returns the lines of the table, at most 80 columns wide."""
    lines = [f"{'stage':<20}" + "".join(f"{s:>9}" for s in STATES) + f"{'time':>8}{'disk':>7}"]
    for rule in dict.fromkeys(job.rule for job in jobs):
        of_rule = [job for job in jobs if job.rule == rule]
        counts = [sum(job.state == state for job in of_rule) for state in STATES]
        took = sum(job.seconds or 0 for job in of_rule if job.state == DONE)
        lines.append(
            f"{rule:<20}" + "".join(f"{count or '':>9}" for count in counts)
            + f"{_duration(took) if took else '':>8}{_size(sum(j.disk for j in of_rule)):>7}"
        )  # fmt: skip
    for job in jobs:
        if job.state in (RUNNING, FAILED, CUT_OFF):
            since = f", {_duration(job.seconds)}" if job.seconds is not None else ""
            lines += [
                "",
                f"{job.name}: {job.state}{since}" + (f" ({job.place})" if job.place else ""),
            ]
            lines += [f"  {line[:77]}" for line in job.log]
    left, unknown = _seconds_left(jobs)
    done = sum(job.state == DONE for job in jobs)
    lines += [
        "",
        f"{done} of {len(jobs)} jobs done, {_size(sum(job.disk for job in jobs))} on disk.",
    ]
    if done < len(jobs):
        besides = f", and {unknown} of stages that never ran" if unknown else ""
        lines.append(f"Left: about {_duration(left)} of job time{besides}.")
        lines.append(f"To go on: {command}")
    return lines


def _seconds_left(jobs: list[JobStatus]) -> tuple[float, int]:
    """Returns the seconds of the jobs not done, by the mean of those done, and how many lack one."""
    left, unknown = 0.0, 0
    for job in jobs:
        if job.state == DONE:
            continue
        known = [j.seconds for j in jobs if j.rule == job.rule and j.state == DONE and j.seconds]
        if known:
            spent = job.seconds if job.state == RUNNING and job.seconds else 0
            left += max(0.0, sum(known) / len(known) - spent)
        else:
            unknown += 1
    return left, unknown


def _plan(jobs: list[JobStatus]) -> list[str]:
    lines = [
        f"{'stage':<20}{'jobs':>8}{'GPU jobs':>10}{'hours each, at most':>22}{'GPU hours':>12}"
    ]
    gpu_hours = 0.0
    for rule in dict.fromkeys(job.rule for job in jobs):
        of_rule = [job for job in jobs if job.rule == rule]
        hours = max(job.runtime_minutes for job in of_rule) / 60
        reserved = sum(job.gpu * job.runtime_minutes / 60 for job in of_rule)
        gpu_hours += reserved
        n_gpu = sum(job.gpu > 0 for job in of_rule)
        lines.append(
            f"{rule:<20}{len(of_rule):>8}{n_gpu or '':>10}{hours:>22.1f}{reserved or '':>12}"
        )
    lines += ["", f"{len(jobs)} jobs; their limits reserve at most {gpu_hours:.0f} GPU hours."]
    return lines


def _as_json(jobs: list[JobStatus], command: str) -> str:
    left, unknown = _seconds_left(jobs)
    content = {
        "jobs": [asdict(job) for job in jobs],
        "seconds_left": round(left, 1),
        "jobs_without_estimate": unknown,
        "to_go_on": command,
    }
    return dumps(content, indent=1)


def _duration(seconds: float) -> str:
    hours, rest = divmod(round(seconds), 3600)
    return f"{hours}:{rest // 60:02d}:{rest % 60:02d}" if hours else f"{rest // 60}:{rest % 60:02d}"


def _size(size: int) -> str:
    for unit in ("B", "kB", "MB", "GB"):
        if size < 1000:
            return f"{size:.0f} {unit}"
        size /= 1000
    return f"{size:.1f} TB"
