"""Chooses between GPU and CPU, for all computations."""

from __future__ import annotations

import os
import resource

import torch

from chexseg.errors import InputError, Problem
from chexseg.inference.gpus import claim_gpus

REQUIRE_GPU = "CHEXSEG_REQUIRE_GPU"
"""Environment variable: set to 1 if computing without a GPU would be a waste, as in a GPU job."""


def accelerator(devices: int = 1) -> str:
    """Returns `cuda` if there is a GPU, else `cpu`, after claiming GPUs that no other job uses.

    Args:
        devices: number of GPUs that this process and its child processes need.

    Raises:
        InputError: there is no GPU and REQUIRE_GPU is 1, or there are too few GPUs.
    """
    claim_gpus(devices)  # must happen before torch looks for GPUs
    if torch.cuda.is_available():
        if (found := torch.cuda.device_count()) < devices:
            remedy = "Give the job more GPUs, or use fewer."
            raise InputError(
                [Problem("--devices", f"{devices}", f"at most the {found} GPUs here", remedy)]
            )
        return "cuda"
    if os.environ.get(REQUIRE_GPU, "0") not in ("", "0"):
        remedy = f"Give the job a GPU, or unset {REQUIRE_GPU} to compute on the CPU."
        raise InputError([Problem(REQUIRE_GPU, "no GPU that torch can use", "a GPU", remedy)])
    return "cpu"


def peak_memory(device: torch.device) -> int:
    """Returns the most memory in MB that this process has used so far.

    On a GPU, it is what torch allocated there; otherwise, the resident memory of the process, which
    includes Python and its packages.
    """
    if device.type == "cuda":
        return round(torch.cuda.max_memory_allocated(device) / 2**20)
    return round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)
