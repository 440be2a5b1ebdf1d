"""Several segmenters as one: the mean of their probabilities, and how far they disagree."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from chexseg.data.images import Letterbox, letterboxed
from chexseg.errors import Problems
from chexseg.inference.batching import evaluation_mode, to_float
from chexseg.inference.native_size import to_native_size
from chexseg.models.trained import load_segmenter


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


class Ensemble:
    """Segmenters of the same classes.

    Args:
        checkpoints: their files, one or more.
        device: where they compute.

    Attributes:
        classes: names of the classes.

    Raises:
        InputError: a file is no checkpoint of a segmenter, is named twice, or has other classes.
    """

    def __init__(self, checkpoints: Sequence[Path], device: torch.device):
        problems = Problems("weights")
        if not checkpoints:
            problems.add("--checkpoint", "no checkpoint", "one or more", "Name a segmenter's.")
        if len(set(checkpoints)) < len(checkpoints):
            remedy = "Name each once: a segmenter that counts twice is no second opinion."
            problems.add("--checkpoint", "a checkpoint twice", "different segmenters", remedy)
        problems.raise_if_any()
        self.device, self.members = device, []
        self.classes: tuple[str, ...] = ()
        for path in checkpoints:
            model, trained = load_segmenter(path)
            self.classes = self.classes or trained.classes
            if trained.classes != self.classes:
                expected = f"those of {checkpoints[0]}: {', '.join(self.classes)}"
                remedy = "Predict with segmenters of the same classes, in the same order."
                problems.add(path, f"classes {', '.join(trained.classes)}", expected, remedy)
            thresholds = torch.tensor(trained.extra["thresholds"])[:, None, None]
            model = evaluation_mode(model, device)
            self.members.append((model, trained.extra["image_size"], thresholds))
        problems.raise_if_any()

    def predict(self, path: Path, height: int, width: int) -> Prediction:
        """Segments an X-ray.

        Args:
            path: its file.
            height, width: its size, from `chexseg.data.images.open_image`.

        Raises:
            InputError: the file cannot be read.
        """
        probabilities, cuts = [], []
        for model, size, thresholds in self.members:
            square = torch.from_numpy(letterboxed(path, size))[None, None]
            with torch.no_grad():
                logits = model(to_float(square.to(self.device)))[0]
            small = logits.float().sigmoid().cpu()
            probabilities.append(to_native_size(Letterbox(height, width, size), small))
            cuts.append(thresholds)
        together, cut = torch.stack(probabilities), torch.stack(cuts)
        marked = together > cut
        union = marked.any(0).sum((1, 2)).double()
        shared = marked.all(0).sum((1, 2)).double()
        mean = together.mean(0)
        return Prediction(
            probability=mean.numpy(),
            masks=(mean > cut.mean(0)).numpy(),
            disagreement=torch.where(union > 0, 1 - shared / union.clamp(min=1), 0.0).numpy(),
        )
