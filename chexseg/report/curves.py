"""Loss and validation score of every training, with one panel per training."""

from __future__ import annotations

from typing import TYPE_CHECKING

from chexseg.config.settings import FigureSettings
from chexseg.report.figure import Figure, Inputs

if TYPE_CHECKING:
    from matplotlib.figure import Figure as Picture

LOSS, SCORE = "#4292c6", "#d94801"


def draw(inputs: Inputs, settings: FigureSettings) -> Picture:
    """Draws loss and score of every training by epoch, and marks the epoch that was kept."""
    import pandas as pd
    from matplotlib.figure import Figure as Picture
    from matplotlib.lines import Line2D
    from matplotlib.ticker import MaxNLocator

    from chexseg.report.pictures import note_of_left_out

    trainings = {name: path for name, path in inputs.trainings.items() if inputs.shows(name)}
    note = note_of_left_out(len(trainings), len(inputs.trainings), "trainings")
    columns = max(1, min(4, len(trainings)))
    lines = max(1, -(-len(trainings) // columns))
    picture = Picture(
        figsize=(max(6.4, 3.2 * columns), 2.5 * lines + 0.3), dpi=110, layout="constrained"
    )
    panels = picture.subplots(lines, columns, squeeze=False).ravel()
    for axes in panels[len(trainings) :]:
        axes.set_axis_off()
    for axes, (name, path) in zip(panels, trainings.items(), strict=False):
        rows = pd.read_csv(path)
        alone = "o" if len(rows) == 1 else None  # a single epoch gives no line
        axes.plot(rows["epoch"], rows["loss"], color=LOSS, marker=alone)
        axes.set_title(name, fontsize=9)
        axes.set_ylim(bottom=0)
        axes.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))
        axes.tick_params(labelsize=7)
        if "score" in rows:
            right = axes.twinx()
            right.plot(rows["epoch"], rows["score"], color=SCORE, marker=alone)
            right.tick_params(labelsize=7, colors=SCORE)
            if rows["score"].notna().any():
                right.axvline(rows["epoch"][rows["score"].idxmax()], color="#888", lw=1, ls=":")
        axes.tick_params(axis="y", colors=LOSS)
    handles = [
        Line2D([], [], color=LOSS, label="training loss"),
        Line2D([], [], color=SCORE, label="validation score (right axis)"),
        Line2D([], [], color="#888", ls=":", label="epoch kept"),
    ]
    picture.legend(
        handles=handles, loc="outside lower center", ncols=3, frameon=False, title=note or None,
        title_fontsize=8,
    )  # fmt: skip
    return picture


CURVES = Figure(
    draw,
    roles=("trainings",),
    bounded=("trainings",),
    category="Training",
    title="training curves",
    description="Loss and validation score of every training, by epoch. The dotted line marks "
    "the epoch that was kept. At most 16 trainings are shown, and none of sweeps if there are more.",
)
