"""Says which artifacts would be made again, and which key, file or function changed."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import Annotated

import tyro

from chexseg.errors import one_line
from chexseg.provenance.machine import kind_text, machine, processor_of
from chexseg.provenance.record import read_record
from chexseg.scheduling.graph import PlannedJob, read_graph

MOST = 20
"""Changes of a job that are listed: a folder that is not mounted has as many as there are X-rays."""


def run(
    *,
    targets: Annotated[tuple[str, ...], tyro.conf.Positional] = (),
    configfile: tuple[Path, ...] = (),
    config: tuple[str, ...] = (),
) -> None:
    """Say in plain words what the next `snakemake` would run, and why.

    Type it where `snakemake` is typed. A job stands in the list for a reason of its own; those
    that run only because it runs are counted behind it.

    Args:
        targets: Artifacts to ask for, such as results/demo/summary.csv; the whole study if none.
        configfile: Config files of the study; config/demo.yaml if there is none.
        config: Overrides, `key=value`, as in `snakemake --config`.

    Raises:
        InputError: the config is wrong, or data are absent.
    """
    jobs = read_graph(configfile, config, targets)
    running = [job for job in jobs if job.would_run]
    if running:
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


def _machines(jobs: Iterable[PlannedJob]) -> str:
    """Returns a sentence about jobs that were done on another kind of machine; "" if none was."""
    here = machine()
    records = [found[1] for job in jobs if (found := read_record(job.outputs[0]))]
    others = [r["machine"] for r in records if processor_of(r["machine"]) != processor_of(here)]
    if not others:
        return ""
    kinds = ", ".join(f"{kind} ({n})" for kind, n in Counter(map(kind_text, others)).most_common())
    return (
        f"{len(others)} jobs were done on other kinds of machine than this one, {kind_text(here)}:"
        f" {kinds}. That is no reason to repeat them, but what runs here may differ from it in its"
        " last digits (docs/provenance.md)."
    )


def _followers(job: PlannedJob, running: list[PlannedJob]) -> str:
    """Counts the jobs that run since this one does, and have no reason of their own."""
    behind = [job]
    for each in running:
        if any(before is one for before in each.before for one in behind):
            behind.append(each)
    counts = Counter(each.rule for each in behind[1:] if not each.changes)
    return ", ".join(rule if n == 1 else f"{n} x {rule}" for rule, n in counts.items())
