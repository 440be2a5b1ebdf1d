import numpy as np
import pandas as pd
import pytest
from statsmodels.stats.multitest import multipletests

from chexseg.config.settings import EvaluationSettings
from chexseg.errors import InputError
from chexseg.files.store import write_store
from chexseg.stages import compare_runs, score_runs
from tests.stages.runs import RUNS, write_overlaps, write_scores

CONTRASTS = {
    "gain": ("strong", "weak"),
    "human_weak": ("radiologists", "weak"),
    "left": ("strong", "radiologists"),
}


SEEDS = ("a1", "a2", "a3", "b1", "b2", "b3")


@pytest.fixture
def replicates(tmp_path):
    return write_scores(tmp_path)


def compare(replicates, contrasts, out):
    runs, against = zip(*contrasts.values(), strict=True) if contrasts else ((), ())
    compare_runs.run(
        replicates=replicates, out=out, power=out.with_name("power.csv"),
        contrasts=tuple(contrasts), runs=runs, against=against,
    )  # fmt: skip
    return pd.read_csv(out, keep_default_na=False, na_values=["", "nan"])


def test_a_human_without_probabilities_is_left_out_of_their_metrics(tmp_path):
    """Only the runs have histograms, so only they can be compared in average precision."""
    runs = ("weak", "strong")
    paths = [tmp_path / f"{run}.h5" for run in runs]
    for path, found in zip(paths, (1, 4), strict=True):
        counts = np.array([[[58, 2], [4 - found, found]]] * 2, np.uint32)
        meta = {"classes": ["Edema", "Cardiomegaly"], "edges": [0.5]}
        with write_store(path, "histograms", meta) as store:
            for number in range(6):
                store.append(f"patient{number}_a", counts)
    files = {name: tmp_path / f"{name}.csv" for name in ("out", "false_positives")}
    score_runs.run(
        overlaps=write_overlaps(tmp_path), names=tuple(RUNS), **files,
        histograms=tuple(paths), histogram_names=runs, replicates_out=tmp_path / "r.npz",
        settings=EvaluationSettings(metrics=("iou_dataset", "iou_oracle"), replicates=20),
    )  # fmt: skip
    rows = compare(tmp_path / "r.npz", CONTRASTS, tmp_path / "c.csv")
    oracle = rows[rows["metric"] == "iou_oracle"].set_index(["contrast", "pathology"])
    assert oracle.loc[("gain", "mean"), "difference"] == pytest.approx(4 / 6 - 1 / 6)
    assert oracle.loc["gain", "gap_closed"].isna().all()
    for contrast in ("human_weak", "left"):
        unknown = oracle.loc[contrast]
        assert unknown[["difference", "ci_low", "p_value", "matches_human"]].isna().all(axis=None)
        assert unknown.loc["mean", ["n_pathologies", "n_left_out"]].tolist() == [0, 2]
    assert not rows.loc[rows["metric"] == "iou_dataset", "difference"].isna().any()


def test_the_contrasts_named_and_no_others(replicates, tmp_path):
    rows = compare(replicates, CONTRASTS, tmp_path / "c.csv")
    assert tuple(rows.columns) == compare_runs.COLUMNS
    names = rows[["contrast", "run", "against"]].drop_duplicates().to_numpy().tolist()
    assert names == [[name, *runs] for name, runs in CONTRASTS.items()]
    gain = rows[rows["contrast"] == "gain"]
    assert gain["pathology"].tolist() == ["Edema", "Cardiomegaly", "mean"] * 2
    assert (gain[["difference", "ci_low", "ci_high"]] == 0.25).all(axis=None)
    assert (gain["probability_better"] == 1).all()
    assert (gain[["n_seeds", "n_left_out"]] == [1, 0]).all(axis=None)
    assert gain["n_pathologies"].tolist() == [1, 1, 2] * 2
    assert (rows.loc[rows["contrast"] == "left", "difference"] == -0.25).all()


def test_the_gap_to_the_human_is_that_of_runs(replicates, tmp_path):
    rows = compare(replicates, CONTRASTS, tmp_path / "c.csv").set_index("contrast")
    assert (rows.loc["gain", ["gap_closed", "gap_low", "gap_high"]] == 0.5).all(axis=None)
    assert rows.loc[["human_weak", "left"], "gap_closed"].isna().all()


def test_without_a_human_there_is_no_gap(tmp_path):
    replicates = write_scores(tmp_path, {"weak": 2, "strong": 3})
    rows = compare(replicates, {"gain": ("strong", "weak")}, tmp_path / "c.csv")
    assert rows["gap_closed"].isna().all()


def test_without_contrasts_the_table_has_no_rows(replicates, tmp_path):
    rows = compare(replicates, {}, tmp_path / "c.csv")
    assert rows.empty
    assert tuple(rows.columns) == compare_runs.COLUMNS
    power = pd.read_csv(tmp_path / "power.csv")
    assert power.empty
    assert tuple(power.columns) == compare_runs.POWER_COLUMNS


@pytest.fixture
def of_seeds(tmp_path):
    """Scores of three seeds of two methods, and of a human, on X-rays that differ."""
    rng = np.random.default_rng(0)
    paths = write_overlaps(tmp_path, {**dict.fromkeys(SEEDS, 2), "radiologists": 2}, images=60)
    truth, x_rays = rng.integers(20, 60, 120), rng.normal(0, 0.1, 120)
    for path in paths:
        table, level = pd.read_csv(path), {"a": 0.5, "b": 0.35, "r": 0.5}[path.stem[0]]
        share = level + x_rays + rng.normal(0, 0.02) + rng.normal(0, 0.05, 120)
        table["intersection"] = (truth * share.clip(0, 1)).astype(int)
        table["truth_pixels"] = table["predicted_pixels"] = truth
        table["union"] = 2 * truth - table["intersection"]
        table.to_csv(path, index=False)
    return write_scores(tmp_path, [*SEEDS, "radiologists"], paths)


def test_groups_of_seeds(of_seeds, tmp_path):
    contrasts = {
        "gain": ("a1,a2,a3", "b1,b2,b3"),
        "human_a": ("radiologists", "a1,a2,a3"),
        "human_b": ("radiologists", "b1,b2,b3"),
        "one": ("a1", "b1"),
    }
    rows = compare(of_seeds, contrasts, tmp_path / "c.csv")
    means = rows[(rows["pathology"] == "mean") & (rows["metric"] == "iou_dataset")]
    means = means.set_index("contrast")
    assert means["n_seeds"].tolist() == [3, 3, 3, 1]
    assert means.loc["gain", ["run", "against"]].tolist() == ["a1,a2,a3", "b1,b2,b3"]
    each = [
        compare(of_seeds, {"c": pair}, tmp_path / "d.csv")["difference"][2]
        for pair in (("a1", "b1"), ("a2", "b2"), ("a3", "b3"))
    ]
    assert means.loc["gain", "difference"] == pytest.approx(np.mean(each))
    assert means.loc["gain", "p_holm"] < 0.05
    assert 0.5 < means.loc["gain", "gap_closed"] < 1.5
    assert means["matches_human"].fillna("").tolist() == ["", "yes", "no", ""]
    assert means["seeds_low"].isna().tolist() == [False, False, False, True]


def test_p_values_are_corrected_for_the_contrasts_of_a_metric(of_seeds, tmp_path):
    pairs = [("a1", "a2"), ("a1", "a3"), ("a1", "b1"), ("b1", "b2")]
    rows = compare(of_seeds, {"_".join(p): p for p in pairs}, tmp_path / "c.csv")
    others = rows[rows["pathology"] != "mean"]
    assert others["p_holm"].isna().all()
    for _, family in rows[rows["pathology"] == "mean"].groupby("metric"):
        expected = multipletests(family["p_value"], method="holm")[1]
        np.testing.assert_allclose(family["p_holm"], expected)
        assert len(family) == 4


def test_power_of_each_contrast(of_seeds, tmp_path):
    contrasts = {"gain": ("a1,a2,a3", "b1,b2,b3"), "one": ("a1", "b1")}
    rows = compare(of_seeds, contrasts, tmp_path / "c.csv")
    power = pd.read_csv(tmp_path / "power.csv")
    assert tuple(power.columns) == compare_runs.POWER_COLUMNS
    assert power[["contrast", "metric", "pathology"]].equals(
        rows[["contrast", "metric", "pathology"]]
    )
    assert (power["detectable_difference"] > power["standard_error"]).all()
    assert power.loc[power["contrast"] == "one", "seeds_for_0.02"].isna().all()


def test_sides_that_cannot_be_paired(of_seeds, tmp_path):
    with pytest.raises(InputError, match="3 runs against 2"):
        compare(of_seeds, {"c": ("a1,a2,a3", "b1,b2")}, tmp_path / "c.csv")


def test_same_bytes_each_time(replicates, tmp_path):
    paths = [tmp_path / "one.csv", tmp_path / "two.csv"]
    for path in paths:
        compare(replicates, CONTRASTS, path)
    assert paths[0].read_bytes() == paths[1].read_bytes()


def test_runs_that_were_not_scored(replicates, tmp_path):
    wrong = {"a": ("weka", "strong"), "b": ("strong", "stron")}
    with pytest.raises(InputError) as caught:
        compare(replicates, wrong, tmp_path / "c.csv")
    assert [problem.remedy for problem in caught.value.problems] == [
        "Did you mean 'weak'?", "Did you mean 'strong'?"
    ]  # fmt: skip
    assert not (tmp_path / "c.csv").exists()


def test_each_contrast_has_two_runs(replicates, tmp_path):
    with pytest.raises(InputError, match="Pass two runs for each contrast"):
        compare_runs.run(
            replicates=replicates, out=tmp_path / "c.csv", power=tmp_path / "p.csv",
            contrasts=("a",), runs=("weak",),
        )  # fmt: skip
