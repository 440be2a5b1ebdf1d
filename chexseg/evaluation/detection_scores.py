"""Scores of a model that finds abnormalities: by X-ray and by box, with bootstrap replicates.

They have the form of `chexseg.evaluation.scores.Scores`, so that tables, figures and comparisons take
them as they take the scores of masks: a "pathology" is what the truth shows.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from chexseg.evaluation.detections import CRITERIA, Criterion, match
from chexseg.evaluation.froc import RATES, sensitivity_at, weighted_auroc
from chexseg.evaluation.intervals import resamples
from chexseg.evaluation.scores import MEAN, Scores

SPECIFICITY = 0.9
"""Specificity at which the sensitivity for X-rays is given."""

ANY = "any"
"""All findings of the truth taken together."""

METRICS = (
    "auroc",
    f"sensitivity_at_specificity_{SPECIFICITY:g}",
    *(f"froc_{rate:g}_{name}" for name in CRITERIA for rate in RATES),
)
"""AUROC and sensitivity for X-rays; sensitivity for boxes at a number of false positives in an X-ray, by
a criterion of a hit. All are better if they are higher."""


@dataclass(frozen=True)
class Detected:
    """Holds the truth of an X-ray, and what a model says of it.

    Attributes:
        patient: the patient.
        findings: [T] names of the findings of the boxes of the truth.
        truth: [T, 4], these boxes.
        boxes: [D, 4], what the model detected, in pixels of the same image.
        scores: [D], their scores.
        score: how abnormal the X-ray is, such as the highest probability of its map.
    """

    patient: str
    findings: Sequence[str]
    truth: np.ndarray
    boxes: np.ndarray
    scores: np.ndarray
    score: float


def score_detections(
    x_rays: Mapping[str, Detected],
    findings: Sequence[str],
    *,
    replicates: int,
    confidence: float,
    seed: int,
) -> Scores:
    """Scores a model on X-rays, for each finding, and for all together.

    X-rays with a finding are compared with the X-rays that have no box at all, since a binary model
    rightly calls the other ones abnormal. All X-rays count for the rate of false positives, and a
    detection that hits a box of any finding is none.

    Args:
        x_rays: cxr_id -> what is known of an X-ray; at least one.
        findings: the findings to score, such as those held out.
        replicates: number of resamples of the patients.
        confidence: coverage of the intervals.
        seed: seed of the resamples.

    Returns:
        Scores of METRICS, for ANY, each finding, and the mean over the findings (without ANY).
        `n_images` is the number of X-rays that show the finding.
    """
    patients, patient = np.unique([each.patient for each in x_rays.values()], return_inverse=True)
    drawn = resamples(len(patients), replicates, seed)
    # The first row is the sample itself.
    weight = np.concatenate([np.ones((1, len(patients))), drawn])[:, patient]
    groups = {ANY: {name for each in x_rays.values() for name in each.findings}}
    groups |= {name: {name} for name in findings}
    values = np.empty((len(METRICS), len(weight), len(groups)))
    shows = np.array(
        [[not names.isdisjoint(each.findings) for each in x_rays.values()]
         for names in groups.values()]
    )  # fmt: skip
    values[:2] = _of_x_rays(x_rays, shows, weight)
    for number, criterion in enumerate(CRITERIA.values()):
        rows = slice(2 + number * len(RATES), 2 + (number + 1) * len(RATES))
        values[rows] = _of_boxes(x_rays, groups.values(), weight, criterion)
    known = np.isfinite(values[..., 1:])
    with np.errstate(invalid="ignore"):
        mean = np.where(known, values[..., 1:], 0).sum(-1) / known.sum(-1)
    values = np.concatenate([values, mean[..., None]], axis=-1)
    n_images = [*shows.sum(1), shows[1:].any(0).sum()]
    return Scores(
        METRICS, (*groups, MEAN), values[:, 0], values[:, 1:], np.tile(n_images, (len(METRICS), 1)),
        confidence, len(patients), (False,) * len(METRICS),
    )  # fmt: skip


def _of_x_rays(x_rays: Mapping[str, Detected], shows: np.ndarray, weight: np.ndarray) -> np.ndarray:
    """Returns AUROC and sensitivity at SPECIFICITY, [2, R, groups].

    Args:
        x_rays: the X-rays.
        shows: bool [groups, X-rays], which of them show something of each group; the first is ANY.
        weight: [R, X-rays].
    """
    score = np.array([each.score for each in x_rays.values()])
    normal, values = ~shows[0], []
    allowed = (1 - SPECIFICITY) * weight[:, normal].sum(1, keepdims=True)
    for positive in shows:
        parts = score[positive], weight[:, positive], score[normal], weight[:, normal]
        sensitivity = sensitivity_at(*parts, _tolerant(allowed))[:, 0]
        nothing = weight[:, normal].sum(1) == 0
        values.append([weighted_auroc(*parts), np.where(nothing, np.nan, sensitivity)])
    return np.stack(values, axis=-1)


def _of_boxes(
    x_rays: Mapping[str, Detected],
    groups: Iterable[set[str]],
    weight: np.ndarray,
    criterion: Criterion,
) -> np.ndarray:
    """Returns the sensitivities for boxes at RATES, [RATES, R, groups].

    Args:
        x_rays: the X-rays.
        groups: findings of each group.
        weight: [R, X-rays].
        criterion: what is a hit.
    """
    matched = [match(each.truth, each.boxes, each.scores, criterion) for each in x_rays.values()]
    owner = np.repeat(np.arange(len(matched)), [len(false) for _, false in matched])
    false = np.concatenate([false for _, false in matched])
    most = _tolerant(np.array(RATES) * weight.sum(1, keepdims=True))
    values = []
    for names in groups:
        mine = [np.isin(each.findings, [*names]) for each in x_rays.values()]
        found = [found[chosen] for (found, _), chosen in zip(matched, mine, strict=True)]
        whose = np.repeat(np.arange(len(found)), [len(each) for each in found])
        parts = np.concatenate(found), weight[:, whose], false, weight[:, owner]
        values.append(sensitivity_at(*parts, most).T)
    return np.stack(values, axis=-1)


def _tolerant(limit: np.ndarray) -> np.ndarray:
    """Returns limits that allow for rounding: a tenth of ten X-rays is one X-ray."""
    return limit * (1 + 1e-9)
