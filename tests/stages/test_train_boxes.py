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
from chexseg.losses.boxes import regions_of
from chexseg.models.trained import load_segmenter
from chexseg.stages import build_index, list_boxes, store_images
from chexseg.training.augmentation import draw_noise
from chexseg.training.run import Training
from tests.stages.methods import make
from tests.stages.trained import classify, segment

BOXED = {
    "loss": "boxes", "selection": (), "architecture": "unet", "decoder_channels": 64,
    "samples_per_epoch": 8,
}  # fmt: skip


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


def started(monkeypatch, train, boxed, **settings):
    """Task, samples and validation X-rays of a training that stops before its first step."""
    started = []

    class Stop(Exception):
        pass

    def run(training, task, samples, draw, *, validation, **others):
        started.extend((task, samples, validation))
        raise Stop

    monkeypatch.setattr(Training, "run", run)
    with pytest.raises(Stop):
        train(boxed, "started", **settings)
    return started


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
    _, plain = load_segmenter(segment(boxed, "plain", **BOXED))
    model, checkpoint = load_segmenter(one)
    found = checkpoint.state_dict
    assert found.keys() == checkpoint.epochs[1].state_dict.keys() == plain.state_dict.keys()
    assert any(not torch.equal(each, plain.state_dict[name]) for name, each in found.items())
    assert checkpoint.classes == ("Abnormality",)
    assert model.eval()(torch.zeros(1, 1, 64, 64)).shape == (1, 1, 64, 64)


def test_boxes_move_with_their_masks(boxed, monkeypatch):
    task, samples, _ = started(monkeypatch, segment, boxed, augmentation=1.0, **BOXED)
    batch = torch.utils.data.default_collate(list(samples))
    noise = draw_noise(len(samples), torch.Generator().manual_seed(0), task.numbers)
    outputs = task.step(batch, noise)
    inside = regions_of(outputs["boxes"], 64, 64).inside
    masks = outputs["masks"][:, 0] > 0.5
    assert masks.sum() > 1000
    assert (masks & ~inside).sum() < 0.01 * masks.sum()
    assert torch.equal(outputs["agreement"], batch["agreement"])


@pytest.mark.parametrize("finding", CHALLENGE)
@pytest.mark.parametrize(("train", "settings"), [(segment, BOXED), (classify, {"selection": ()})])
def test_no_x_ray_of_a_held_out_finding_trains_or_validates(
    boxed, monkeypatch, train, settings, finding
):
    """For every value; and no id is in two splits."""
    _, samples, validation = started(monkeypatch, train, boxed, held_out=(finding,), **settings)
    seen = {"train": {*samples.ids}, "validation": {*validation}}
    readings, index = read_readings(boxed.boxes["boxes.csv"]), read_index(boxed.index)
    test = set(index.index[index["split"] == "test"])
    assert not seen["train"] & seen["validation"]
    assert not (seen["train"] | seen["validation"]) & test
    for cxr_id in seen["train"] | seen["validation"]:
        assert finding not in {box.finding for box in readings[cxr_id].boxes}
    kept = without(index[index["split"] == "train"], (finding,))
    assert seen["train"] == set(kept.index)
    assert np.all(kept[finding] == 0)
