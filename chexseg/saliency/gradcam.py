"""Grad-CAM (Selvaraju et al., ICCV 2017) of all pathologies from one forward pass."""

from __future__ import annotations

import torch
from torch import Tensor

from chexseg.saliency.layer import LayerExplainer


class GradCAM(LayerExplainer):
    """Weights each channel of a layer by the mean gradient of the output with respect to it.

    With activations A of K channels and H x W cells, alpha_ck = mean over cells of
    d logit_c / d A_k, and the map is relu(sum over k of alpha_ck A_k).

    Closed form: the gradient after the last ReLU (ResNet) is w_ck / (H W). Before the ReLU
    (DenseNet's norm5), it has that value where A_k > 0, else 0, so
    alpha_ck = w_ck mean(A_k > 0) / (H W). One forward pass and one product give all images and
    outputs.
    """

    def closed_form(self, features: Tensor, weight: Tensor) -> Tensor:
        alpha = weight / features[0, 0].numel()  # [C, K]
        if self.classifier.relu_follows:
            active = (features > 0).to(features.dtype).mean((2, 3))  # [B, K]
            alpha = alpha * active[:, None]
        else:
            alpha = alpha.expand(len(features), -1, -1)
        return torch.einsum("bck,bkhw->bchw", alpha, features).float().relu()

    def combined(self, activations: Tensor, gradient: Tensor) -> Tensor:
        alpha = gradient.mean((2, 3))
        return torch.einsum("bk,bkhw->bhw", alpha, activations).float().relu()
