import numpy as np
import pandas as pd
import pytest

from chexseg.config.settings import EvaluationSettings
from chexseg.errors import InputError
from chexseg.evaluation.scores import read_scores
from chexseg.files.store import write_store
from chexseg.stages import score_runs
from tests.stages.runs import RUNS, write_overlaps


def scored(paths, names, folder, histograms=(), histogram_names=(), **settings):
    """Runs the stage; returns its two tables, and the scores with replicates."""
    files = {
        "out": folder / "summary.csv",
        "replicates_out": folder / "replicates.npz",
        "false_positives": folder / "false_positives.csv",
    }
    settings = EvaluationSettings(**{"replicates": 50, **settings})
    files |= {"histograms": histograms, "histogram_names": histogram_names}
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


# Metrics of probabilities

PROBABILITIES = {"metrics": ("iou_dataset", "iou_oracle", "average_precision")}
CLASSES = ("Edema", "Cardiomegaly")


def write_histograms(path, images=6, classes=CLASSES):
    """4 pixels of Edema, ranked before all others; 2 of 4 of Cardiomegaly, with 2 others."""
    counts = np.array([[[60, 0], [0, 4]], [[58, 2], [2, 2]]], np.uint32)
    with write_store(path, "histograms", {"classes": [*classes], "edges": [0.5]}) as store:
        for number in range(images):
            store.append(f"patient{number}_a", counts)
    return path


def test_metrics_of_probabilities_are_those_of_the_histograms_of_the_run(tmp_path):
    path = write_histograms(tmp_path / "weak.h5")
    summary, scores, _ = scored(
        write_overlaps(tmp_path), RUNS, tmp_path / "s", (path,), ("weak",), **PROBABILITIES
    )
    weak = summary[summary["run"] == "weak"].set_index(["metric", "pathology"])
    assert weak["value"].round(6).to_dict() == {
        ("iou_dataset", "Edema"): 0.5, ("iou_dataset", "Cardiomegaly"): 0.25,
        ("iou_dataset", "mean"): 0.375,
        ("iou_oracle", "Edema"): 1, ("iou_oracle", "Cardiomegaly"): round(2 / 6, 6),
        ("iou_oracle", "mean"): round(2 / 3, 6),
        # 2 of 4 at a precision of 2/4, all at 4/64.
        ("average_precision", "Edema"): 1, ("average_precision", "Cardiomegaly"): 0.28125,
        ("average_precision", "mean"): 0.640625,
    }  # fmt: skip
    assert (weak["ci_low"] == weak["value"]).all()  # the X-rays are all alike
    assert set(weak["n_images"]) == {6}
    human = summary[(summary["run"] == "radiologists") & (summary["metric"] != "iou_dataset")]
    assert human[["value", "ci_low", "ci_high"]].isna().all(axis=None)
    assert human["n_images"].tolist() == [0, 0, 6] * 2
    assert np.isnan(scores["radiologists"].replicates[1:]).all()


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"images": 4}, "no histogram of 2 X-rays; the first is patient4_a"),
        ({"classes": CLASSES[::-1]}, "Cardiomegaly, Edema"),
    ],
)
def test_histograms_are_of_the_x_rays_and_pathologies_of_the_overlaps(tmp_path, changes, told):
    path = write_histograms(tmp_path / "weak.h5", **changes)
    with pytest.raises(InputError, match=told):
        scored(write_overlaps(tmp_path), RUNS, tmp_path / "s", (path,), ("weak",), **PROBABILITIES)
    assert not (tmp_path / "s").exists()


@pytest.mark.parametrize(("number", "names"), [(1, ()), (1, ("a", "b")), (2, ("a", "a"))])
def test_names_must_match_histograms(tmp_path, number, names):
    paths = (write_histograms(tmp_path / "weak.h5"),) * number
    with pytest.raises(InputError, match="one name per file"):
        scored(write_overlaps(tmp_path), RUNS, tmp_path / "s", paths, names, **PROBABILITIES)
