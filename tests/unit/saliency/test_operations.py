"""Gradients of several outputs through a classifier, against autograd."""

import pytest
import torch
from torch import nn

from chexseg.models.classifier import build_classifier
from chexseg.saliency.gradients import AutogradGradients, TapeGradients, gradients_of
from chexseg.saliency.tape import Tape, UnknownOperation


def classifier_of(architecture, **options):
    torch.manual_seed(0)
    network = build_classifier(architecture, 4, **options)
    for module in network.modules():  # statistics that training leaves, scales below 0 among them
        if isinstance(module, nn.BatchNorm2d):
            nn.init.normal_(module.running_mean, 0, 0.1)
            nn.init.uniform_(module.running_var, 0.5, 2)
            nn.init.normal_(module.weight, 0.5, 0.5)
            nn.init.normal_(module.bias, 0, 0.1)
    # In float64, since rounding moves kinks of the network, and with them gradients.
    return network.double().eval().requires_grad_(False)


def images(height=32, width=64, number=2):
    generator = torch.Generator().manual_seed(1)
    return torch.rand(number, 1, height, width, generator=generator, dtype=torch.float64)


@pytest.mark.parametrize(
    ("architecture", "options", "size"),
    [
        ("densenet_small", {}, (32, 64)),
        ("densenet_small", {"stride": 8}, (49, 35)),
        ("resnet18", {}, (49, 35)),
        ("resnet18", {"stride": 16, "dilate": True}, (32, 64)),
        ("resnet50", {}, (32, 32)),
    ],
)
def test_the_tape_equals_autograd(architecture, options, size):
    classifier, image = classifier_of(architecture, **options), images(*size)
    ours, theirs = gradients_of(classifier), AutogradGradients(classifier)
    assert isinstance(ours, TapeGradients)
    point = ours.at(ours.input_of(image))
    with torch.no_grad():
        found = ours.to_image(point.gradients([3, 0, 2]), image)
    expected = theirs.at(image).gradients([3, 0, 2])
    assert found.shape == expected.shape == (3, 2, 1, *size)
    assert expected.abs().amax() > 0
    torch.testing.assert_close(found, expected, rtol=1e-9, atol=1e-12)
    with torch.no_grad():
        logits = classifier.head(point.features.mean((2, 3)))
    torch.testing.assert_close(logits, classifier(image))


def test_gradients_can_be_taken_twice_and_in_parts():
    classifier = classifier_of("densenet_small")
    network = gradients_of(classifier)
    point = network.at(network.input_of(images()))
    together = point.gradients([0, 1, 2])
    torch.testing.assert_close(point.gradients([1, 2]), together[1:])
    torch.testing.assert_close(point.gradients([0, 1, 2]), together)


def test_a_gradient_that_two_branches_share_stays_as_it_is():
    """A sum hands the same gradient to both branches; one of them must not change the other's."""

    class Branches(nn.Module):
        def __init__(self):
            super().__init__()
            self.layer4 = nn.Sequential(
                nn.Conv2d(3, 2, 3), nn.ReLU(), nn.Conv2d(2, 2, 1, bias=False)
            )

        def forward(self, image):
            first = self.layer4(image)
            # The same tensor on two ways, and a sum of sums.
            return (first.relu() + first) + (torch.cat([first, first], 1)[:, :2] * 0)

    with pytest.raises(UnknownOperation):
        Tape(_classifier_with(Branches(), lambda network, image: network(image)))

    class Sums(Branches):
        def forward(self, image):
            first = self.layer4(image)
            one, other = nn.functional.relu(first + first), first
            return (one + other) + one

    classifier = _classifier_with(Sums(), lambda network, image: network(image))
    ours, image = TapeGradients(classifier, Tape(classifier)), images(8, 8)
    found = ours.to_image(ours.at(ours.input_of(image)).gradients([0, 1]), image)
    expected = AutogradGradients(classifier).at(image).gradients([0, 1])
    torch.testing.assert_close(found, expected)


def _classifier_with(network, features):
    torch.manual_seed(0)
    classifier = build_classifier("resnet18", 2)
    network.fc = nn.Linear(2, 2)
    classifier.backbone = network
    object.__setattr__(classifier, "_family", _Family(features))
    return classifier.double().eval().requires_grad_(False)


class _Family:
    head = "fc"

    def __init__(self, features):
        self.features = features


def test_a_network_of_other_operations_goes_through_autograd():
    class Smooth(nn.Module):
        def __init__(self):
            super().__init__()
            self.layer4 = nn.Sequential(nn.Conv2d(3, 2, 3), nn.Tanh())

        def forward(self, image):
            return self.layer4(image)

    classifier = _classifier_with(Smooth(), lambda network, image: network(image))
    network = gradients_of(classifier)
    assert isinstance(network, AutogradGradients)
    point = network.at(images(8, 8))
    assert point.gradients([1]).shape == (1, 2, 1, 8, 8)
    # The network saves at least its input, and the result of the tanh: 2 channels of 6 x 6.
    assert point.saved_bytes >= 8 * 2 * (64 + 72)


def test_what_a_tape_saves_is_counted():
    classifier = classifier_of("resnet18").float()
    network = gradients_of(classifier)
    one, three = (network.at(network.input_of(images(number=n).float())) for n in (1, 3))
    assert three.saved_bytes == 3 * one.saved_bytes
    # The largest tensor is the first convolution's: 64 channels of 16 x 32 pixels.
    assert one.largest_bytes == 4 * 64 * 16 * 32
