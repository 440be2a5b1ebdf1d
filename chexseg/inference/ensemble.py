"""Several segmenters as one: the mean of their probabilities, and how far they disagree."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from chexseg.data.images import Letterbox, image_size, letterboxed
from chexseg.inference.batching import to_float
from chexseg.inference.native_size import to_native_size


@dataclass(frozen=True)
class Member:
    """A segmenter of an ensemble.

    Attributes:
        model: in evaluation mode, on the device.
        image_size: side of the squares that it takes.
        thresholds: [C, 1, 1], those of its masks.
    """

    model: nn.Module
    image_size: int
    thresholds: Tensor


@dataclass(frozen=True)
class Prediction:
    """What an ensemble finds on an X-ray, at its own size.

    Attributes:
        probability: float32 [C, H, W], the mean over the segmenters.
        masks: bool [C, H, W], where the probability is above the mean of their thresholds.
        disagreement: [C], the share of the pixels that some segmenter marks by its own threshold and
            not all do; 0 if none marks any, or if there is one segmenter.
    """

    probability: np.ndarray
    masks: np.ndarray
    disagreement: np.ndarray


@torch.no_grad()
def predict(members: Sequence[Member], path: Path, device: torch.device) -> Prediction:
    """Segments an X-ray by one or several segmenters of the same classes.

    Args:
        members: the segmenters.
        path: the file of the X-ray.
        device: where the models are.

    Raises:
        InputError: the file cannot be read.
    """
    height, width = image_size(path)
    sides = {member.image_size for member in members}
    squares = {side: torch.from_numpy(letterboxed(path, side))[None, None] for side in sides}
    probabilities = []
    for member in members:
        logits = member.model(to_float(squares[member.image_size].to(device)))[0].float().cpu()
        letterbox = Letterbox(height, width, member.image_size)
        probabilities.append(to_native_size(letterbox, logits.sigmoid()))
    together = torch.stack(probabilities)
    cuts = torch.stack([member.thresholds for member in members])
    marked = together > cuts
    union = marked.any(0).sum((1, 2)).double()
    shared = marked.all(0).sum((1, 2)).double()
    mean = together.mean(0)
    return Prediction(
        probability=mean.numpy(),
        masks=(mean > cuts.mean(0)).numpy(),
        disagreement=torch.where(union > 0, 1 - shared / union.clamp(min=1), 0.0).numpy(),
    )
