"""One shard or seven: the same bits in every store that is made shard by shard."""

import hashlib
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from chexseg.config.settings import (
    ClassifierSettings,
    ImageSettings,
    IndexSettings,
    PredictionSettings,
    SegmenterSettings,
)
from chexseg.data.index import read_index
from chexseg.data.layouts.chexpert import FINDINGS, PATHOLOGIES
from chexseg.files.store import Store
from chexseg.inference.batching import batch_of
from chexseg.mask_sources.irnet import AffinityLabelSettings, AffinitySettings, IRNetSettings
from chexseg.mask_sources.threshold import Threshold
from chexseg.models.trained import classifier_of, irnet_of, segmenter_of
from chexseg.models.weights import save_checkpoint
from chexseg.stages import (
    build_index,
    compute_affinity,
    label_affinity,
    make_masks,
    predict_masks,
    store_images,
)
from tests.stages.methods import compute_maps, make
from tests.stages.release_files import release_files

SIZE = 32
BATCH = {"batch_size": 4}
KINDS = {
    "images": "images",
    "saliency": "saliency",
    "threshold": "masks",
    "labels": "affinity_labels",
    "affinity": "affinity",
    "walk": "masks",
}


@pytest.fixture(scope="module")
def networks(tmp_path_factory):
    """Checkpoints with random weights."""
    torch.manual_seed(0)
    folder = tmp_path_factory.mktemp("networks")
    classifier = ClassifierSettings(architecture="densenet_small", stride=8)
    segmenter = SegmenterSettings(architecture="unet", decoder_channels=16)
    extra = {"image_size": SIZE, "thresholds": [0.5] * 10, "backbone_architecture": "resnet18"}
    for kind, model, settings, names in (
        ("classifier", classifier_of(classifier, len(FINDINGS)), classifier.model_dump(), FINDINGS),
        ("irnet", irnet_of("resnet18"), IRNetSettings().model_dump(), PATHOLOGIES),
        ("segmenter", segmenter_of(segmenter, 10), segmenter.model_dump(), PATHOLOGIES),
    ):
        save_checkpoint(
            folder / f"{kind}.pt",
            state_dict=model.state_dict(),
            kind=kind,
            settings=settings,
            classes=names,
            extra=extra,
        )
    return folder


def run_stages(phantom, networks, folder, shards):
    """Runs every stage that works in shards; returns the shards of each store."""
    index = folder / "index.csv"
    build_index.run(
        **release_files(phantom),
        out=index,
        settings=IndexSettings(expert_fraction=0.5, shards=shards),
    )
    stores = {name: [folder / name / f"{n}.h5" for n in range(shards)] for name in KINDS}
    for shard in range(shards):
        out = SimpleNamespace(**{name: paths[shard] for name, paths in stores.items()})
        size = ImageSettings(image_size=SIZE)
        store_images.run(index=index, root=phantom, out=out.images, settings=size, shard=shard)
        classifiers = (networks / "classifier.pt",)
        compute_maps("gradcam", out.images, classifiers, out.saliency, PATHOLOGIES, **BATCH)
        maps = {"index": index, "images": out.images, "saliency": out.saliency}
        make("threshold", index, out.images, out.threshold, {"saliency": out.saliency})
        label_affinity.run(**maps, out=out.labels, settings=AffinityLabelSettings())
        compute_affinity.run(
            images=out.images,
            irnet=networks / "irnet.pt",
            out=out.affinity,
            settings=AffinitySettings(**BATCH),
        )
        walked = {"saliency": out.saliency, "affinity": out.affinity}
        make("irnet", index, out.images, out.walk, walked, background=0.3)
    predict_masks.run(
        index=index,
        images=tuple(stores["images"]),
        checkpoint=networks / "segmenter.pt",
        out=folder / "predictions.json",
        settings=PredictionSettings(**BATCH),
    )
    return stores


@pytest.fixture(scope="module")
def results(phantom, networks, tmp_path_factory):
    """Folder and stores of one shard, and of seven."""
    made = {}
    for shards in (1, 7):
        folder = tmp_path_factory.mktemp(f"shards{shards}")
        made[shards] = folder, run_stages(phantom, networks, folder, shards)
    return made


@pytest.mark.parametrize("name", KINDS)
def test_a_store_is_the_same(results, name):
    whole, parts = (Store(results[shards][1][name], KINDS[name]) for shards in (1, 7))
    assert parts.ids == whole.ids
    assert parts.meta == whole.meta
    if name == "labels":  # those of the train X-rays that have any
        assert len(whole) == 21
        assert all((whole[cxr_id] != 255).any() for cxr_id in whole.ids)
    else:
        assert len(whole) == 42
    for cxr_id in whole.ids:
        assert np.array_equal(parts[cxr_id], whole[cxr_id], equal_nan=True), cxr_id
    assert len(np.unique(batch_of(whole, whole.ids))) > 1  # not because nothing is there


def test_of_fewer_train_x_rays_the_same_in_every_shard(results, tmp_path):
    folder, stores = results[7]
    index = read_index(folder / "index.csv")
    train = index.index[index["split"] == "train"]
    chosen = set(sorted(train, key=lambda x: hashlib.sha256(f"0/{x}".encode()).digest())[:9])
    labels, masks = set(), set()
    for number, (images, saliency) in enumerate(
        zip(stores["images"], stores["saliency"], strict=True)
    ):
        files = {"index": folder / "index.csv", "images": images, "train_images": 9}
        out = tmp_path / f"labels{number}.h5"
        label_affinity.run(**files, saliency=saliency, out=out, settings=AffinityLabelSettings())
        labels |= set(Store([out], "affinity_labels").ids)
        out = tmp_path / f"masks{number}.h5"
        settings = Threshold.command_settings()()
        make_masks.run(
            **files,
            source="threshold",
            inputs={"saliency": (saliency,)},
            out=out,
            settings=settings,
        )
        masks |= set(Store([out], "masks").ids)
    assert labels == chosen & set(Store(stores["labels"], "affinity_labels").ids)
    assert masks == chosen | (set(index.index) - set(train))
    assert 0 < len(labels) <= 9


def test_predictions_are_the_same(results):
    one, seven = (results[shards][0] / "predictions.json" for shards in (1, 7))
    assert seven.read_bytes() == one.read_bytes()
