"""Fetches ImageNet weights once for all trainings, on a machine with internet access."""

from __future__ import annotations

import torch

from chexseg.files.artifacts import Output
from chexseg.files.atomic import atomic
from chexseg.models.weights import imagenet


def run(*, architecture: str, out: Output) -> None:
    """Fetch torchvision's ImageNet weights of an architecture.

    They come from torch's cache or from the internet, and are verified against the checksum in
    their file name. Without internet access, put torchvision's file in the folder shown by the
    error.

    Args:
        architecture: torchvision's name of the network, such as `resnet18`.
        out: The file to create, a state dict.

    Raises:
        InputError: torchvision does not have the architecture, or the file is unavailable.
    """
    with atomic(out) as temporary, temporary.open("wb") as stream:
        torch.save(dict(imagenet(architecture)), stream)
