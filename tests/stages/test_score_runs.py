import numpy as np
import pandas as pd
import pytest

from chexseg.config.settings import EvaluationSettings
from chexseg.errors import InputError
from chexseg.evaluation.scores import read_scores
from chexseg.stages import score_runs
from tests.stages.runs import RUNS, write_overlaps


def scored(paths, names, folder, **settings):
    """Runs the stage; returns its two tables, and the scores with replicates."""
    files = {
        "out": folder / "summary.csv",
        "replicates_out": folder / "replicates.npz",
        "false_positives": folder / "false_positives.csv",
    }
    settings = EvaluationSettings(**{"replicates": 50, **settings})
    score_runs.run(overlaps=paths, names=tuple(names), settings=settings, **files)
    return (
        pd.read_csv(files["out"]),
        read_scores(files["replicates_out"]),
        pd.read_csv(files["false_positives"]),
    )


def test_summary(tmp_path):
    summary, *_ = scored(write_overlaps(tmp_path), RUNS, tmp_path / "s")
    assert summary.columns.tolist() == [
        "run", "pathology", "metric", "value", "ci_low", "ci_high", "n_images"
    ]  # fmt: skip
    assert summary["run"].tolist() == [run for run in RUNS for _ in range(6)]
    means = summary[(summary["pathology"] == "mean") & (summary["metric"] == "iou_dataset")]
    assert means["value"].tolist() == [0.375, 0.625, 0.875]


def test_replicates_are_those_behind_the_intervals(tmp_path):
    paths = write_overlaps(tmp_path)
    table = pd.read_csv(paths[0])
    table.loc[table["patient"] == "patient0", "intersection"] = 0
    table.to_csv(paths[0], index=False)
    summary, scores, _ = scored(paths, RUNS, tmp_path / "s", confidence=0.8)
    assert list(scores) == [*RUNS]
    for name, rows in summary.groupby("run"):
        replicates = scores[name].replicates
        assert replicates.shape == (2, 50, 3)
        low, high = np.quantile(replicates, [0.1, 0.9], axis=1)
        assert rows["ci_low"].to_numpy() == pytest.approx(low.ravel(), abs=1e-12)
        assert rows["ci_high"].to_numpy() == pytest.approx(high.ravel(), abs=1e-12)


def test_only_the_metrics_asked_for(tmp_path):
    paths = write_overlaps(tmp_path)
    summary, scores, _ = scored(paths, RUNS, tmp_path / "s", metrics=("iou_image",))
    assert set(summary["metric"]) == {"iou_image"}
    assert scores["weak"].metrics == ("iou_image",)


def test_false_positives_of_each_run(tmp_path):
    *_, rows = scored(write_overlaps(tmp_path), RUNS, tmp_path / "s")
    assert rows["run"].tolist() == [run for run in RUNS for _ in range(2)]
    assert (rows["negatives"] == 0).all()
    assert np.isnan(rows["share"]).all()


def test_same_bytes_each_time(tmp_path):
    paths = write_overlaps(tmp_path)
    for folder in ("one", "two"):
        scored(paths, RUNS, tmp_path / folder)
    written = {path.name for path in (tmp_path / "one").iterdir()}
    assert written == {"summary.csv", "replicates.npz", "false_positives.csv"}
    for name in written:
        one, two = (tmp_path / folder / name for folder in ("one", "two"))
        assert one.read_bytes() == two.read_bytes()


def test_runs_must_be_of_the_same_x_rays(tmp_path):
    (long,) = write_overlaps(tmp_path, {"long": 2})
    (short,) = write_overlaps(tmp_path, {"short": 2}, images=5)
    with pytest.raises(InputError, match="different X-rays"):
        scored((long, short), ["long", "short"], tmp_path / "s")
    assert not (tmp_path / "s").exists()


@pytest.mark.parametrize("names", [["a"], ["a", "a"], []])
def test_names_must_match_tables(tmp_path, names):
    with pytest.raises(InputError, match="one name per table"):
        scored(write_overlaps(tmp_path, {"weak": 2, "strong": 3}), names, tmp_path / "s")


def test_all_tables_that_hold_no_overlaps(tmp_path):
    (good,) = write_overlaps(tmp_path, {"good": 2})
    other = tmp_path / "other.csv"
    other.write_text("a,b\n1,2\n")
    with pytest.raises(InputError) as caught:
        scored((tmp_path / "absent.csv", good, other), "abc", tmp_path / "s")
    assert [p.where.rsplit("/", 1)[1] for p in caught.value.problems] == ["absent.csv", "other.csv"]
