"""Segmenters that start from the weights of others."""

import pytest
import torch

from chexseg.config.settings import SegmenterSettings
from chexseg.errors import InputError
from chexseg.models.adapters import add_adapters, merged
from chexseg.models.segmenter import Segmenter
from chexseg.models.start import start_segmenter
from chexseg.models.trained import segmenter_of
from chexseg.models.weights import save_checkpoint

FORM = {"architecture": "unet", "encoder": "resnet18", "decoder_channels": 16}
OBSERVATIONS = tuple(f"Observation {number}" for number in range(14))


def settings(**changes):
    return SegmenterSettings(**(FORM | changes))


def fresh(own) -> Segmenter:
    """A segmenter of four classes with random weights."""
    torch.manual_seed(1)
    return segmenter_of(own, 4)


@pytest.fixture
def source(tmp_path):
    """The tensors of a segmenter of 14 classes, written to source.pt; with statistics that differ."""
    torch.manual_seed(0)
    model = segmenter_of(settings(), 14).train()
    with torch.no_grad():
        model(torch.rand(2, 1, 64, 64))
    write(tmp_path / "source.pt", model.state_dict())
    return model.state_dict()


def write(path, tensors, **changes):
    own = settings(**changes).model_dump()
    save_checkpoint(path, state_dict=tensors, kind="segmenter", settings=own, classes=OBSERVATIONS)


def same(model, tensors, part):
    """Whether all tensors of a part of a model are those given, to the bit."""
    state = model.state_dict()
    names = [name for name in state if name.startswith(f"network.{part}.")]
    assert names
    return all(torch.equal(state[name], tensors[name]) for name in names)


def test_14_classes_to_4_keep_encoder_and_decoder_to_the_bit(source, tmp_path):
    model = fresh(settings())
    head = model.network.segmentation_head.state_dict()
    head = {name: each.clone() for name, each in head.items()}
    report = start_segmenter(model, settings(), str(tmp_path / "source.pt"))
    assert same(model, source, "encoder")
    assert same(model, source, "decoder")
    after = model.network.segmentation_head.state_dict()
    assert all(torch.equal(each, head[name]) for name, each in after.items())
    assert (report.prefix, report.missing) == ("network.", ())


def test_the_encoder_alone_whatever_the_decoder(source, tmp_path):
    for own in (settings(parts="encoder"), settings(parts="encoder", architecture="fpn")):
        model, random = fresh(own), fresh(own).state_dict()
        start_segmenter(model, own, str(tmp_path / "source.pt"))
        assert same(model, source, "encoder")
        assert same(model, random, "decoder")
        assert same(model, random, "segmentation_head")


@pytest.mark.parametrize("parts", ["all", "encoder"])
def test_adapters_of_the_source_are_merged(tmp_path, parts):
    torch.manual_seed(0)
    adapted = segmenter_of(settings(), 14)
    for part in (adapted.network.encoder, adapted.network.decoder):
        for parameter in add_adapters(part, 4):
            torch.nn.init.normal_(parameter)
    write(tmp_path / "adapted.pt", adapted.state_dict(), fine_tuning="adapters")
    model = fresh(settings())
    start_segmenter(model, settings(parts=parts), str(tmp_path / "adapted.pt"))
    plain = merged(adapted.state_dict())
    assert same(model, plain, "encoder")
    assert same(model, plain, "decoder") == (parts == "all")
    name = "network.encoder.layer1.0.conv1.weight"
    assert not torch.equal(plain[name], adapted.state_dict()[name])


def test_a_plain_state_dict_gives_its_encoder(source, tmp_path):
    torch.save(source, tmp_path / "plain.pt")
    model, random = fresh(settings()), fresh(settings()).state_dict()
    start_segmenter(model, settings(), str(tmp_path / "plain.pt"))
    assert same(model, source, "encoder")
    assert same(model, random, "decoder")


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"architecture": "fpn"}, "a segmenter of architecture unet, expected architecture fpn"),
        ({"decoder_channels": 32}, "decoder_channels 16, expected decoder_channels 32"),
        (
            {"encoder": "resnet34", "architecture": "fpn"},
            "architecture unet, encoder resnet18, expected architecture fpn, encoder resnet34",
        ),
        ({"encoder": "resnet34", "parts": "encoder"}, "another architecture"),
    ],
)
def test_another_network_is_refused_and_changes_nothing(source, tmp_path, changes, message):
    own = settings(**changes)
    model, random = fresh(own), fresh(own).state_dict()
    with pytest.raises(InputError, match=message):
        start_segmenter(model, own, str(tmp_path / "source.pt"))
    assert same(model, random, "encoder")
    assert same(model, random, "decoder")


def test_tensors_that_the_settings_do_not_make(source, tmp_path):
    del source["network.decoder.blocks.0.conv1.0.weight"]
    write(tmp_path / "torn.pt", source)
    with pytest.raises(InputError, match=r"torn\.pt: found settings and tensors that do not fit"):
        start_segmenter(fresh(settings()), settings(), str(tmp_path / "torn.pt"))


def test_no_weights():
    model, random = fresh(settings()), fresh(settings()).state_dict()
    assert start_segmenter(model, settings(), "none") is None
    assert same(model, random, "encoder")
