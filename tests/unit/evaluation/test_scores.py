import numpy as np
import pandas as pd
import pytest

from chexseg.evaluation.scores import difference, false_positives, gap_closed, score_run

NAN = np.nan


def table(*rows):
    """Overlaps from rows (cxr_id, pathology, intersection, truth pixels, predicted pixels)."""
    names = ["cxr_id", "pathology", "intersection", "truth_pixels", "predicted_pixels"]
    frame = pd.DataFrame(rows, columns=names)
    frame["patient"] = frame["cxr_id"].str.split("_").str[0]
    frame["union"] = frame["truth_pixels"] + frame["predicted_pixels"] - frame["intersection"]
    return frame


def value_of(scores, metric, pathology, column="value"):
    rows = scores[(scores["metric"] == metric) & (scores["pathology"] == pathology)]
    return rows[column].item()


SMALL = table(
    ("p1_a", "Edema", 1, 2, 2),  # IoU 1/3
    ("p1_b", "Edema", 4, 4, 5),  # IoU 4/5
    ("p2_a", "Edema", 0, 0, 3),  # false positive
    ("p1_a", "Nodule", 0, 0, 0),
    ("p1_b", "Nodule", 0, 0, 0),
    ("p2_a", "Nodule", 0, 7, 0),  # missed
    ("p1_a", "Nothing", 0, 0, 0),
    ("p1_b", "Nothing", 0, 0, 0),
    ("p2_a", "Nothing", 0, 0, 0),
)


def test_values_by_hand():
    scores = score_run(SMALL)
    assert value_of(scores, "iou_dataset", "Edema") == pytest.approx(5 / (3 + 5 + 3))
    assert value_of(scores, "iou_image", "Edema") == pytest.approx((1 / 3 + 4 / 5) / 2)
    assert value_of(scores, "iou_dataset", "Nodule") == 0
    assert np.isnan(value_of(scores, "iou_image", "Nodule"))


def test_what_has_no_value_is_nan_and_not_in_the_mean():
    scores = score_run(SMALL)
    for column in ("value", "ci_low", "ci_high"):
        assert np.isnan(value_of(scores, "iou_dataset", "Nothing", column))
        assert np.isnan(value_of(scores, "iou_image", "Nothing", column))
    assert value_of(scores, "iou_dataset", "mean") == pytest.approx((5 / 11 + 0) / 2)
    assert value_of(scores, "iou_image", "mean") == value_of(scores, "iou_image", "Edema")


def test_number_of_images_behind_each_value():
    scores = score_run(SMALL)
    assert scores["n_images"].tolist() == [3, 1, 0, 3, 2, 0, 0, 3]
    assert scores["pathology"].tolist() == ["Edema", "Nodule", "Nothing", "mean"] * 2


def test_no_value_anywhere_gives_a_mean_of_nan():
    scores = score_run(table(("p1_a", "Edema", 0, 0, 0)))
    assert scores["value"].isna().all()
    assert scores["n_images"].tolist() == [0, 1, 0, 1]


def loop(frame, replicates, confidence, seed):
    """The intervals of iou_dataset and iou_image by a loop over resamples."""
    patients = np.unique(frame["patient"])
    drawn = np.random.default_rng(seed).multinomial(
        len(patients), np.full(len(patients), 1 / len(patients)), size=replicates
    )
    found = {"iou_dataset": [], "iou_image": []}
    for counts in drawn:
        sample = pd.concat(
            [frame[frame["patient"] == p] for p, n in zip(patients, counts, strict=True) for _ in range(n)]
        )  # fmt: skip
        union = sample["union"].sum()
        found["iou_dataset"].append(sample["intersection"].sum() / union if union else NAN)
        both = sample[(sample["truth_pixels"] > 0) & (sample["predicted_pixels"] > 0)]
        found["iou_image"].append((both["intersection"] / both["union"]).mean())
    tails = [50 * (1 - confidence), 50 * (1 + confidence)]
    return {metric: np.nanpercentile(values, tails) for metric, values in found.items()}


def random_table(seed, pathologies=("Edema",)):
    rng = np.random.default_rng(seed)
    rows = []
    for number in range(24):
        for pathology in pathologies:
            truth, predicted = rng.integers(0, 9, 2) * rng.integers(0, 2, 2)
            shared = rng.integers(0, min(truth, predicted) + 1)
            rows.append((f"p{number // 2:02d}_{number}", pathology, shared, truth, predicted))
    return table(*rows)


def test_intervals_are_those_of_a_loop_over_resampled_patients():
    frame = random_table(3)
    scores = score_run(frame, replicates=200, confidence=0.9, seed=5)
    for metric, (low, high) in loop(frame, 200, 0.9, 5).items():
        assert value_of(scores, metric, "Edema", "ci_low") == pytest.approx(low, abs=1e-12)
        assert value_of(scores, metric, "Edema", "ci_high") == pytest.approx(high, abs=1e-12)


def test_same_seed_same_bits():
    frame = random_table(3, ("Edema", "Nodule"))
    first = score_run(frame, replicates=50, seed=1)
    pd.testing.assert_frame_equal(first, score_run(frame, replicates=50, seed=1), check_exact=True)
    assert not first["ci_low"].equals(score_run(frame, replicates=50, seed=2)["ci_low"])


def test_x_rays_of_one_patient_are_drawn_together():
    frame = table(("p1_a", "Edema", 1, 1, 1), ("p1_b", "Edema", 0, 1, 0))
    scores = score_run(frame, replicates=20)
    for column in ("value", "ci_low", "ci_high"):  # one patient: all resamples are alike
        assert value_of(scores, "iou_dataset", "Edema", column) == 0.5


def test_a_run_does_not_differ_from_itself():
    frame = random_table(4, ("Edema", "Nodule"))
    same = difference(frame, frame, replicates=50)
    assert (same[["difference", "ci_low", "ci_high", "probability_better"]] == 0).all(axis=None)


def test_a_run_that_is_always_better():
    worse = table(*[(f"p{n}_a", "Edema", 1 + n % 2, 4, 4) for n in range(6)])
    better = table(*[(f"p{n}_a", "Edema", 3 + n % 2, 4, 4) for n in range(6)])
    rows = difference(better, worse, replicates=100)
    assert rows["pathology"].tolist() == ["Edema", "mean"] * 2
    assert (rows["probability_better"] == 1).all()
    assert (rows["ci_low"] > 0).all()
    values = score_run(better)["value"] - score_run(worse)["value"]
    np.testing.assert_array_equal(rows["difference"], values)
    # Paired: the interval of the difference is narrower than that of a score.
    width = score_run(better, replicates=100).eval("ci_high - ci_low")
    assert (rows.eval("ci_high - ci_low") < width).all()


def test_difference_to_nothing_is_nan():
    nothing = table(("p1_a", "Edema", 0, 0, 0))
    rows = difference(nothing, nothing)
    assert rows[["difference", "ci_low", "ci_high", "probability_better"]].isna().all(axis=None)


def test_runs_of_different_x_rays_cannot_be_compared():
    with pytest.raises(ValueError, match="different X-rays"):
        difference(table(("p1_a", "Edema", 1, 1, 1)), table(("p2_a", "Edema", 1, 1, 1)))


def test_false_positives():
    rows = false_positives(SMALL).to_dict("records")
    assert rows[0] == {
        "pathology": "Edema", "negatives": 1, "false_positives": 1, "share": 1.0, "mean_pixels": 3.0
    }  # fmt: skip
    assert rows[1] == {
        "pathology": "Nodule", "negatives": 2, "false_positives": 0, "share": 0.0, "mean_pixels": 0.0
    }  # fmt: skip


def test_no_negatives_have_no_share():
    (row,) = false_positives(table(("p1_a", "Edema", 1, 1, 1))).to_dict("records")
    assert (row["negatives"], row["false_positives"]) == (0, 0)
    assert np.isnan(row["share"])
    assert np.isnan(row["mean_pixels"])


def test_gap_closed():
    assert gap_closed(0.3, 0.2, 0.4) == pytest.approx(0.5)
    assert gap_closed(0.5, 0.2, 0.4) == pytest.approx(1.5)
    assert np.isnan(gap_closed(0.3, 0.4, 0.4))
    assert np.isnan(gap_closed(0.3, NAN, 0.4))
