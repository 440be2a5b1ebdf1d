"""The figures of the cost model: rates, core seconds and bytes of an X-ray.

docs/cost.md lists which are measured and which are assumed. Those of GPUs: see `gpu_rates`.
"""

from __future__ import annotations

SIZE = 320
"""Side in pixels of the X-rays on which the figures were measured."""

# ---- Networks ------------------------------------------------------------------------------
CORE_GFLOPS = 90
"""Billions of operations per second of a CPU core. Measured: 66 to 138 on one machine, 32 to 74 on
another."""

TRAIN = 3
"""Cost of a training step in forward passes: one forward, two for the backward pass."""

IRNET_TRAIN = 1.25
"""Cost of a training step of an IRNet in forward passes; its backbone is frozen."""

# ---- Core seconds of everything else, for one X-ray ----------------------------------------
START = 10.0
"""Imports, for any job."""

SHORT = 5.0
"""A job that reads tables and masks of the test set."""

EACH = 0.001
"""Reading an X-ray from a store and writing its results to another store."""

FILE = 0.03
"""Reading and decoding a file of CheXpert's original size. Decoding is measured (0.01); reading
2 MB over a network at 100 MB/s is assumed."""

NATIVE = 0.04
"""Resizing and encoding the mask of one pathology at the original size."""

HISTOGRAM = 0.19
"""The same for its histogram of probabilities."""

DRAW = 8.0
"""Generating a phantom of the original size."""

LABEL = 0.040
"""Affinity labels. For masks, see `MaskSource.core_seconds`."""

COMPARE = 0.02
"""Reading an X-ray's masks of two sources, and counting the pixels that they share."""

SIDE = 2828
"""Longer side of CheXpert's original X-rays in pixels."""

# ---- Bytes ---------------------------------------------------------------------------------
BYTES = {"images": 64_500, "saliency": 1_300, "labels": 980, "affinity": 7_240, "masks": 1_700,
         "partly_known_masks": 8_000, "soft_masks": 110_000, "histograms": 10_000}  # fmt: skip
"""Bytes per X-ray in each store; for saliency maps of 10 x 10 cells, and masks of ten classes, three
of them not empty."""

CHECKPOINTS = {"classifier": 28e6, "irnet": 100e6, "segmenter": 50e6}
"""Checkpoints of DenseNet-121, ResNet-50 and DeepLabV3+ with ResNet-18."""

INDEX = 250
"""Bytes per row of the index."""

MEMORY = 4_000
"""Memory in bytes per X-ray of the study, for index and ids, which are read as a whole."""

# ---- Limits --------------------------------------------------------------------------------
SLACK = 5
"""Factor from the expected time to the time limit, and ..."""

LEAST = 30
"""... the number of minutes added to it."""
