"""CheXlocalize's tables; the reference is its eval.py, written out literally."""

import numpy as np
import pandas as pd
import pytest
from pycocotools import mask as coco

from chexseg.data.masks import encode
from chexseg.evaluation.chexlocalize import (
    bootstrap,
    percentage_decrease,
    results_per_x_ray,
    summarise,
    write_tables,
)
from chexseg.evaluation.overlaps import overlap_table

NAMES = ("Edema", "Cardiomegaly", "Atelectasis")


def literal_iou(pred_mask, gt_mask, true_pos_only):
    """eval.calculate_iou"""
    intersection, union = np.logical_and(pred_mask, gt_mask), np.logical_or(pred_mask, gt_mask)
    if true_pos_only:
        if np.sum(pred_mask) == 0 or np.sum(gt_mask) == 0:
            return np.nan
        return np.sum(intersection) / np.sum(union)
    return np.nan if np.sum(union) == 0 else np.sum(intersection) / np.sum(union)


def literal_results(gt_dict, pred_dict, true_pos_only):
    """eval.get_ious, with the order of eval.evaluate"""
    ious = {}
    for task in sorted(NAMES):
        cxr_ids, ious[task] = sorted(gt_dict), []
        for cxr_id in cxr_ids:
            gt_mask = coco.decode(gt_dict[cxr_id][task])
            pred_mask = np.zeros(gt_dict[cxr_id][task]["size"])
            if cxr_id in pred_dict:
                pred_mask = coco.decode(pred_dict[cxr_id][task])
            ious[task].append(literal_iou(pred_mask, gt_mask, true_pos_only))
        if not true_pos_only:
            for cxr_id in sorted(pred_dict):
                if cxr_id not in gt_dict:
                    pred_mask = coco.decode(pred_dict[cxr_id][task])
                    ious[task].append(literal_iou(pred_mask, np.zeros(pred_mask.shape), False))
                    cxr_ids.append(cxr_id)
    df = pd.DataFrame.from_dict(ious)
    df["img_id"] = cxr_ids
    return df.sort_values(by="img_id").reset_index(drop=True)


def literal_bootstrap(df, seed, number):
    """eval.bootstrap_metric"""
    np.random.seed(seed)
    rows = []
    for _ in range(number):
        sample = np.random.choice(len(df), size=len(df), replace=True)
        rows.append({task: df.iloc[sample][task].mean() for task in df[list(NAMES)].columns})
    return pd.DataFrame.from_records(rows)


def literal_record(perfs):
    """eval.compute_cis"""
    ordered = perfs.sort_values()
    lower = ordered.iloc[int(0.05 / 2 * len(ordered)) - 1].round(3)
    upper = ordered.iloc[int((1 - 0.05 / 2) * len(ordered)) - 1].round(3)
    return lower, round(ordered.mean(), 3), upper


@pytest.fixture(scope="module")
def files():
    rng = np.random.default_rng(0)

    def masks(ids):
        return {cxr_id: {name: encode(np.zeros((9, 7), bool) if rng.random() < 0.4
                                      else rng.random((9, 7)) < 0.4) for name in NAMES}
                for cxr_id in ids}  # fmt: skip

    truth = masks([f"p{number}" for number in (5, 3, 8, 1, 12, 4)])
    return truth, masks(["p3", "p1", "p5", "p9", "p12", "p0"])


def overlaps_of(truth, predicted, ids):
    patients = {cxr_id: cxr_id for cxr_id in ids}
    return overlap_table(truth, predicted, patients=patients, pathologies=NAMES)


@pytest.mark.parametrize("true_pos_only", [True, False])
@pytest.mark.filterwarnings("ignore:__array__")  # pycocotools
def test_results_resamples_and_summary_are_those_of_chexlocalize(files, true_pos_only):
    truth, predicted = files
    ids = truth if true_pos_only else {**truth, **predicted}
    results = results_per_x_ray(
        overlaps_of(truth, predicted, ids), "iou", true_pos_only=true_pos_only
    )
    expected = literal_results(truth, predicted, true_pos_only)
    pd.testing.assert_frame_equal(results, expected, rtol=0, atol=1e-12)

    resamples = bootstrap(results, NAMES, replicates=200, seed=7)
    literal = literal_bootstrap(expected, 7, 200)
    pd.testing.assert_frame_equal(resamples, literal, rtol=0, atol=1e-12)
    summary = summarise(resamples)
    assert summary.columns.tolist() == ["name", "lower", "mean", "upper"]
    assert summary["name"].tolist() == sorted(NAMES)
    for row in summary.itertuples():
        expected_row = literal_record(literal[row.name])  # NaN if a resample has nothing to score
        np.testing.assert_array_equal((row.lower, row.mean, row.upper), expected_row)


def test_hits_of_points_and_of_maps():
    truth = {c: {n: encode(np.eye(2, dtype=bool)) for n in NAMES} for c in ("p1", "p2", "p3")}
    truth["p3"]["Edema"] = encode(np.zeros((2, 2), bool))
    hit, miss = encode(np.array([[1, 0], [0, 0]], bool)), encode(np.array([[0, 1], [0, 0]], bool))
    predicted = {"p1": {"Edema": hit, "Cardiomegaly": miss}, "p3": {"Edema": hit}}
    overlaps = overlaps_of(truth, predicted, truth)
    maps = results_per_x_ray(overlaps, "hitmiss")
    people = results_per_x_ray(overlaps, "hitmiss", without_is_miss=True)
    nan = np.nan
    np.testing.assert_array_equal(maps["Edema"], [1, nan, nan])
    np.testing.assert_array_equal(maps["Cardiomegaly"], [0, nan, nan])
    np.testing.assert_array_equal(people["Edema"], [1, 0, nan])
    np.testing.assert_array_equal(people["Atelectasis"], [0, 0, 0])


def test_percentage_decrease():
    human = pd.DataFrame({"Edema": [0.5, 0.4], "Cardiomegaly": [0.8, 0.8]})
    predicted = pd.DataFrame({"Edema": [0.25, 0.3], "Cardiomegaly": [0.8, 0.6]})
    table = percentage_decrease(human, predicted)
    assert table.index.tolist() == ["Edema", "Cardiomegaly", "Average"]
    assert table.columns.tolist() == ["hb", "pred", "pct_diff", "pct_diff_lower", "pct_diff_upper"]
    assert table.loc["Edema"].tolist() == pytest.approx([0.45, 0.275, 38.889, 25, 25])
    assert table.loc["Cardiomegaly"].tolist() == pytest.approx([0.8, 0.7, 12.5, 0, 0])
    # 0.4875 is rounded before it is compared: 0.137 / 0.625 is 21.92 %.
    # Means of the resamples: human 0.65, 0.6; predicted 0.525, 0.45, so 19.231 % and 25 %.
    assert table.loc["Average"].tolist() == pytest.approx([0.625, 0.488, 21.92, 19.231, 19.231])


def test_names_of_the_files(files, tmp_path):
    results = results_per_x_ray(overlaps_of(*files, files[0]), "iou")
    for human in (False, True):
        write_tables(
            tmp_path, "iou", results, bootstrap(results, NAMES, replicates=40), human=human
        )
    assert {path.name for path in tmp_path.iterdir()} == {
        "iou_results_per_cxr.csv", "iou_bootstrap_results_per_cxr.csv", "iou_summary_results.csv",
        "iou_humanbenchmark_results_per_cxr.csv",
        "iou_humanbenchmark_bootstrap_results_per_cxr.csv",
        "iou_humanbenchmark_summary_results.csv",
    }  # fmt: skip
    pd.testing.assert_frame_equal(pd.read_csv(tmp_path / "iou_results_per_cxr.csv"), results)
