"""How well each source of masks agrees with the experts: a dot and its interval per pathology."""

from __future__ import annotations

from typing import TYPE_CHECKING

from chexseg.config.links import BLIND
from chexseg.config.settings import FigureSettings
from chexseg.report.figure import Figure, Inputs

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure as Picture

IOU = "iou_dataset"
TITLES = {IOU: "IoU over the data set", "precision": "Precision", "recall": "Recall"}
LINE = 0.14
"""Inches of a source in a pathology."""


def draw(inputs: Inputs, settings: FigureSettings) -> Picture:
    """Draws a panel per split with the IoU, and two with precision and recall on the last split."""
    from matplotlib.figure import Figure as Picture

    from chexseg.evaluation.scores import MEAN
    from chexseg.report.pictures import (
        HUMAN_COLOUR,
        RUN_COLOURS,
        columns_of_legend,
        note_of_left_out,
        read_table,
    )

    scores = read_table(inputs.mask_quality)
    sources = sorted(dict.fromkeys(scores["masks"]), key=lambda name: name == BLIND)
    total = len(sources)
    sources = [name for name in sources if name == BLIND or inputs.shows(f"masks/{name}")]
    pathologies = sorted(dict.fromkeys(scores["pathology"]), key=lambda name: name != MEAN)
    splits = sorted(dict.fromkeys(scores["split"]))
    views = [(IOU, split) for split in reversed(splits)]
    views += [(metric, split) for metric in ("precision", "recall") for split in splits[-1:]]
    colours = {
        name: HUMAN_COLOUR if name == BLIND else RUN_COLOURS[(1 + n) % len(RUN_COLOURS)]
        for n, name in enumerate(sources)
    }
    picture = Picture(
        figsize=(
            max(5.0, 1.6 + 2.35 * len(views)),
            1.2 + len(pathologies) * (0.12 + LINE * len(sources)),
        ),
        dpi=110,
        layout="constrained",
    )
    panels = picture.subplots(1, max(1, len(views)), sharey=True, squeeze=False)[0]
    for axes, (metric, split) in zip(panels, views, strict=False):
        rows = scores[(scores["metric"] == metric) & (scores["split"] == split)]
        _draw_panel(axes, rows, pathologies, colours, counted=metric == IOU)
        axes.set_title(f"{TITLES[metric]}\n{split} X-rays", fontsize=9)
    panels[0].set_yticks(range(len(pathologies)), pathologies, fontsize=8)
    panels[0].set_ylim(len(pathologies) - 0.5, -0.5)
    for label, name in zip(panels[0].get_yticklabels(), pathologies, strict=True):
        label.set_fontweight("bold" if name == MEAN else "normal")
    handles = panels[0].get_legend_handles_labels()
    columns = columns_of_legend(picture, sources)
    if handles[0]:
        picture.legend(*handles, loc="outside upper center", ncols=columns, frameon=False)
    if note := note_of_left_out(len(sources), total, "sources"):
        picture.supxlabel(note, fontsize=8)
    return picture


def _draw_panel(
    axes: Axes,
    scores: pd.DataFrame,
    pathologies: list[str],
    colours: dict[str, str],
    *,
    counted: bool,
) -> None:
    """Draws the scores of one metric and split; with `counted`, also the numbers of X-rays."""
    import numpy as np

    for row in range(0, len(pathologies), 2):
        axes.axhspan(row - 0.5, row + 0.5, color="#f4f4f4", lw=0, zorder=0)
    step = 0.8 / max(1, len(colours))
    for number, (name, colour) in enumerate(colours.items()):
        rows = scores[scores["masks"] == name].set_index("pathology").reindex(pathologies)
        where = np.arange(len(pathologies)) - 0.4 + (number + 0.5) * step
        errors = [rows["value"] - rows["ci_low"], rows["ci_high"] - rows["value"]]
        axes.errorbar(
            rows["value"], where, xerr=np.nan_to_num(np.clip(errors, 0, None)), fmt="none",
            ecolor=colour, elinewidth=1.4,
        )  # fmt: skip
        shape = "D" if name == BLIND else "o"
        axes.plot(rows["value"], where, shape, color=colour, ms=4.5, mec="white", mew=0.5,
                  label=name)  # fmt: skip
    if counted:
        numbers = scores.groupby("pathology")["n_images"].max().reindex(pathologies)
        for row, n in enumerate(numbers.fillna(0).astype(int)):
            # In the corner of the band, where the fewest intervals reach.
            axes.text(0.99, row + 0.47, f"n = {n}", transform=axes.get_yaxis_transform(),
                      fontsize=6.5, ha="right", va="bottom", color="#777")  # fmt: skip
    axes.set_xlim(0, 1)
    axes.grid(axis="x", lw=0.4, alpha=0.6)
    axes.set_axisbelow(True)
    axes.tick_params(axis="x", labelsize=7)
    axes.tick_params(axis="y", length=0)
    axes.spines[["top", "right", "left"]].set_visible(False)


MASK_QUALITY = Figure(
    draw,
    roles=("mask_quality",),
    bounded=("mask_quality",),
    category="Masks",
    title="quality of the sources of masks",
    description="Masks of every source against the experts' masks, with bootstrap intervals over "
    "patients; n: X-rays in which the experts drew the pathology. Grey: ``blind_mean``, a mask that "
    "does not look at the X-ray (see mask_quality.csv); a source to its left does not know where "
    "the pathology is. At most 16 sources are shown, and none of sweeps if there are more; mask_quality.csv has all.",
)
