"""Multi-label segmentation networks, over segmentation-models-pytorch (smp) and timm."""

from __future__ import annotations

from torch import Tensor, nn

from chexseg import catalog
from chexseg.config.networks import decoders_of, nearest_encoder
from chexseg.errors import Problems, nearest
from chexseg.models.classifier import Normalise

IDLE = ("_conv_head", "_bn1")
"""Layers of smp's EfficientNets that no decoder reads."""


class Segmenter(nn.Module):
    """A network from grey images to logits of masks.

    Args:
        network: smp's network from three channels to C logits.

    Attributes:
        network: the same; `encoder`, `decoder` and `segmentation_head` are parts of it.
        frozen: modules that stay as they are: see `freeze`.
        contrast: what embeds regions during a training with contrast; else None.

    Shape:
        image: [B, 1, H, W], float in [0, 1], H and W multiples of 32; logits: [B, C, H, W].
    """

    def __init__(self, network: nn.Module):
        super().__init__()
        self.normalise = Normalise()
        self.network = network
        self.frozen: list[nn.Module] = []
        self.contrast: nn.Module | None = None
        for name in IDLE:  # several GPUs would wait for their gradients
            getattr(network.encoder, name, nn.Identity()).requires_grad_(False)

    @property
    def encoder(self) -> nn.Module:
        """The encoder, under the names of torchvision, smp or timm: what `initialise` fills."""
        encoder = self.network.encoder
        # smp wraps timm's networks, and timm some of its own.
        while [name for name, _ in encoder.named_children()] == ["model"]:
            encoder = encoder.model
        return encoder

    def freeze(self, *modules: nn.Module) -> None:
        """Keeps modules as they are: no gradients, and no training mode.

        So BatchNorm normalises by its running statistics and leaves them unchanged, and there is no
        dropout, as in evaluation.
        """
        self.frozen += modules
        for module in modules:
            module.requires_grad_(False)
        self.train(self.training)

    def train(self, mode: bool = True) -> Segmenter:
        super().train(mode)
        for module in self.frozen:
            module.eval()
        return self

    def forward(self, image: Tensor, boxes: Tensor | None = None, normal: Tensor | None = None):
        """Returns the logits; with boxes, also what `contrast` makes of the decoder's features."""
        if boxes is None:
            return self.network(self.normalise(image))
        features = self.network.decoder(self.network.encoder(self.normalise(image)))
        logits = self.network.segmentation_head(features)
        return logits, *self.contrast(features, logits, boxes, normal)


def build_segmenter(
    architecture: str, encoder: str, classes: int, *, decoder_channels: int
) -> Segmenter:
    """Builds a segmenter with random weights, drawn from torch's global generator.

    Args:
        architecture: a name that `chexseg.catalog` lists under `decoder`.
        encoder: smp's name of an encoder that the decoder takes: see `chexseg.config.networks`.
        classes: number of logits per pixel.
        decoder_channels: width of the decoder; see there.

    Raises:
        InputError: no decoder or no encoder has that name, or the decoder does not take it.
    """
    problems, names, decoders = Problems(), catalog.names("decoder"), decoders_of(encoder)
    if not decoders:
        remedy = f"Did you mean {nearest_encoder(encoder)}?"
        problems.add("encoder", encoder, "an encoder of smp or timm", remedy)
    if architecture not in names:
        remedy = f"Did you mean {nearest(architecture, names)}?"
        problems.add("architecture", architecture, f"one of {names}", remedy)
    elif decoders and architecture not in decoders:
        found, expected = f"{architecture} with {encoder}", f"one of {decoders}"
        problems.add("architecture", found, expected, "Choose one that takes the encoder.")
    problems.raise_if_any()
    build = catalog.load("decoder", architecture)
    return Segmenter(build(encoder, classes, decoder_channels))
