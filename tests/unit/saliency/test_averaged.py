"""The mean of maps over flips and scales."""

import pytest
import torch
from pydantic import ValidationError
from torch import nn

from chexseg import catalog
from chexseg.models.classifier import build_classifier
from chexseg.saliency.averaged import averaged
from chexseg.saliency.explainer import Explainer


class Columns(Explainer):
    """A map of cells of 32 pixels: the mean grey value; the left half counts double."""

    def raw_maps(self, image, outputs):
        cells = nn.functional.avg_pool2d(image, 32)
        half = cells.shape[-1] // 2
        weights = torch.cat([torch.full((half,), 2.0), torch.ones(cells.shape[-1] - half)])
        return (cells * weights).expand(-1, len(outputs), -1, -1)


class Share(Explainer):
    """The share of the evidence in each of the cells of 32 pixels, which sum to 1."""

    def raw_maps(self, image, outputs):
        cells = nn.functional.avg_pool2d(image, 32)
        return torch.full_like(cells, 1 / cells[0, 0].numel())


def cells_of(*values):
    """An image of 32 x 64 pixels with two cells of these grey values."""
    return torch.tensor(values).repeat_interleave(32)[None, None, None].expand(1, 1, 32, 64)


def test_without_flip_and_scales_it_is_the_method_itself():
    explainer = Columns(nn.Identity())
    assert averaged(explainer, flip=False, scales=(1.0,)) is explainer


def test_the_map_of_the_flipped_image_is_flipped_back():
    explainer = averaged(Columns(nn.Identity()), flip=True, scales=(1.0,))
    # 2 x 0.5 and 1 x 0.25; flipped, 2 x 0.25 and 1 x 0.5, so back 0.5 and 0.5.
    assert explainer.maps(cells_of(0.5, 0.25), [0]).tolist() == [[[[0.75, 0.375]]]]


def test_maps_of_scaled_images_have_the_base_grid_and_are_summed_as_they_are():
    explainer = averaged(Columns(nn.Identity()), flip=False, scales=(1.0, 2.0))
    image = torch.full((1, 1, 64, 64), 0.5)
    # At scale 1: 1 and 0.5. At scale 2 the four columns are 1, 1, 0.5, 0.5, four times as many
    # cells. Where they shrink, a cell weighs those at 1/2, 1/2 and 3/2 of its width 3, 3 and 1.
    expected = (torch.tensor([1, 0.5]) + 4 * torch.tensor([13 / 14, 8 / 14])) / 2
    maps = explainer.maps(image, [0, 1])
    assert maps.shape == (1, 2, 2, 2)
    torch.testing.assert_close(maps, expected.expand(1, 2, 2, 2))


def test_evidence_that_more_cells_share_weighs_the_same():
    explainer = averaged(Share(nn.Identity()), flip=True, scales=(0.5, 1.0, 2.0))
    maps = explainer.maps(torch.zeros(1, 1, 64, 64), [0])
    torch.testing.assert_close(maps, torch.full((1, 1, 2, 2), 0.25))


def test_sides_are_rounded_to_multiples_of_32():
    seen = []

    class Sizes(Explainer):
        def raw_maps(self, image, outputs):
            seen.append(tuple(image.shape[-2:]))
            return torch.ones(1, 1, 2, 2)

    averaged(Sizes(nn.Identity()), flip=False, scales=(0.1, 0.75, 1.0, 1.4)).maps(
        torch.zeros(1, 1, 96, 64), [0]
    )
    assert seen == [(96, 64), (32, 32), (64, 64), (128, 96)]


@pytest.mark.parametrize("name", catalog.names("saliency"))
def test_every_method_can_be_averaged(name):
    torch.manual_seed(0)
    # In float64, since rounding moves kinks of the network, and with them gradients.
    classifier = build_classifier("densenet_small", 3, stride=16).double().eval()
    classifier.requires_grad_(False)
    method = catalog.load("saliency", name)
    settings = method.command_settings()(flip=True, scales=[1.5, 1])
    explainer = method.explainer(settings, classifier, {})
    both = averaged(explainer, flip=settings.flip, scales=settings.scales)
    image = torch.rand(2, 1, 64, 64, generator=torch.Generator().manual_seed(1))
    image = image.double()
    maps, mirrored = (both.maps(each, [2, 0]) for each in (image, image.flip(-1)))
    assert maps.shape == explainer.maps(image, [2, 0]).shape
    torch.testing.assert_close(mirrored.flip(-1), maps, rtol=1e-3, atol=1e-6)


@pytest.mark.parametrize("scales", [[], [0.5], [1, 1.0], [1, 0], [1, 5]])
def test_scales_that_do_not_fit(scales):
    settings = catalog.load("saliency", "gradcam").command_settings()
    with pytest.raises(ValidationError):
        settings(scales=scales)


def test_the_order_of_scales_does_not_matter():
    settings = catalog.load("saliency", "gradcam").command_settings()
    assert settings(scales=[1.5, 1, 0.5]).scales == (0.5, 1.0, 1.5)
