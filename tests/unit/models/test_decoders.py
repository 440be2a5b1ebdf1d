"""What every decoder keeps; a new one is a class of three lines at the end."""

import pytest
import torch

from chexseg import catalog
from chexseg.models.segmenter import build_segmenter


def image(*size):
    return torch.rand(*size, generator=torch.Generator().manual_seed(0))


class Contract:
    """The promises. `build` may be replaced for a decoder whose arguments differ."""

    decoder: str

    def build(self, encoder="resnet18", seed=0):
        torch.manual_seed(seed)
        return build_segmenter(self.decoder, encoder, 3, decoder_channels=32)

    @pytest.mark.parametrize("encoder", ["resnet18", "tu-convnext_atto", "efficientnet-b0"])
    def test_logits_have_the_size_of_the_image_and_every_parameter_learns(self, encoder):
        segmenter = self.build(encoder)
        logits = segmenter(image(2, 1, 64, 96))
        assert logits.shape == (2, 3, 64, 96)
        logits.square().mean().backward()
        learning = [each for each in segmenter.parameters() if each.requires_grad]
        assert all(parameter.grad is not None for parameter in learning)
        assert any(
            parameter.grad.abs().max() > 0
            for parameter in segmenter.encoder.parameters()
            if parameter.requires_grad
        )

    def test_a_batch_of_one_image_trains(self):
        logits = self.build().train()(image(1, 1, 64, 64))
        logits.sum().backward()
        assert logits.isfinite().all()

    def test_the_same_seed_gives_the_same_bits(self):
        first, second, third = self.build(seed=3), self.build(seed=3), self.build(seed=4)
        states = first.state_dict(), second.state_dict()
        assert all(torch.equal(states[0][name], states[1][name]) for name in states[0])
        first, second, third = (each.eval()(image(1, 1, 64, 64)) for each in (first, second, third))
        assert torch.equal(first, second)
        assert not torch.equal(first, third)

    def test_other_images_of_the_batch_do_not_matter_in_evaluation(self):
        segmenter, images = self.build().eval(), image(3, 1, 64, 64)
        with torch.no_grad():
            torch.testing.assert_close(segmenter(images)[1:2], segmenter(images[1:2]))


class TestDeepLabV3Plus(Contract):
    decoder = "deeplabv3plus"


class TestUNet(Contract):
    decoder = "unet"


class TestUNetPlusPlus(Contract):
    decoder = "unetplusplus"


class TestFPN(Contract):
    decoder = "fpn"


def test_every_decoder_of_the_catalog_has_a_class_above():
    tested = {each.decoder for each in Contract.__subclasses__()}
    assert tested == set(catalog.METHODS["decoder"])


def test_the_unused_centre_of_vgg_is_frozen():
    segmenter = build_segmenter("unetplusplus", "vgg11", 3, decoder_channels=32)
    segmenter(image(2, 1, 32, 32)).sum().backward()
    idle = [n for n, p in segmenter.named_parameters() if p.grad is None]
    assert {name.split(".")[2] for name in idle} == {"center"}
    assert not any(segmenter.get_parameter(name).requires_grad for name in idle)
