"""Training on boxes: the loss for boxes, contrast, and findings that are never seen."""

from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
import torch

from chexseg.config.phantom import PhantomSettings
from chexseg.config.settings import ImageSettings, IndexSettings
from chexseg.data.index import read_index, without
from chexseg.data.layouts.vindr import CHALLENGE, VinDr
from chexseg.data.masks import read_masks
from chexseg.data.phantom.release import make_release
from chexseg.data.readings import read_readings
from chexseg.files.store import Store
from chexseg.models.trained import load_segmenter
from chexseg.stages import build_index, list_boxes, store_images, train_segmenter
from tests.stages.methods import make
from tests.stages.trained import segment

BOXED = {"loss": "boxes", "selection": (), "architecture": "unet", "samples_per_epoch": 8}


@pytest.fixture(scope="module")
def boxed(tmp_path_factory):
    """The phantom with boxes, as index, stores and masks of boxes."""
    folder = tmp_path_factory.mktemp("boxed")
    files, root = SimpleNamespace(folder=folder, index=folder / "index.csv"), folder / "data"
    sizes = {"train_images": 40, "test_images": 6, "longest_side": 64, "normal": 0.4}
    make_release(root, PhantomSettings(layout="vindr", **sizes))
    files.release = {
        "layout": "vindr", "inputs": VinDr().files(root), "root": root,
        "findings": VinDr.findings, "pathologies": VinDr.pathologies,
    }  # fmt: skip
    index = IndexSettings(validation_fraction=0.3)
    build_index.run(**files.release, settings=index, out=files.index)
    files.images = (folder / "images.h5",)
    settings = ImageSettings(image_size=64)
    store_images.run(index=files.index, root=root, out=files.images[0], settings=settings)
    files.boxes = {name: folder / name for name in ("boxes.csv", "agreement.csv", "test.json")}
    out, agreement, test = files.boxes.values()
    list_boxes.run(
        **files.release, index=files.index, out=out, agreement=agreement, test_masks=test
    )
    files.expert = (folder / "expert.h5",)
    classes = {"classes": ("Abnormality",)}
    make("boxes", files.index, files.images[0], files.expert[0], {"boxes": out}, **classes)
    return files


def test_boxes_their_agreement_and_their_masks(boxed):
    index, readings = read_index(boxed.index), read_readings(boxed.boxes["boxes.csv"])
    assert [*readings] == [*index.index]
    table = pd.read_csv(boxed.boxes["agreement.csv"])
    assert table["kappa"].between(0.2, 1).all()
    assert set(table["finding"]) <= set(CHALLENGE)
    test = index[index["split"] == "test"]
    sizes = {name: (int(row["height"]), int(row["width"])) for name, row in test.iterrows()}
    masks = read_masks(boxed.boxes["test.json"], pathologies=("Abnormality",), sizes=sizes)
    assert set(masks) == {name for name in test.index if readings[name].boxes}
    store = Store(boxed.expert, "masks")
    assert set(store.ids) == set(index.index[index["split"] != "test"])
    shown = {name for name in store.ids if store[name].any()}
    assert shown <= {name for name in store.ids if index.loc[name, "Abnormality"] == 1}
    assert len(shown) > 5


def test_a_training_with_boxes_and_contrast_is_the_same_each_time(boxed):
    options = BOXED | {"contrast": 0.5, "contrast_memory": 8, "keep_epochs": (1,)}
    one, again = segment(boxed, "one", **options), segment(boxed, "again", **options)
    assert one.read_bytes() == again.read_bytes()
    without_contrast = segment(boxed, "plain", **BOXED)
    assert one.read_bytes() != without_contrast.read_bytes()
    model, checkpoint = load_segmenter(one)  # nothing of the contrast is in it
    assert checkpoint.classes == ("Abnormality",)
    assert model.eval()(torch.zeros(1, 1, 64, 64)).shape == (1, 1, 64, 64)


@pytest.mark.parametrize("finding", CHALLENGE)
def test_no_x_ray_of_a_held_out_finding_trains_or_validates(boxed, monkeypatch, finding):
    """For every value; and no id is in two splits."""
    seen = {}

    class Stop(Exception):
        pass

    def run(training, task, samples, draw, *, validation, **others):
        seen.update(train={*samples.ids}, validation={*validation})
        raise Stop

    monkeypatch.setattr(train_segmenter.Training, "run", run)
    with pytest.raises(Stop):
        segment(boxed, "unseen", held_out=(finding,), **BOXED)
    readings, index = read_readings(boxed.boxes["boxes.csv"]), read_index(boxed.index)
    test = set(index.index[index["split"] == "test"])
    assert not seen["train"] & seen["validation"]
    assert not (seen["train"] | seen["validation"]) & test
    for cxr_id in seen["train"] | seen["validation"]:
        assert finding not in {box.finding for box in readings[cxr_id].boxes}
    kept = without(index[index["split"] == "train"], (finding,))
    assert seen["train"] == set(kept.index)
    assert np.all(kept[finding] == 0)
