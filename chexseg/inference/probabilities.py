"""A segmenter's probabilities of X-rays of a study, at their native size."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pandas as pd
from torch import Tensor, nn

from chexseg.data.images import Letterbox
from chexseg.files.store import Store
from chexseg.inference.batching import Unlabelled, evaluation_mode, infer
from chexseg.inference.native_size import to_native_size


def native_probabilities(
    model: nn.Module, images: Store, rows: pd.DataFrame, *, image_size: int, **options: Any
) -> Iterator[tuple[str, Tensor]]:
    """Yields the id and the probabilities of each X-ray, one after the other.

    Args:
        model: the segmenter; it is moved to the device and frozen.
        images: the image store.
        rows: of the index, for the X-rays to segment, in the order in which they are yielded.
        image_size: side of the square that the segmenter has learnt from.
        options: keyword arguments of `infer`.

    Yields:
        cxr_id, and float32 [P, height, width] on the device: a GPU enlarges faster.
    """
    device = options["device"]
    model = evaluation_mode(model, device)
    results = infer(
        lambda image: model(image).float().sigmoid(), Unlabelled(images, rows.index), **options
    )
    sizes = zip(rows.index, rows["height"], rows["width"], strict=True)
    for (cxr_id, height, width), probability in zip(sizes, results, strict=True):
        letterbox = Letterbox(height, width, image_size)
        yield cxr_id, to_native_size(letterbox, probability.to(device))
