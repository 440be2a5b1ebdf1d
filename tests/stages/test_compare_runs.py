import numpy as np
import pandas as pd
import pytest

from chexseg.config.settings import EvaluationSettings
from chexseg.errors import InputError
from chexseg.stages import compare_runs

SETTINGS = EvaluationSettings(replicates=50)
RUNS = {"weak": 2, "strong": 3, "radiologists": 4}  # pixels of 4 that a run finds


@pytest.fixture
def overlaps(tmp_path):
    """Writes the overlaps of runs that find so many of 4 pixels on each X-ray."""

    def write(runs, images=6):
        paths = []
        for name, found in runs.items():
            rows = [
                (f"patient{n}_a", f"patient{n}", pathology, shared, 4, 4, shared)
                for n in range(images)
                for pathology, shared in (("Edema", found), ("Cardiomegaly", found - 1))
            ]
            columns = ["cxr_id", "patient", "pathology", "intersection", "union", "truth_pixels"]
            table = pd.DataFrame(rows, columns=[*columns, "predicted_pixels"])
            paths.append(tmp_path / f"{name}.csv")
            table.to_csv(paths[-1], index=False)
        return tuple(paths)

    return write


def compare(paths, names, folder, **options):
    files = {name: folder / f"{name}.csv" for name in ("out", "comparisons", "false_positives")}
    compare_runs.run(overlaps=paths, names=tuple(names), settings=SETTINGS, **files, **options)
    return {name: pd.read_csv(path) for name, path in files.items()}


def test_summary(overlaps, tmp_path):
    summary = compare(overlaps(RUNS), RUNS, tmp_path / "c")["out"]
    assert summary.columns.tolist() == [
        "run", "pathology", "metric", "value", "ci_low", "ci_high", "n_images"
    ]  # fmt: skip
    assert summary["run"].tolist() == [run for run in RUNS for _ in range(6)]
    means = summary[(summary["pathology"] == "mean") & (summary["metric"] == "iou_dataset")]
    assert means["value"].tolist() == [0.375, 0.625, 0.875]


def test_comparisons(overlaps, tmp_path):
    rows = compare(overlaps(RUNS), RUNS, tmp_path / "c")["comparisons"]
    pairs = rows[["run", "against"]].drop_duplicates().to_numpy().tolist()
    assert pairs == [["strong", "weak"], ["radiologists", "weak"], ["radiologists", "strong"]]
    first = rows[rows["run"] == "strong"]
    assert first["pathology"].tolist() == ["Edema", "Cardiomegaly", "mean"] * 2
    assert (first[["difference", "ci_low", "ci_high"]] == 0.25).all(axis=None)
    assert (first["probability_better"] == 1).all()
    assert (first["gap_closed"] == 0.5).all()
    assert rows[rows["run"] == "radiologists"]["gap_closed"].isna().all()


def test_without_a_human_there_is_no_gap(overlaps, tmp_path):
    runs = {"weak": 2, "strong": 3}
    assert compare(overlaps(runs), runs, tmp_path / "c")["comparisons"]["gap_closed"].isna().all()


def test_a_single_run_has_no_comparisons(overlaps, tmp_path):
    rows = compare(overlaps({"weak": 2}), ["weak"], tmp_path / "c")["comparisons"]
    assert rows.empty
    assert "gap_closed" in rows


def test_false_positives_of_each_run(overlaps, tmp_path):
    rows = compare(overlaps(RUNS), RUNS, tmp_path / "c")["false_positives"]
    assert rows["run"].tolist() == [run for run in RUNS for _ in range(2)]
    assert (rows["negatives"] == 0).all()
    assert np.isnan(rows["share"]).all()


def test_same_bytes_each_time(overlaps, tmp_path):
    paths = overlaps(RUNS)
    for folder in ("one", "two"):
        compare(paths, RUNS, tmp_path / folder)
    for name in ("out", "comparisons", "false_positives"):
        first, second = (tmp_path / folder / f"{name}.csv" for folder in ("one", "two"))
        assert first.read_bytes() == second.read_bytes()


def test_runs_must_be_of_the_same_x_rays(overlaps, tmp_path):
    (long,) = overlaps({"long": 2})
    (short,) = overlaps({"short": 2}, images=5)
    with pytest.raises(InputError, match="other X-rays"):
        compare((long, short), ["long", "short"], tmp_path / "c")
    assert not (tmp_path / "c").exists()


def test_names_must_match_tables(overlaps, tmp_path):
    for names in (["a"], ["a", "a"], []):
        with pytest.raises(InputError, match="as many names as tables"):
            compare(overlaps({"weak": 2, "strong": 3}), names, tmp_path / "c")


def test_all_tables_that_are_none(overlaps, tmp_path):
    (good,) = overlaps({"good": 2})
    other = tmp_path / "other.csv"
    other.write_text("a,b\n1,2\n")
    with pytest.raises(InputError) as caught:
        compare((tmp_path / "absent.csv", good, other), "abc", tmp_path / "c")
    assert [p.where.rsplit("/", 1)[1] for p in caught.value.problems] == ["absent.csv", "other.csv"]
