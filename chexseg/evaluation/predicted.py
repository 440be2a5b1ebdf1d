"""Reads what is to be scored: masks, polygons, points, or a folder of heat maps."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from chexseg.data.annotations import form_of
from chexseg.data.masks import load_json, read_masks
from chexseg.errors import InputError, Problem, Problems
from chexseg.evaluation.overlaps import Masks, check_shared
from chexseg.evaluation.points import read_points

POINTING = ("hit_rate",)
"""The metrics of points."""


@dataclass(frozen=True)
class Predicted:
    """What is to be scored, as masks.

    Attributes:
        masks: of the prediction; of points and peaks, the pixels that they fall in.
        pointing: whether the masks are points or peaks.
        by_people: whether they are points of people.
    """

    masks: Masks
    pointing: bool = False
    by_people: bool = False


def read_predicted(
    truth: Path,
    predictions: Sequence[Path],
    *,
    pathologies: Sequence[str],
    metrics: Sequence[str],
    sizes: Mapping[str, tuple[int, int]] | None = None,
    wanted: Collection[str] = (),
) -> tuple[Masks, list[Predicted]]:
    """Reads expert masks and what is to be scored against them, after checking all of it.

    Args:
        truth: masks or polygons of the experts (JSON).
        predictions: of each, masks, polygons or points (JSON), or a folder of PNGs or of heat maps: if
            `metrics` are POINTING, their peaks are scored, and otherwise what Otsu's method cuts.
        pathologies: those to score.
        metrics: those to compute.
        sizes, wanted: see `chexseg.evaluation.overlaps.read_both`.

    Raises:
        InputError: lists everything wrong with the files; or points are to be scored by a metric of
            masks.
    """
    problems, drawn, found = Problems(), {}, []
    try:
        drawn = read_masks(truth, pathologies=pathologies, sizes=sizes)
    except InputError as error:
        problems.found += error.problems
    for path in predictions:
        try:
            found.append(_read(path, drawn, pathologies, tuple(metrics), sizes))
        except InputError as error:
            problems.found += error.problems
    problems.raise_if_any()
    check_shared((truth, *predictions), (drawn, *(each.masks for each in found)), wanted or drawn)
    return drawn, found


def _read(
    path: Path,
    drawn: Masks,
    pathologies: Sequence[str],
    metrics: tuple[str, ...],
    sizes: Mapping[str, tuple[int, int]] | None,
) -> Predicted:
    """Reads one prediction; `drawn` are the experts' masks, and the rest as in `read_predicted`."""
    pointing = metrics == POINTING
    if path.is_dir() and any(path.rglob("*_map.pkl")):
        from chexseg.evaluation.heat_maps import read_heat_maps  # imports torch

        return Predicted(read_heat_maps(path, pathologies=pathologies, peaks=pointing), pointing)
    if not (path.is_file() and form_of(load_json(path, Problems())) == "points"):
        return Predicted(read_masks(path, pathologies=pathologies, sizes=sizes))
    if not pointing:
        found, expected = f"points, and metrics {', '.join(metrics)}", "the metric hit_rate"
        raise InputError([Problem(str(path), found, expected, "Pass --metrics hit_rate.")])
    return Predicted(read_points(path, drawn, pathologies=pathologies), pointing, by_people=True)
