"""ImageNet weights: fetched once, on the machine that has internet, for all trainings."""

from __future__ import annotations

import torch

from chexseg.files.artifacts import Output
from chexseg.files.atomic import atomic
from chexseg.models.weights import imagenet


def run(*, architecture: str, out: Output) -> None:
    """Fetch torchvision's ImageNet weights of an architecture.

    They come from torch's cache, or from the internet, and are then checked against the checksum
    in their file's name. Without internet, put torchvision's file into the folder that the error
    names.

    Args:
        architecture: torchvision's name of the network, such as `resnet18`.
        out: The file to make: a state dict.

    Raises:
        InputError: torchvision does not know the architecture, or the file cannot be had.
    """
    with atomic(out) as temporary, temporary.open("wb") as stream:
        torch.save(dict(imagenet(architecture)), stream)
