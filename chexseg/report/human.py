"""Runs against the second reader, per pathology: the difference and its interval."""

from __future__ import annotations

from typing import TYPE_CHECKING

from chexseg.config.links import HUMAN
from chexseg.config.settings import FigureSettings
from chexseg.report.comparisons import BETTER, WORSE, verdict
from chexseg.report.figure import Figure, Inputs

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure as Picture

MATCHES = "#2171b5"
COLOURS = {"better": BETTER, "worse": WORSE}
ROW_INCHES = 0.3


def draw(inputs: Inputs, settings: FigureSettings) -> Picture:
    """Draws a panel per contrast with the second reader and metric."""
    from matplotlib.figure import Figure as Picture

    from chexseg.catalog import load
    from chexseg.evaluation.metrics import is_lower_better
    from chexseg.evaluation.scores import MEAN
    from chexseg.report.pictures import read_table

    compared = _run_minus_human(read_table(inputs.comparisons))
    compared = compared[[inputs.shows(f"contrasts/{name}") for name in compared["contrast"]]]
    if compared.empty:
        picture = Picture(figsize=(6, 1.2), dpi=110)
        text = f"No contrast of this study names {HUMAN}."
        picture.text(0.5, 0.5, text, ha="center", va="center")
        return picture
    metrics, contrasts, pathologies = (
        list(dict.fromkeys(compared[name])) for name in ("metric", "contrast", "pathology")
    )
    pathologies.sort(key=lambda name: name != MEAN)
    height = len(contrasts) * (0.75 + ROW_INCHES * len(pathologies)) + 0.4
    picture = Picture(figsize=(2.2 + 3.4 * len(metrics), height), dpi=110, layout="constrained")
    panels = picture.subplots(
        len(contrasts), len(metrics), squeeze=False, sharey=True, sharex="col"
    )
    for line, contrast in zip(panels, contrasts, strict=True):
        for axes, metric in zip(line, metrics, strict=True):
            of_contrast = compared["contrast"] == contrast
            rows = compared[of_contrast & (compared["metric"] == metric)]
            lower = is_lower_better(load("metric", metric))
            _draw_panel(axes, rows.set_index("pathology").reindex(pathologies), lower)
            title = f"{rows['run'].iloc[0].split(',')[0]}: {metric}{' (lower is better)' * lower}"
            axes.set_title(title, loc="left", fontsize=9)
        line[0].set_yticks(range(len(pathologies)), pathologies, fontsize=8)
    for axes in panels[-1]:
        axes.set_xlabel(f"difference from {HUMAN}", fontsize=8.5)
    panels[0, 0].set_ylim(len(pathologies) - 0.5, -0.5)
    picture.legend(
        handles=_legend(), loc="outside upper center", ncols=3, frameon=False, fontsize=8
    )
    return picture


def _run_minus_human(compared: pd.DataFrame) -> pd.DataFrame:
    """Returns the contrasts with the second reader, with the other run on the side of `run`."""
    human = compared[(compared["run"] == HUMAN) | (compared["against"] == HUMAN)].copy()
    turned = human["run"] == HUMAN
    human.loc[turned, "run"] = human.loc[turned, "against"]
    old = human.loc[turned, ["difference", "ci_low", "ci_high"]]
    human.loc[turned, "difference"] = -old["difference"]
    human.loc[turned, "ci_low"], human.loc[turned, "ci_high"] = -old["ci_high"], -old["ci_low"]
    return human


def _draw_panel(axes: Axes, rows: pd.DataFrame, lower_is_better: bool) -> None:
    """Draws a row per pathology, coloured by what its interval says."""
    for y, (_, row) in enumerate(rows.iterrows()):
        if y % 2 == 0:
            axes.axhspan(y - 0.5, y + 0.5, color="#f4f4f4", lw=0, zorder=0)
        if row.isna()["difference"]:
            continue
        colour = COLOURS.get(verdict(row, lower_is_better), MATCHES)
        axes.plot([row["ci_low"], row["ci_high"]], [y, y], color=colour, lw=2, alpha=0.6)
        axes.plot(row["difference"], y, "o", color=colour, ms=5)
        axes.text(
            1.01, y, f"n = {row['n_images']:.0f}", transform=axes.get_yaxis_transform(),
            fontsize=6.5, va="center", color="#777",
        )  # fmt: skip
    axes.axvline(0, color="#333", lw=0.8)
    axes.tick_params(axis="x", labelsize=8)
    axes.tick_params(axis="y", length=0)
    axes.grid(axis="x", lw=0.4, alpha=0.6)
    axes.margins(x=0.12)
    axes.spines[["top", "right", "left"]].set_visible(False)


def _legend() -> list:
    from matplotlib.lines import Line2D

    texts = {"worse": "worse", "": "matches: the interval contains 0", "better": "better"}
    return [
        Line2D([], [], color=COLOURS.get(found, MATCHES), marker="o", ms=5, label=text)
        for found, text in texts.items()
    ]


HUMAN_FIGURE = Figure(
    draw,
    roles=("comparisons",),
    bounded=("comparisons",),
    category="Result",
    title="against the second reader",
    description="Runs minus the second reader, per pathology, of the contrasts that name "
    "``radiologists``, with intervals over patients and, with several seeds, over seeds; n: the "
    "smaller number of X-rays behind the two scores. A run *matches* the reader if the interval contains 0; with few X-rays, "
    "everything matches: see power.csv.",
)
