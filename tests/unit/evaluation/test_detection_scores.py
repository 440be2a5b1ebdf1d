"""Scores of a model that finds abnormalities, counted by hand and resampled by hand."""

import math

import numpy as np
import pytest

from chexseg.evaluation.comparisons import differences
from chexseg.evaluation.detection_scores import ANY, METRICS, Detected, score_detections
from chexseg.evaluation.intervals import resamples
from chexseg.evaluation.scores import MEAN

SETTINGS = {"replicates": 20, "confidence": 0.95, "seed": 0}
FAR = (80, 80, 90, 90)


def x_ray(patient, drawn, detected, score):
    """An X-ray from (finding, corners) and (corners, score)."""
    truth = np.array([corners for _, corners in drawn], float).reshape(-1, 4)
    boxes = np.array([corners for corners, _ in detected], float).reshape(-1, 4)
    scores = np.array([each for _, each in detected], float)
    return Detected(patient, [name for name, _ in drawn], truth, boxes, scores, score)


MASS, EDEMA = (0, 0, 10, 10), (40, 0, 60, 20)
X_RAYS = {
    "a": x_ray("p1", [("Mass", MASS)], [(MASS, 0.9)], 0.9),
    "b": x_ray("p1", [("Mass", MASS), ("Edema", EDEMA)], [(EDEMA, 0.7), (FAR, 0.8)], 0.8),
    "c": x_ray("p2", [("Edema", EDEMA)], [((50, 0, 60, 20), 0.5)], 0.5),  # IoU 0.5
    "d": x_ray("p3", [], [(FAR, 0.6), (MASS, 0.55)], 0.6),
    "e": x_ray("p4", [], [], 0.1),
}


def value(scores, metric, pathology):
    return scores.values[scores.metrics.index(metric), scores.pathologies.index(pathology)]


def test_the_scores_by_hand():
    scores = score_detections(X_RAYS, ["Mass", "Edema", "Nodule"], **SETTINGS)
    assert scores.metrics == METRICS
    assert scores.pathologies == (ANY, "Mass", "Edema", "Nodule", MEAN)
    # Normal X-rays score 0.6 and 0.1; with a mass 0.9 and 0.8, with an edema 0.8 and 0.5.
    assert value(scores, "auroc", "Mass") == 1
    assert value(scores, "auroc", "Edema") == 3 / 4
    assert value(scores, "auroc", ANY) == 5 / 6
    assert value(scores, "auroc", MEAN) == 7 / 8  # no X-ray shows a nodule
    assert value(scores, "sensitivity_at_specificity_0.9", "Edema") == 1 / 2
    # False positives 0.8, 0.6, 0.55 in 5 X-rays: 0.25 a X-ray allow one, 0.5 two, 1 all.
    assert value(scores, "froc_0.25_iou_0.4", "Mass") == 1 / 2
    assert value(scores, "froc_0.25_iou_0.4", "Edema") == 1 / 2
    assert value(scores, "froc_0.25_iou_0.4", ANY) == 2 / 4
    assert value(scores, "froc_0.5_iou_0.4", "Edema") == 1 / 2
    assert value(scores, "froc_1_iou_0.4", "Edema") == 1
    assert value(scores, "froc_1_centre", ANY) == 3 / 4
    assert math.isnan(value(scores, "froc_1_centre", "Nodule"))
    assert scores.n_images[0].tolist() == [3, 2, 2, 0, 3]


def test_a_detection_of_another_finding_is_no_false_positive():
    x_rays = {"a": x_ray("p1", [("Mass", MASS), ("Edema", EDEMA)], [(MASS, 0.9)], 0.9)}
    x_rays["b"] = x_ray("p2", [("Edema", EDEMA)], [(EDEMA, 0.1)], 0.1)
    scores = score_detections(x_rays, ["Edema"], **SETTINGS)
    assert value(scores, "froc_0.25_iou_0.2", "Edema") == 1 / 2
    assert math.isnan(value(scores, "auroc", "Edema"))  # no normal X-ray


def test_a_tenth_of_ten_x_rays_is_one():
    x_rays = {f"n{n}": x_ray(f"n{n}", [], [], n / 10) for n in range(10)}
    x_rays["a"] = x_ray("p", [("Mass", MASS)], [], 0.85)  # below one normal X-ray
    scores = score_detections(x_rays, ["Mass"], **SETTINGS)
    assert value(scores, "sensitivity_at_specificity_0.9", "Mass") == 1


def test_replicates_are_scores_of_resampled_patients():
    scores = score_detections(X_RAYS, ["Mass", "Edema"], **SETTINGS)
    drawn = resamples(4, SETTINGS["replicates"], SETTINGS["seed"])
    patients = sorted({each.patient for each in X_RAYS.values()})
    assert drawn.sum(1).tolist() == [4] * 20
    for row, times in enumerate(drawn):
        repeated = {
            f"{cxr_id}{number}": each
            for cxr_id, each in X_RAYS.items()
            for number in range(int(times[patients.index(each.patient)]))
        }
        expected = score_detections(repeated, ["Mass", "Edema"], **SETTINGS)
        np.testing.assert_allclose(scores.replicates[:, row], expected.values)


def test_intervals_and_differences_are_those_of_other_scores():
    scores = score_detections(X_RAYS, ["Mass", "Edema"], **SETTINGS)
    table = scores.table()
    assert table.columns.tolist() == [
        "pathology", "metric", "value", "ci_low", "ci_high", "n_images"]  # fmt: skip
    row = table[(table["metric"] == "froc_1_iou_0.4") & (table["pathology"] == ANY)].iloc[0]
    assert row["ci_low"] <= row["value"] <= row["ci_high"]
    worse = {**X_RAYS, "a": x_ray("p1", [("Mass", MASS)], [], 0.0)}
    other = score_detections(worse, ["Mass", "Edema"], **SETTINGS)
    found = {(each.metric, each.pathology): each.value for each in differences([scores], [other])}
    assert found["auroc", "Mass"] == pytest.approx(1 - 1 / 2)
