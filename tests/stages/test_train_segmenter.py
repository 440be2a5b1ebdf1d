"""Training a segmenter on one or several sources of masks."""

from types import SimpleNamespace

import numpy as np
import pytest
import torch

from chexseg.data.index import read_index
from chexseg.data.layouts.chexpert import PATHOLOGIES
from chexseg.errors import InputError
from chexseg.files.store import Store, write_store
from chexseg.models.trained import load_segmenter
from chexseg.stages import (
    train_segmenter,
)
from tests.stages.trained import BOTH, SIZE, classify, rows_of, segment


def test_a_segmenter_is_trained_and_tells_what_it_is(files):
    path = segment(files, "full")
    model, checkpoint = load_segmenter(path)
    assert checkpoint.classes == PATHOLOGIES
    assert checkpoint.extra["image_size"] == SIZE
    assert len(checkpoint.extra["thresholds"]) == 10
    assert all(0 < threshold < 1 for threshold in checkpoint.extra["thresholds"])
    assert model.eval()(torch.zeros(1, 1, SIZE, SIZE)).shape == (1, 10, SIZE, SIZE)
    (row,) = rows_of(path)
    assert {f"iou_dataset {pathology}" for pathology in PATHOLOGIES} <= row.keys()
    common = ("Enlarged Cardiomediastinum", "Support Devices", "Cardiomegaly", "Atelectasis")
    scores = [float(row[f"iou_dataset {name}"] or "nan") for name in common]
    assert float(row["score"]) == pytest.approx(np.nanmean(scores))


def test_same_seed_same_segmenter_to_the_byte(files):
    options = {"sources": BOTH, "mixing": (0.9, 0.1), "samples_per_epoch": 16}
    one, again = segment(files, "one", **options), segment(files, "two", **options)
    assert one.read_bytes() == again.read_bytes()
    other = segment(files, "three", **(options | {"seed": 4}))
    assert other.read_bytes() != one.read_bytes()


def test_deeplab_trains_to_the_same_bytes(files):
    options = {"architecture": "deeplabv3plus", "decoder_channels": 16}
    one, again = segment(files, "deeplab", **options), segment(files, "deeplab2", **options)
    assert one.read_bytes() == again.read_bytes()


def test_an_encoder_starts_from_a_classifier_of_the_study(files, capsys):
    classifier = classify(files, "resnet", architecture="resnet18", stride=32)
    capsys.readouterr()
    options = {"initial_weights": "resnet", "samples_per_epoch": 8}
    path = segment(files, "started", weights=(classifier,), **options)
    assert "loaded=" in capsys.readouterr().out
    assert path.read_bytes() != segment(files, "random", samples_per_epoch=8).read_bytes()


class Watch:
    """The X-rays that a training asks for, by their source."""

    def __init__(self, monkeypatch):
        self.asked = []
        read = train_segmenter.Supervised.__getitem__

        def asked(dataset, number):
            self.asked.append(dataset.items[number][0].name)
            return read(dataset, number)

        monkeypatch.setattr(train_segmenter.Supervised, "__getitem__", asked)

    def count(self, name):
        return self.asked.count(name)


@pytest.mark.parametrize(
    ("sources", "mixing", "expected"),
    [
        (("expert",), (), {"expert": 5}),
        (("pseudo",), (), {"pseudo": 24}),
        (BOTH, (1, 0), {"expert": 16}),
        (BOTH, (0, 1), {"pseudo": 16}),
    ],
)
def test_what_a_segmenter_learns_from(files, monkeypatch, sources, mixing, expected):
    watch = Watch(monkeypatch)
    samples = sum(expected.values())
    segment(files, "watched", sources=sources, mixing=mixing, samples_per_epoch=samples)
    assert watch.count("validation") == 5
    assert {name: watch.count(name) for name in set(watch.asked) - {"validation"}} == expected


def test_without_weights_every_x_ray_of_all_sources_is_shown_once(files, monkeypatch):
    watch = Watch(monkeypatch)
    # 29 X-rays in batches of 29: none is dropped.
    segment(files, "watched", sources=BOTH, batch_size=29)
    assert (watch.count("expert"), watch.count("pseudo")) == (5, 24)


def test_no_masks_to_learn_from(files, tmp_path):
    index = tmp_path / "index.csv"
    index.write_text(files.index.read_text().replace(",expert,", ",validation,"))
    none = SimpleNamespace(**(vars(files) | {"index": index}))
    with pytest.raises(InputError, match="no training X-ray in the masks 'expert'"):
        segment(none, "nothing", sources=BOTH)
    assert not (files.folder / "nothing.pt").exists()


@pytest.mark.parametrize("number", [0, 2])
def test_validation_uses_the_x_rays_that_have_masks(files, tmp_path, monkeypatch, number):
    drawn, watch = Store(files.expert, "masks"), Watch(monkeypatch)
    some = list(read_index(files.index, "validation").index)[:number]
    with write_store(tmp_path / "some.h5", "masks", drawn.meta) as store:
        for cxr_id in [*read_index(files.index, "expert").index, *some]:
            store.append(cxr_id, drawn[cxr_id])
    few = SimpleNamespace(**(vars(files) | {"expert": (tmp_path / "some.h5",)}))
    if number:
        segment(few, "few")
        assert watch.count("validation") == number
    else:
        with pytest.raises(InputError, match="no masks of validation X-rays"):
            segment(few, "few")
