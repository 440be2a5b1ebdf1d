"""Grad-CAM and LayerCAM at each stage, against pytorch-grad-cam's definitions, written out."""

import pytest
import torch
from torch import nn

from chexseg import catalog
from chexseg.models.classifier import build_classifier
from chexseg.saliency.layercam import LayerCAM

MODULES = {
    "densenet_small": ("transition1.norm", "transition2.norm", "transition3.norm", "norm5"),
    "resnet18": ("layer1", "layer2", "layer3", "layer4"),
}
"""Architecture -> the module of torchvision's network at each stage."""


def classifier_of(architecture):
    torch.manual_seed(0)
    return build_classifier(architecture, 4).eval().requires_grad_(False)


def module_at(classifier, architecture, layer):
    place = "features." * (architecture == "densenet_small") + MODULES[architecture][layer - 1]
    return classifier.backbone.get_submodule(place)


def images(batch=2):
    return torch.rand(batch, 1, 64, 96, generator=torch.Generator().manual_seed(1))


def explainer_of(method, classifier, layer):
    method = catalog.load("saliency", method)
    return method.explainer(method.command_settings()(layer=layer), classifier, {})


def gradcam_by_hand(activations, gradient):
    """`GradCAM.get_cam_weights` and the sum of `BaseCAM.get_cam_image`."""
    weights = gradient.mean(dim=(2, 3))
    return (weights[:, :, None, None] * activations).sum(dim=1).clamp(min=0)


def layercam_by_hand(activations, gradient):
    """`LayerCAM.get_cam_image`."""
    return (gradient.clamp(min=0) * activations).sum(dim=1).clamp(min=0)


BY_HAND = {"gradcam": gradcam_by_hand, "layercam": layercam_by_hand}


def peers_maps(classifier, module, image, output, combine):
    """One forward and one backward pass through torchvision's own network, as the peer does."""
    kept = {}

    def keep(_, __, result):
        kept["activations"] = result.detach()  # not a copy: a ReLU in place changes it afterwards
        result.register_hook(lambda gradient: kept.update(gradient=gradient.detach()))

    handle = module.register_forward_hook(keep)
    logits = classifier.backbone(classifier.normalise(image).requires_grad_())
    handle.remove()
    logits[:, output].sum().backward()
    return combine(kept["activations"], kept["gradient"])


@pytest.mark.parametrize("layer", [1, 2, 3, 4])
@pytest.mark.parametrize("architecture", MODULES)
@pytest.mark.parametrize("method", BY_HAND)
def test_equals_the_published_definition(method, architecture, layer):
    classifier = classifier_of(architecture)
    module = module_at(classifier, architecture, layer)
    ours = explainer_of(method, classifier, layer).maps(images(), [3, 0])
    cell = 2 ** (layer + 1)
    assert ours.shape == (2, 2, 64 // cell, 96 // cell)
    assert ours.amax((2, 3)).gt(0).any()
    for number, output in enumerate([3, 0]):
        expected = peers_maps(classifier, module, images(), output, BY_HAND[method])
        torch.testing.assert_close(ours[:, number], expected)


@pytest.mark.parametrize("layer", [2, 4])
@pytest.mark.parametrize("architecture", MODULES)
@pytest.mark.parametrize(("method", "name"), [("gradcam", "GradCAM"), ("layercam", "LayerCAM")])
def test_equals_pytorch_grad_cam(method, name, architecture, layer):
    peer = pytest.importorskip("pytorch_grad_cam")
    scale = pytest.importorskip("pytorch_grad_cam.utils.image").scale_cam_image
    targets = pytest.importorskip("pytorch_grad_cam.utils.model_targets")
    classifier = classifier_of(architecture)
    ours = explainer_of(method, classifier, layer).maps(images(), [1]).numpy()
    module = module_at(classifier.requires_grad_(True), architecture, layer)
    with getattr(peer, name)(classifier.backbone, [module]) as cam:
        theirs = cam(classifier.normalise(images()), [targets.ClassifierOutputTarget(1)] * 2)
    scaled = scale(scale(ours[:, 0], (96, 64)))
    torch.testing.assert_close(torch.from_numpy(scaled), torch.from_numpy(theirs))


class TwoCells(nn.Module):
    """A network whose layer gives its image's rows: two channels of 1 x 2 cells."""

    def __init__(self):
        super().__init__()
        self.layer = nn.Identity()

    def forward(self, image):
        features = self.layer(image.reshape(len(image), 2, 1, 2))
        return (
            (features**2 * torch.tensor([1.0, -1.0]).reshape(1, 2, 1, 1))
            .sum((2, 3))
            .sum(1)[:, None]
        )


def test_layercam_weights_each_cell_by_its_own_positive_gradient():
    network = TwoCells()
    image = torch.tensor([[[[3.0, -1.0], [-2.0, 4.0]]]])
    # Gradients: 6 and -2 in channel 1, 4 and -8 in channel 2; the positive ones times activations
    # are 18 and 0, and -8 and 0. The sums are 10 and 0.
    maps = LayerCAM(network, layer=network.layer).maps(image, [0])
    assert maps.tolist() == [[[[10.0, 0.0]]]]


def test_the_forward_pass_is_shared_by_all_outputs(monkeypatch):
    classifier, calls = classifier_of("resnet18"), []
    stem = classifier.backbone.conv1.forward
    monkeypatch.setattr(
        classifier.backbone.conv1, "forward", lambda image: calls.append(1) or stem(image)
    )
    explainer_of("layercam", classifier, 2).maps(images(), [0, 1, 2, 3])
    assert len(calls) == 1


def test_stages_of_a_network_with_dropped_strides():
    torch.manual_seed(0)
    classifier = build_classifier("densenet_small", 2, stride=8).eval().requires_grad_(False)
    sides = [explainer_of("gradcam", classifier, n).maps(images(), [0]).shape[2:]
             for n in (1, 2, 3, 4)]  # fmt: skip
    assert sides == [(16, 24), (8, 12), (8, 12), (8, 12)]
