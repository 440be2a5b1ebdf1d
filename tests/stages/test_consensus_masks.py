"""Masks of all findings on which two classifiers agree, and a segmenter that learns from them."""

import json
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

from chexseg import cli
from chexseg.config.settings import MaskScoreSettings, PredictionSettings
from chexseg.data.layouts.chexpert import COMMON, FINDINGS, PATHOLOGIES
from chexseg.data.masks import read_masks
from chexseg.errors import InputError
from chexseg.files.store import Store, write_store
from chexseg.files.store_format import UNKNOWN
from chexseg.models.trained import load_segmenter
from chexseg.stages import list_agreement, predict_masks, score_masks
from tests.stages.methods import compute_maps
from tests.stages.trained import classify, rows_of, segment

CUTS = ["quantile 0.8"] * 13 + ["otsu"]
ENDS = ["quantile 0.5"] * 13 + ["none"]


@pytest.fixture(scope="module")
def voted(files):
    """The masks of two voters, made by the command, with pixels that are not known."""
    other = classify(files, "other", stride=8, seed=5)
    maps = []
    for name, classifier in (("one", files.classifier), ("two", other)):
        maps.append(files.folder / f"all_{name}.h5")
        compute_maps("gradcam", files.images[0], (classifier,), maps[-1], FINDINGS, batch_size=8)
    path = files.folder / "voted.h5"
    command = ["make-masks", "--source", "consensus", "--index", files.index]
    command += ["--images", files.images[0], "--saliency", *maps, "--out", path]
    command += ["--thresholds", *CUTS, "--certain-backgrounds", *ENDS, "--weighted", "True"]
    assert cli.main([str(word) for word in command]) == 0
    return SimpleNamespace(**vars(files), voted=(path,), maps=maps)


def test_the_masks_are_of_all_findings_and_partly_known(voted):
    store = Store(voted.voted, "mask_levels")
    assert store.meta == {"classes": [*FINDINGS], "splits": ["train"], "soft": False}
    levels = np.stack([store[cxr_id] for cxr_id in store.ids])
    assert set(np.unique(levels)) == {0, 254, UNKNOWN}
    (notes,) = store.notes
    assert sum(notes["images"]) > 20
    assert all(len(sums) == 14 for sums in notes["likeness"])


def test_a_segmenter_of_all_findings_is_selected_by_those_that_experts_drew(voted):
    path = segment(voted, "start", sources=("voted",), samples_per_epoch=16)
    _, checkpoint = load_segmenter(path)
    assert checkpoint.classes == FINDINGS
    without = [name not in PATHOLOGIES for name in FINDINGS]
    thresholds = np.array(checkpoint.extra["thresholds"])
    assert (thresholds[without] == 0.5).all()
    (row,) = rows_of(path)
    assert row["iou_dataset Fracture"] in ("", "nan")
    scores = [float(row[f"iou_dataset {name}"] or "nan") for name in COMMON]
    assert float(row["score"]) == pytest.approx(np.nanmean(scores))


def validated_on(voted, tmp_path, classes):
    """The files, with experts' masks of other classes: what they drew of the first class."""
    drawn = Store(voted.expert, "masks")
    meta = drawn.meta | {"classes": [*classes]}
    with write_store(tmp_path / "others.h5", "masks", meta) as store:
        for cxr_id in drawn.ids:
            mask = drawn[cxr_id][PATHOLOGIES.index("Cardiomegaly")]
            store.append(cxr_id, np.stack([mask] * len(classes)))
    return SimpleNamespace(**(vars(voted) | {"expert": (tmp_path / "others.h5",)}))


def test_classes_that_have_a_score_select_if_those_of_the_selection_have_none(voted, tmp_path):
    others = validated_on(voted, tmp_path, ("Heart", "Fracture"))
    path = segment(others, "fracture", sources=("voted",), samples_per_epoch=8, epochs=2)
    rows = rows_of(path)
    assert [row["score"] for row in rows] == [row["iou_dataset Fracture"] for row in rows]
    assert float(rows[0]["score"]) >= 0


def test_without_a_score_the_last_epoch_is_kept(voted, tmp_path, capsys):
    others = validated_on(voted, tmp_path, ("Heart",))
    path = segment(others, "heartless", sources=("voted",), samples_per_epoch=8, epochs=2)
    assert load_segmenter(path)[1].extra["thresholds"] == [0.5] * 14
    assert "best epoch: 2" in capsys.readouterr().out


def test_predictions_have_all_findings_and_are_read_for_some(voted):
    path = segment(voted, "start", sources=("voted",), samples_per_epoch=16)
    out = voted.folder / "start.json"
    predict_masks.run(
        index=voted.index, images=voted.images, checkpoint=path, out=out,
        settings=PredictionSettings(),
    )  # fmt: skip
    written = json.loads(out.read_text())
    assert set(next(iter(written.values()))) == {*FINDINGS}
    assert set(next(iter(read_masks(out, pathologies=PATHOLOGIES).values()))) == {*PATHOLOGIES}


def test_agreement_is_a_table(voted, tmp_path):
    out = tmp_path / "agreement.csv"
    names = {"names": ("doll",), "voters": ("one,two",)}
    list_agreement.run(masks=voted.voted, out=out, **names)
    table = pd.read_csv(out).set_index(["pathology", "voter"])
    assert len(table) == 14 * 3
    edema = table.loc["Edema"]
    assert edema["agreement"]["mean"] == pytest.approx(edema["agreement"][["one", "two"]].mean())
    assert -1 <= edema["agreement"]["mean"] <= 1
    assert edema["n_images"].nunique() == 1
    assert edema["n_left_out"].isna().tolist() == [True, True, False]
    with pytest.raises(InputError, match="masks of 2 voters, expected masks on which one"):
        list_agreement.run(masks=voted.voted, out=out, **names | {"voters": ("one",)})
    with pytest.raises(InputError, match="masks of 0 voters"):
        list_agreement.run(masks=voted.pseudo, out=out, names=("cam",), voters=("one,two",))


def test_the_quality_of_masks_is_that_of_the_classes_that_experts_drew(voted, tmp_path):
    out = tmp_path / "quality.csv"
    settings = MaskScoreSettings(metrics=("iou_dataset",), replicates=5)
    files = {"index": voted.index, "settings": settings, "out": out, "maps_out": tmp_path / "m.csv"}
    score_masks.run(
        **files, truth=voted.expert, masks=voted.voted, names=("doll",), splits=("validation",)
    )
    table = pd.read_csv(out)
    assert set(table.loc[table["masks"] == "doll", "pathology"]) == {*PATHOLOGIES, "mean"}
    others = validated_on(voted, tmp_path, ("Heart", "Fracture"))
    score_masks.run(
        **files, truth=others.expert, masks=voted.voted, names=("doll",), splits=("validation",)
    )
    table = pd.read_csv(out)
    assert set(table.loc[table["masks"] == "doll", "pathology"]) == {"Fracture"}
    none = validated_on(voted, tmp_path, ("Heart",))
    with pytest.raises(InputError, match="Leave 'doll' out"):
        score_masks.run(
            **files, truth=none.expert, masks=voted.voted, names=("doll",), splits=("validation",)
        )
