"""Lists the artifacts that would be rebuilt, and the key, file or function that changed."""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import Annotated

import tyro

from chexseg.errors import one_line
from chexseg.provenance.machine import kind_text, machine, processor_of
from chexseg.provenance.record import read_record
from chexseg.scheduling.graph import PlannedJob, absent_text, read_graph

MOST = 20
"""Maximum number of changes listed per job: an unmounted folder has one per X-ray."""


def run(
    *,
    targets: Annotated[tuple[str, ...], tyro.conf.Positional] = (),
    configfile: tuple[Path, ...] = (),
    config: tuple[str, ...] = (),
    snakefile: Path | None = None,
) -> None:
    """Explain what the next `snakemake` would run, and why.

    Run it where you run `snakemake`. Each job is listed with its own reasons, followed by the
    number of jobs that would run only because of it. If files are missing that no job makes, it says
    how many jobs cannot be judged without them, and the exit code is 1.

    Args:
        targets: Artifacts to ask for, such as results/demo/summary.csv; by default the whole study.
        configfile: Config files of the study; by default the one that `snakemake` uses.
        config: Overrides, `key=value`, as in `snakemake --config`.
        snakefile: Snakefile of the workflow, as in `snakemake --snakefile`.

    Raises:
        InputError: the config is invalid.
    """
    jobs = read_graph(configfile, config, targets, snakefile)
    running = [job for job in jobs if job.would_run and not job.absent]
    if absent := absent_text(jobs):
        judged = sum(not job.absent for job in jobs)
        print(f"{absent}\n{len(running)} of the other {judged} jobs would run.")
    elif running:
        print(f"{len(running)} of {len(jobs)} jobs would run.")
    else:
        print(f"All {len(jobs)} jobs are up to date: nothing would run.")
    for job in running:
        if job.changes:
            print(f"\n{one_line(job.name)}")
            for change in job.changes[:MOST]:
                print(f"  {one_line(str(change))}")
            if (more := len(job.changes) - MOST) > 0:
                print(f"  and {more:,} more")
            if followers := _followers(job, running):
                print(f"  then {followers}")

    if text := _machines(job for job in jobs if not job.would_run):
        print(f"\n{one_line(text)}")
    if absent:
        sys.exit(1)


def _machines(jobs: Iterable[PlannedJob]) -> str:
    """Returns a sentence about jobs done on another kind of machine, or ""."""
    here = machine()
    records = [found[1] for job in jobs if (found := read_record(job.outputs[0]))]
    others = [r["machine"] for r in records if processor_of(r["machine"]) != processor_of(here)]
    if not others:
        return ""
    kinds = ", ".join(f"{kind} ({n})" for kind, n in Counter(map(kind_text, others)).most_common())
    return (
        f"{len(others)} jobs were done on other kinds of machine than this one, {kind_text(here)}:"
        f" {kinds}. They need not be repeated, but results from this machine may differ in their"
        " last digits (docs/provenance.md)."
    )


def _followers(job: PlannedJob, running: list[PlannedJob]) -> str:
    """Counts the jobs that would run only because this one does."""
    affected = [job]
    for each in running:
        if any(before is one for before in each.before for one in affected):
            affected.append(each)
    counts = Counter(each.rule for each in affected[1:] if not each.changes)
    return ", ".join(rule if n == 1 else f"{n} x {rule}" for rule, n in counts.items())
