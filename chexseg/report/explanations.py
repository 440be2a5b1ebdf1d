"""Explanations, the labels that classifiers agree on, and the experts' masks, for each observation."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from chexseg.config.settings import FigureSettings
from chexseg.report.figure import Figure, Inputs

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd
    from matplotlib.figure import Figure as Picture

    from chexseg.files.store import Store

SPLITS = ("expert", "validation")
"""Splits whose X-rays are shown: those that experts may have drawn, without test."""

UNKNOWN_TINT = (1.0, 1.0, 1.0, 0.28)
"""Colour of pixels of which a label says nothing."""


def draw(inputs: Inputs, settings: FigureSettings) -> Picture:
    """Draws a row per observation: an X-ray, its maps, its labels and the experts' mask.

    Among the X-rays of SPLITS that are labelled positive and have a label, it is the one on which the
    first label's IoU with the experts' mask is the median; if no expert drew the observation, the
    first by id. Observations without such an X-ray have no row.
    """
    from chexseg.data.index import read_index
    from chexseg.files.store import Store
    from chexseg.files.store_format import MASK_KINDS
    from chexseg.report.pictures import colours_of, stored

    index, images = read_index(inputs.index, *SPLITS), Store(inputs.images, "images")
    maps = _stores(inputs.explanations, "saliency")
    labels = _stores(inputs.labels, *MASK_KINDS)
    drawn = _stores(inputs.drawn, *MASK_KINDS)
    classes = tuple(dict.fromkeys(c for store in labels.values() for c in store.meta["classes"]))
    colours, rows = colours_of(classes), []
    for name in classes:
        chosen = x_ray_of(name, index, next(iter(labels.values())), drawn.values())
        if chosen is None:
            continue
        cells = [("X-ray", images[chosen], None)]
        cells += [
            (f"{each} map", _scaled(stored(s, chosen, name)), None) for each, s in maps.items()
        ]
        cells += [
            (f"{each} label", images[chosen], stored(s, chosen, name)) for each, s in labels.items()
        ]
        expert = drawn_mask(drawn.values(), chosen, name)
        cells.append(("expert", None if expert is None else images[chosen], expert))
        rows.append((name, colours[name], cells))
    return _draw(rows)


def x_ray_of(name: str, index: pd.DataFrame, labels: Store, drawn: Collection[Store]) -> str | None:
    """Chooses the X-ray on which an observation is shown; None if there is none.

    Args:
        name: the observation.
        index: the X-rays, with labels; see `read_index`.
        labels: masks on which classifiers agree.
        drawn: masks of experts; the first that has the observation and the X-ray counts.
    """
    import numpy as np

    from chexseg.data.levels import certain_masks
    from chexseg.report.pictures import stored

    ids = sorted(index.index[index[name] == 1]) if name in index else []
    scores, others = [], []
    for cxr_id in ids:
        label = stored(labels, cxr_id, name)
        if label is None or not certain_masks(label).any():
            continue
        others.append(cxr_id)
        truth = drawn_mask(drawn, cxr_id, name)
        if truth is not None and truth.any():
            found, truth = certain_masks(label), certain_masks(truth)
            scores.append((float((found & truth).sum() / np.sum(found | truth)), cxr_id))
    if scores:
        return sorted(scores)[len(scores) // 2][1]
    return others[0] if others else None


def drawn_mask(drawn: Iterable[Store], cxr_id: str, name: str) -> np.ndarray | None:
    """Returns the mask of the first store that has the X-ray and the observation, or None."""
    from chexseg.report.pictures import stored

    masks = (stored(store, cxr_id, name) for store in drawn)
    return next((mask for mask in masks if mask is not None), None)


def _stores(files: Mapping[str, tuple[Path, ...]], *kinds: str) -> dict[str, Store]:
    from chexseg.files.store import Store

    return {name: Store(paths, *kinds) for name, paths in files.items()}


def _scaled(values: np.ndarray | None) -> np.ndarray | None:
    """Returns the absolute values of a map, divided by their 99 % quantile and cut at 1."""
    import numpy as np

    if values is None:
        return None
    size = np.abs(values.astype(np.float64))
    return (size / max(np.quantile(size, 0.99), 1e-12)).clip(0, 1)


def _draw(rows: Sequence[tuple[str, str, list]]) -> Picture:
    """Draws rows of (observation, colour, cells); a cell is (title, image, mask)."""
    import numpy as np
    from matplotlib.figure import Figure as Picture

    from chexseg.data.levels import certain_masks
    from chexseg.files.store_format import UNKNOWN
    from chexseg.report.pictures import nothing_to_show, outline, show

    if not rows:
        return nothing_to_show("No X-ray has a label on which classifiers agree.")
    picture = Picture(figsize=(0.9 + 1.5 * len(rows[0][2]), 0.3 + 1.5 * len(rows)), dpi=110)
    grid = picture.subplots(len(rows), len(rows[0][2]), squeeze=False)
    picture.subplots_adjust(0.9 / picture.get_figwidth(), 0.005, 0.995, 1 - 0.3 / picture.get_figheight(), 0.03, 0.03)  # fmt: skip
    for r, (name, colour, cells) in enumerate(rows):
        for axes, (title, image, mask) in zip(grid[r], cells, strict=True):
            show(axes, image)
            if r == 0:
                axes.set_title(title, fontsize=min(9, 190 / len(title)))
            if mask is not None:
                if mask.dtype != bool:
                    axes.imshow((mask == UNKNOWN)[..., None] * np.array(UNKNOWN_TINT))
                outline(axes, certain_masks(mask), colour)
        grid[r, 0].set_ylabel(name.replace(" ", "\n"), fontsize=8)
    return picture


EXPLANATIONS = Figure(
    draw,
    roles=("index", "images", "explanations", "labels", "drawn"),
    category="Gallery",
    title="explanations and labels",
    description=(
        "One X-ray of the splits *expert* and *validation* for each observation: the one with the "
        "median IoU of the first label and the experts' mask, or the first if no expert drew the "
        "observation. *map*: the explanations that vote, absolute values divided by their 99 % "
        "quantile. *label*: what they agree on, outlined; pixels of which it says nothing are white. "
        "*expert*: the mask of the first drawn source that has the observation."
    ),
)
