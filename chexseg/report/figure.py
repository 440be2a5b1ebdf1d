"""What a figure is: which artifacts it is drawn from, and the function that draws it.

Snakemake loads every figure when it reads the rules, so the modules of figures import what is
heavy (matplotlib, pandas) only inside their functions.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from chexseg.config.settings import FigureSettings


@dataclass(frozen=True)
class Inputs:
    """The artifacts of a study that figures may be drawn from, each under its role.

    Attributes:
        index: the study's index.
        images: the shards of the image store.
        truth: expert masks of the test X-rays (CheXlocalize JSON).
        summary: scores of all runs (CSV).
        comparisons: differences of the contrasts (CSV).
        false_positives: what runs draw where the truth is empty (CSV).
        overlaps: run -> its table of overlaps (CSV), the human benchmark included.
        predictions: segmenter -> its masks of the test X-rays (CheXlocalize JSON).
        trainings: training, such as `segmenters/full` -> loss and score of its epochs (CSV).
        saliency: entry -> the shards of its saliency maps.
        masks: entry -> the shards of its masks.
    """

    index: Path | None = None
    images: tuple[Path, ...] = ()
    truth: Path | None = None
    summary: Path | None = None
    comparisons: Path | None = None
    false_positives: Path | None = None
    overlaps: Mapping[str, Path] = field(default_factory=dict)
    predictions: Mapping[str, Path] = field(default_factory=dict)
    trainings: Mapping[str, Path] = field(default_factory=dict)
    saliency: Mapping[str, tuple[Path, ...]] = field(default_factory=dict)
    masks: Mapping[str, tuple[Path, ...]] = field(default_factory=dict)


@dataclass(frozen=True)
class Figure:
    """A figure of the report. A line in `chexseg.catalog` makes it one of every study.

    Attributes:
        draw: writes the figure; `inputs` has what `roles` names, and nothing else.
        roles: attributes of `Inputs` that it is drawn from; a change of others draws nothing.
        settings: fields of FigureSettings that it reads.
        suffix: of its file, `figures/<name><suffix>`.
        category: where it stands in the report.
        title: its name in the report.
        description: caption in the report, as reStructuredText.
    """

    draw: Callable[[Inputs, FigureSettings, Path], None]
    roles: tuple[str, ...]
    category: str
    title: str
    description: str
    settings: tuple[str, ...] = ()
    suffix: str = ".png"
