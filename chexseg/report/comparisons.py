"""Differences of the contrasts with their intervals, with one panel per metric."""

from __future__ import annotations

from typing import TYPE_CHECKING

from chexseg.config.links import HUMAN
from chexseg.config.settings import FigureSettings
from chexseg.report.figure import Figure, Inputs

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure as Picture

BETTER, WORSE, TIE = "#1b7837", "#b2182b", "#777777"
PATIENTS, SEEDS = "#4292c6", "#fd8d3c"
ROW_INCHES = 0.62


def draw(inputs: Inputs, settings: FigureSettings) -> Picture:
    """Draws the mean over pathologies of each contrast: difference, intervals, and what they say."""
    from matplotlib.figure import Figure as Picture

    from chexseg.report.pictures import note_of_left_out, read_table

    compared = read_table(inputs.comparisons)
    compared = compared[(compared["run"] != HUMAN) & (compared["against"] != HUMAN)]
    metrics = list(dict.fromkeys(compared["metric"])) or [""]
    every = list(dict.fromkeys(compared["contrast"]))
    contrasts = [name for name in every if inputs.shows(f"contrasts/{name}")]
    note = note_of_left_out(len(contrasts), len(every), "contrasts")
    height = 0.8 + len(metrics) * (0.75 + ROW_INCHES * max(1, len(contrasts)))
    picture = Picture(figsize=(10.5, height), dpi=110, layout="constrained")
    panels = picture.subplots(len(metrics), 1, squeeze=False)[:, 0]
    for axes, metric in zip(panels, metrics, strict=True):
        rows = compared[compared["metric"] == metric]
        if rows.empty:
            axes.text(0.5, 0.5, "This study compares no runs.", ha="center", va="center")
            axes.set_axis_off()
            continue
        _draw_metric(axes, metric, rows, contrasts)
    if contrasts:
        picture.legend(
            handles=_legend(), loc="outside lower center", ncols=5, frameon=False, fontsize=8,
            title=note or None, title_fontsize=8,
        )  # fmt: skip
    return picture


def _draw_metric(axes: Axes, metric: str, rows: pd.DataFrame, contrasts: list[str]) -> None:
    """Draws the contrasts of a metric from top to bottom."""
    from chexseg.catalog import load
    from chexseg.evaluation.metrics import is_lower_better

    lower = is_lower_better(load("metric", metric))
    for y, contrast in enumerate(contrasts):
        of_contrast = rows[rows["contrast"] == contrast]
        mean = of_contrast[of_contrast["pathology"] == "mean"].iloc[0]
        others = of_contrast[of_contrast["pathology"] != "mean"]
        colour = {"better": BETTER, "worse": WORSE}.get(verdict(mean, lower), TIE)
        for name, shift, shade in (("patients", 0.16, PATIENTS), ("seeds", 0.28, SEEDS)):
            bounds = [mean[f"{name}_low"], mean[f"{name}_high"]]
            axes.plot(bounds, [y + shift] * 2, color=shade, lw=1.6, solid_capstyle="butt")
        axes.plot(
            [mean["ci_low"], mean["ci_high"]], [y] * 2, color=colour, lw=3, solid_capstyle="butt"
        )
        axes.plot(mean["difference"], y, "o", color=colour, ms=6)
        right = {"transform": axes.get_yaxis_transform(), "va": "center", "fontsize": 8.5}
        axes.text(1.02, y - 0.13, sentence(mean, lower), color=colour, **right)
        axes.text(1.02, y + 0.2, counts(mean, others, lower), color="#555", **right)
    axes.axvline(0, color="#333", lw=0.8)
    axes.set_title(f"{metric} (lower is better)" if lower else metric, loc="left", fontsize=10)
    axes.set_yticks(range(len(contrasts)), contrasts, fontsize=9)
    axes.set_ylim(len(contrasts) - 0.5, -0.5)
    axes.set_xlabel("difference of the means over pathologies", fontsize=8.5)
    axes.tick_params(axis="x", labelsize=8)
    axes.grid(axis="x", lw=0.4, alpha=0.6)
    axes.set_axisbelow(True)
    axes.spines[["top", "right"]].set_visible(False)


def verdict(row: pd.Series, lower_is_better: bool) -> str:
    """Returns what an interval says of a difference: better, worse, tie, or '' without a score."""
    if row.isna()["ci_low"]:
        return ""
    if row["ci_low"] <= 0 <= row["ci_high"]:
        return "tie"
    return "better" if (row["ci_low"] > 0) != lower_is_better else "worse"


def sentence(row: pd.Series, lower_is_better: bool) -> str:
    """Returns difference, interval, p-value and verdict of a contrast."""
    if row.isna()["difference"]:
        return "nothing to compare"
    interval = f"[{row['ci_low']:+.3f}, {row['ci_high']:+.3f}]"
    return f"{row['difference']:+.3f} {interval}{p_text(row)}: {verdict(row, lower_is_better)}"


def p_text(row: pd.Series) -> str:
    """Returns the corrected p-value of a contrast, behind a comma; '' without one."""
    p = row["p_holm"]
    return "" if p != p else f", Holm's p {'< 0.001' if p < 0.001 else f'= {p:.3f}'}"


def counts(row: pd.Series, others: pd.DataFrame, lower_is_better: bool) -> str:
    """Returns the numbers behind a contrast, and its verdicts by pathology."""
    seeds = int(row["n_seeds"])
    parts = [f"n = {row['n_images']} X-rays, {seeds} seed{'s' * (seeds > 1)}"]
    verdicts = [verdict(each, lower_is_better) for _, each in others.iterrows()]
    found = [f"{verdicts.count(each)} {each}" for each in ("better", "tie", "worse")]
    parts.append(f"by pathology: {', '.join(found)}")
    if row["n_left_out"]:
        parts.append(f"{row['n_left_out']} left out")
    return "; ".join(parts)


def _legend() -> list:
    from matplotlib.lines import Line2D

    lines = (
        (BETTER, 3, "better"),
        (TIE, 3, "tie: the interval contains 0"),
        (WORSE, 3, "worse"),
        (PATIENTS, 1.6, "patients alone"),
        (SEEDS, 1.6, "seeds alone"),
    )
    return [Line2D([], [], color=colour, lw=width, label=text) for colour, width, text in lines]


COMPARISONS = Figure(
    draw,
    roles=("comparisons",),
    bounded=("comparisons",),
    category="Scores",
    title="comparisons",
    description="Differences of the contrasts in the mean over pathologies, but for those from the "
    "second reader, which have a figure of their own, with intervals over "
    "patients and seeds together, and over either alone; n: X-rays, and seeds of each side. A tie is "
    "a difference whose interval contains 0. p is corrected by Holm's method for the number of "
    "contrasts. The numbers are those of comparisons.csv, of which the first 16 "
    "contrasts are shown.",
)
