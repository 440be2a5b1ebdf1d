"""Rates of a GPU for the cost model: measured ones where there are some, else assumed ones."""

from __future__ import annotations

import csv
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

MEASURED = Path(__file__).parents[2] / "benchmarks/results/gpu.csv"
"""What `make bench-gpu` writes. An installed package has none, so its rates are assumed."""

STAGE = "as the stage"
"""The setting of the rows that the cost model reads: what the stage of that name does by itself."""

GPU_GFLOPS = 8000
"""Billions of operations per second of a GPU. Assumed: according to NVIDIA, a V100 trains ResNet-50
at 9,000 (FP32) and an A100 at 23,000 (TF32) with large batches; DenseNets and batches of 16 use a
GPU less efficiently."""

GPU_CORES = 50
"""Number of cores that a GPU replaces in the dense CRF and the random walk. Assumed."""

NETWORKS = (
    *("train-classifier", "compute-saliency", "train-irnet", "compute-affinity"),
    *("train-segmenter", "predict-masks"),
)
"""Works with a rate in operations."""

PIXELS = ("label-affinity", "make-masks")
"""Works with a rate in cores."""


@dataclass(frozen=True)
class GPURates:
    """Rates of a GPU.

    Attributes:
        device: name of the GPU on which they were measured; empty: all are assumed.
        gflops: work -> measured billions of operations per second.
        cores: work -> measured number of cores that a GPU replaces.
    """

    device: str = ""
    gflops: Mapping[str, float] = field(default_factory=dict)
    cores: Mapping[str, float] = field(default_factory=dict)

    def of_network(self, work: str) -> float:
        """Returns billions of operations per second; GPU_GFLOPS if not measured."""
        return self.gflops.get(work, GPU_GFLOPS)

    def of_pixels(self, work: str) -> float:
        """Returns a number of cores; GPU_CORES if not measured."""
        return self.cores.get(work, GPU_CORES)

    @property
    def assumed(self) -> tuple[str, ...]:
        """The works whose rate was not measured."""
        networks = (name for name in NETWORKS if name not in self.gflops)
        return (*networks, *(name for name in PIXELS if name not in self.cores))

    def __str__(self) -> str:
        if not self.device:
            return "GPU rates are assumed"
        text = f"GPU rates were measured on: {self.device}"
        return text + (f"; assumed for {', '.join(self.assumed)}" if self.assumed else "")


@cache
def gpu_rates(path: Path = MEASURED) -> GPURates:
    """Reads the rates that `make bench-gpu` measured; without its file, all are assumed.

    Rows of a CPU do not count.
    """
    if not path.is_file():
        return GPURates()
    with path.open(encoding="utf-8", newline="") as file:
        rows = [row for row in csv.DictReader(file) if row["setting"] == STAGE]
    rows = [row for row in rows if not row["device"].startswith("CPU")]
    gflops = {row["work"]: float(row["gflops"]) for row in rows if row["gflops"]}
    cores = {row["work"]: float(row["cores"]) for row in rows if row["cores"]}
    return GPURates(rows[0]["device"] if rows else "", gflops, cores)
