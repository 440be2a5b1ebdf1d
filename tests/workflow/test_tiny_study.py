"""A whole study on a tiny phantom: every rule runs, twice, and then only what changed."""

import copy

import h5py
import pandas as pd
import pytest

from chexseg.data.layouts.chexpert import PATHOLOGIES

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("tiny")]


def results(workflow):
    return workflow.folder / "results" / "tiny"


def test_summary_has_every_run_metric_and_pathology(tiny_study):
    summary = pd.read_csv(results(tiny_study[0]) / "summary.csv")
    assert list(summary.columns) == [
        "run", "pathology", "metric", "value", "ci_low", "ci_high", "n_images",
    ]  # fmt: skip
    runs = ["weak_cam", "full", "chexseg", "radiologists"]
    expected = {
        (run, pathology, metric)
        for run in runs
        for pathology in (*PATHOLOGIES, "mean")
        for metric in ("iou_dataset", "iou_image")
    }
    assert set(map(tuple, summary[["run", "pathology", "metric"]].values)) == expected
    assert len(summary) == len(expected)
    scored = summary.dropna(subset="value")
    assert (scored["ci_low"] <= scored["value"] + 1e-12).all()
    assert (scored["value"] <= scored["ci_high"] + 1e-12).all()
    human = summary[(summary["run"] == "radiologists") & (summary["pathology"] == "mean")]
    assert (human["value"] > 0.4).all()  # the second reader sees the same lesions


def test_every_artifact_is_a_file(tiny_study):
    folder = results(tiny_study[0])
    for path in (
        "index.csv", "images/0000.h5", "images/0001.h5", "masks/expert/0000.h5",
        "classifiers/small/checkpoint.pt", "classifiers/small/metrics.csv",
        "saliency/gradcam/0001.h5", "masks/cam/0000.h5",
        "affinity/irnet/labels/0000.h5", "affinity/irnet/irnet.pt",
        "affinity/irnet/edges/0001.h5", "masks/irnet/0001.h5",
        "segmenters/chexseg/checkpoint.pt", "segmenters/chexseg/metrics.csv",
        "predictions/chexseg.json", "overlaps/chexseg.csv", "replicates.npz", "comparisons.csv",
        "runs.csv", "false_positives.csv", "mask_quality.csv", "figures/gallery.png",
        "figures/bars.png",
        "figures/curves.png", "figures/table.html", "figures/lineage.png",
        "figures/mask_quality.png", "figures/comparisons.png", "power.csv", "averages.csv",
        "figures/comparisons.pdf", "figures/comparisons.svg", "figures/result.html",
        "figures/result.csv", "figures/result.tex", "figures/human.png",
        "figures/gallery_best.png", "figures/gallery_worst.png",
    ):  # fmt: skip
        assert (folder / path).stat().st_size > 0, path
    assert not list(folder.rglob(".*.partial*"))


def test_made_masks_are_gated_by_the_labels(tiny_study):
    folder = results(tiny_study[0])
    index = pd.read_csv(folder / "index.csv", index_col="cxr_id")
    columns = list(PATHOLOGIES)
    drawn = 0
    for shard in ("0000", "0001"):
        for name in ("cam", "irnet"):
            with h5py.File(folder / f"masks/{name}/{shard}.h5") as store:
                for cxr_id, mask in zip(store["id"].asstr(), store["values"], strict=True):
                    has = mask.any(axis=(1, 2))
                    drawn += has.astype(int)
                    assert (index.loc[cxr_id, columns].to_numpy(float)[has] == 1).all()
    assert (drawn > 0).sum() > 5


def test_report_works_offline(tiny_study):
    workflow, config = tiny_study
    report = workflow.folder / "report.html"
    workflow.run(config, "--report", str(report))
    page = report.read_text()
    figures = ("gallery.png", "bars.png", "curves.png", "table.html", "lineage.png")
    for figure in (*figures, "mask_quality.png", "comparisons.png"):
        assert figure in page
    assert "use the label of the test X-ray" in page
    # Captions are rendered, with the files behind them.
    assert r"Made from <tt class=\"docutils literal\">results/tiny/averages.csv</tt>" in page
    assert "Mean over pathologies" in page  # the first page has the result
    assert "summary.csv" in page
    assert "mask_quality.csv" in page
    assert '<script src="http' not in page
    assert '<link rel="stylesheet" href="http' not in page


def test_nothing_is_computed_twice(tiny_study):
    workflow, config = tiny_study
    assert workflow.jobs(config) == {}


SCORED = {"score_runs": 1, "average_seeds": 1, "compare_runs": 1, "write_table": 2}
"""What runs behind overlaps, but for figures: all but that of masks, behind a training too."""
TAIL = {"list_trainings": 1, "predict_masks": 1, "count_overlaps": 1, **SCORED, "draw_figure": 8}
OF_MASKS = {**TAIL, "score_masks": 1, "draw_figure": 9}
CHANGES = [
    (("segmenters", "full", "epochs"), 2, {"train_segmenter": 1, **TAIL}),
    (
        ("masks", "irnet", "walk", "beta"),
        8,
        {"make_masks_on_gpu": 2, "train_segmenter": 1, **OF_MASKS},
    ),
    (
        ("masks", "cam", "threshold"),
        0.4,
        {"make_masks": 2, "train_segmenter": 1, **OF_MASKS},
    ),
    (
        ("masks", "irnet", "training", "epochs"),
        2,
        {
            "train_irnet": 1,
            "compute_affinity": 2,
            "make_masks_on_gpu": 2,
            "train_segmenter": 1,
            **OF_MASKS,
        },
    ),
    (
        ("evaluation", "replicates"),
        500,
        {**SCORED, "score_masks": 1, "draw_figure": 5},  # all but galleries and curves
    ),
    (
        ("contrasts",),
        {"gain": {"run": "chexseg", "against": "full"}},
        {"compare_runs": 1, "draw_figure": 2, "write_table": 1},
    ),
    (("figures", "gallery_rows"), 3, {"draw_figure": 3}),
]


@pytest.mark.parametrize(("key", "value", "jobs"), CHANGES, ids=[".".join(c[0]) for c in CHANGES])
def test_a_changed_key_reruns_what_depends_on_it(tiny_study, tiny, key, value, jobs):
    workflow, _ = tiny_study
    changed = copy.deepcopy(tiny)
    place = changed
    for step in key[:-1]:
        place = place.setdefault(step, {})
    place[key[-1]] = value
    assert workflow.jobs(workflow.write(changed, "changed.yaml")) == jobs


def test_a_new_entry_computes_only_itself(tiny_study, tiny):
    workflow, _ = tiny_study
    changed = copy.deepcopy(tiny)
    changed["segmenters"]["concatenated"] = {"masks": ["expert", "cam"]}
    jobs = {"train_segmenter": 1, **TAIL, "list_runs": 1}
    assert workflow.jobs(workflow.write(changed, "changed.yaml")) == jobs


def test_predict_writes_masks_and_overlays(tiny_study, tmp_path):
    from PIL import Image

    from chexseg.cli import main
    from chexseg.data.masks import decode, read_masks

    folder = results(tiny_study[0])
    x_rays = sorted((folder / "phantom" / "CheXpert" / "test").rglob("*.jpg"))[:2]
    Image.open(x_rays[1]).save(tmp_path / "x ray.png")
    paths = [str(x_rays[0]), str(tmp_path / "x ray.png")]
    names = ["_".join(x_rays[0].with_suffix("").parts[-3:]), "x ray"]
    checkpoint = folder / "segmenters" / "chexseg" / "checkpoint.pt"
    out = tmp_path / "out"
    assert main(["predict", *paths, "--checkpoint", str(checkpoint), "--out", str(out)]) == 0
    masks = read_masks(out / "masks.json", pathologies=PATHOLOGIES)
    assert set(masks) == set(names)
    for name, x_ray in zip(names, x_rays, strict=True):
        width, height = Image.open(x_ray).size
        assert decode(masks[name]["Edema"]).shape == (height, width)
        assert (out / f"{name}.png").stat().st_size > 10_000
    truth = folder / "phantom" / "CheXlocalize" / "gt_segmentations_test.json"
    assert main(["evaluate", "--gt", str(truth), "--pred", str(out / "masks.json")]) == 0


def test_evaluating_a_file_against_itself_is_perfect(tiny_study, capsys):
    from chexseg.cli import main

    truth = str(results(tiny_study[0]) / "phantom" / "CheXlocalize" / "gt_segmentations_test.json")
    assert main(["evaluate", "--gt", truth, "--pred", truth]) == 0
    assert "1.000 [1.000, 1.000]" in capsys.readouterr().out
