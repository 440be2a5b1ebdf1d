"""Where computations run: the one place that chooses between GPU and CPU."""

from __future__ import annotations

import os

import torch

from chexseg.errors import InputError, Problem
from chexseg.inference.gpus import claim_gpus

REQUIRE_GPU = "CHEXSEG_REQUIRE_GPU"
"""Environment variable: 1 where a computation without a GPU would be a waste, as in a GPU job."""


def accelerator(devices: int = 1) -> str:
    """Returns `cuda` if there is a GPU, else `cpu`. GPUs that no other job has are then this one's.

    Args:
        devices: how many GPUs this process needs, with those that it starts.

    Raises:
        InputError: there is no GPU, and REQUIRE_GPU is 1; or there are GPUs, but fewer.
    """
    claim_gpus(devices)  # before torch looks: then it is too late
    if torch.cuda.is_available():
        if (found := torch.cuda.device_count()) < devices:
            remedy = "Give the job as many GPUs, or take fewer."
            raise InputError(
                [Problem("--devices", f"{devices}", f"at most the {found} GPUs here", remedy)]
            )
        return "cuda"
    if os.environ.get(REQUIRE_GPU, "0") not in ("", "0"):
        remedy = f"Give the job a GPU, or unset {REQUIRE_GPU} to compute on the CPU."
        raise InputError([Problem(REQUIRE_GPU, "no GPU that torch can use", "a GPU", remedy)])
    return "cpu"
