"""What a study costs on the CPU at 320 px: seconds and bytes of every stage, and of a step.

Runs the stages of config/chexpert.yaml on a few phantom X-rays with one thread, without
Snakemake and without start-up. Core seconds (those that the process computed, over all of its
cores) hardly depend on what else the machine does; seconds do, so the load is written beside them.
Writes benchmarks/results/cost.csv; `make cost-page` then writes the tables of docs/cost.md.
"""

from __future__ import annotations

import argparse
import os
import platform
import tempfile
import time
from collections.abc import Callable
from datetime import date
from pathlib import Path
from statistics import median

import pandas as pd
from counts import FEW, FRONTAL, STEPS
from small_study import Study, core_seconds
from torch.optim.optimizer import register_optimizer_step_post_hook

from chexseg.config import settings
from chexseg.files.artifacts import Execution
from chexseg.mask_sources.irnet import IRNetSettings
from chexseg.stages import train_classifier, train_irnet, train_segmenter

TRAIN = 64  # three or four steps of 16: some X-rays have empty maps and teach IRNet nothing
THREADS = 1  # several wait for each other in loops, and seem to compute
OUT = Path("benchmarks/results/cost.csv")
GROWS = {
    "store-images": "pixels of the files (seconds), size² (bytes)",
    "compute-saliency": "size²; pathologies cost bytes only",
    "make-masks threshold": "size² x pathologies",
    "label-affinity": "size² x positive labels x iterations",
    "compute-affinity": "size²",
    "make-masks irnet": "size² x pathologies x at most radius² x 2^steps_log2",
    "predict-masks": "size², and pixels of the files x pathologies",
    "make-masks drawn": "pixels of the files x pathologies",
    "train-classifier": "size² x batch",
    "train-irnet": "size² x batch; its loss: radius² x pathologies",
    "train-segmenter": "size² x batch",
}


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


def measure_step(
    study: Study,
    stage: str,
    run: Callable[..., None],
    chosen: settings.TrainingSettings,
    **inputs: object,
) -> None:
    """Trains for an epoch and adds a row for one step; its bytes are those of the checkpoint."""
    clock, out = StepClock(), study.folder / f"{stage}.pt"
    handle = register_optimizer_step_post_hook(clock)
    try:
        study.measure(
            stage, run, chosen.batch_size, out,
            metrics=study.folder / f"{stage}.csv", settings=chosen,
            execution=Execution(threads=THREADS), **inputs,
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
    study.draw_masks()
    images, once = (study.images,), {"epochs": 1, "initial_weights": "none"}
    measure_step(
        study, "train-classifier", train_classifier.run, settings.ClassifierSettings(**once),
        index=study.index, images=images,
    )  # fmt: skip
    measure_step(
        study, "train-irnet", train_irnet.run, IRNetSettings(epochs=1),
        images=images, labels=(folder / "labels.h5",), backbone="none",
        backbone_architecture="resnet50",
    )  # fmt: skip
    measure_step(
        study, "train-segmenter", train_segmenter.run, settings.SegmenterSettings(**once),
        index=study.index, images=images, truth=(folder / "drawn.h5",),
        masks=(folder / "drawn.h5", folder / "irnet.h5"), sources=("expert", "irnet"),
        mixing=(0.9, 0.1),
    )  # fmt: skip
    return study.taken


def measured() -> pd.DataFrame:
    """Measures everything; returns the table of benchmarks/results/cost.csv."""
    loads = [os.getloadavg()[0]]
    with tempfile.TemporaryDirectory() as folder:
        rows = measure_all(Path(folder))
    loads.append(os.getloadavg()[0])
    table = pd.DataFrame(rows, columns=["stage", "x_rays", "seconds", "core_seconds", "bytes"])
    for name in ("seconds", "core_seconds", "bytes"):
        table[f"{name}_per_1000"] = table[name] / table["x_rays"] * 1000
    table["bytes_per_1000"] = table["bytes_per_1000"].mask(table["stage"].str.endswith("a step"))
    table["machine"], table["date"] = machine(), date.today().isoformat()
    table["load"] = " to ".join(f"{load:.1f}" for load in loads)
    return table


def machine() -> str:
    """Returns what a page says of the machine that measured."""
    return f"{os.cpu_count()} cores, {platform.machine()}"


def page(table: pd.DataFrame) -> str:
    """Returns the table of docs/cost.md: what the CSV says, and what it means for CheXpert."""
    lines = [
        "| stage | core seconds | MB | CheXpert: core hours | GB | grows with |",
        "|---|---:|---:|---:|---:|---|",
    ]
    for row in table.itertuples():
        stage, *step = row.stage.split(", ")
        if step:
            what, count = STEPS[stage]
            cost, size, disk = f"{row.core_seconds:.0f} a step", "", ""
            hours = f"{row.core_seconds * count / 3600:,.0f} ({what})"
        else:
            count = FEW.get(stage, FRONTAL)
            cost, size = f"{row.core_seconds_per_1000:,.0f}", f"{row.bytes_per_1000 / 1e6:.1f}"
            hours = f"{row.core_seconds_per_1000 * count / 3.6e6:.1f}"
            disk = f"{row.bytes_per_1000 * count / 1e12:.1f}"
        lines.append(f"| `{stage}` | {cost} | {size} | {hours} | {disk} | {GROWS[stage]} |")
    return "\n".join(lines) + "\n"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, default=OUT)
    options = parser.parse_args()
    measured().to_csv(options.out, index=False, float_format="%.4g")
    print(page(pd.read_csv(options.out)), end="")


if __name__ == "__main__":
    main()
