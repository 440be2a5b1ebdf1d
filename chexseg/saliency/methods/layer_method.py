"""What methods share that look at one layer of the classifier."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from pydantic import Field

from chexseg.saliency.method import SaliencyMethod

if TYPE_CHECKING:
    from torch import nn

    from chexseg.models.classifier import Classifier

LAST = 4


class LayerMethod(SaliencyMethod):
    """The settings of a method of `chexseg.saliency.layer.LayerExplainer`."""

    layer: Literal[1, 2, 3, 4] = Field(
        LAST,
        description="Stage of the network whose features are used: ResNet's layer or DenseNet's "
        "block. 4: the last. Before dropped strides, cells have 4, 8, 16 and 32 pixels.",
    )

    def pixels_per_cell(self, stride: int) -> int:
        return min(stride, 2 ** (self.layer + 1))

    def forward_passes(self, classes: int) -> float:
        # The last features need no gradient. Behind an earlier stage lies about a quarter of the
        # network for each stage, and a backward pass to activations costs as much as a forward one.
        return 1 + classes * (LAST - self.layer) / 4


def module_of(classifier: Classifier, layer: int) -> nn.Module | None:
    """Returns the module of a stage; None for the last, which has a closed form."""
    return None if layer == LAST else classifier.stage(layer)
