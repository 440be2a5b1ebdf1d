"""What a study costs on the CPU at 320 px: seconds and bytes of every stage, and of a step.

Runs the stages of config/chexpert.yaml on a few phantom X-rays with two threads, without
Snakemake and without start-up. Core seconds (those that the process computed, over all of its
cores) hardly depend on what else the machine does; seconds do, so the load is written beside them.
Prints a table and writes benchmarks/results/cost.csv.
"""

from __future__ import annotations

import argparse
import os
import tempfile
import time
from pathlib import Path
from statistics import median

import pandas as pd
from study import SIZE, Study, core_seconds
from torch.optim.optimizer import register_optimizer_step_post_hook

from chexseg import settings
from chexseg.stages import store_masks, train_classifier, train_irnet, train_segmenter

TRAIN = 32
THREADS = 2
OUT = Path("benchmarks/results/cost.csv")


class StepClock:
    """Notes the time behind every step of an optimizer."""

    def __init__(self) -> None:
        self.times: list[tuple[float, float]] = []

    def __call__(self, *_: object) -> None:
        self.times.append((time.perf_counter(), core_seconds()))

    def of_a_step(self) -> tuple[float, float]:
        """Returns the median seconds and core seconds between two steps: the first warms up."""
        pairs = list(zip(self.times, self.times[1:], strict=False))
        return median(b[0] - a[0] for a, b in pairs), median(b[1] - a[1] for a, b in pairs)


def measure_step(study: Study, stage: str, run, chosen: settings.TrainingSettings, **inputs):
    """Trains for an epoch and adds a row for one step; its bytes are those of the checkpoint."""
    clock, out = StepClock(), study.folder / f"{stage}.pt"
    handle = register_optimizer_step_post_hook(clock)
    try:
        study.measure(
            stage, run, chosen.batch_size, out,
            metrics=study.folder / f"{stage}.csv", settings=chosen, threads=THREADS, **inputs,
        )  # fmt: skip
    finally:
        handle.remove()
    study.taken[-1] = (
        f"{stage}, a step",
        chosen.batch_size,
        *clock.of_a_step(),
        out.stat().st_size,
    )


def measure_all(folder: Path) -> list[tuple]:
    """Runs everything once; returns the rows of `Study.taken`."""
    study = Study(folder, TRAIN, THREADS)
    study.write_stores()
    study.predict()
    store_masks.run(
        index=study.index,
        masks=folder / "phantom/CheXlocalize/gt_segmentations_val.json",
        out=folder / "expert.h5",
        settings=settings.ImageSettings(image_size=SIZE),
    )
    images, once = (study.images,), {"epochs": 1, "initial_weights": "none"}
    measure_step(
        study, "train-classifier", train_classifier.run, settings.ClassifierSettings(**once),
        index=study.index, images=images,
    )  # fmt: skip
    measure_step(
        study, "train-irnet", train_irnet.run, settings.IRNetSettings(epochs=1),
        images=images, labels=(folder / "labels.h5",), backbone="none",
    )  # fmt: skip
    measure_step(
        study, "train-segmenter", train_segmenter.run, settings.SegmenterSettings(**once),
        index=study.index, images=images, expert_masks=folder / "expert.h5",
        pseudo_masks=(folder / "walked.h5",),
    )  # fmt: skip
    return study.taken


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, default=OUT)
    options = parser.parse_args()
    loads = [os.getloadavg()[0]]
    with tempfile.TemporaryDirectory() as folder:
        rows = measure_all(Path(folder))
    loads.append(os.getloadavg()[0])
    table = pd.DataFrame(rows, columns=["stage", "x_rays", "seconds", "core_seconds", "bytes"])
    for name in ("seconds", "core_seconds", "bytes"):
        table[f"{name}_per_1000"] = table[name] / table["x_rays"] * 1000
    table["bytes_per_1000"] = table["bytes_per_1000"].mask(table["stage"].str.endswith("a step"))
    table["load"] = " to ".join(f"{load:.1f}" for load in loads)
    options.out.parent.mkdir(parents=True, exist_ok=True)
    table.to_csv(options.out, index=False, float_format="%.4g")
    print(table.to_string(index=False, float_format="{:.4g}".format))


if __name__ == "__main__":
    main()
