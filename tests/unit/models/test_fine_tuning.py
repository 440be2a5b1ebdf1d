"""What every way of fine-tuning promises, and what each of them trains."""

import pytest
import torch

from chexseg import catalog
from chexseg.config.methods import configured, settings_of
from chexseg.config.settings import SegmenterSettings
from chexseg.errors import InputError
from chexseg.models.trained import segmenter_of

WAYS = catalog.names("fine_tuning")
SETTINGS = {"architecture": "deeplabv3plus", "encoder": "resnet18", "decoder_channels": 16}


def tuned(way, **changes):
    """A segmenter of two classes, and what of it is trained."""
    torch.manual_seed(0)
    settings = SegmenterSettings(fine_tuning=way, **(SETTINGS | changes))
    model = segmenter_of(settings, 2)
    return model, configured("fine_tuning", way, settings)(model)


def train(model, groups, steps=2):
    """Trains for some steps with weight decay and a large rate; returns the tensors before."""
    before = {name: each.clone() for name, each in model.state_dict().items()}
    pairs = [{"params": parameters, "lr": 0.1 * factor} for parameters, factor in groups]
    optimizer = torch.optim.Adam(pairs, weight_decay=0.1)
    model.train()
    for step in range(steps):
        image = torch.rand(2, 1, 64, 64, generator=torch.Generator().manual_seed(step))
        optimizer.zero_grad()
        model(image).square().mean().backward()
        optimizer.step()
    return before


def changed(model, before):
    """Beginnings of the names of tensors that changed."""
    state = model.state_dict()
    return {
        ".".join(name.split(".")[:2]) + (" adapter" if ".adapter." in name else "")
        for name, each in state.items()
        if not torch.equal(each, before[name])
    }


@pytest.mark.parametrize("way", WAYS)
def test_the_segmenter_starts_as_it_was(way):
    torch.manual_seed(0)
    plain = segmenter_of(SegmenterSettings(**SETTINGS), 2).eval()
    image = torch.rand(2, 1, 64, 64)
    assert torch.equal(tuned(way)[0].eval()(image), plain(image))


@pytest.mark.parametrize("way", WAYS)
def test_what_is_returned_is_all_that_needs_gradients(way):
    model, groups = tuned(way)
    returned = [id(each) for parameters, _ in groups for each in parameters]
    assert len(returned) == len(set(returned))
    assert set(returned) == {id(each) for each in model.parameters() if each.requires_grad}


@pytest.mark.parametrize("way", WAYS)
def test_all_that_is_trained_changes_and_nothing_else_does(way):
    """Statistics of BatchNorm included: of frozen parts, they are bit-equal."""
    model, groups = tuned(way)
    before = train(model, groups)
    expected = {
        "full": {"network.encoder", "network.decoder", "network.segmentation_head"},
        "head": {"network.segmentation_head"},
        "adapters": {
            "network.encoder adapter", "network.decoder adapter", "network.segmentation_head",
        },
    }  # fmt: skip
    assert changed(model, before) == expected[way]


def test_frozen_parts_stay_in_evaluation_mode():
    model, _ = tuned("head")
    model.eval().train()
    assert model.training
    assert model.network.segmentation_head.training
    assert not any(each.training for each in model.network.encoder.modules())
    assert not any(each.training for each in model.network.decoder.modules())


def test_how_many_parameters_are_trained():
    numbers = {
        way: sum(each.numel() for parameters, _ in tuned(way)[1] for each in parameters)
        for way in WAYS
    }
    assert numbers["head"] == 16 * 2 + 2
    assert numbers["full"] > 11_000_000
    assert 100_000 < numbers["adapters"] < 0.06 * numbers["full"]
    half = sum(
        e.numel() for parameters, _ in tuned("adapters", adapter_rank=4)[1] for e in parameters
    )
    assert numbers["head"] < half < numbers["adapters"]


def test_an_encoder_without_a_convolution_that_takes_adapters():
    """smp's EfficientNets pad in convolutions of their own."""
    with pytest.raises(InputError, match="no convolution in the encoder") as caught:
        tuned("adapters", encoder="efficientnet-b0")
    assert len(caught.value.problems) == 1
    with pytest.raises(InputError, match="found no convolution in the decoder .* rank 32"):
        tuned("adapters", adapter_rank=32)


def test_the_encoder_has_a_learning_rate_of_its_own():
    model, ((others, one), (encoder, factor)) = tuned("full", encoder_learning_rate_factor=0.1)
    assert (one, factor) == (1.0, 0.1)
    names = {id(each): name for name, each in model.named_parameters()}
    assert {names[id(each)].split(".")[1] for each in encoder} == {"encoder"}
    assert {names[id(each)].split(".")[1] for each in others} == {"decoder", "segmentation_head"}
    assert [factor for _, factor in tuned("full")[1]] == [1.0]


def test_the_settings_of_each_way():
    taken = {way: settings_of("fine_tuning", way) for way in WAYS}
    assert taken == {
        "full": ("encoder_learning_rate_factor",), "head": (), "adapters": ("adapter_rank",),
    }  # fmt: skip
