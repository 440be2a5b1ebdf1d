"""Scores of masks against the experts', and the blind mean mask."""

import numpy as np
import pytest

from chexseg.catalog import OF_PROBABILITIES, names
from chexseg.evaluation.mask_quality import BlindMean, count_stored, score_masks
from chexseg.files.store_format import CERTAIN, UNKNOWN

SETTINGS = {"metrics": ("iou_dataset", "precision", "recall"), "replicates": 50,
            "confidence": 0.95, "seed": 0}  # fmt: skip


def row(*pixels):
    """Masks of one pathology, one row high."""
    return np.array([[pixels]], bool)


def scores_of(table):
    return score_masks(table, **SETTINGS).set_index(["pathology", "metric"])


def test_pixels_of_each_x_ray_and_pathology_are_counted():
    truth = {"a": np.array([[[1, 1, 0]], [[0, 0, 0]]], bool)}
    made = {"a": np.array([[[0, 1, 1]], [[1, 0, 0]]], bool)}
    table = count_stored(truth, made, patients={"a": "p"}, pathologies=("Edema", "Lung Lesion"))
    assert table.to_dict("split")["data"] == [
        ["a", "p", "Edema", 1, 3, 2, 2, 3],
        ["a", "p", "Lung Lesion", 0, 1, 0, 1, 3],
    ]
    assert list(table) == [
        "cxr_id", "patient", "pathology", "intersection", "union", "truth_pixels",
        "predicted_pixels", "pixels",
    ]  # fmt: skip


def test_every_metric_can_score_masks():
    truth = {"a": row(1, 1, 0, 0), "b": row(0, 0, 0, 0), "c": row(0, 0, 0, 0)}
    made = {"a": row(0, 1, 1, 0), "b": row(1, 0, 0, 0), "c": row(0, 0, 0, 0)}
    patients = {"a": "1", "b": "2", "c": "3"}
    table = count_stored(truth, made, patients=patients, pathologies=("Edema",))
    metrics = [name for name in names("metric") if name not in OF_PROBABILITIES]
    settings = SETTINGS | {"metrics": metrics}
    scores = score_masks(table, **settings).set_index(["pathology", "metric"])["value"]
    assert scores["mean"].round(6).to_dict() == {
        "iou_dataset": 0.25, "iou_image": round(1 / 3, 6), "iou_image_all": round(1 / 6, 6),
        "dice": 0.4, "precision": round(1 / 3, 6), "recall": 0.5, "specificity": 0.8,
        "false_positives": 0.5, "hit_rate": 1.0,
    }  # fmt: skip


def test_iou_precision_and_recall_are_ratios_of_sums():
    truth = {"a": row(1, 1, 0, 0), "b": row(0, 0, 0, 0), "c": row(1, 1, 1, 1)}
    made = {"a": row(0, 1, 1, 1), "b": row(1, 0, 0, 0), "c": row(1, 0, 0, 0)}
    patients = {"a": "1", "b": "1", "c": "2"}
    scores = scores_of(count_stored(truth, made, patients=patients, pathologies=("Edema",)))
    assert scores["value"].round(6).to_dict() == {
        ("Edema", "iou_dataset"): round(2 / 9, 6), ("mean", "iou_dataset"): round(2 / 9, 6),
        ("Edema", "precision"): 0.4, ("mean", "precision"): 0.4,
        ("Edema", "recall"): round(2 / 6, 6), ("mean", "recall"): round(2 / 6, 6),
    }  # fmt: skip
    assert set(scores["n_images"]) == {2}  # b has no truth
    # A resample has patient 1 twice, both, or patient 2 twice: IoU 1/5, 2/9 or 1/4.
    iou = scores.loc[("Edema", "iou_dataset")]
    assert (iou["ci_low"], iou["ci_high"]) == (pytest.approx(1 / 5), pytest.approx(1 / 4))


def test_a_pathology_that_the_experts_never_drew_is_not_scored():
    truth = {"a": np.array([[[1, 0]], [[0, 0]]], bool)}
    made = {"a": np.array([[[1, 1]], [[1, 0]]], bool)}
    table = count_stored(truth, made, patients={"a": "1"}, pathologies=("Edema", "Lung Lesion"))
    scores = scores_of(table)
    assert np.isnan(scores.loc[("Lung Lesion", "iou_dataset"), "value"])
    assert scores.loc[("mean", "iou_dataset"), "value"] == 0.5
    assert scores["n_images"].to_dict()[("Lung Lesion", "recall")] == 0
    assert table["predicted_pixels"].tolist() == [2, 1]  # the table itself is left as it was


# The blind mean mask

TRUTH = {
    "a": row(1, 1, 1, 0, 0),
    "b": row(0, 1, 1, 0, 0),
    "c": row(0, 1, 0, 0, 0),
    "d": row(0, 0, 0, 0, 0),
}
YES, NO = np.array([True]), np.array([False])


def test_the_mean_is_cut_where_the_iou_is_best_and_gated_by_the_label():
    labels = {"a": YES, "b": YES, "c": YES, "d": NO, "new": YES, "other": NO}
    blind = BlindMean(TRUTH, labels, "abcd")
    # Pixels are in 1, 3, 2, 0 and 0 masks. Cut above 0: 6 of 9 drawn pixels; above 1: 5 of 7;
    # above 2: 3 of 6.
    assert blind["new"].astype(int).tolist() == [[[0, 1, 1, 0, 0]]]
    assert not blind["other"].any()


WIDE = {"a": row(1, 1, 1, 1, 1), "b": row(1, 1, 1, 1, 1), "c": row(0, 1, 0, 0, 0), "d": TRUTH["d"]}


@pytest.mark.parametrize(
    ("positive", "expected"),
    [
        # Pixels are in 2, 3, 2, 2 and 2 masks. Cut above 0 or 1, all five; above 2, the second.
        ("abc", [1, 1, 1, 1, 1]),  # 11 of 15, or 3 of 11
        ("c", [0, 1, 0, 0, 0]),  # 1 of 5 + 10 that it misses, or 1 of 1 + 10
        ("cd", [0, 1, 0, 0, 0]),  # 1 of 10 + 10, or 1 of 2 + 10
        ("abcd", [1, 1, 1, 1, 1]),  # 11 of 20, or 3 of 12
        ("acd", [1, 1, 1, 1, 1]),  # 6 of 15 + 5, or 2 of 3 + 9
    ],
)
def test_labels_decide_where_the_blind_mask_is_cut(positive, expected):
    labels = {i: YES if i in positive else NO for i in WIDE} | {"new": YES}
    assert BlindMean(WIDE, labels, "abcd")["new"].astype(int).tolist() == [[expected]]


def test_labels_without_a_mask_shrink_the_blind_mask():
    """Where the experts drew nothing, a larger mask costs more, if there is a label."""
    truth = {"a": row(1, 1, 1, 1), "b": row(1, 0, 0, 0)}
    empty = {str(number): row(0, 0, 0, 0) for number in range(6)}
    labels = dict.fromkeys([*truth, *empty, "new"], YES)
    # Above 0: 5 of 8; above 1: 2 of 5.
    assert BlindMean(truth, labels, "ab")["new"].astype(int).tolist() == [[[1, 1, 1, 1]]]
    # Above 0: 5 of 32; above 1: 2 of 11.
    more = BlindMean(truth | empty, labels, [*truth, *empty])
    assert more["new"].astype(int).tolist() == [[[1, 0, 0, 0]]]
    none = BlindMean(truth | empty, labels | dict.fromkeys(empty, NO), [*truth, *empty])
    assert none["new"].astype(int).tolist() == [[[1, 1, 1, 1]]]


def test_the_best_cut_is_that_of_a_search_over_all_thresholds():
    rng = np.random.default_rng(0)
    ids = [str(number) for number in range(9)]
    centre = np.hypot(*np.mgrid[-4:5, -4:5])
    truth = {i: (centre + rng.normal(0, 1.5, (2, 9, 9)) < 3) for i in ids}
    labels = {i: rng.random(2) < 0.7 for i in ids}
    masks = BlindMean(truth, labels, ids).masks
    mean = np.mean([truth[i] for i in ids], axis=0)
    for channel in range(2):

        def iou(mask, channel=channel):
            drawn = [(mask & labels[i][channel], truth[i][channel]) for i in ids]
            shared = sum((one & other).sum() for one, other in drawn)
            return shared / sum((one | other).sum() for one, other in drawn)

        best = max(iou(mean[channel] > cut) for cut in np.linspace(0, 1, 200, endpoint=False))
        assert iou(masks[channel]) == pytest.approx(best)


def test_without_experts_masks_the_blind_mask_is_empty():
    assert not BlindMean(TRUTH, {"new": YES}, ())["new"].any()
    assert not BlindMean(TRUTH, {"d": YES, "new": YES}, "d")["new"].any()


def test_an_empty_blind_mask_is_scored_as_missing_all():
    blind = BlindMean(TRUTH, {"a": YES}, ())
    table = count_stored(TRUTH, blind, patients={"a": "1"}, pathologies=("Edema",))
    scores = scores_of(table)["value"]
    assert scores[("Edema", "recall")] == 0
    assert np.isnan(scores[("Edema", "precision")])


def test_levels_are_cut_at_one_half_and_what_is_not_known_is_not_drawn():
    truth = {"a": np.ones((1, 1, 4), bool)}
    levels = {"a": np.array([[[CERTAIN, 128, 127, UNKNOWN]]], np.uint8)}
    counts = count_stored(truth, levels, patients={"a": "p"}, pathologies=("Edema",))
    assert counts[["intersection", "predicted_pixels"]].values.tolist() == [[2, 2]]
