"""What records and digests cost, of a finished study: seconds beside those of its stages.

Every job is recorded once more, in a copy of the study, around a stage that only touches its
outputs: all that the recorder does is done, every output is hashed, nothing is computed. The
seconds of the stages are those of their records. What Snakemake asks of the records when it starts
is measured too. Prints a table and writes benchmarks/results/records.csv.
"""

from __future__ import annotations

import argparse
import csv
import functools
import os
import shlex
import shutil
import tempfile
import time
from collections import defaultdict
from pathlib import Path
from typing import Any

from names import row_name

from chexseg.audit.study import Study
from chexseg.files.artifacts import FOLDER, OUTPUT
from chexseg.provenance import code, record
from chexseg.provenance.code import read_module
from chexseg.provenance.digests import sha256
from chexseg.scheduling import graph, snakemake_questions
from chexseg.stages import load

ROOT = Path(__file__).parents[1]
OUT = ROOT / "benchmarks/results/records.csv"
COLUMNS = ("what", "jobs", "stage_seconds", "record_seconds", "percent")
BAR = 2.0
REPEATS = 3
"""The least of them counts: what else the machine does only adds."""


def seconds_of_recording(command: str) -> float:
    """Runs the recorder of a job whose artifacts are there, without the job."""
    stage, *words = shlex.split(command)[1:]
    run = load(stage, words)
    marks, flags = record.marks_of(run), record.flags_of(words)
    values: dict[str, Any] = {}
    for name in marks:
        paths = tuple(map(Path, flags.get(name, ())))
        single = marks[name] in (OUTPUT, FOLDER)
        values[name] = (paths[0] if paths else None) if single else paths
    outputs = [values[name] for name, mark in marks.items() if mark == OUTPUT and values[name]]

    @functools.wraps(run)
    def touch(**_: Any) -> None:
        for path in outputs:
            for each in [path, *path.rglob("*")]:  # another stamp: it is hashed
                os.utime(each)

    code._reached.cache_clear()
    read_module.cache_clear()  # as in a process that has just begun
    start = time.perf_counter()
    touch()
    without = time.perf_counter() - start
    start = time.perf_counter()
    record.recorded(stage, touch, words)(**values)
    return time.perf_counter() - start - without


def seconds_of_asking(config: Path) -> float:
    """Builds the graph as `snakemake` does when it starts; returns what the records take of it."""
    taken = []
    asked = snakemake_questions.changes

    def timed(*arguments: Any) -> list:
        start = time.perf_counter()
        try:
            return asked(*arguments)
        finally:
            taken.append(time.perf_counter() - start)

    read_module.cache_clear()
    code._reached.cache_clear()
    snakemake_questions.changes = timed
    try:
        graph.read_graph([config], snakefile=ROOT / "Snakefile")
    finally:
        snakemake_questions.changes = asked
    if not taken:
        raise RuntimeError("Snakemake did not ask the records")
    return sum(taken)


def megabytes_a_second(size: int = 256) -> float:
    """Returns how fast a file of `size` MB is hashed that the system has in memory."""
    with tempfile.NamedTemporaryFile() as file:
        file.write(os.urandom(10**6) * size)
        file.flush()
        times = []
        for _ in range(REPEATS):
            start = time.perf_counter()
            sha256(file.name)
            times.append(time.perf_counter() - start)
    return size / min(times)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--study", type=Path, default=Path("results/demo"))
    parser.add_argument("--config", type=Path, default=ROOT / "config/demo.yaml")
    parser.add_argument("--out", type=Path, default=OUT)
    options = parser.parse_args()
    out, config = options.out.absolute(), options.config.absolute()
    stages: dict[str, list[float]] = defaultdict(lambda: [0, 0.0, 0.0])
    with tempfile.TemporaryDirectory() as home:
        copy = Path("results") / options.study.name
        shutil.copytree(options.study, home / copy)
        os.chdir(home)
        for job in Study(copy).jobs:
            command = job.record["command"]
            row = stages[row_name(command.removeprefix("chexseg "))]
            row[0] += 1
            row[1] += job.record["seconds"]
            row[2] += min(seconds_of_recording(command) for _ in range(REPEATS))
        asking = min(seconds_of_asking(config) for _ in range(REPEATS))
        os.chdir(ROOT)
    jobs, of_stages, of_records = map(sum, zip(*stages.values(), strict=True))
    rows = [(stage, *row, 100 * row[2] / row[1]) for stage, row in stages.items()]
    rows.append(("a start of snakemake", jobs, of_stages, asking, 100 * asking / of_stages))
    of_records += asking
    rows.append(("all", jobs, of_stages, of_records, 100 * of_records / of_stages))
    with out.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(COLUMNS)
        for name, number, stage, recorder, percent in rows:
            writer.writerow((name, number, round(stage, 1), round(recorder, 2), round(percent, 2)))
            print(f"{name:<22}{number:>4} jobs{stage:>9.1f} s{recorder:>8.2f} s{percent:>8.2f} %")
    print(f"bar: all < {BAR:g} %; SHA-256: {megabytes_a_second():,.0f} MB a second")


if __name__ == "__main__":
    main()
