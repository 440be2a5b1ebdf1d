import pytest
import torch
from torch import nn

from chexseg import catalog
from chexseg.errors import InputError
from chexseg.models.classifier import Normalise, build_classifier
from chexseg.models.families import DENSENET, RESNET, lower_stride

SMALL = ("densenet_small", "resnet18")


def image_of(size: int, batch: int = 2) -> torch.Tensor:
    return torch.rand(batch, 1, size, size, generator=torch.Generator().manual_seed(0))


def test_normalise_maps_each_colours_mean_to_zero():
    image = torch.tensor([0.485, 0.456, 0.406, 1.0]).reshape(4, 1, 1, 1)
    result = Normalise()(image)
    assert result.shape == (4, 3, 1, 1)
    assert result[[0, 1, 2], [0, 1, 2]].abs().max() == 0
    torch.testing.assert_close(result[3, 0], torch.tensor([[0.515 / 0.229]]))
    assert Normalise().state_dict() == {}


def test_normalise_refuses_colours():
    with pytest.raises(ValueError, match=r"\(2, 3, 8, 8\)"):
        Normalise()(torch.rand(2, 3, 8, 8))


@pytest.mark.parametrize("architecture", catalog.METHODS["architecture"])
def test_equals_torchvisions_own_forward(architecture):
    classifier = build_classifier(architecture, 5).eval()
    with torch.no_grad():
        image = image_of(64)
        logits = classifier(image)
        own = classifier.backbone(classifier.normalise(image))
    assert logits.shape == (2, 5)
    torch.testing.assert_close(logits, own)


@pytest.mark.parametrize("architecture", SMALL)
@pytest.mark.parametrize("dilate", [False, True])
def test_stride_sets_the_grid_of_the_features(architecture, dilate):
    names = set(build_classifier(architecture, 3).state_dict())
    for stride in (32, 16, 8, 4):
        classifier = build_classifier(architecture, 3, stride=stride, dilate=dilate).eval()
        with torch.no_grad():
            features = classifier.features(image_of(64, batch=1))
        assert features.shape[2:] == (64 // stride, 64 // stride)
        assert features.min() >= 0
        assert set(classifier.state_dict()) == names


@pytest.mark.parametrize("stride", [16, 8, 4])
def test_dilated_resnet_keeps_its_function_on_the_coarse_grid(stride):
    coarse = build_classifier("resnet18", 3).eval()
    fine = build_classifier("resnet18", 3, stride=stride, dilate=True).eval()
    plain = build_classifier("resnet18", 3, stride=stride).eval()
    fine.load_state_dict(coarse.state_dict())
    plain.load_state_dict(coarse.state_dict())
    with torch.no_grad():
        image = image_of(96, batch=1)
        expected = coarse.features(image)
        step = 32 // stride
        dilated, undilated = (
            network.features(image)[:, :, ::step, ::step] for network in (fine, plain)
        )
        torch.testing.assert_close(dilated, expected, rtol=1e-4, atol=1e-4)
        assert (undilated - expected).abs().max() > 0.1


def test_dilated_resnet50_equals_torchvisions():
    models = pytest.importorskip("torchvision.models")
    peer = models.resnet50(replace_stride_with_dilation=[False, True, True]).eval()
    ours = models.resnet50()
    lower_stride(ours, RESNET, 8, dilate=True)
    ours.load_state_dict(peer.state_dict())
    image = torch.rand(1, 3, 64, 64)
    with torch.no_grad():
        torch.testing.assert_close(ours.eval()(image), peer(image))


def test_dilation_of_densenet():
    network = build_classifier("densenet_small", 3, stride=8, dilate=True).backbone

    def dilations(block: int) -> set[tuple[int, int]]:
        layers = network.features.get_submodule(f"denseblock{block}").modules()
        return {m.dilation for m in layers if isinstance(m, nn.Conv2d) and m.kernel_size == (3, 3)}

    assert [dilations(block) for block in (1, 2, 3, 4)] == [{(1, 1)}, {(1, 1)}, {(2, 2)}, {(4, 4)}]


def test_wrong_stride_and_wrong_name():
    with pytest.raises(ValueError, match="not 12"):
        lower_stride(nn.Identity(), DENSENET, 12, dilate=False)
    with pytest.raises(InputError, match="Did you mean resnet50"):
        build_classifier("resnet_50", 3)


def test_same_seed_same_weights():
    torch.manual_seed(3)
    first = build_classifier("densenet_small", 3).state_dict()
    torch.manual_seed(3)
    second = build_classifier("densenet_small", 3).state_dict()
    assert all(torch.equal(first[name], second[name]) for name in first)
