"""Pre-training, starting from a segmenter and fine-tuning, from masks to masks."""

import csv

import numpy as np
import pytest
import torch

from chexseg import catalog
from chexseg.errors import InputError
from chexseg.files.store import Store
from chexseg.models.adapters import AdaptedConv2d
from chexseg.models.trained import load_segmenter
from chexseg.models.weights import load_checkpoint
from chexseg.stages import export, extract_epoch, list_trainings, make_masks, train_segmenter
from tests.stages.trained import SIZE, rows_of, segment

PSSL = {
    "loss": "cross_entropy", "background_weight": 0.1, "optimizer": "sgd", "momentum": 0.9,
    "weight_decay": 4e-5, "learning_rate": 0.01, "scale_range": (0.5, 2),
}  # fmt: skip
START = {"initial_weights": "pre", "architecture": "unet"}


@pytest.fixture(scope="module")
def pre(files):
    """A segmenter that was pre-trained for three epochs, of which two are kept."""
    return segment(files, "pre", epochs=3, keep_epochs=(1, 2), samples_per_epoch=16, **PSSL)


@pytest.fixture(scope="module")
def adapted(files, pre):
    return segment(files, "adapted", weights=(pre,), fine_tuning="adapters", **START)


def tensors(path):
    return load_checkpoint(path, kind="segmenter").state_dict


def extracted(files, path, epoch):
    out = files.folder / f"{path.stem}_{epoch}.pt"
    extract_epoch.run(checkpoint=path, epoch=epoch, out=out)
    return out


def equal(one, other, parts=("encoder", "decoder")):
    """Whether all tensors of the first that belong to some parts are those of the second."""
    names = [name for name in one if name.split(".")[1] in parts]
    assert names
    return all(torch.equal(one[name], other[name]) for name in names)


def test_a_kept_epoch_is_the_model_after_that_epoch(files, pre):
    """A training of only so many epochs is the same up to there: the rate is constant."""
    for epoch in (1, 2):
        kept = load_checkpoint(extracted(files, pre, epoch), kind="segmenter")
        short = segment(
            files, "short", epochs=epoch, keep_epochs=(epoch,), samples_per_epoch=16, **PSSL
        )
        last = load_checkpoint(short, kind="segmenter").epochs[epoch]
        assert kept.state_dict.keys() == last.state_dict.keys()
        assert all(torch.equal(each, last.state_dict[k]) for k, each in kept.state_dict.items())
        assert kept.extra == last.extra
        assert set(kept.extra) >= {"thresholds", "image_size"}
    with pytest.raises(InputError, match="found no epoch 3, expected one that it keeps: 1, 2"):
        extracted(files, pre, 3)


def test_a_kept_epoch_does_not_depend_on_which_others_are_kept(files, pre):
    fewer = segment(files, "fewer", epochs=3, keep_epochs=(2,), samples_per_epoch=16, **PSSL)
    one, other = (extracted(files, path, 2) for path in (pre, fewer))
    assert one.read_bytes() == other.read_bytes()
    assert pre.read_bytes() != fewer.read_bytes()


def test_the_best_epoch_is_not_touched_by_those_that_are_kept(files, pre):
    none = segment(files, "none", epochs=3, samples_per_epoch=16, **PSSL)
    assert equal(tensors(none), tensors(pre), ("encoder", "decoder", "segmentation_head"))
    assert load_checkpoint(none, kind="segmenter").epochs == {}


def test_a_start_takes_encoder_and_decoder_to_the_bit(files, pre, monkeypatch):
    """Seen in the model before its first step."""
    seen = []
    original = train_segmenter.Segmentation.start

    def start(task, initial_weights):
        original(task, initial_weights)
        seen.append({name: each.clone() for name, each in task.model.state_dict().items()})

    monkeypatch.setattr(train_segmenter.Segmentation, "start", start)
    segment(files, "whole", weights=(pre,), **START)
    segment(files, "half", weights=(pre,), parts="encoder", **START)
    whole, half = seen
    assert equal(whole, tensors(pre), ("encoder", "decoder"))
    assert not equal(whole, tensors(pre), ("segmentation_head",))
    assert equal(half, tensors(pre), ("encoder",))
    assert not equal(half, tensors(pre), ("decoder",))


@pytest.mark.parametrize("fine_tuning", ["head", "adapters"])
def test_frozen_weights_and_statistics_are_those_of_the_start(files, pre, fine_tuning):
    out = segment(files, fine_tuning, weights=(pre,), fine_tuning=fine_tuning, **START)
    assert equal(tensors(pre), tensors(out))
    assert not equal(tensors(pre), tensors(out), ("segmentation_head",))


def test_full_fine_tuning_changes_weights_and_statistics(files, pre):
    out = segment(files, "full", weights=(pre,), **START)
    before, after = tensors(pre), tensors(out)
    for name in ("network.encoder.conv1.weight", "network.encoder.bn1.running_mean"):
        assert not torch.equal(before[name], after[name])


def test_adapters_are_used_where_a_segmenter_is_loaded(files, pre, adapted):
    model, _ = load_segmenter(adapted)
    assert any(isinstance(each, AdaptedConv2d) for each in model.modules())
    image, state = torch.rand(1, 1, SIZE, SIZE), tensors(adapted)
    plain = {name: each for name, each in state.items() if ".adapter." not in name}
    assert len(plain) < len(state)
    with torch.no_grad():
        logits = model.eval()(image)
        assert not torch.equal(logits, load_segmenter(pre)[0].eval()(image))
    for how, same in (("merged", True), ("stripped", False), ("kept", True)):
        out = files.folder / f"{how}.pt"
        export.run(checkpoint=adapted, out=out, adapters=how)
        assert (tensors(out).keys() == plain.keys()) == (how != "kept")
        with torch.no_grad():
            exported = load_segmenter(out)[0].eval()(image)
        assert torch.allclose(exported, logits, atol=1e-4) == same
    assert equal(tensors(files.folder / "stripped.pt"), tensors(pre))


def test_an_adapted_segmenter_teaches(files, adapted):
    make_masks.run(
        source="segmenter",
        index=files.index,
        images=files.images[0],
        inputs={"teachers": (adapted,), "gate": ()},
        out=files.folder / "taught.h5",
        settings=catalog.load("mask_source", "segmenter").command_settings()(),
    )
    store = Store((files.folder / "taught.h5",), "masks")
    assert np.isfinite(store[store.ids[0]].sum())


def test_the_next_segmenter_starts_from_what_the_adapters_made(files, adapted):
    """Merged: with the adapters in the weights, and no adapters of its own."""
    out = segment(files, "next", weights=(adapted,), fine_tuning="head", **START)
    export.run(checkpoint=adapted, out=files.folder / "merged.pt")
    assert equal(tensors(files.folder / "merged.pt"), tensors(out))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"architecture": "fpn"}, "a segmenter of architecture unet, expected architecture fpn"),
        ({"decoder_channels": 32}, "decoder_channels 16, expected decoder_channels 32"),
        ({"encoder": "resnet34", "parts": "encoder"}, "another architecture"),
    ],
)
def test_another_network_is_refused(files, pre, changes, message):
    with pytest.raises(InputError, match=message) as caught:
        segment(files, "refused", weights=(pre,), **(START | changes))
    assert len(caught.value.problems) == 1
    assert not (files.folder / "refused.pt").exists()


def test_what_a_training_took(files, pre, adapted):
    head = segment(files, "head", weights=(pre,), fine_tuning="head", **START)
    numbers = {
        path.stem: int(rows_of(path)[0]["trainable_parameters"]) for path in (pre, adapted, head)
    }
    own = sum(each.numel() for each in load_segmenter(pre)[0].parameters())
    assert numbers["pre"] == own
    assert numbers["head"] == sum(
        each.numel() for name, each in tensors(head).items() if ".segmentation_head." in name
    )
    assert numbers["head"] < numbers["adapted"] < 0.1 * own
    out, names = files.folder / "trainings.csv", ("segmenters/pre", "segmenters/head")
    metrics = tuple(path.with_suffix(".csv") for path in (pre, head))
    list_trainings.run(metrics=metrics, names=names, out=out)
    with out.open() as file:
        first, second = csv.DictReader(file)
    assert (first["training"], second["training"]) == names
    assert (first["epochs"], first["steps"]) == ("3", "6")
    assert first["trainable_parameters"] == str(own)
    assert float(first["seconds"]) > 0
    assert int(first["peak_memory_mb"]) > 50
    assert second["best_epoch"] == "1"
