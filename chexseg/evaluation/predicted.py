"""Reads what is to be scored: masks, polygons, points, or a folder of heat maps."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from chexseg.data.annotations import form_of
from chexseg.data.masks import load_json, read_masks
from chexseg.errors import InputError, Problem, Problems
from chexseg.evaluation.overlaps import Masks, check_shared, read_both
from chexseg.evaluation.points import read_points

POINTING = ("hit_rate",)
"""The metrics of points."""


@dataclass(frozen=True)
class Predicted:
    """The masks of both files.

    Attributes:
        truth: of the experts.
        masks: of the prediction; of points and peaks, the pixels that they fall in.
        pointing: whether the masks are points or peaks.
        by_people: whether they are points of people.
    """

    truth: Masks
    masks: Masks
    pointing: bool = False
    by_people: bool = False


def read_predicted(
    truth: Path,
    prediction: Path,
    *,
    pathologies: Sequence[str],
    metrics: Sequence[str],
    sizes: Mapping[str, tuple[int, int]] | None = None,
    wanted: Collection[str] = (),
) -> Predicted:
    """Reads expert masks and what is to be scored, after checking both.

    Args:
        truth: masks or polygons of the experts (JSON).
        prediction: masks, polygons or points (JSON), or a folder of PNGs or of heat maps: if `metrics` are
            POINTING, their peaks are scored, and otherwise what Otsu's method cuts.
        pathologies: those to score.
        metrics: those to compute.
        sizes, wanted: see `chexseg.evaluation.overlaps.read_both`.

    Raises:
        InputError: lists everything wrong with the files; or points are to be scored by a metric of
            masks.
    """
    heat_maps = prediction.is_dir() and any(prediction.rglob("*_map.pkl"))
    points = prediction.is_file() and form_of(load_json(prediction, Problems())) == "points"
    if not (heat_maps or points):
        both = read_both(truth, prediction, pathologies=pathologies, sizes=sizes, wanted=wanted)
        return Predicted(*both)
    if points and tuple(metrics) != POINTING:
        found, expected = f"points, and metrics {', '.join(metrics)}", "the metric hit_rate"
        remedy = "Pass --metrics hit_rate."
        raise InputError([Problem(str(prediction), found, expected, remedy)])
    drawn = read_masks(truth, pathologies=pathologies, sizes=sizes)
    if points:
        found = read_points(prediction, drawn, pathologies=pathologies)
        return Predicted(drawn, found, pointing=True, by_people=True)
    from chexseg.evaluation.heat_maps import read_heat_maps  # imports torch

    pointing = tuple(metrics) == POINTING
    found = read_heat_maps(prediction, pathologies=pathologies, peaks=pointing)
    check_shared((truth, prediction), (drawn, found), wanted or drawn)
    return Predicted(drawn, found, pointing=pointing)
