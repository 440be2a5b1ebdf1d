"""Encoders of different families: their weights come from local files of smp and of timm."""

import pytest
import timm
import torch

from chexseg.errors import InputError
from chexseg.models.segmenter import build_segmenter
from chexseg.models.weights import initialise

ENCODERS = ["mobilenet_v2", "efficientnet-b0", "mit_b0", "tu-convnext_atto", "tu-resnet18"]


def build(encoder, decoder="fpn", seed=0):
    torch.manual_seed(seed)
    return build_segmenter(decoder, encoder, 2, decoder_channels=32).eval()


def features(segmenter):
    image = torch.rand(1, 3, 64, 64, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        return segmenter.network.encoder(image)[2:]  # behind the image and a scale that may lack


def assert_same_features(first, second):
    for ours, theirs in zip(features(first), features(second), strict=True):
        assert torch.equal(ours, theirs)


@pytest.mark.parametrize("encoder", ENCODERS)
@pytest.mark.parametrize("part", ["network", "network.encoder"])
def test_weights_of_smp_fit_its_encoder(encoder, part, tmp_path):
    source, target = build(encoder, seed=1), build(encoder, seed=2)
    assert not torch.equal(features(source)[-1], features(target)[-1])
    torch.save(source.get_submodule(part).state_dict(), tmp_path / "smp.pt")
    report = initialise(target.encoder, str(tmp_path / "smp.pt"), architecture=encoder)
    assert report.missing == ()
    assert_same_features(source, target)


@pytest.mark.parametrize(
    "name",
    [
        "convnext_atto",
        "resnet18",
        "efficientnet_b0",
        "regnety_002",
        "ese_vovnet19b_dw",
        "pvt_v2_b0",
    ],
)
def test_weights_of_timm_fit_its_encoder(name, tmp_path):
    whole, target = timm.create_model(name), build(f"tu-{name}")
    torch.save(whole.state_dict(), tmp_path / "timm.pth")
    report = initialise(target.encoder, str(tmp_path / "timm.pth"), architecture=f"tu-{name}")
    assert report.missing == ()
    torch.save(timm.create_model(name, features_only=True).state_dict(), tmp_path / "other.pth")
    peer = timm.create_model(name, features_only=True).eval()
    own = {key.replace(".", "_"): tensor for key, tensor in whole.state_dict().items()}
    peer.load_state_dict({key: own[key.replace(".", "_")] for key in peer.state_dict()})
    image = torch.rand(1, 3, 64, 64)
    with torch.no_grad():
        expected, ours = peer(image)[-1], target.network.encoder(image)[-1]
    torch.testing.assert_close(ours, expected)


def test_weights_of_another_encoder_are_refused(tmp_path):
    torch.save(build("mobilenet_v2").encoder.state_dict(), tmp_path / "other.pt")
    with pytest.raises(InputError, match="another architecture"):
        initialise(build("mit_b0").encoder, str(tmp_path / "other.pt"), architecture="mit_b0")


@pytest.mark.parametrize("encoder", ["mobilenet_v2", "tu-resnet18", "tu-vgg11", "resnext50_32x4d"])
def test_imagenet_weights_of_torchvision_fit_where_the_table_says_so(
    encoder, tmp_path, monkeypatch
):
    from torchvision.models import get_model, get_model_weights

    name = encoder.removeprefix("tu-")
    state = get_model(name).state_dict()
    url = get_model_weights(name)["IMAGENET1K_V1"].url
    cached = tmp_path / "hub" / "checkpoints" / url.rsplit("/", 1)[1]
    cached.parent.mkdir(parents=True)
    torch.save(state, cached)
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    report = initialise(build(encoder).encoder, "imagenet", architecture=encoder)
    assert report.missing == ()


def test_no_imagenet_weights_where_torchvision_has_none():
    with pytest.raises(InputError, match="imagenet for mit_b0"):
        initialise(build("mit_b0").encoder, "imagenet", architecture="mit_b0")
