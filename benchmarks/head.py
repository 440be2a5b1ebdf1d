"""What the head of a run costs: CPU seconds of a dry run, for a shipped study and a full one.

Writes benchmarks/results/head.csv, and ends with exit code 1 if the bar was missed. The full study
has three seeds of three classifiers, and of ten mixtures of experts' masks and IRNet's.
"""

from __future__ import annotations

import argparse
import csv
import re
import resource
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).parents[1]
OUT = ROOT / "benchmarks/results/head.csv"
COLUMNS = ("study", "jobs", "cpu_seconds")
BAR = 10.0
"""CPU seconds: the head parses the Snakefile again for every group of jobs that it submits."""
REPEATS = 3
DATA = (
    "CheXpert/train.csv", "CheXpert/val_labels.csv", "CheXpert/test_labels.csv",
    "CheXlocalize/gt_segmentations_val.json", "CheXlocalize/gt_segmentations_test.json",
)  # fmt: skip


def make_empty_data(folder: Path) -> None:
    """Makes empty files in `folder`/data under the names of CheXpert's and CheXlocalize's."""
    for name in DATA:
        path = folder / "data" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()


def full_study() -> dict[str, Any]:
    """Returns config/chexpert.yaml with 9 more classifiers and 30 more segmenters."""
    study = yaml.safe_load((ROOT / "config/chexpert.yaml").read_text())
    for seed in range(3):
        for name in ("densenet121", "resnet18", "resnet50"):
            study["classifiers"][f"{name}_{seed}"] = {"architecture": name, "seed": seed}
        for tenth in range(1, 11):
            study["segmenters"][f"chexseg_{tenth}_{seed}"] = {
                "masks": {"expert": tenth / 10, "irnet": 1 - tenth / 10},
                "seed": seed,
            }
    return study


def seconds_of_planning(config: Path, folder: Path) -> tuple[int, float]:
    """Returns the number of jobs that a dry run plans, and its CPU seconds.

    Args:
        config: of the study.
        folder: where results/ would be made.
    """
    command = [sys.executable, "-m", "snakemake", "--snakefile", str(ROOT / "Snakefile")]
    command += ["--directory", str(folder), "--dry-run", "--configfile", str(config)]
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    jobs = int(re.search(r"^total +(\d+)$", done.stdout + done.stderr, re.MULTILINE)[1])
    return jobs, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, default=OUT)
    options = parser.parse_args()
    rows = []
    with tempfile.TemporaryDirectory() as home:
        folder = Path(home)
        make_empty_data(folder)
        full = folder / "full.yaml"
        full.write_text(yaml.safe_dump(full_study()))
        for name, config in (
            ("config/chexpert.yaml", ROOT / "config/chexpert.yaml"),
            ("full", full),
        ):
            taken = [seconds_of_planning(config, folder) for _ in range(REPEATS)]
            rows.append((name, taken[0][0], round(min(seconds for _, seconds in taken), 1)))
    with options.out.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerows([COLUMNS, *rows])
    for name, jobs, seconds in rows:
        print(f"{name:<22}{jobs:>5} jobs{seconds:>6.1f} CPU s (bar: < {BAR:g})")
    if any(seconds >= BAR for _, _, seconds in rows):
        sys.exit("a bar was missed")


if __name__ == "__main__":
    main()
