"""Draws the outlines of masks on an X-ray."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from chexseg.report.pictures import colours_of, outline, save


def draw(image: np.ndarray, masks: Mapping[str, np.ndarray], path: Path) -> None:
    """Draws an X-ray with the outlines of its masks next to the plain X-ray.

    Args:
        image: [H, W] uint8.
        masks: class -> [H, W] bool, all classes in the study's order; empty masks are omitted from
            the picture and the legend.
        path: the PNG to write.
    """
    height, width = image.shape
    side = 5.0
    figure = Figure(figsize=(2 * side * width / height + 2.6, side), dpi=110, layout="constrained")
    left, right = figure.subplots(1, 2)
    for axes in (left, right):
        axes.imshow(image, cmap="gray", vmin=0, vmax=255)
        axes.set_axis_off()
    colours = colours_of(list(masks))
    drawn = [name for name, mask in masks.items() if mask.any()]
    for name in drawn:
        outline(right, masks[name], colours[name])
    handles = [Line2D([], [], color=colours[name], lw=3, label=name) for name in drawn]
    handles = handles or [Line2D([], [], color="none", label="nothing found")]
    figure.legend(handles=handles, loc="outside right center", frameon=False)
    save(figure, path)
