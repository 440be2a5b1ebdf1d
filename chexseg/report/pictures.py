"""Shared by several figures: colours, outlines of masks, and saving."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import cycle
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from matplotlib import rc_context
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from skimage.measure import find_contours

from chexseg.data.layouts.chexpert import PATHOLOGIES
from chexseg.files.atomic import atomic

if TYPE_CHECKING:
    from chexseg.files.store import Store

PALETTE = (
    "#4e9bd1", "#f28e2b", "#e15759", "#f1ce63", "#76b7b2", "#b07aa1", "#59a14f", "#ff9da7",
    "#9c755f", "#8cd17d", "#d37295", "#499894", "#ffbe7d", "#8080d7", "#c7c73c", "#e377c2",
    "#17becf", "#bab0ac", "#a0cbe8", "#d7b5a6",
)  # fmt: skip
"""Bright enough for outlines on X-rays. The first ten are CheXpert's, in the order of its masks."""

RUN_COLOURS = (
    "#9ecae1", "#4292c6", "#fd8d3c", "#d94801", "#74c476", "#6a51a3", "#bcbddc", "#238b45",
    "#f768a1", "#ae017e", "#e7ba52", "#8c6d31", "#17becf", "#393b79", "#843c39", "#b5cf6b",
)  # fmt: skip
"""As many as a figure shows entries."""

HUMAN_COLOUR = "#969696"


def colours_of(classes: Sequence[str]) -> dict[str, str]:
    """Returns a colour for each class of a study.

    CheXpert's ten pathologies have the same colours in every study. Other classes get the remaining
    colours of the palette in turn, and colours repeat if there are more classes than colours.
    """
    kept = {name: PALETTE[PATHOLOGIES.index(name)] for name in classes if name in PATHOLOGIES}
    free = cycle([colour for colour in PALETTE if colour not in kept.values()])
    return {name: kept[name] if name in kept else next(free) for name in classes}


TEXT = dict.fromkeys(
    ("cxr_id", "patient", "run", "against", "contrast", "pathology", "runs", "sweep"), str
)


def read_table(path: Path) -> pd.DataFrame:
    """Reads a table of the evaluation; ids and names stay text, also `20` and `null`."""
    return pd.read_csv(path, dtype=TEXT, keep_default_na=False, na_values=[""])


def note_of_left_out(shown: int, total: int, what: str) -> str:
    """Returns the footer of a figure that shows only some of its entries; '' if it shows all.

    Args:
        shown: number of entries that it shows.
        total: number of entries of the study.
        what: what they are, in the plural.
    """
    if shown == total:
        return ""
    return f"{total - shown} of {total} {what} are not shown."


def columns_of_legend(figure: Figure, names: Sequence[str]) -> int:
    """Returns how many columns of a legend with these names fit into the width of a figure."""
    inches = 0.7 + 0.08 * max(map(len, names), default=0)
    return max(1, min(len(names), int(figure.get_figwidth() / inches)))


METADATA = {"png": {"Software": None}, "pdf": {"CreationDate": None}, "svg": {"Date": None}}
"""Format of a figure -> what is left out, since it would differ each time."""

VECTORS = {"svg.hashsalt": "chexseg", "pdf.fonttype": 42}
"""Ids of an SVG depend on what it shows alone; fonts of a PDF are TrueType, as journals want them."""


def save(figure: Figure, path: Path) -> None:
    """Writes a figure in the format of its path's suffix; equal figures give equal bytes."""
    kind = path.suffix.removeprefix(".")
    with atomic(path) as temporary, rc_context(VECTORS):
        figure.savefig(temporary, format=kind, metadata=METADATA[kind])


def outline(axes: Axes, mask: np.ndarray, colour: str, width: float = 1.6) -> None:
    """Draws the outline of a mask, bool [H, W], and a light tint inside it."""
    if not mask.any():
        return
    tint = np.zeros((*mask.shape, 4))
    tint[..., :3] = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    tint[..., 3] = 0.22 * mask
    axes.imshow(tint, interpolation="nearest")
    for contour in find_contours(np.pad(mask, 1).astype(float), 0.5):
        axes.plot(contour[:, 1] - 1, contour[:, 0] - 1, color=colour, lw=width)


def stored(store: Store, cxr_id: str, name: str) -> np.ndarray | None:
    """Returns the map or mask of an X-ray and class, [H, W], or None if the store lacks it."""
    if cxr_id not in store or name not in store.meta["classes"]:
        return None
    return store[cxr_id][store.meta["classes"].index(name)]


def show(axes: Axes, image: np.ndarray | None) -> None:
    """Draws a cell of a gallery, without ticks or frame.

    Args:
        axes: the cell.
        image: an X-ray, [H, W] uint8; a map, [H, W] float in [0, 1], in colours; None: a dash.
    """
    axes.set(xticks=[], yticks=[])
    axes.spines[:].set_visible(False)
    if image is None:
        axes.text(0.5, 0.5, "–", ha="center", va="center", transform=axes.transAxes)
    elif image.dtype == np.uint8:
        axes.imshow(image, cmap="gray", vmin=0, vmax=255)
    else:
        axes.imshow(image, cmap="inferno", vmin=0, vmax=1)


def nothing_to_show(reason: str) -> Figure:
    """Returns what stands for a gallery without rows."""
    figure = Figure(figsize=(6, 1.5), dpi=110)
    figure.text(0.5, 0.5, reason, ha="center")
    return figure
