"""Histograms of probabilities: they count what masks would be cut from."""

from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
import torch

from chexseg.config.settings import (
    EvaluationSettings,
    ImageSettings,
    IndexSettings,
    PredictionSettings,
    SegmenterSettings,
)
from chexseg.data.layouts.chexpert import PATHOLOGIES
from chexseg.data.masks import read_masks, write_masks
from chexseg.errors import InputError
from chexseg.evaluation.histograms import EDGES
from chexseg.files.store import Store
from chexseg.models.trained import segmenter_of
from chexseg.models.weights import save_checkpoint
from chexseg.stages import (
    build_index,
    compute_histograms,
    count_overlaps,
    predict_masks,
    score_runs,
    store_images,
)
from tests.stages.release_files import release_files

SIZE = 32
BATCH = PredictionSettings(batch_size=4)


@pytest.fixture(scope="module")
def files(phantom, tmp_path_factory):
    """Index and images of the phantom, and a segmenter with random weights."""
    folder = tmp_path_factory.mktemp("histograms")
    index, images, checkpoint = folder / "index.csv", folder / "images.h5", folder / "net.pt"
    release = release_files(phantom)
    build_index.run(**release, out=index, settings=IndexSettings(expert_fraction=0.5))
    size = ImageSettings(image_size=SIZE)
    store_images.run(index=index, root=phantom, out=images, settings=size)
    torch.manual_seed(0)
    settings = SegmenterSettings(architecture="unet", decoder_channels=16, initial_weights="none")
    save_checkpoint(
        checkpoint, state_dict=segmenter_of(settings, 10).state_dict(), kind="segmenter",
        settings=settings.model_dump(), classes=PATHOLOGIES,
        extra={"image_size": SIZE, "thresholds": [0.45, 0.5] * 5},
    )  # fmt: skip
    shared = {"index": index, "images": (images,), "checkpoint": checkpoint, "settings": BATCH}
    return SimpleNamespace(folder=folder, shared=shared, truth=release["inputs"]["test_masks"][0])


@pytest.fixture(scope="module")
def counted(files):
    """The store of histograms, and the overlaps of the same run."""
    out, predicted = files.folder / "histograms.h5", files.folder / "predictions.json"
    compute_histograms.run(**files.shared, truth=files.truth, out=out)
    predict_masks.run(**files.shared, out=predicted)
    overlaps = files.folder / "overlaps.csv"
    count_overlaps.run(
        index=files.shared["index"], truth=files.truth, prediction=predicted, out=overlaps
    )
    return out, overlaps


def test_what_is_above_a_threshold_is_what_was_drawn(counted):
    store, overlaps = Store([counted[0]], "histograms"), pd.read_csv(counted[1])
    assert store.meta["classes"] == [*PATHOLOGIES]
    assert store.meta["edges"] == [*EDGES]
    assert set(store.ids) == set(overlaps["cxr_id"])
    assert len(store) == 8
    for row in overlaps.itertuples():
        number = PATHOLOGIES.index(row.pathology)
        outside, inside = store[row.cxr_id][number]
        above = EDGES.index([0.45, 0.5][number % 2]) + 1
        assert inside[above:].sum() == row.intersection
        assert outside[above:].sum() + inside[above:].sum() == row.predicted_pixels
        assert inside.sum() == row.truth_pixels
        assert outside.sum() + inside.sum() == row.pixels
    assert 0 < overlaps["intersection"].sum() < overlaps["predicted_pixels"].sum()
    assert overlaps["predicted_pixels"].sum() < overlaps["pixels"].sum()


def test_the_oracle_is_never_below_the_tuned_thresholds(counted, files):
    out = files.folder / "summary.csv"
    metrics = ("iou_dataset", "iou_oracle", "average_precision")
    score_runs.run(
        overlaps=(counted[1],), names=("net",), histograms=(counted[0],), histogram_names=("net",),
        out=out, replicates_out=files.folder / "r.npz", false_positives=files.folder / "f.csv",
        settings=EvaluationSettings(metrics=metrics, replicates=10),
    )  # fmt: skip
    table = pd.read_csv(out).pivot(index="pathology", columns="metric", values="value")
    known = table.dropna()
    assert len(known) > 5
    assert (known["iou_oracle"] >= known["iou_dataset"]).all()
    assert (known["iou_oracle"] > known["iou_dataset"]).any()
    assert known["average_precision"].between(0, 1, inclusive="neither").all()


def test_same_bytes_each_time(counted, files, tmp_path):
    compute_histograms.run(**files.shared, truth=files.truth, out=tmp_path / "again.h5")
    assert (tmp_path / "again.h5").read_bytes() == counted[0].read_bytes()


def test_a_segmenter_may_have_other_classes_than_the_pathologies(counted, files, tmp_path):
    """Of ten classes, two are pathologies of the study, in another order."""
    out, names = tmp_path / "two.h5", ("Pneumothorax", "Edema")
    compute_histograms.run(**files.shared, truth=files.truth, out=out, pathologies=names)
    two, ten = Store([out], "histograms"), Store([counted[0]], "histograms")
    assert two.meta["classes"] == [*names]
    for cxr_id in ten.ids:
        places = [PATHOLOGIES.index(name) for name in names]
        assert (two[cxr_id] == ten[cxr_id][places]).all()
    with pytest.raises(InputError, match="no output 'Tuberculosis', expected a model of"):
        compute_histograms.run(
            **files.shared, truth=files.truth, out=tmp_path / "no.h5", pathologies=("Tuberculosis",)
        )
    assert not (tmp_path / "no.h5").exists()


def test_an_x_ray_without_an_entry_has_no_truth(files, counted, tmp_path):
    masks = read_masks(files.truth, pathologies=PATHOLOGIES)
    first = next(iter(masks))
    del masks[first]
    write_masks(tmp_path / "truth.json", masks)
    compute_histograms.run(
        **files.shared, truth=tmp_path / "truth.json", out=tmp_path / "histograms.h5"
    )
    whole, less = (Store([p], "histograms") for p in (counted[0], tmp_path / "histograms.h5"))
    assert less[first][:, 1].sum() == 0
    assert np.array_equal(less[first].sum(1), whole[first].sum(1))
    assert whole[first][:, 1].sum() > 0


def test_masks_of_another_size_are_refused(files, tmp_path):
    masks = read_masks(files.truth, pathologies=PATHOLOGIES)
    first = next(iter(masks))
    masks[first] = {name: {"size": [1, 1], "counts": "1"} for name in PATHOLOGIES}
    write_masks(tmp_path / "truth.json", masks)
    with pytest.raises(InputError, match=r"\[1, 1\]"):
        compute_histograms.run(
            **files.shared, truth=tmp_path / "truth.json", out=tmp_path / "histograms.h5"
        )
    assert not (tmp_path / "histograms.h5").exists()
