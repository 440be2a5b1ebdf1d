"""Definition of a figure: the artifacts that it needs, and the function that draws it.

Snakemake imports every figure when it reads the rules, so modules of figures must import heavy
packages (matplotlib, pandas) inside their functions.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from chexseg.config.settings import FigureSettings

if TYPE_CHECKING:
    from chexseg.config.study import Study

MOST_ENTRIES = 16
"""Entries of a study that a figure shows; a sweep has hundreds, which nobody could tell apart."""


@dataclass(frozen=True)
class Inputs:
    """Holds the artifacts of a study that figures may use, by role.

    Attributes:
        index: the study's index.
        images: the shards of the image store.
        truth: expert masks of the test X-rays (CheXlocalize JSON).
        summary: scores of all runs (CSV).
        comparisons: differences of the contrasts (CSV).
        mask_quality: scores of the sources of masks against the experts' (CSV).
        false_positives: predictions where the truth is empty (CSV).
        overlaps: run -> its table of overlaps (CSV), including the human benchmark.
        predictions: segmenter -> its masks of the test X-rays (CheXlocalize JSON).
        trainings: training, such as `segmenters/full` -> loss and score by epoch (CSV).
        saliency: entry -> the shards of its saliency maps.
        masks: entry -> the shards of its masks.
        shown: the entries to show, such as `segmenters/full`; none: all.
    """

    index: Path | None = None
    images: tuple[Path, ...] = ()
    truth: Path | None = None
    summary: Path | None = None
    comparisons: Path | None = None
    mask_quality: Path | None = None
    false_positives: Path | None = None
    overlaps: Mapping[str, Path] = field(default_factory=dict)
    predictions: Mapping[str, Path] = field(default_factory=dict)
    trainings: Mapping[str, Path] = field(default_factory=dict)
    saliency: Mapping[str, tuple[Path, ...]] = field(default_factory=dict)
    masks: Mapping[str, tuple[Path, ...]] = field(default_factory=dict)
    shown: tuple[str, ...] = ()

    def shows(self, entry: str) -> bool:
        """Returns whether an entry such as `segmenters/full` is shown."""
        return not self.shown or entry in self.shown


@dataclass(frozen=True)
class Figure:
    """Describes a figure of the report. A line in `chexseg.catalog` adds it to every study.

    Attributes:
        draw: function that writes the figure; its `inputs` contain only the artifacts in `roles`.
        roles: attributes of `Inputs` that it uses; other artifacts do not trigger a redraw.
        settings: fields of FigureSettings that it uses.
        bounded: those of `roles` of whose entries it shows at most MOST_ENTRIES, together.
        suffix: suffix of its file, `figures/<name><suffix>`.
        category: category in the report.
        title: name in the report.
        description: caption in the report, in reStructuredText.
    """

    draw: Callable[[Inputs, FigureSettings, Path], None]
    roles: tuple[str, ...]
    category: str
    title: str
    description: str
    settings: tuple[str, ...] = ()
    bounded: tuple[str, ...] = ()
    suffix: str = ".png"


def entries_to_show(study: Study, entries: Sequence[str]) -> tuple[str, ...]:
    """Chooses the entries that a figure shows: those that the config writes before those of sweeps.

    Args:
        study: the study.
        entries: section and name of each, such as `segmenters/full`; `affinity/irnet` is the
            training of the masks `irnet`.

    Returns:
        MOST_ENTRIES of them, in their order; none if there are no more, so that all are shown.
    """
    if len(entries) <= MOST_ENTRIES:
        return ()

    def made_by_sweep(entry: str) -> bool:
        section, _, name = entry.partition("/")
        node = "masks" if section == "affinity" else section, name
        return node in study.unfolded.copies.made

    shown = sorted(entries, key=made_by_sweep)[:MOST_ENTRIES]
    return tuple(entry for entry in entries if entry in shown)
