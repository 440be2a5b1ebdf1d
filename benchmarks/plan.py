"""The plan on paper: what config/chexpert.yaml takes for more and more X-rays, by the cost model.

Builds the graph of the study over tables of as many rows without content, as `chexseg status
--plan` does over real ones. Writes benchmarks/results/plan.csv and prints the table of
docs/cluster.md, which `--page` makes again from the CSV. Takes ten seconds of one core.
"""

from __future__ import annotations

import argparse
import os
import tempfile
from pathlib import Path

import pandas as pd

from chexseg.config.study import load_study
from chexseg.scheduling.cost import CostModel
from chexseg.scheduling.graph import PlannedJob, read_graph
from chexseg.scheduling.plan import GPUS, HOUR, plan_of, wall_seconds

ROOT = Path(__file__).parents[1]
CONFIG = ROOT / "config/chexpert.yaml"
OUT = ROOT / "benchmarks/results/plan.csv"
STUDIES = (
    ("CheXpert (0.2 M)", 191_027, 16),
    ("with MIMIC-CXR (0.6 M)", 434_361, 32),
    ("10 M", 10_000_000, 128),
)
"""Data set, frontal train X-rays, shards. MIMIC-CXR-JPG has 243,334 frontal among its 377,110."""
VALIDATION, TEST = 202, 518
MANY = 8
"""GPUs of a node, for trainings that use all of them."""


def plan_of_study(x_rays: int, shards: int) -> tuple[list[PlannedJob], CostModel]:
    """Builds the graph of the study in the folder that this process is in."""
    files = {"train.csv": x_rays, "val_labels.csv": VALIDATION, "test_labels.csv": TEST}
    for name, rows in files.items():
        path = Path("data/CheXpert") / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("Path\n" + "\n" * rows)
    for split in ("val", "test"):
        path = Path(f"data/CheXlocalize/gt_segmentations_{split}.json")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    jobs = read_graph(
        [CONFIG], [f"data={{index: {{shards: {shards}}}}}"], snakefile=ROOT / "Snakefile"
    )
    study = load_study(CONFIG, overrides={"data": {"index": {"shards": shards}}})
    return jobs, CostModel(study)


def row_of(name: str, x_rays: int, shards: int) -> dict[str, object]:
    """Returns a row of the table."""
    jobs, model = plan_of_study(x_rays, shards)
    plan = plan_of(jobs, model)
    row = {"data": name, "x_rays": x_rays, "shards": shards}
    row |= {n: plan.total(n) for n in ("jobs", "gpu_hours", "core_hours_without_gpus", "disk")}
    row |= {f"hours_on_{n}": hours for n, hours in plan.wall_hours.items()}
    trainings = [job for job in jobs if job.rule.startswith("train_")]
    for job in trainings:
        job.resources["gpu"] = MANY
    row[f"hours_on_{GPUS[-1]}_by_{MANY}"] = wall_seconds(jobs, model, GPUS[-1]) / HOUR
    words = max(sum(len(word) + 1 for word in job.arguments) for job in jobs)
    print(f"{name}: {words:,} characters in the longest command; the longest jobs:")
    for stage in sorted(plan.stages, key=lambda stage: -stage.hours)[:6]:
        print(f"  {stage.rule:<20}{stage.jobs:>6} jobs of {stage.hours:.1f} h at most")
    return row


def page(table: pd.DataFrame) -> str:
    """Returns the table of docs/cluster.md."""
    walls = [name for name in table if name.startswith("hours_on_")]
    lines = [
        "| X-rays | shards | jobs | GPU hours | core hours, no GPU | GB"
        + "".join(f" | on {number}" for number in GPUS) + f" | on {GPUS[-1]}, {MANY} each |",
        "|---|" + "---:|" * 9,
    ]  # fmt: skip
    for row in table.to_dict("records"):
        cells = (
            f"{row['data']}: {row['x_rays']:,}", f"{row['shards']}", f"{row['jobs']:,}",
            _hours(row["gpu_hours"]), _hours(row["core_hours_without_gpus"]),
            f"{row['disk'] / 1e9:,.0f}", *(_hours(row[name]) for name in walls),
        )  # fmt: skip
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


def _hours(hours: float) -> str:
    return f"{hours:,.0f}" if hours >= 10 else f"{hours:.1f}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--page", action="store_true", help="compute nothing: read the CSV")
    options = parser.parse_args()
    if not options.page:
        with tempfile.TemporaryDirectory() as folder:
            os.chdir(folder)
            rows = [row_of(*study) for study in STUDIES]
            os.chdir(ROOT)
        pd.DataFrame(rows).to_csv(OUT, index=False, float_format="%.4g")
    print(page(pd.read_csv(OUT)), end="")


if __name__ == "__main__":
    main()
