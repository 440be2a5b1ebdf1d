"""Writes the tables of docs/cost.md from what was measured: `make cost-page`.

Each table stands between two comments that name it. Each figure says where and when it was measured,
or that it is assumed.
"""

from __future__ import annotations

import csv
import re
from pathlib import Path

import pandas as pd
from cost import OUT
from cost import page as table_of_stages

from chexseg.config.networks import classifier_gflop, irnet_gflop, segmenter_gflop
from chexseg.config.settings import ClassifierSettings, SegmenterSettings
from chexseg.mask_sources.irnet import IRNet
from chexseg.scheduling.figures import (
    CORE_GFLOPS,
    FILE,
    HISTOGRAM,
    IRNET_TRAIN,
    NATIVE,
    START,
    TRAIN,
)
from chexseg.scheduling.gpu_rates import MEASURED, NETWORKS, PIXELS, STAGE, GPURates, gpu_rates

PAGE = Path("docs/cost.md")
ASSUMED = "**assumed**"


def stages(table: pd.DataFrame) -> str:
    """Returns the table of the stages, and where and when it was measured."""
    first = table.iloc[0]
    return (
        f"{table_of_stages(table)}\nMeasured on: {first.machine} (load {first.load}), {first.date}, one thread"
        " (`python benchmarks/cost.py`). The hours of CheXpert follow from it; nobody ran them.\n"
    )


def core_rates(table: pd.DataFrame) -> dict[str, float]:
    """Returns work -> billions of operations per second that a core achieved in it."""
    classifier = ClassifierSettings()
    segmenter = SegmenterSettings()
    of_classifier = classifier_gflop(classifier.architecture, classifier.stride)
    of_irnet = irnet_gflop(IRNet.model_fields["backbone_architecture"].default)
    gflop = {
        "train-classifier, a step": TRAIN * of_classifier,
        "train-irnet, a step": IRNET_TRAIN * of_irnet,
        "train-segmenter, a step": TRAIN
        * segmenter_gflop(segmenter.encoder, segmenter.architecture),
        "compute-saliency": of_classifier,
        "compute-affinity": 2 * of_irnet,
    }
    rows = table.set_index("stage")
    per_x_ray = rows["core_seconds"] / rows["x_rays"]
    return {work.split(",")[0]: each / per_x_ray[work] for work, each in gflop.items()}


def gpu_rows(rates: GPURates, path: Path = MEASURED) -> list[tuple[str, str, str]]:
    """Returns figure, value and source of each rate of a GPU."""
    days = {}
    if rates.device:
        with path.open(encoding="utf-8", newline="") as file:
            days = {
                row["work"]: row["date"] for row in csv.DictReader(file) if row["setting"] == STAGE
            }
    found = []
    for works, unit, value in (
        (NETWORKS, "billion/s", rates.of_network),
        (PIXELS, "cores", rates.of_pixels),
    ):
        for work in works:
            measured = f"measured: {rates.device}, {days.get(work)}"
            source = ASSUMED if work in rates.assumed else measured
            found.append((f"a GPU, `{work}`", f"{value(work):,.0f} {unit}", source))
    return found


def figures(table: pd.DataFrame, rates: GPURates) -> str:
    """Returns the table of the figures of the cost model, and the source of each."""
    first = table.iloc[0]
    cores = ", ".join(f"{rate:.0f} `{work}`" for work, rate in core_rates(table).items())
    rows = [
        ("operations of a network, for an X-ray of 320 px", "1.3 to 301 billion",
         f"counted by torch; a step of training is {TRAIN} passes, of IRNet {IRNET_TRAIN}"),
        ("a core of a CPU", f"{CORE_GFLOPS} billion/s", f"measured: {first.machine}, {first.date}: {cores}"),
        *gpu_rows(rates),
        ("several GPUs", "as many times", ASSUMED),
        ("a file of CheXpert's size", f"{1000 * FILE:.0f} ms",
         f"measured: decoding, 9 ms; 2 MB at 100 MB/s {ASSUMED}"),
        ("a mask of CheXpert's size, for a pathology", f"{1000 * NATIVE:.0f} ms", "measured: 2 cores, x86_64"),
        ("a histogram of probabilities, for a pathology of an X-ray of CheXpert's size",
         f"{1000 * HISTOGRAM:.0f} ms, 1 KB", "measured: 80 to 240 ms; 10 KB an X-ray for ten maps of normal logits"),
        ("stores and their bytes, masks", "", "measured: the tables here"),
        ("the start of a job", f"{START:.0f} s", "measured: 5 to 13 core seconds"),
    ]  # fmt: skip
    lines = ["| figure | is | from |", "|---|---:|---|"]
    return "\n".join([*lines, *(f"| {' | '.join(row)} |" for row in rows)]) + "\n"


def with_tables(page: str, table: pd.DataFrame, rates: GPURates) -> str:
    """Returns the page with its tables made again.

    Args:
        page: docs/cost.md.
        table: benchmarks/results/cost.csv.
        rates: of a GPU.

    Raises:
        ValueError: the page lacks the comments around a table.
    """
    for name, text in (("stages", stages(table)), ("figures", figures(table, rates))):
        begin, end = f"<!-- {name}: made by `make cost-page` -->\n", f"<!-- end of {name} -->"
        if begin not in page or end not in page:
            raise ValueError(f"no comments around the table {name!r}")
        around = re.escape(begin) + ".*?" + re.escape(end)
        page = re.sub(around, lambda _, made=begin + text + end: made, page, flags=re.S)
    return page


if __name__ == "__main__":
    PAGE.write_text(with_tables(PAGE.read_text(), pd.read_csv(OUT), gpu_rates()))
