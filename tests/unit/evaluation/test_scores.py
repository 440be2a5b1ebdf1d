import numpy as np
import pandas as pd
import pytest

from chexseg.errors import InputError
from chexseg.evaluation.scores import read_scores, score, write_scores
from tests.unit.evaluation.tables import METRICS, SMALL, random_table, table

NAN = np.nan


def scored(frame, replicates=20, confidence=0.95, seed=0, metrics=METRICS):
    return score(
        frame, metrics=metrics, replicates=replicates, confidence=confidence, seed=seed
    ).table()


def value_of(scores, metric, pathology, column="value"):
    rows = scores[(scores["metric"] == metric) & (scores["pathology"] == pathology)]
    return rows[column].item()


def test_values_by_hand():
    scores = scored(SMALL)
    assert value_of(scores, "iou_dataset", "Edema") == pytest.approx(5 / (3 + 5 + 3))
    assert value_of(scores, "iou_image", "Edema") == pytest.approx((1 / 3 + 4 / 5) / 2)
    assert value_of(scores, "iou_dataset", "Nodule") == 0
    assert np.isnan(value_of(scores, "iou_image", "Nodule"))


def test_what_has_no_value_is_nan_and_not_in_the_mean():
    scores = scored(SMALL)
    for column in ("value", "ci_low", "ci_high"):
        assert np.isnan(value_of(scores, "iou_dataset", "Nothing", column))
        assert np.isnan(value_of(scores, "iou_image", "Nothing", column))
    assert value_of(scores, "iou_dataset", "mean") == pytest.approx((5 / 11 + 0) / 2)
    assert value_of(scores, "iou_image", "mean") == value_of(scores, "iou_image", "Edema")


def test_number_of_images_behind_each_value():
    scores = scored(SMALL)
    assert scores["n_images"].tolist() == [3, 1, 0, 3, 2, 0, 0, 3]
    assert scores["pathology"].tolist() == ["Edema", "Nodule", "Nothing", "mean"] * 2


def test_no_value_anywhere_gives_a_mean_of_nan():
    scores = scored(table(("p1_a", "Edema", 0, 0, 0)))
    assert scores["value"].isna().all()
    assert scores["n_images"].tolist() == [0, 1, 0, 1]


def test_only_the_metrics_asked_for_are_computed_each_once():
    scores = scored(SMALL, metrics=("iou_image", "iou_image"))
    assert scores["metric"].tolist() == ["iou_image"] * 4
    both = scored(SMALL)
    alone = both[both["metric"] == "iou_image"].reset_index(drop=True)
    pd.testing.assert_frame_equal(scores, alone, check_exact=True)


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


def test_intervals_are_those_of_a_loop_over_resampled_patients():
    frame = random_table(3)
    scores = scored(frame, replicates=200, confidence=0.9, seed=5)
    for metric, (low, high) in loop(frame, 200, 0.9, 5).items():
        assert value_of(scores, metric, "Edema", "ci_low") == pytest.approx(low, abs=1e-12)
        assert value_of(scores, metric, "Edema", "ci_high") == pytest.approx(high, abs=1e-12)


def test_same_seed_same_bits():
    frame = random_table(3, ("Edema", "Nodule"))
    first = scored(frame, replicates=50, seed=1)
    pd.testing.assert_frame_equal(first, scored(frame, replicates=50, seed=1), check_exact=True)
    assert not first["ci_low"].equals(scored(frame, replicates=50, seed=2)["ci_low"])


def test_x_rays_of_one_patient_are_drawn_together():
    frame = table(("p1_a", "Edema", 1, 1, 1), ("p1_b", "Edema", 0, 1, 0))
    scores = scored(frame)
    for column in ("value", "ci_low", "ci_high"):  # one patient: all resamples are alike
        assert value_of(scores, "iou_dataset", "Edema", column) == 0.5


def scores_of(frame, seed=0):
    return score(frame, metrics=METRICS, replicates=30, confidence=0.9, seed=seed)


def test_scores_are_read_as_they_were_written(tmp_path):
    runs = {name: scores_of(random_table(n, ("Edema", "Nodule"))) for n, name in enumerate("ab")}
    paths = [tmp_path / name for name in ("one.npz", "two.npz")]
    for path in paths:
        write_scores(path, runs)
    assert paths[0].read_bytes() == paths[1].read_bytes()
    read = read_scores(paths[0])
    assert list(read) == ["a", "b"]
    for name, scores in runs.items():
        for attribute, value in vars(scores).items():
            np.testing.assert_array_equal(getattr(read[name], attribute), value)


@pytest.mark.parametrize("content", [None, b"", b"not zipped", b"PK\x03\x04 cut off"])
def test_files_that_hold_no_scores(tmp_path, content):
    path = tmp_path / "replicates.npz"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(InputError, match="chexseg score-runs"):
        read_scores(path)


def test_another_npz_is_no_scores(tmp_path):
    np.savez(tmp_path / "other.npz", run=[1])
    with pytest.raises(InputError, match="unreadable"):
        read_scores(tmp_path / "other.npz")


# Metrics of probabilities

PROBABILITIES = ("average_precision", "iou_dataset", "iou_oracle")
HISTOGRAMS = {  # Edema and Nodule in three ranges; outside the truth, and inside
    "p1_a": [[[4, 1, 0], [0, 0, 2]], [[7, 0, 0], [0, 0, 0]]],
    "p1_b": [[[4, 0, 0], [0, 2, 1]], [[7, 0, 0], [0, 0, 0]]],
    "p2_a": [[[5, 1, 1], [0, 0, 0]], [[6, 1, 0], [0, 0, 0]]],
}
HISTOGRAMS = {name: np.array(counts, np.uint32) for name, counts in HISTOGRAMS.items()}
TWO = SMALL[SMALL["pathology"] != "Nothing"]


def score_probabilities(histograms, frame=TWO, replicates=40, seed=0):
    return score(
        frame, metrics=PROBABILITIES, replicates=replicates, confidence=0.9, seed=seed,
        histograms=histograms,
    )  # fmt: skip


def test_probabilities_are_scored_on_the_sum_of_their_histograms():
    scores = score_probabilities(HISTOGRAMS)
    rows = scores.table()
    # Edema: outside 13, 2, 1, inside 0, 2, 3. Cut above the lowest range: 5 of 8, or 3 of 6.
    assert value_of(rows, "iou_oracle", "Edema") == pytest.approx(5 / 8)
    precision = (3 * 3 / 4 + 2 * 5 / 8) / 5
    assert value_of(rows, "average_precision", "Edema") == pytest.approx(precision)
    assert value_of(rows, "average_precision", "mean") == pytest.approx(precision)
    assert np.isnan(value_of(rows, "iou_oracle", "Nodule"))
    assert value_of(rows, "iou_dataset", "Edema") == pytest.approx(5 / 11)
    assert scores.n_images.tolist() == [[3, 0, 3], [3, 1, 3], [3, 0, 3]]
    assert rows["metric"].unique().tolist() == [*PROBABILITIES]


def test_resamples_of_patients_have_their_own_threshold():
    """Patient 1 twice, both, or patient 2 twice, who has no truth: 5 of 6, 5 of 8 or nothing."""
    oracle = score_probabilities(HISTOGRAMS).replicates[2, :, 0]
    assert set(oracle[~np.isnan(oracle)].round(6)) == {round(5 / 6, 6), 5 / 8}
    assert np.isnan(oracle).any()
    # The same patients as for the other metrics: both, patient 1, and patient 2.
    iou = score_probabilities(HISTOGRAMS).replicates[1, :, 0]
    pairs = {(round(a, 4), round(b, 4)) for a, b in zip(iou, oracle, strict=True) if b == b}
    assert pairs == {(round(5 / 11, 4), 0.625), (round(5 / 8, 4), round(5 / 6, 4))}


def test_a_run_without_probabilities_has_other_metrics_only():
    scores = score_probabilities(None)
    assert np.isnan(scores.values[[0, 2]]).all()
    assert np.isnan(scores.replicates[[0, 2]]).all()
    assert scores.n_images.tolist() == [[0, 0, 3], [3, 1, 3], [0, 0, 3]]
    alone = score(TWO, metrics=("iou_dataset",), replicates=40, confidence=0.9, seed=0)
    np.testing.assert_array_equal(scores.values[1], alone.values[0])
    np.testing.assert_array_equal(scores.replicates[1], alone.replicates[0])
