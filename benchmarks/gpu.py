"""Rates of all work on a GPU, against the usual way: writes benchmarks/results/gpu.csv.

Needs one GPU for less than 8 minutes, no network and no data: X-rays and weights are drawn. The cost
model reads the rows whose setting is `as the stage` (chexseg/scheduling/gpu_rates.py). A work that
fails has a row that says why; the others go on. Ends with exit code 1 if one failed, or differs
from the CPU by more than its tolerance.
"""

from __future__ import annotations

import argparse
import os
import sys
import time
from collections.abc import Callable
from pathlib import Path

import gpu_networks
import gpu_pixels
import gpu_stage
import pandas as pd
import torch
from counts import FEW, FRONTAL, STEPS
from gpu_bench import TINY, Bench, Sizes
from gpu_networks import Training

from chexseg.scheduling.gpu_rates import STAGE

OUT = Path("benchmarks/results/gpu.csv")
MINUTES = 6.0
X_RAYS = {
    "train-classifier": 16 * STEPS["train-classifier"][1],
    "compute-saliency": FRONTAL,
    "label-affinity": FRONTAL,
    "train-irnet": 16 * STEPS["train-irnet"][1],
    "compute-affinity": FRONTAL,
    "make-masks": FRONTAL,
    "train-segmenter": 8 * STEPS["train-segmenter"][1],
    "predict-masks": FEW["predict-masks"],
}
"""X-rays that each stage of config/chexpert.yaml passes through."""


def works(bench: Bench) -> list[Callable[[Bench], None]]:
    """Returns all works, the most telling first: the last may find no time left."""
    classifier, segmenter, irnet = gpu_networks.trainings(bench)
    compiled = [classifier, segmenter] if bench.sizes.compiled else []
    return [
        *(named(each, "measure") for each in (classifier, segmenter, irnet)),
        gpu_networks.gradcam,
        gpu_networks.affinity,
        gpu_pixels.crf,
        gpu_pixels.walk,
        gpu_pixels.prediction,
        gpu_stage.from_the_store,
        gpu_stage.resume,
        gpu_pixels.gradients,
        named(classifier, "measure_batches"),
        *(named(each, "measure_compiled") for each in compiled),
    ]


def named(training: Training, measure: str) -> Callable[[Bench], None]:
    """Returns a work that says, if it fails, which training it is."""

    def work(bench: Bench) -> None:
        getattr(training, measure)(bench)

    work.__name__ = f"{training.stage}, {measure}"
    return work


def hours(table: pd.DataFrame) -> str:
    """Returns the hours of CheXpert on this device, a line for each stage that was measured."""
    rates = table[table["setting"] == STAGE].set_index("work")["x_rays_per_second"]
    taken = {work: count / rates[work] / 3600 for work, count in X_RAYS.items() if work in rates}
    lines = [f"{work:<18}{hours:>8.2f} h" for work, hours in taken.items()]
    return "\n".join(
        ["CheXpert on this device:", *lines, f"{'all':<18}{sum(taken.values()):>8.2f} h"]
    )


def measured(device: torch.device, sizes: Sizes, minutes: float = MINUTES) -> pd.DataFrame:
    """Runs all works and returns the table.

    Args:
        device: where to compute.
        sizes: how much work.
        minutes: after so many, no further work begins.
    """
    torch.set_num_threads(len(os.sched_getaffinity(0)) if device.type == "cuda" else 1)
    bench = Bench(device, sizes, time.monotonic() + 60 * minutes)
    bench.run(works(bench))
    return bench.table()


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, default=OUT)
    parser.add_argument("--minutes", type=float, default=MINUTES, help="none begins after it")
    parser.add_argument("--tiny", action="store_true", help="small sizes, for a try on a CPU")
    options = parser.parse_args(arguments)
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    if device.type == "cpu" and not options.tiny:
        sys.exit("no GPU that torch can use; --tiny runs everything on a CPU at small sizes")
    minutes = float("inf") if options.tiny else options.minutes
    table = measured(device, TINY if options.tiny else Sizes(), minutes)
    options.out.parent.mkdir(parents=True, exist_ok=True)
    table.to_csv(options.out, index=False, float_format="%.5g")
    print(f"\n{hours(table)}\nWritten: {options.out}")
    failed = table[table["error"].notna() | (table["held"] == False)]  # noqa: E712
    if len(failed):
        sys.exit(
            f"{len(failed)} rows failed:\n" + failed.to_string(columns=["work", "setting", "error"])
        )


if __name__ == "__main__":
    main()
