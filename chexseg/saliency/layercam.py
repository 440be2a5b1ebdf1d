"""LayerCAM (Jiang et al., "LayerCAM: Exploring hierarchical class activation maps", TIP 2021)."""

from __future__ import annotations

import torch
from torch import Tensor

from chexseg.saliency.layer import LayerExplainer


class LayerCAM(LayerExplainer):
    """Weights each activation of a layer by its own gradient, as far as it is positive.

    With activations A, the map is relu(sum over k of relu(d logit_c / d A_k) A_k), cell by cell.
    A channel counts where it matters, not everywhere alike, so that maps of early layers, whose
    cells are small, keep to their objects.

    Closed form: the gradient after the last ReLU is w_ck / (H W) in every cell. Before the ReLU
    (DenseNet's norm5) it is 0 where A is 0, which makes no difference.
    """

    def closed_form(self, features: Tensor, weight: Tensor) -> Tensor:
        positive = weight.relu() / features[0, 0].numel()  # [C, K]
        return torch.einsum("ck,bkhw->bchw", positive, features).float()

    def combined(self, activations: Tensor, gradient: Tensor) -> Tensor:
        return (gradient.relu() * activations).sum(1).float().relu()
