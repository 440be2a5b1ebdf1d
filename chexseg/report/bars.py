"""Bar chart of the scores of all runs with their intervals, with one panel per metric."""

from __future__ import annotations

from typing import TYPE_CHECKING

from chexseg.config.links import HUMAN
from chexseg.config.settings import FigureSettings
from chexseg.report.figure import Figure, Inputs

if TYPE_CHECKING:
    from matplotlib.figure import Figure as Picture


def draw(inputs: Inputs, settings: FigureSettings) -> Picture:
    """Draws a bar per run, grouped by pathology; the human benchmark is grey."""
    import numpy as np
    from matplotlib.figure import Figure as Picture

    from chexseg.report.pictures import (
        HUMAN_COLOUR,
        RUN_COLOURS,
        columns_of_legend,
        note_of_left_out,
        read_table,
    )

    averages = read_table(inputs.averages)
    runs, pathologies, metrics = (
        list(dict.fromkeys(averages[column])) for column in ("run", "pathology", "metric")
    )
    total = len(runs)
    runs = [run for run in runs if run == HUMAN or inputs.shows(f"segmenters/{run}")]
    picture = Picture(
        figsize=(max(6.0, 1.6 + 1.05 * len(pathologies)), 3.1 * len(metrics)),
        dpi=110,
        layout="constrained",
    )
    panels = picture.subplots(len(metrics), 1, sharex=True, squeeze=False)[:, 0]
    width = 0.84 / len(runs)
    for axes, metric in zip(panels, metrics, strict=True):
        for number, run in enumerate(runs):
            rows = averages[(averages["run"] == run) & (averages["metric"] == metric)]
            rows = rows.set_index("pathology").reindex(pathologies)
            where = np.arange(len(pathologies)) - 0.42 + (number + 0.5) * width
            errors = [rows["value"] - rows["ci_low"], rows["ci_high"] - rows["value"]]
            colour = HUMAN_COLOUR if run == HUMAN else RUN_COLOURS[number % len(RUN_COLOURS)]
            axes.bar(
                where, rows["value"], width, color=colour, label=run,
                yerr=np.nan_to_num(np.clip(errors, 0, None)), error_kw={"lw": 0.8, "ecolor": "#444"},
            )  # fmt: skip
        axes.set_ylabel(metric)
        highest = averages.loc[averages["metric"] == metric, "value"].max()
        axes.set_ylim(0, max(1.0, 1.05 * np.nan_to_num(highest)))
        axes.grid(axis="y", lw=0.4, alpha=0.6)
        axes.set_axisbelow(True)
        axes.spines[["top", "right"]].set_visible(False)
    counted = averages[averages["metric"] == metrics[0]].groupby("pathology")["n_images"].min()
    labels = [f"{name.replace(' ', chr(10))}\nn = {counted[name]:.0f}" for name in pathologies]
    panels[-1].set_xticks(range(len(pathologies)), labels, fontsize=8)
    panels[-1].set_xlim(-0.6, len(pathologies) - 0.4)
    columns = columns_of_legend(picture, runs)
    handles = panels[0].get_legend_handles_labels()
    picture.legend(*handles, loc="outside upper center", ncols=columns, frameon=False)
    if note := note_of_left_out(len(runs), total, "runs"):
        picture.supxlabel(note, fontsize=8)
    return picture


BARS = Figure(
    draw,
    roles=("averages",),
    bounded=("averages",),
    category="Scores",
    title="scores, as bars",
    description="Scores on the test set by pathology, averaged over training seeds, with intervals "
    "over patients and, with several seeds, over seeds; the metrics are explained with "
    "summary.csv. Grey: a second reader, scored like a model. n: the fewest X-rays that "
    "count for the first metric of a run. Lines are intervals, cut off above the axis. At most 16 runs are "
    "shown, and none of sweeps if there are more; averages.csv has all.",
)
