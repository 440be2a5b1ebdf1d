"""`chexseg evaluate` on files of CheXlocalize's users: points, heat maps, its tables."""

import json
import pickle

import numpy as np
import pandas as pd
import pytest
import torch

from chexseg.config.settings import EvaluationSettings
from chexseg.data.masks import encode, write_masks
from chexseg.errors import InputError
from chexseg.stages import evaluate

NAMES = ("Edema", "Cardiomegaly")
LEFT, ON, OFF = np.tile([True, False], (2, 1)), np.ones((2, 2), bool), np.zeros((2, 2), bool)
IOU = EvaluationSettings(replicates=40)
HITS = EvaluationSettings(replicates=40, metrics=("hit_rate",))


@pytest.fixture
def truth(tmp_path):
    """p1 has both, p2 Edema, p3 nothing."""
    both = {"p1": (LEFT, ON), "p2": (LEFT, OFF), "p3": (OFF, OFF)}
    path = tmp_path / "gt.json"
    write_masks(path, {k: dict(zip(NAMES, map(encode, v), strict=True)) for k, v in both.items()})
    return path


def scores_of(tmp_path, truth, pred, settings, **options):
    out = tmp_path / "scores.csv"
    evaluate.run(gt=truth, pred=pred, out=out, pathologies=NAMES, settings=settings, **options)
    return pd.read_csv(out).set_index(["metric", "pathology"])["value"]


def points(path, **of_x_rays):
    path.write_text(json.dumps(of_x_rays))
    return path


def test_points_are_scored_by_the_hit_rate(tmp_path, truth):
    pred = points(tmp_path / "pts.json", p1={"Edema": [[0, 1]], "Cardiomegaly": [[1, 1]]},
                  p2={"img_size": [2, 2], "Edema": [[1, 0]]})  # fmt: skip
    folder = tmp_path / "tables"
    scores = scores_of(tmp_path, truth, pred, HITS, chexlocalize_out=folder)
    assert scores["hit_rate", "Edema"] == 0.5
    assert scores["hit_rate", "Cardiomegaly"] == 1
    table = pd.read_csv(folder / "hitmiss_results_per_cxr.csv")
    assert table.columns.tolist() == ["Cardiomegaly", "Edema", "img_id"]
    np.testing.assert_array_equal(table["Edema"], [1, 0, np.nan])
    np.testing.assert_array_equal(table["Cardiomegaly"], [1, np.nan, np.nan])


def test_points_are_no_masks(tmp_path, truth):
    pred = points(tmp_path / "pts.json", p1={"Edema": [[0, 1]]})
    with pytest.raises(InputError, match="Pass --metrics hit_rate"):
        scores_of(tmp_path, truth, pred, IOU)


def test_heat_maps_are_scored_by_their_peaks_or_cut(tmp_path, truth):
    folder = tmp_path / "maps"
    folder.mkdir()
    for cxr_id, values in {"p1": [[1.0, 0.0], [1.0, 0.9]], "p2": [[0.0, 1.0], [0.0, 0.0]]}.items():
        for name in NAMES:
            content = {"map": torch.tensor(values)[None, None], "cxr_dims": (2, 2)}
            (folder / f"{cxr_id}_{name}_map.pkl").write_bytes(pickle.dumps(content))
    assert scores_of(tmp_path, truth, folder, HITS)["hit_rate", "Edema"] == 0.5
    scores = scores_of(tmp_path, truth, folder, IOU)
    assert scores["iou_image", "Edema"] == (2 / 3 + 0) / 2
    assert scores["iou_image", "Cardiomegaly"] == 3 / 4


def test_the_tables_of_both_settings(tmp_path, truth):
    pred = tmp_path / "pred.json"
    write_masks(pred, {k: dict.fromkeys(NAMES, encode(ON)) for k in ("p1", "p9")})
    for only, edema in ((True, [0.5, np.nan, np.nan]), (False, [0.5, 0, np.nan, 0])):
        folder = tmp_path / str(only)
        scores_of(tmp_path, truth, pred, IOU, chexlocalize_out=folder, true_pos_only=only)
        table = pd.read_csv(folder / "iou_results_per_cxr.csv")
        np.testing.assert_array_equal(table["Edema"], edema)
        assert table["img_id"].tolist() == ["p1", "p2", "p3", "p9"][: len(edema)]
        assert len(pd.read_csv(folder / "iou_bootstrap_results_per_cxr.csv")) == 40


def test_the_tables_have_the_mean_of_the_metrics(tmp_path, truth):
    pred = tmp_path / "pred.json"
    write_masks(pred, {k: dict.fromkeys(NAMES, encode(ON)) for k in ("p1", "p2", "p3")})
    settings = EvaluationSettings(replicates=40, metrics=("iou_image", "iou_image_all"))
    for only, metric in ((True, "iou_image"), (False, "iou_image_all")):
        folder = tmp_path / metric
        scores = scores_of(
            tmp_path, truth, pred, settings, chexlocalize_out=folder, true_pos_only=only
        )
        table = pd.read_csv(folder / "iou_results_per_cxr.csv")
        for name in NAMES:
            assert table[name].mean() == pytest.approx(scores[metric, name], abs=1e-12)


def test_percentage_decrease_from_people(tmp_path, truth, capsys):
    pred, human = tmp_path / "pred.json", tmp_path / "human.json"
    write_masks(pred, {k: dict.fromkeys(NAMES, encode(ON)) for k in ("p1", "p2")})
    write_masks(
        human, {k: {"Edema": encode(LEFT), "Cardiomegaly": encode(ON)} for k in ("p1", "p2")}
    )
    scores_of(tmp_path, truth, pred, IOU, human=human, chexlocalize_out=tmp_path)
    table = pd.read_csv(tmp_path / "iou_pct_decrease.csv", index_col=0)
    assert table.loc["Edema"].tolist()[:4] == [1, 0.5, 50, 50]
    assert table.loc["Cardiomegaly", "pct_diff"] == 0
    assert "pct_diff" in capsys.readouterr().out
    assert (tmp_path / "iou_humanbenchmark_results_per_cxr.csv").exists()


def test_people_who_drew_masks_are_not_compared_with_points(tmp_path, truth):
    pred = points(tmp_path / "pts.json", p1={"Edema": [[0, 1]]})
    with pytest.raises(InputError, match="found masks, expected points, as predicted"):
        scores_of(tmp_path, truth, pred, HITS, human=truth)


def test_what_people_drew_is_checked_before_anything_is_scored(tmp_path, truth):
    pred, human = tmp_path / "pred.json", tmp_path / "human.json"
    for path, size in ((pred, [2, 0]), (human, [0, 2])):
        path.write_text(json.dumps({"p1": dict.fromkeys(NAMES, {"size": size, "counts": ""})}))
    with pytest.raises(InputError) as caught:
        scores_of(tmp_path, truth, pred, IOU, human=human)
    found = [(problem.where, problem.found) for problem in caught.value.problems]
    assert found == [
        (f"{path}:p1:{name}", f"size {size}")
        for path, size in ((pred, [2, 0]), (human, [0, 2]))
        for name in NAMES
    ]
    write_masks(pred, {"p1": dict.fromkeys(NAMES, encode(ON))})
    with pytest.raises(InputError):
        scores_of(tmp_path, truth, pred, IOU, human=human)
    assert not (tmp_path / "scores.csv").exists()


def test_x_rays_are_resampled_by_a_flag(tmp_path, capsys):
    ids = [f"patient1_study{number}_view1_frontal" for number in range(1, 5)]
    for name, masks in (("gt", [ON] * 4), ("pred", [ON, ON, LEFT, LEFT])):
        whole = {i: dict.fromkeys(NAMES, encode(m)) for i, m in zip(ids, masks, strict=True)}
        write_masks(tmp_path / f"{name}.json", whole)
    files = {"gt": tmp_path / "gt.json", "pred": tmp_path / "pred.json"}
    rows = {}
    for resample in ("patients", "x_rays"):
        out = tmp_path / f"{resample}.csv"
        evaluate.run(**files, out=out, pathologies=NAMES, settings=IOU, resample=resample)
        rows[resample] = pd.read_csv(out).iloc[0]
    assert rows["patients"]["value"] == rows["x_rays"]["value"] == 0.75
    assert rows["patients"]["ci_low"] == rows["patients"]["ci_high"] == 0.75
    assert rows["x_rays"]["ci_low"] < 0.75 < rows["x_rays"]["ci_high"]
    assert "each X-ray counts as one, as --resample x_rays says" in capsys.readouterr().out
