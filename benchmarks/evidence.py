"""The demo with three seeds: does CheXseg beat full, and full beat weak supervision?

Each seed draws a phantom of its own, and all weights, samples and augmentations anew. Prints the
table of the README, and writes benchmarks/results/evidence.csv. Seed 0 is the demo itself.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
from pathlib import Path

import pandas as pd

SEEDS = (0, 1, 2)
CONFIG = "config/demo.yaml"
OUT = Path("benchmarks/results/evidence.csv")


def study_of(seed: int) -> str:
    return "demo" if seed == 0 else f"demo_seed{seed}"


def run_study(seed: int, cores: int) -> None:
    command = [sys.executable, "-m", "snakemake", "--cores", str(cores), "--configfile", CONFIG]
    subprocess.run([*command, "--config", f"study={study_of(seed)}", f"seed={seed}"], check=True)


def measurements() -> pd.DataFrame:
    """Returns run, metric, seed and value: the mean IoU over pathologies, and false positives."""
    rows = []
    for seed in SEEDS:
        folder = Path("results") / study_of(seed)
        summary = pd.read_csv(folder / "summary.csv")
        means = summary[summary["pathology"] == "mean"]
        rows += [(r.run, r.metric, seed, r.value) for r in means.itertuples()]
        drawn = pd.read_csv(folder / "false_positives.csv").groupby("run", sort=False)
        share = drawn["false_positives"].sum() / drawn["negatives"].sum()
        rows += [(run, "false_positives", seed, value) for run, value in share.items()]
    return pd.DataFrame(rows, columns=["run", "metric", "seed", "value"])


def table(values: pd.DataFrame) -> str:
    """Returns the README's table in Markdown: mean over the seeds, and each seed."""
    metrics = ("iou_dataset", "iou_image", "false_positives")
    lines = [
        "| run | IoU over the data set (seeds 0, 1, 2) | mean IoU of images | false positives |",
        "|---|---|---|---|",
    ]
    for run in dict.fromkeys(values["run"]):
        cells = []
        for metric in metrics:
            of_run = values[(values["run"] == run) & (values["metric"] == metric)]["value"]
            cells.append(f"{of_run.mean():.3f}")
            if metric == "iou_dataset":
                cells[-1] = f"**{cells[-1]}** ({', '.join(f'{value:.3f}' for value in of_run)})"
        lines.append(f"| `{run}` | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--cores", type=int, default=2)
    cores = parser.parse_args().cores
    for seed in SEEDS:
        run_study(seed, cores)
    values = measurements()
    OUT.parent.mkdir(parents=True, exist_ok=True)
    values.to_csv(OUT, index=False)
    print(table(values))


if __name__ == "__main__":
    main()
