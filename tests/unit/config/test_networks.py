"""What the tables of networks mean for a config: which networks there are, and which fit together."""

import subprocess
import sys

import pytest

from chexseg import catalog
from chexseg.config import networks
from chexseg.config.settings import SegmenterSettings
from chexseg.config.study import read_study
from tests.unit.config.small_config import found_in, good, problems_of


def segmenter(**changes):
    return good(segmenters={"full": {"masks": ["expert"], "initial_weights": "none", **changes}})


@pytest.mark.parametrize(
    ("encoder", "decoder"),
    [
        ("tu-convnext_atto", "fpn"),
        ("mobilenet_v2", "unetplusplus"),
        ("mit_b0", "deeplabv3plus"),
        ("vgg11", "unet"),
    ],
)
def test_encoders_of_smp_and_timm(encoder, decoder):
    study = read_study(segmenter(encoder=encoder, architecture=decoder))
    assert study.segmenters["full"].encoder == encoder


TEXT = """\
study: small
phantom: {}
defaults:
  segmenters: {architecture: unetplusplus, initial_weights: none}
segmenters:
  a: {masks: [expert], encoder: mobilnet_v2}
  b: {masks: [expert], encoder: mit_b0}
  c: {masks: [expert], encoder: mit_b0, architecture: fpn, initial_weights: imagenet}
  d: {masks: [expert], encoder: tu-resnet18, architecture: unett}
"""


def test_what_does_not_fit_is_reported_at_its_key(tmp_path):
    decoders = "a decoder of deeplabv3plus, unet, fpn"
    assert problems_of(TEXT, tmp_path) == [
        (
            "6:24",
            "'mobilnet_v2' for 'segmenters.a.encoder'",
            "an encoder of smp or timm, such as 'mobilenet_v2'",
            "Did you mean 'mobilenet_v2'?",
        ),
        (
            "7:24",
            "mit_b0 with unetplusplus",
            decoders,
            "Set 'architecture' to one of them, or change 'encoder'.",
        ),
        (
            "9:46",
            "'unett' for 'segmenters.d.architecture'",
            "'deeplabv3plus', 'unet', 'unetplusplus' or 'fpn'",
            "Did you mean 'unet'?",
        ),
    ]


def test_imagenet_weights_that_torchvision_does_not_have():
    (problem,) = found_in(segmenter(encoder="mit_b0", initial_weights="imagenet"))
    assert problem == ("ImageNet weights for mit_b0", "Set it to none or a path.")
    read_study(segmenter(encoder="tu-resnet18", initial_weights="imagenet"))
    read_study(segmenter(encoder="mit_b0", initial_weights="weights/mit_b0.pth"))


def test_defaults_may_hold_a_part_of_what_fits():
    shared = {"segmenters": {"encoder": "mit_b0", "initial_weights": "none"}}
    full = {"masks": ["expert"], "architecture": "fpn"}
    read_study(good(defaults=shared, segmenters={"full": full, "both": full}))
    shared["segmenters"]["architecture"] = "unetplusplus"
    study = good(defaults=shared, segmenters={"full": full, "both": {"masks": ["expert"]}})
    assert [found for found, _ in found_in(study)] == ["mit_b0 with unetplusplus"]


def test_weights_of_a_classifier_of_the_same_network():
    config = segmenter(encoder="resnet34", initial_weights="res34")
    config["classifiers"]["res34"] = {"architecture": "resnet34"}
    assert read_study(config).segmenters["full"].initial_weights == "res34"


def test_backbones_are_torchvisions_resnets():
    assert networks.backbones() == ("resnet18", "resnet34", "resnet50", "resnet101")


def test_a_decoder_of_another_package_takes_every_encoder_at_the_highest_cost(monkeypatch):
    monkeypatch.setattr(catalog, "names", lambda kind: (*catalog.METHODS[kind], "other"))
    assert networks.decoders_of("mit_b0") == ("deeplabv3plus", "unet", "fpn", "other")
    gflop = networks.encoders()["mit_b0"].gflop
    assert networks.segmenter_gflop("mit_b0", "other") == max(gflop.values())


def test_an_architecture_of_another_package_costs_as_much_as_the_costliest():
    assert networks.classifier_gflop("other", 32) == networks.classifier_gflop("resnet101", 32)
    largest = networks.architectures()["resnet101"].parameters
    assert networks.bytes_of_weights("other") == 4 * largest
    assert networks.imagenet_of("other") == "other"


def test_imagenet_weights_of_the_table():
    assert networks.imagenet_of("tu-resnet18") == "resnet18"
    assert networks.imagenet_of("densenet_small") == networks.imagenet_of("mit_b0") == ""


def test_every_encoder_goes_with_a_decoder():
    known = networks.encoders()
    assert all(known[name].gflop and known[name].parameters > 0 for name in known)
    assert SegmenterSettings().encoder in known


def test_tables_are_read_without_torch():
    code = (
        "import sys; from chexseg.config import networks as n; n.encoders(); n.architectures(); "
        "sys.exit(', '.join({'torch', 'pandas', 'numpy', 'timm'} & set(sys.modules)) or 0)"
    )
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0
