"""A metric against the factor of a sweep: one figure, and one table, for each sweep of a study.

A factor whose values are numbers gives a curve with a band, any other a row of dots with intervals.
Further factors of the sweep give further curves, or dots.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from chexseg.config.settings import FigureSettings
from chexseg.report.figure import TABLE, Figure, Inputs

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure as Picture

    from chexseg.report.axis import Axis
    from chexseg.report.points import Point
    from chexseg.report.tables import Table

WIDEST = 3
"""Panels side by side."""

PUBLISHED_COLOUR = "#444444"
ROW_INCHES = 0.2


def draw(inputs: Inputs, settings: FigureSettings) -> Picture:
    """Draws a panel per metric: mean over seeds, its interval, and each seed."""
    from matplotlib.figure import Figure as Picture

    from chexseg.report.axis import axis_of, main_factor
    from chexseg.report.pictures import columns_of_legend
    from chexseg.report.points import counts_text, points_of

    points = points_of(inputs)
    factor = main_factor(points, inputs.factors)
    axis = axis_of(factor, [point.levels[factor] for point in points])
    series = series_of(points, factor)
    metrics = list(points[0].scores)
    wide = min(WIDEST, len(metrics))
    lines = -(-len(metrics) // wide)
    height = 2.9 if axis.numeric else 0.9 + ROW_INCHES * len(axis.labels) * (len(series) + 0.8)
    size = (max(5.2, 3.9 * wide), lines * height + 0.6)
    picture = Picture(figsize=size, dpi=110, layout="constrained")
    panels = picture.subplots(lines, wide, squeeze=False, sharey=not axis.numeric).ravel()
    for axes in panels[len(metrics) :]:
        axes.set_axis_off()
    for axes, metric in zip(panels, metrics, strict=False):
        if axis.numeric:
            _draw_curves(axes, axis, series, metric)
        else:
            _draw_dots(axes, axis, series, metric)
        axes.set_title(_title(metric), fontsize=10, loc="left")
        axes.tick_params(labelsize=8)
        axes.grid(lw=0.4, alpha=0.6, axis="both" if axis.numeric else "x")
        axes.set_axisbelow(True)
        axes.spines[["top", "right"]].set_visible(False)
    picture.supxlabel(counts_text(points), fontsize=8, color="#555")
    handles = _legend(series, [each for point in points for each in point.published])
    if handles:
        names = [handle.get_label() for handle in handles]
        picture.legend(
            handles=handles, loc="outside upper center", frameon=False, fontsize=8,
            ncols=columns_of_legend(picture, names),
        )  # fmt: skip
    return picture


def series_of(points: list[Point], factor: str) -> dict[str, list[Point]]:
    """Groups points by the values of the factors other than `factor`: name -> points."""
    found: dict[str, list[Point]] = {}
    for point in points:
        others = [
            text if name == "of" else f"{name} {text}"
            for name, text in point.levels.items()
            if name != factor
        ]
        found.setdefault(", ".join(others), []).append(point)
    return found


def _draw_curves(axes: Axes, axis: Axis, series: dict[str, list[Point]], metric: str) -> None:
    """Draws a curve per series; values that are no numbers stand apart, on the right."""
    for colour, points in zip(_colours(series), series.values(), strict=True):
        points = sorted(points, key=lambda point: axis.places[point.levels[axis.factor]])
        numbers = [point for point in points if point.levels[axis.factor] not in axis.apart]
        where = [axis.places[point.levels[axis.factor]] for point in numbers]
        rows = [point.scores[metric] for point in numbers]
        low, high = ([row[f"ci_{end}"] for row in rows] for end in ("low", "high"))
        axes.fill_between(where, low, high, color=colour, alpha=0.18, lw=0)
        axes.plot(where, [row["value"] for row in rows], "-", color=colour, lw=1.6)
        for point in points:
            row, x = point.scores[metric], axis.places[point.levels[axis.factor]]
            if point.levels[axis.factor] in axis.apart or len(numbers) == 1:
                axes.plot([x, x], [row["ci_low"], row["ci_high"]], color=colour, lw=1.4)
            axes.plot(x, row["value"], "o", color=colour, ms=5, zorder=3)
            seeds = _several(point.seeds[metric])
            axes.plot([x] * len(seeds), seeds, ".", color=colour, ms=4, alpha=0.6)
            for each in point.published:
                if each.metric == metric:
                    axes.plot(x, each.value, "D", mfc="none", mec=PUBLISHED_COLOUR, ms=6)
    if axis.apart and len(axis.apart) < len(axis.places):
        axes.axvline(axis.border, color="#999", lw=0.8, ls=":")
    axes.set_xticks(list(axis.places.values()), axis.labels)
    axes.minorticks_off()
    axes.set_xlabel(axis.factor, fontsize=8.5)


def _draw_dots(axes: Axes, axis: Axis, series: dict[str, list[Point]], metric: str) -> None:
    """Draws a row per value, and in it a dot with its interval per series."""
    step = 0.8 / len(series)
    for number, (colour, points) in enumerate(zip(_colours(series), series.values(), strict=True)):
        for point in points:
            row = point.scores[metric]
            y = axis.places[point.levels[axis.factor]] - 0.4 + (number + 0.5) * step
            axes.plot([row["ci_low"], row["ci_high"]], [y, y], color=colour, lw=2, alpha=0.55)
            axes.plot(row["value"], y, "o", color=colour, ms=5.5, zorder=3)
            seeds = _several(point.seeds[metric])
            axes.plot(seeds, [y] * len(seeds), "|", color=colour, ms=7, mew=1)
            for each in point.published:
                if each.metric == metric:
                    axes.plot(each.value, y, "D", mfc="none", mec=PUBLISHED_COLOUR, ms=6)
    axes.set_yticks(list(axis.places.values()), axis.labels)
    axes.set_ylim(len(axis.labels) - 0.5, -0.5)


def _several(seeds: list[float]) -> list[float]:
    """Returns the scores of seeds; none of a single one, which is the mean itself."""
    return seeds if len(seeds) > 1 else []


def _colours(series: dict[str, list[Point]]) -> list[str]:
    from chexseg.report.pictures import RUN_COLOURS

    return [RUN_COLOURS[(number + 1) % len(RUN_COLOURS)] for number in range(len(series))]


def _title(metric: str) -> str:
    from chexseg.catalog import load
    from chexseg.evaluation.metrics import is_lower_better

    return f"{metric} (lower is better)" if is_lower_better(load("metric", metric)) else metric


def _legend(series: dict[str, list[Point]], published: list) -> list:
    from matplotlib.lines import Line2D

    handles = [
        Line2D([], [], color=colour, marker="o", ms=5, label=name)
        for colour, name in zip(_colours(series), series, strict=True)
        if name
    ]
    texts = dict.fromkeys(f"published: {each.source}, on {each.data}" for each in published)
    style = {"ls": "none", "marker": "D", "mfc": "none", "mec": PUBLISHED_COLOUR}
    return handles + [Line2D([], [], label=text, **style) for text in texts]


def tabulate(inputs: Inputs, settings: FigureSettings) -> Table:
    """Returns a row per point: seeds, X-rays, and the mean over pathologies of each metric."""
    import pandas as pd

    from chexseg.report.points import points_of
    from chexseg.report.result import published_rows
    from chexseg.report.tables import Cell, Panel, Row, Table, score_cell

    points = points_of(inputs)
    metrics = list(points[0].scores)
    columns = [*inputs.factors[1:], "seeds", "X-rays", *metrics]
    rows, data = [], []
    for point in points:
        first, *others = point.levels.values()
        score = point.scores[metrics[0]]
        counts = [f"{score['n_seeds']:.0f}", f"{score['n_images']:.0f}"]
        cells = [Cell(text) for text in (*others, *counts)]
        rows.append(Row(first, [*cells, *(score_cell(point.scores[name]) for name in metrics)]))
        data += [{**point.levels, **point.scores[metric].drop("runs")} for metric in metrics]
    published = tuple(each for point in points for each in point.published)
    rows += published_rows(published, columns, metrics)
    title = f"{inputs.sweep}: by {', '.join(inputs.factors)}"
    notes = ["With each value: its interval over patients and, with several seeds, over seeds."]
    return Table(inputs.sweep, [Panel(title, columns, rows)], pd.DataFrame(data), notes)


ROLES = ("runs", "summary", "averages")

SWEEP = Figure(
    draw,
    roles=ROLES,
    category="Sweeps",
    title="figure",
    description="Scores against the factor of the sweep, in the mean over pathologies, averaged over "
    "training seeds. Bands and bars: intervals over patients and, with several seeds, over seeds. Small "
    "marks: single seeds. All points are scored on the same X-rays, so that two of them may differ "
    "although their intervals overlap: comparisons.csv has paired differences. Hollow diamonds: "
    "published scores, of other data.",
    each_sweep=True,
    published=True,
)
SWEEP_TABLE = Figure(
    tabulate,
    roles=ROLES,
    category="Sweeps",
    title="table",
    description="Scores of the points of the sweep, in the mean over pathologies, averaged over training "
    "seeds, with intervals over patients and, with several seeds, over seeds. Published scores, in "
    "grey, are of other data.",
    formats=TABLE,
    each_sweep=True,
    published=True,
)
