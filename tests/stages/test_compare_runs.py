import pandas as pd
import pytest

from chexseg.config.settings import EvaluationSettings
from chexseg.errors import InputError
from chexseg.stages import compare_runs, score_runs
from tests.stages.runs import RUNS, write_overlaps

CONTRASTS = {
    "gain": ("strong", "weak"),
    "human_weak": ("radiologists", "weak"),
    "left": ("strong", "radiologists"),
}


def scored(tmp_path, runs):
    """Writes the scores of runs with their replicates."""
    score_runs.run(
        overlaps=write_overlaps(tmp_path, runs),
        names=tuple(runs),
        out=tmp_path / "summary.csv",
        replicates_out=tmp_path / "replicates.npz",
        false_positives=tmp_path / "false_positives.csv",
        settings=EvaluationSettings(replicates=50),
    )
    return tmp_path / "replicates.npz"


@pytest.fixture
def replicates(tmp_path):
    return scored(tmp_path, RUNS)


def compare(replicates, contrasts, out):
    runs, against = zip(*contrasts.values(), strict=True) if contrasts else ((), ())
    compare_runs.run(
        replicates=replicates, out=out, contrasts=tuple(contrasts), runs=runs, against=against
    )
    return pd.read_csv(out)


def test_the_contrasts_named_and_no_others(replicates, tmp_path):
    rows = compare(replicates, CONTRASTS, tmp_path / "c.csv")
    assert tuple(rows.columns) == compare_runs.COLUMNS
    names = rows[["contrast", "run", "against"]].drop_duplicates().to_numpy().tolist()
    assert names == [[name, *runs] for name, runs in CONTRASTS.items()]
    gain = rows[rows["contrast"] == "gain"]
    assert gain["pathology"].tolist() == ["Edema", "Cardiomegaly", "mean"] * 2
    assert (gain[["difference", "ci_low", "ci_high"]] == 0.25).all(axis=None)
    assert (gain["probability_better"] == 1).all()
    assert (rows.loc[rows["contrast"] == "left", "difference"] == -0.25).all()


def test_the_gap_to_the_human_is_that_of_runs(replicates, tmp_path):
    rows = compare(replicates, CONTRASTS, tmp_path / "c.csv").set_index("contrast")
    assert (rows.loc["gain", "gap_closed"] == 0.5).all()
    assert rows.loc[["human_weak", "left"], "gap_closed"].isna().all()


def test_without_a_human_there_is_no_gap(tmp_path):
    replicates = scored(tmp_path, {"weak": 2, "strong": 3})
    rows = compare(replicates, {"gain": ("strong", "weak")}, tmp_path / "c.csv")
    assert rows["gap_closed"].isna().all()


def test_without_contrasts_the_table_has_no_rows(replicates, tmp_path):
    rows = compare(replicates, {}, tmp_path / "c.csv")
    assert rows.empty
    assert tuple(rows.columns) == compare_runs.COLUMNS


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
            replicates=replicates, out=tmp_path / "c.csv", contrasts=("a",), runs=("weak",)
        )
