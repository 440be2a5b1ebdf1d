"""Pictures for people: overlays, the gallery, scores and training curves."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from skimage.measure import find_contours

from chexseg.data.layouts.chexpert import PATHOLOGIES
from chexseg.files.atomic import atomic

COLOURS = dict(
    zip(
        PATHOLOGIES,
        ("#4e9bd1", "#f28e2b", "#e15759", "#f1ce63", "#76b7b2", "#b07aa1", "#59a14f", "#ff9da7",
         "#9c755f", "#8cd17d"),
        strict=True,
    )
)  # fmt: skip
RUN_COLOURS = ("#9ecae1", "#4292c6", "#fd8d3c", "#d94801", "#74c476", "#6a51a3", "#bcbddc")
HUMAN_COLOUR = "#969696"


def save(figure: Figure, path: Path) -> None:
    """Writes a figure as PNG; equal figures give equal bytes."""
    with atomic(path) as temporary:
        figure.savefig(temporary, format="png", metadata={"Software": None})


def overlay(image: np.ndarray, masks: Mapping[str, np.ndarray], path: Path) -> None:
    """Draws the outlines of masks on an X-ray, beside the X-ray itself.

    Args:
        image: [H, W] uint8.
        masks: pathology -> [H, W] bool; empty masks are not drawn, and not in the legend.
        path: the PNG to write.
    """
    height, width = image.shape
    side = 5.0
    figure = Figure(figsize=(2 * side * width / height + 2.6, side), dpi=110, layout="constrained")
    left, right = figure.subplots(1, 2)
    for axes in (left, right):
        axes.imshow(image, cmap="gray", vmin=0, vmax=255)
        axes.set_axis_off()
    drawn = [name for name, mask in masks.items() if mask.any()]
    for name in drawn:
        outline(right, masks[name], COLOURS[name])
    handles = [Line2D([], [], color=COLOURS[name], lw=3, label=name) for name in drawn]
    handles = handles or [Line2D([], [], color="none", label="nothing found")]
    figure.legend(handles=handles, loc="outside right center", frameon=False)
    save(figure, path)


def outline(axes, mask: np.ndarray, colour: str, width: float = 1.6) -> None:
    """Draws the outline of a mask, bool [H, W], and a light tint inside it."""
    if not mask.any():
        return
    tint = np.zeros((*mask.shape, 4))
    tint[..., :3] = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    tint[..., 3] = 0.22 * mask
    axes.imshow(tint, interpolation="nearest")
    for contour in find_contours(np.pad(mask, 1).astype(float), 0.5):
        axes.plot(contour[:, 1] - 1, contour[:, 0] - 1, color=colour, lw=width)


def gallery(rows: Sequence[tuple[str, Mapping[str, tuple[np.ndarray, np.ndarray | None]]]], path):
    """Draws X-rays below each other, and what each method makes of them side by side.

    Args:
        rows: (pathology, column title -> (image, mask)); an image is [H, W] uint8, or [H, W]
            float in [0, 1] for a saliency map, shown in colours; a mask [H, W] bool or None.
        path: the PNG to write.
    """
    if not rows:
        figure = Figure(figsize=(6, 1.5), dpi=110)
        figure.text(0.5, 0.5, "No test X-ray has an expert mask.", ha="center")
        save(figure, path)
        return
    titles = list(rows[0][1])
    figure = Figure(figsize=(1.75 * len(titles) + 0.5, 1.9 * len(rows) + 0.3), dpi=110)
    grid = figure.subplots(len(rows), len(titles), squeeze=False)
    for line, (pathology, cells) in zip(grid, rows, strict=True):
        for axes, (image, mask) in zip(line, cells.values(), strict=True):
            axes.set_xticks([])
            axes.set_yticks([])
            axes.spines[:].set_visible(False)
            if image.dtype == np.uint8:
                axes.imshow(image, cmap="gray", vmin=0, vmax=255)
            else:
                axes.imshow(image, cmap="inferno", vmin=0, vmax=1)
            if mask is not None:
                outline(axes, mask, COLOURS[pathology])
        line[0].set_ylabel(pathology.replace(" ", "\n"), fontsize=9)
    for axes, title in zip(grid[0], titles, strict=True):
        axes.set_title(title, fontsize=10)
    figure.subplots_adjust(0.045, 0.01, 0.995, 0.97, wspace=0.03, hspace=0.04)
    save(figure, path)


def bars(summary: pd.DataFrame, human: str, path: Path) -> None:
    """Draws the scores of a study with their intervals: one panel per metric.

    Args:
        summary: columns run, pathology, metric, value, ci_low, ci_high.
        human: the run of the human benchmark, drawn in grey.
        path: the PNG to write.
    """
    runs = list(dict.fromkeys(summary["run"]))
    pathologies = list(dict.fromkeys(summary["pathology"]))
    metrics = list(dict.fromkeys(summary["metric"]))
    names = {"iou_dataset": "IoU over the data set", "iou_image": "mean IoU of images"}
    figure = Figure(
        figsize=(1.6 + 1.05 * len(pathologies), 3.1 * len(metrics)), dpi=110, layout="constrained"
    )
    panels = figure.subplots(len(metrics), 1, sharex=True, squeeze=False)[:, 0]
    width = 0.84 / len(runs)
    for axes, metric in zip(panels, metrics, strict=True):
        for number, run in enumerate(runs):
            rows = summary[(summary["run"] == run) & (summary["metric"] == metric)]
            rows = rows.set_index("pathology").reindex(pathologies)
            where = np.arange(len(pathologies)) - 0.42 + (number + 0.5) * width
            errors = [rows["value"] - rows["ci_low"], rows["ci_high"] - rows["value"]]
            colour = HUMAN_COLOUR if run == human else RUN_COLOURS[number % len(RUN_COLOURS)]
            axes.bar(
                where, rows["value"], width, color=colour, label=run,
                yerr=np.nan_to_num(np.clip(errors, 0, None)), error_kw={"lw": 0.8, "ecolor": "#444"},
            )  # fmt: skip
        axes.set_ylabel(names.get(metric, metric))
        axes.set_ylim(0, 1)
        axes.grid(axis="y", lw=0.4, alpha=0.6)
        axes.set_axisbelow(True)
        axes.spines[["top", "right"]].set_visible(False)
    labels = [name.replace(" ", "\n") for name in pathologies]
    panels[-1].set_xticks(range(len(pathologies)), labels, fontsize=8)
    figure.legend(*panels[0].get_legend_handles_labels(), loc="outside upper center", ncols=len(runs),
                  frameon=False)  # fmt: skip
    save(figure, path)


def curves(metrics: Mapping[str, pd.DataFrame], path: Path) -> None:
    """Draws loss and validation score of every training, one panel per training.

    Args:
        metrics: name of a training -> rows with epoch, loss and, where it selects, score.
        path: the PNG to write.
    """
    columns = min(4, len(metrics))
    lines = -(-len(metrics) // columns)
    figure = Figure(figsize=(3.2 * columns, 2.5 * lines), dpi=110, layout="constrained")
    panels = figure.subplots(lines, columns, squeeze=False).ravel()
    for axes in panels[len(metrics) :]:
        axes.set_axis_off()
    for axes, (name, rows) in zip(panels, metrics.items(), strict=False):
        axes.plot(rows["epoch"], rows["loss"], color="#4292c6", label="loss")
        axes.set_title(name, fontsize=9)
        axes.set_ylim(bottom=0)
        axes.tick_params(labelsize=7)
        if "score" in rows:
            right = axes.twinx()
            right.plot(rows["epoch"], rows["score"], color="#d94801")
            right.tick_params(labelsize=7, colors="#d94801")
            if rows["score"].notna().any():
                right.axvline(rows["epoch"][rows["score"].idxmax()], color="#bbb", lw=0.8, ls=":")
        axes.tick_params(axis="y", colors="#4292c6")
    handles = [
        Line2D([], [], color="#4292c6", label="training loss"),
        Line2D([], [], color="#d94801", label="validation score (right axis)"),
        Line2D([], [], color="#bbb", ls=":", label="epoch kept"),
    ]
    figure.legend(handles=handles, loc="outside lower center", ncols=3, frameon=False)
    save(figure, path)
