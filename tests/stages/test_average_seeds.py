import pandas as pd
import pytest

from chexseg.errors import InputError
from chexseg.stages import average_seeds
from tests.stages.runs import write_scores

RUNS = {"full": 2, "full-seed_1": 3, "radiologists": 4}


@pytest.fixture
def replicates(tmp_path):
    return write_scores(tmp_path, RUNS)


def test_the_mean_over_seeds_and_its_intervals(replicates, tmp_path):
    out = tmp_path / "averages.csv"
    average_seeds.run(replicates=replicates, runs=("full,full-seed_1", "radiologists"), out=out)
    table = pd.read_csv(out)
    assert tuple(table.columns) == average_seeds.COLUMNS
    rows = table[(table["metric"] == "iou_dataset") & (table["run"] == "full")]
    assert rows["pathology"].tolist() == ["Edema", "Cardiomegaly", "mean"]
    assert rows["value"].tolist() == [0.625, 0.375, 0.5]  # of 2 and 3, and 1 and 2 of 4 pixels
    assert set(rows["runs"]) == {"full,full-seed_1"}
    assert (rows[["n_seeds", "n_images", "n_patients", "n_left_out"]] == [2, 6, 6, 0]).all(
        axis=None
    )
    # Every X-ray has the same score, so that patients do not matter; two seeds tell little.
    assert (rows["patients_low"] == rows["value"]).all()
    assert (rows["ci_low"] == 0).all()  # a score is never below
    assert (rows["ci_high"] > 1).all()
    assert rows["seeds_high"].tolist() == pytest.approx(rows["ci_high"].tolist())


def test_one_seed_counts_as_it_is(replicates, tmp_path):
    out = tmp_path / "averages.csv"
    average_seeds.run(replicates=replicates, runs=("radiologists",), out=out)
    row = pd.read_csv(out).iloc[0]
    assert row[["value", "ci_low", "ci_high"]].tolist() == [1, 1, 1]
    assert row.isna()[["seeds_low", "seeds_high"]].all()


def test_a_run_that_was_not_scored(replicates, tmp_path):
    with pytest.raises(InputError, match="Did you mean 'full-seed_1'"):
        average_seeds.run(replicates=replicates, runs=("full-seed_2",), out=tmp_path / "a.csv")
