import pytest
import torch
from torch import nn

from chexseg.losses.classification import positive_outputs
from chexseg.models.classifier import build_classifier
from chexseg.saliency.explainer import Explainer
from chexseg.saliency.gradcam import GradCAM

ARCHITECTURES = {
    "densenet_small": lambda classifier: classifier.backbone.features.norm5,
    "resnet18": lambda classifier: classifier.backbone.layer4,
}
"""Architecture -> its last convolutional layer."""

SIZES = [(64, 64), (97, 75)]


def classifier_of(architecture: str, n_outputs: int = 4, **options) -> nn.Module:
    torch.manual_seed(0)
    return build_classifier(architecture, n_outputs, **options).eval()


def images(height: int, width: int, batch: int = 3) -> torch.Tensor:
    return torch.rand(batch, 1, height, width, generator=torch.Generator().manual_seed(1))


class FixedFeatures(nn.Module):
    """A classifier whose features are its image's columns: two channels of 1 x 2 cells."""

    def __init__(self):
        super().__init__()
        self.layer = nn.Identity()
        self.head = nn.Linear(2, 2, bias=False)
        self.head.weight = nn.Parameter(torch.tensor([[1.0, 2.0], [-1.0, -1.0]]))

    def forward(self, image):
        features = self.layer(image.reshape(len(image), 2, 1, 2))
        return self.head(features.relu().mean((2, 3)))


def test_exact_values_by_gradient():
    network = FixedFeatures()
    image = torch.tensor([[[[4.0, -2.0], [1.0, 3.0]]]])
    # Channel 1 is active in one of 2 cells, channel 2 in both: alpha = 1 * 1/2 / 2 and 2 * 1 / 2.
    # Cell 1: 0.25 * 4 + 1 * 1; cell 2: 0.25 * -2 + 1 * 3. The second output's map is negative.
    expected = torch.tensor([[[[2.0, 2.5]], [[0.0, 0.0]]]])
    torch.testing.assert_close(GradCAM(network, layer=network.layer).maps(image, [0, 1]), expected)


@pytest.mark.parametrize("architecture", ARCHITECTURES)
@pytest.mark.parametrize("size", SIZES)
def test_closed_form_equals_gradients(architecture, size):
    classifier = classifier_of(architecture)
    closed = GradCAM(classifier).maps(images(*size), [2, 0, 1])
    by_gradient = GradCAM(classifier, layer=ARCHITECTURES[architecture](classifier))
    assert closed.shape[:2] == (3, 3)
    assert closed.max() > 0
    torch.testing.assert_close(by_gradient.maps(images(*size), [2, 0, 1]), closed)


@pytest.mark.parametrize("architecture", ARCHITECTURES)
@pytest.mark.parametrize("size", SIZES)
def test_equals_pytorch_grad_cam(architecture, size):
    peer = pytest.importorskip("pytorch_grad_cam")
    scale = pytest.importorskip("pytorch_grad_cam.utils.image").scale_cam_image
    targets = pytest.importorskip("pytorch_grad_cam.utils.model_targets")
    classifier = classifier_of(architecture)
    # The peer runs torchvision's own network, not our forward pass.
    layer = ARCHITECTURES[architecture](classifier)
    peers_cam = peer.GradCAM(classifier.backbone, [layer])
    ours = GradCAM(classifier).maps(images(*size), [0, 1, 2, 3]).numpy()
    for output in range(4):
        theirs = peers_cam(
            classifier.normalise(images(*size)), [targets.ClassifierOutputTarget(output)] * 3
        )
        scaled = scale(scale(ours[:, output], size[::-1]))
        torch.testing.assert_close(torch.from_numpy(scaled), torch.from_numpy(theirs))
    peers_cam.activations_and_grads.release()


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_maps_have_the_resolution_of_the_features(architecture):
    classifier = classifier_of(architecture, stride=8)
    assert GradCAM(classifier).maps(images(64, 96, 1), [0]).shape == (1, 1, 8, 12)


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_a_layer_in_the_middle_of_frozen_weights(architecture):
    classifier = classifier_of(architecture).requires_grad_(False)
    middle = {"densenet_small": "features.transition2.conv", "resnet18": "layer3"}[architecture]
    gradcam = GradCAM(classifier, layer=classifier.backbone.get_submodule(middle))
    maps = gradcam.maps(images(64, 64), [0, 3])
    image = images(64, 64)[1:2]
    kept = []
    handle = gradcam.layer.register_forward_hook(
        lambda *hooked: kept.append(hooked[2] + 0) or kept[0]
    )
    logits = classifier(image.requires_grad_())
    handle.remove()
    (gradient,) = torch.autograd.grad(logits[0, 3], kept[0])
    expected = (gradient.mean((2, 3), keepdim=True) * kept[0]).sum(1).relu()
    torch.testing.assert_close(maps[1, 1], expected[0].detach())


@pytest.mark.parametrize("architecture", ARCHITECTURES)
@pytest.mark.parametrize("closed", [True, False])
def test_other_images_of_the_batch_do_not_matter(architecture, closed):
    classifier = classifier_of(architecture).train()
    layer = None if closed else ARCHITECTURES[architecture](classifier)
    gradcam = GradCAM(classifier, layer=layer)
    first = images(64, 64)
    second = torch.cat([first[:1], torch.zeros(1, 1, 64, 64), torch.ones(1, 1, 64, 64)])
    together = gradcam.maps(first, [0, 1])
    assert torch.equal(together[0], gradcam.maps(second, [0, 1])[0])
    torch.testing.assert_close(together[:1], gradcam.maps(first[:1], [0, 1]))


def test_maps_without_evidence_are_zero():
    classifier = classifier_of("resnet18")
    with torch.no_grad():
        classifier.head.weight[1] = -classifier.head.weight[1].abs()
        classifier.head.weight[2] = 0
    maps = GradCAM(classifier).maps(images(64, 64), [1, 2])
    assert torch.equal(maps, torch.zeros_like(maps))


def test_multiclass_outputs_are_the_positive_logits():
    classifier = classifier_of("densenet_small", n_outputs=6)  # two observations
    gradcam = GradCAM(classifier)
    all_maps = gradcam.maps(images(64, 64), range(6))
    positive = gradcam.maps(images(64, 64), positive_outputs([0, 1], "multiclass"))
    torch.testing.assert_close(positive, all_maps[:, [1, 4]])


def test_classifier_is_left_as_it_was():
    classifier = classifier_of("densenet_small").train()
    before = {name: tensor.clone() for name, tensor in classifier.state_dict().items()}
    layer = classifier.backbone.features.norm5
    for gradcam in (GradCAM(classifier), GradCAM(classifier, layer=layer)):
        maps = gradcam.maps(images(64, 64), [0])
        assert not maps.requires_grad
    assert classifier.training
    assert not layer._forward_hooks
    assert all(parameter.grad is None for parameter in classifier.parameters())
    assert all(torch.equal(before[k], v) for k, v in classifier.state_dict().items())


def test_other_networks_need_a_layer():
    with pytest.raises(TypeError, match="pass the layer"):
        GradCAM(nn.Identity())


def test_a_new_method_is_one_function():
    class Brightness(Explainer):
        def raw_maps(self, image, outputs):
            return (image - 0.5).expand(-1, len(outputs), -1, -1)

    maps = Brightness(nn.Identity()).maps(torch.tensor([[[[0.25, 0.75]]]]), [0, 1])
    assert maps.tolist() == [[[[-0.25, 0.25]], [[-0.25, 0.25]]]]
