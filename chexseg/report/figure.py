"""Definition of a figure or table: the artifacts that it needs, and the function that makes it.

Snakemake imports every figure when it reads the rules, so modules of figures must import heavy
packages (matplotlib, pandas) inside their functions.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from chexseg.catalog import load, names
from chexseg.config.links import runs_of
from chexseg.config.runs import factors_of, line
from chexseg.config.settings import FigureSettings
from chexseg.config.shown import voted_masks

if TYPE_CHECKING:
    from chexseg.config.study import Study

MOST_ENTRIES = 16
"""Entries of a study that a figure shows; a sweep has hundreds, which nobody could tell apart."""


PICTURE = (".png", ".pdf", ".svg")
TABLE = (".html", ".csv", ".tex")
"""Suffixes of the formats of a figure, and of a table."""


class Published(NamedTuple):
    """A published score; see `chexseg.config.entries.PublishedEntry`.

    Attributes:
        name: name of its entry.
        run: the run beside which it is shown; empty: none.
        metric: name of the metric.
        value: the score.
        data: the data on which it was measured.
        source: where it was published.
    """

    name: str
    run: str
    metric: str
    value: float
    data: str
    source: str


@dataclass(frozen=True)
class Inputs:
    """Holds the artifacts of a study that figures may use, by role.

    Attributes:
        index: the study's index.
        images: the shards of the image store.
        truth: expert masks of the test X-rays (CheXlocalize JSON).
        summary: scores of all runs (CSV).
        averages: scores averaged over training seeds (CSV).
        runs: the runs, and the values of their factors (CSV).
        comparisons: differences of the contrasts (CSV).
        mask_quality: scores of the sources of masks against the experts' (CSV).
        overlaps: run -> its table of overlaps (CSV), including the human benchmark.
        predictions: segmenter -> its masks of the test X-rays (CheXlocalize JSON).
        trainings: training, such as `segmenters/full` -> loss and score by epoch (CSV).
        saliency: entry -> the shards of its saliency maps.
        masks: entry -> the shards of its masks.
        explanations: entry -> the shards of its saliency maps, of those that vote on masks.
        labels: entry -> the shards of its masks, of those on which several voters agree.
        drawn: entry -> the shards of its masks, of those that experts drew.
        shown: the entries to show, such as `segmenters/full`; none: all.
        sweep: the sweep that the figure is about, for a figure of each sweep.
        factors: the factors of that sweep: columns of `runs`.
        published: published scores to show beside those of the study.
    """

    index: Path | None = None
    images: tuple[Path, ...] = ()
    truth: Path | None = None
    summary: Path | None = None
    averages: Path | None = None
    runs: Path | None = None
    comparisons: Path | None = None
    mask_quality: Path | None = None
    overlaps: Mapping[str, Path] = field(default_factory=dict)
    predictions: Mapping[str, Path] = field(default_factory=dict)
    trainings: Mapping[str, Path] = field(default_factory=dict)
    saliency: Mapping[str, tuple[Path, ...]] = field(default_factory=dict)
    masks: Mapping[str, tuple[Path, ...]] = field(default_factory=dict)
    explanations: Mapping[str, tuple[Path, ...]] = field(default_factory=dict)
    labels: Mapping[str, tuple[Path, ...]] = field(default_factory=dict)
    drawn: Mapping[str, tuple[Path, ...]] = field(default_factory=dict)
    shown: tuple[str, ...] = ()
    sweep: str = ""
    factors: tuple[str, ...] = ()
    published: tuple[Published, ...] = ()

    def shows(self, entry: str) -> bool:
        """Returns whether an entry such as `segmenters/full` is shown."""
        return not self.shown or entry in self.shown


@dataclass(frozen=True)
class Figure:
    """Describes a figure of the report. A line in `chexseg.catalog` adds it to every study.

    Attributes:
        draw: function that returns the figure, a matplotlib `Figure` or, if `formats` are TABLE, a
            `chexseg.report.tables.Table`; its `inputs` contain only the artifacts in `roles`.
        roles: attributes of `Inputs` that it uses; other artifacts do not trigger a redraw.
        settings: fields of FigureSettings that it uses.
        bounded: those of `roles` of whose entries it shows at most MOST_ENTRIES, together.
        formats: suffixes of its files, `figures/<name><suffix>`: PICTURE or TABLE. The report shows
            the first.
        each_sweep: whether there is one for each sweep of the study, `figures/<name>-<sweep><suffix>`.
        published: whether it shows published scores.
        category: category in the report.
        title: name in the report.
        description: caption in the report, in reStructuredText.
    """

    draw: Callable[[Inputs, FigureSettings], Any]
    roles: tuple[str, ...]
    category: str
    title: str
    description: str
    settings: tuple[str, ...] = ()
    bounded: tuple[str, ...] = ()
    formats: tuple[str, ...] = PICTURE
    each_sweep: bool = False
    published: bool = False


def entries_to_show(study: Study, entries: Sequence[str]) -> tuple[str, ...]:
    """Chooses the entries that a figure shows: of many, those that the config writes.

    Args:
        study: the study.
        entries: section and name of each, such as `segmenters/full`; `affinity/irnet` is the
            training of the masks `irnet`.

    Returns:
        If there are more than MOST_ENTRIES, as many of those that no sweep made, in their order, or
            else none, so that all are shown. Sweeps have figures of their own.
    """
    if len(entries) <= MOST_ENTRIES:
        return ()

    def made_by_sweep(entry: str) -> bool:
        section, _, name = entry.partition("/")
        node = "masks" if section == "affinity" else section, name
        return node in study.unfolded.copies.made

    return tuple(entry for entry in entries if not made_by_sweep(entry))[:MOST_ENTRIES]


class Drawn(NamedTuple):
    """A figure of a study: its definition, its name, and the sweep that it is about, if any."""

    name: str
    figure: Figure
    sweep: str = ""


def figures_of(study: Study) -> dict[str, Drawn]:
    """Returns the figures of a study by the stem of their files: one each, or one for each sweep.

    A sweep without a run that is scored has none. A figure of `labels` is only in studies with masks on
    which several voters agree.
    """
    found, runs = {}, set(runs_of(study))
    voted = voted_masks(study)
    sweeps = [name for name, points in study.unfolded.points.items() if not runs.isdisjoint(points)]
    for name in names("figure"):
        figure = load("figure", name)
        if "labels" in figure.roles and not voted:
            continue
        if figure.each_sweep:
            found |= {f"{name}-{sweep}": Drawn(name, figure, sweep) for sweep in sweeps}
        else:
            found[name] = Drawn(name, figure)
    return found


def published_beside(study: Study, sweep: str = "") -> list[str]:
    """Returns the published scores that a figure shows, each as a line of a CSV.

    Args:
        study: the study.
        sweep: the sweep that it is about, empty: none. If it compares segmenters as they are, those
            beside its runs are shown; of any other, the values of its factors are not those of the
            publication.
    """
    shown = dict(study.published)
    if sweep:
        runs = study.unfolded.points[sweep] if factors_of(study, sweep) == ("of",) else ()
        shown = {name: each for name, each in shown.items() if each.run in runs}
    order = {run: number for number, run in enumerate(runs_of(study))}
    return [
        line((name, each.run or "", each.metric, str(each.value), each.data, each.source))
        for name, each in sorted(shown.items(), key=lambda item: order.get(item[1].run, len(order)))
        if each.metric in study.evaluation.metrics
    ]
