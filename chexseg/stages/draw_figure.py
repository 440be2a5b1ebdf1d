"""Draws one figure of the report."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Literal

from chexseg.catalog import load, names
from chexseg.config.settings import FigureSettings
from chexseg.errors import Problems
from chexseg.files.artifacts import Output
from chexseg.report.figure import PICTURE, Inputs, Published
from chexseg.report.pictures import save as save_picture
from chexseg.report.tables import save as save_table

Name = Literal[names("figure")]


def run(
    *,
    figure: Name,
    out: tuple[Output, ...],
    settings: FigureSettings,
    index: Path | None = None,
    images: tuple[Path, ...] = (),
    truth: Path | None = None,
    summary: Path | None = None,
    averages: Path | None = None,
    runs: Path | None = None,
    comparisons: Path | None = None,
    mask_quality: Path | None = None,
    overlaps: tuple[Path, ...] = (),
    overlaps_names: tuple[str, ...] = (),
    predictions: tuple[Path, ...] = (),
    predictions_names: tuple[str, ...] = (),
    trainings: tuple[Path, ...] = (),
    trainings_names: tuple[str, ...] = (),
    saliency: tuple[Path, ...] = (),
    saliency_names: tuple[str, ...] = (),
    masks: tuple[Path, ...] = (),
    masks_names: tuple[str, ...] = (),
    explanations: tuple[Path, ...] = (),
    explanations_names: tuple[str, ...] = (),
    labels: tuple[Path, ...] = (),
    labels_names: tuple[str, ...] = (),
    drawn: tuple[Path, ...] = (),
    drawn_names: tuple[str, ...] = (),
    shown: tuple[str, ...] = (),
    sweep: str = "",
    factors: tuple[str, ...] = (),
    published: tuple[str, ...] = (),
) -> None:
    """Draw a figure of a study, or make a table.

    A figure uses some of these artifacts, its roles (see the modules of `chexseg/report/`); all
    others are ignored.

    Args:
        figure: Name of the figure.
        out: The figure, a file for each format; suffixes determine them.
        index: The study's index.
        images: The shards of the image store.
        truth: Expert masks of the test X-rays (CheXlocalize JSON).
        summary: The study's summary.csv.
        averages: The study's averages.csv.
        runs: The study's runs.csv.
        comparisons: The study's comparisons.csv.
        mask_quality: The study's mask_quality.csv.
        overlaps: The runs' tables of overlaps.
        overlaps_names: The runs, in the order of `overlaps`.
        predictions: The segmenters' masks of the test X-rays.
        predictions_names: The segmenters, in the order of `predictions`.
        trainings: The metrics CSVs of trainings.
        trainings_names: The trainings, in the order of `trainings`.
        saliency: The shards of saliency stores, in the order of `saliency_names`.
        saliency_names: The saliency entries, with equally many shards each.
        masks: The shards of mask stores, in the order of `masks_names`.
        masks_names: The mask sources, with equally many shards each.
        explanations: The shards of saliency stores that vote on masks.
        explanations_names: The saliency entries, with equally many shards each.
        labels: The shards of mask stores on which several voters agree.
        labels_names: The mask sources, with equally many shards each.
        drawn: The shards of mask stores that experts drew.
        drawn_names: The mask sources, with equally many shards each.
        shown: The entries to show, such as `segmenters/full` or `masks/cam`; none: all.
        sweep: The sweep that the figure is about.
        factors: The factors of that sweep.
        published: Published scores, each a line of a CSV: name, run (empty: none), metric, value,
            data and source.

    Raises:
        InputError: an artifact that the figure needs is missing, names and files differ in
            number, or the figure has no such format.
    """
    chosen, problems = load("figure", figure), Problems()
    given = {
        "index": index,
        "images": images,
        "truth": truth,
        "summary": summary,
        "averages": averages,
        "runs": runs,
        "comparisons": comparisons,
        "mask_quality": mask_quality,
        "overlaps": _one_each("overlaps", overlaps, overlaps_names, problems),
        "predictions": _one_each("predictions", predictions, predictions_names, problems),
        "trainings": _one_each("trainings", trainings, trainings_names, problems),
        "saliency": _shards("saliency", saliency, saliency_names, problems),
        "masks": _shards("masks", masks, masks_names, problems),
        "explanations": _shards("explanations", explanations, explanations_names, problems),
        "labels": _shards("labels", labels, labels_names, problems),
        "drawn": _shards("drawn", drawn, drawn_names, problems),
    }
    for role in chosen.roles:
        if given[role] is None:
            flag = f"--{role.replace('_', '-')}"
            problems.add(flag, "nothing", f"a file, which {figure!r} needs", f"Pass {flag}.")
    for path in out:
        if path.suffix not in chosen.formats:
            problems.add(
                path, repr(path.suffix), f"one of {', '.join(chosen.formats)}", "Rename it."
            )
    scores = [_published(line, problems) for line in csv.reader(published)]
    problems.raise_if_any()
    inputs = Inputs(
        **{role: given[role] for role in chosen.roles}, shown=shown, sweep=sweep, factors=factors,
        published=tuple(scores),
    )  # fmt: skip
    made = chosen.draw(inputs, settings)
    for path in out:
        if chosen.formats == PICTURE:
            save_picture(made, path)
        else:
            save_table(made, path)


def _published(cells: list[str], problems: Problems) -> Published | None:
    """Returns a published score, given the cells of its line."""
    try:
        name, run, metric, value, data, source = cells
        return Published(name, run, metric, float(value), data, source)
    except ValueError:
        expected = "name, run, metric, value, data and source"
        problems.add("--published", ",".join(cells), expected, "Correct it.")
        return None


def _shards(
    role: str, files: tuple[Path, ...], entries: tuple[str, ...], problems: Problems
) -> dict[str, tuple[Path, ...]]:
    """Splits files evenly among entries, in order."""
    each, rest = divmod(len(files), max(1, len(entries)))
    if rest or len(set(entries)) < len(entries) or bool(files) != bool(entries):
        found = f"{len(files)} files for {len(set(entries))} different names"
        remedy = f"Correct --{role} or --{role}-names."
        problems.add(f"--{role}", found, "equally many files per name", remedy)
    return {name: files[n * each : (n + 1) * each] for n, name in enumerate(entries)}


def _one_each(
    role: str, files: tuple[Path, ...], entries: tuple[str, ...], problems: Problems
) -> dict[str, Path]:
    """Returns the file of each entry."""
    if len(files) != len(set(entries)):
        found, remedy = f"{len(files)} files", f"Correct --{role} or --{role}-names."
        problems.add(f"--{role}", found, f"{len(set(entries))}, one per name", remedy)
    return dict(zip(entries, files, strict=False))
