"""Where computations run: the one place that chooses between GPU and CPU."""

from __future__ import annotations

import os

import torch

from chexseg.errors import InputError, Problem

REQUIRE_GPU = "CHEXSEG_REQUIRE_GPU"
"""Environment variable: 1 where a computation without a GPU would be a waste, as in a GPU job."""


def accelerator() -> str:
    """Returns `cuda` if there is a GPU, else `cpu`.

    Raises:
        InputError: there is no GPU, and REQUIRE_GPU is 1.
    """
    if torch.cuda.is_available():
        return "cuda"
    if os.environ.get(REQUIRE_GPU, "0") not in ("", "0"):
        remedy = f"Give the job a GPU, or unset {REQUIRE_GPU} to compute on the CPU."
        raise InputError([Problem(REQUIRE_GPU, "no GPU that torch can use", "a GPU", remedy)])
    return "cpu"
