"""What every way to compute saliency promises."""

import pytest
import torch

from chexseg import catalog
from chexseg.models.classifier import build_classifier


@pytest.fixture(scope="module")
def classifier():
    torch.manual_seed(0)
    network = build_classifier("densenet_small", 5, stride=16)
    return network.eval().requires_grad_(False)


@pytest.mark.parametrize("name", catalog.names("saliency"))
def test_a_method_gives_finite_maps_that_do_not_depend_on_the_batch(name, classifier):
    method = catalog.load("saliency", name)
    explainer = method.explainer(method.command_settings()(), classifier, {})
    image = torch.rand(3, 1, 64, 64, generator=torch.Generator().manual_seed(1))
    before = {key: value.clone() for key, value in classifier.state_dict().items()}
    maps = explainer.maps(image, [4, 0])
    assert maps.dtype == torch.float32
    assert maps.shape[:2] == (3, 2)
    assert torch.isfinite(maps).all()
    assert maps.any()
    assert not maps.requires_grad
    torch.testing.assert_close(explainer.maps(image[1:2], [4, 0])[0], maps[1], rtol=1e-3, atol=1e-5)
    torch.testing.assert_close(explainer.maps(image, [0])[:, 0], maps[:, 1], rtol=1e-3, atol=1e-5)
    assert all(torch.equal(before[key], value) for key, value in classifier.state_dict().items())
