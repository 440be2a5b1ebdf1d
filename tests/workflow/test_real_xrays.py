"""config/chexpert.yaml on real X-rays in CheXpert's layout; skipped where there are none."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from PIL import Image

from chexseg.data.images import Letterbox, open_image
from chexseg.data.layouts.chexpert import PATHOLOGIES
from chexseg.data.masks import decode, read_masks
from chexseg.files.store import Store
from chexseg.inference.native_size import to_native_size
from chexseg.report import overlay

ROOT = Path(__file__).parents[2]
REAL = ROOT.parent / "shared" / "covid-cxr"

pytestmark = [
    pytest.mark.slow,
    pytest.mark.real,
    pytest.mark.xdist_group("real"),
    pytest.mark.skipif(not REAL.is_dir(), reason="no real X-rays in ../shared/covid-cxr"),
]
ANATOMY = ("Left Lung", "Right Lung", "Cardiomediastinum", "COVID-19 Infection")

SMALL = {
    "data": {"root": str(REAL), "images": {"image_size": 96}, "index": {"shards": 2}},
    "classifiers": {"densenet": {"epochs": 1}, "resnet18": {"epochs": 1}},
    "masks": {
        "irnet": {"training": {"epochs": 1, "radius": 5}},
        "teacher": {"source": "segmenter", "segmenters": ["full"], "certain_background": 0.2},
    },
    "defaults": {"segmenters": {"epochs": 1, "samples_per_epoch": 40}},
    "segmenters": {"student": {"masks": {"expert": 0.5, "teacher": 0.5}, "consistency": 0.5}},
}


@pytest.fixture(scope="module")
def imagenet(tmp_path_factory):
    """A torch cache with made-up ImageNet weights, under the names that torchvision looks for."""
    from torchvision.models import get_model, get_model_weights

    home = tmp_path_factory.mktemp("torch_home")
    folder = home / "hub" / "checkpoints"
    folder.mkdir(parents=True)
    torch.manual_seed(0)
    for name in ("densenet121", "resnet18", "resnet50"):
        weights = get_model_weights(name)["IMAGENET1K_V1"]
        torch.save(get_model(name).state_dict(), folder / Path(weights.url).name)
    return home


@pytest.fixture(scope="module")
def study(imagenet, new_workflow, tmp_path_factory):
    workflow = new_workflow(tmp_path_factory.mktemp("real"))
    workflow.environment["TORCH_HOME"] = str(imagenet)
    override = workflow.write(SMALL, "small.yaml")
    workflow.run(ROOT / "config" / "chexpert.yaml", str(override))
    report = workflow.folder / "report.html"
    workflow.run(ROOT / "config" / "chexpert.yaml", str(override), "--report", str(report))
    assert "gallery.png" in report.read_text()
    return workflow.folder / "results" / "chexpert"


def test_the_summary_scores_what_was_drawn(study):
    summary = pd.read_csv(study / "summary.csv").set_index(["run", "pathology", "metric"])
    assert set(summary.index.unique("run")) == {
        "weak_cam", "weak_irnet", "full", "chexseg", "student",
    }  # fmt: skip
    truth = read_masks(
        REAL / "CheXlocalize" / "gt_segmentations_test.json", pathologies=PATHOLOGIES
    )
    drawn = sum(decode(masks["Airspace Opacity"]).any() for masks in truth.values())
    n_images = summary["n_images"]["full", "Airspace Opacity", "iou_dataset"]
    assert drawn == 19
    assert n_images >= drawn
    assert summary["value"]["full", "Airspace Opacity", "iou_dataset"] > 0


def test_masks_sit_on_the_lungs_the_right_way_up(study):
    images = Store(sorted((study / "images").glob("*.h5")), "images")
    index = pd.read_csv(study / "index.csv", index_col="cxr_id")
    upright = []
    for split in ("val", "test"):
        path = REAL / "anatomy" / f"segmentations_{split}.json"
        for cxr_id, masks in read_masks(path, pathologies=ANATOMY).items():
            height, width = index.loc[cxr_id, ["height", "width"]].astype(int)
            letterbox = Letterbox(height, width, images.meta["image_size"])
            lungs = letterbox.masks(np.stack([decode(masks[task]) for task in ANATOMY[:2]])).any(0)
            image = images[cxr_id].astype(float)
            darkness = [-image[flipped].mean() for flipped in (lungs, lungs[::-1])]
            upright.append(darkness[0] > darkness[1])
    assert len(upright) == 40
    assert np.mean(upright) > 0.8  # lungs are dark, what lies under them upside down is not


def test_overlays_are_where_the_masks_are(study, tmp_path):
    path = REAL / "anatomy" / "segmentations_test.json"
    index = pd.read_csv(study / "index.csv", index_col="cxr_id")
    for cxr_id, masks in list(read_masks(path, pathologies=ANATOMY).items())[:5]:
        image, height, width = open_image(REAL / index["path"][cxr_id])
        lung = decode(masks["Right Lung"])
        letterbox = Letterbox(height, width, 320)
        square = torch.from_numpy(letterbox.masks(lung[None])).float()
        native = (to_native_size(letterbox, square) > 0.5).numpy()[0]
        assert (native & lung).sum() / (native | lung).sum() > 0.97
        overlay.draw(np.asarray(image), {"Edema": native}, tmp_path / "overlay.png")
        picture = np.asarray(Image.open(tmp_path / "overlay.png").convert("RGB")).astype(int)
        tinted = np.ptp(picture, axis=2) > 12
        right = np.flatnonzero(tinted[:, : int(tinted.shape[1] * 0.88)].any(0))
        rows = np.flatnonzero(tinted[:, right].any(1))
        # As high, and as far down, in the picture as in the X-ray, whose panel fills the height.
        expected = np.flatnonzero(lung.any(1))[[0, -1]] / height
        margin = 0.06
        assert abs(rows[0] / len(picture) - expected[0]) < margin, cxr_id
        assert abs(rows[-1] / len(picture) - expected[1]) < margin, cxr_id
