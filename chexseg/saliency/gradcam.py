"""Grad-CAM (Selvaraju et al., ICCV 2017) of all pathologies from one forward pass."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from chexseg.models.classifier import Classifier
from chexseg.saliency.explainer import Explainer


class GradCAM(Explainer):
    """Weights each channel of a layer by the mean gradient of the output with respect to it.

    With features A of K channels and H x W cells, alpha_ck = mean over cells of d logit_c / d A_k,
    and the map is relu(sum over k of alpha_ck A_k).

    Without `layer`, the maps of the last features are computed in closed form, without gradients:
    the head is linear in their mean, so the gradient after the last ReLU (ResNet) is w_ck / (H W).
    Before the ReLU (DenseNet's norm5), the gradient has that value where A_k > 0, else 0, so
    alpha_ck = w_ck mean(A_k > 0) / (H W). One forward pass and one product give all images and
    outputs.

    If the output of a layer is modified in place, as norm5's is by its ReLU, the sum uses the
    modified values, while the gradient is taken before the modification. pytorch-grad-cam does the
    same on a CPU.

    Args:
        classifier: a `Classifier`; with `layer`, any network from images to logits.
        layer: a module of the classifier: its output is used, and gradients are computed.
    """

    def __init__(self, classifier: nn.Module, *, layer: nn.Module | None = None):
        super().__init__(classifier)
        if layer is None and not isinstance(classifier, Classifier):
            raise TypeError("only a Classifier has a closed form: pass the layer")
        self.layer = layer

    def raw_maps(self, image: Tensor, outputs: list[int]) -> Tensor:
        if self.layer is None:
            features, alpha = self._closed_form(image, outputs)
        else:
            features, alpha = self._by_gradient(image, outputs)
        return torch.einsum("bck,bkhw->bchw", alpha, features).float().relu()

    def _closed_form(self, image: Tensor, outputs: list[int]) -> tuple[Tensor, Tensor]:
        features = self.classifier.features(image)
        alpha = self.classifier.head.weight[outputs] / features[0, 0].numel()  # [C, K]
        if self.classifier.relu_follows:
            active = (features > 0).to(features.dtype).mean((2, 3))  # [B, K]
            return features, alpha * active[:, None]
        return features, alpha.expand(len(image), -1, -1)

    def _by_gradient(self, image: Tensor, outputs: list[int]) -> tuple[Tensor, Tensor]:
        kept = {}

        def keep(module: nn.Module, inputs: tuple, output: Tensor) -> None:
            kept["features"] = output.detach()
            # Keep the node of the graph, not the tensor, which an in-place change would advance.
            kept["edge"] = torch.autograd.graph.get_gradient_edge(output)

        handle = self.layer.register_forward_hook(keep)
        try:
            with torch.enable_grad():
                # The image requires gradients, so that frozen networks build a graph as well.
                logits = self.classifier(image.detach().clone().requires_grad_())
        finally:
            handle.remove()
        # Images are independent, so one backward pass per output covers the whole batch.
        chosen = nn.functional.one_hot(
            torch.tensor(outputs, device=logits.device), logits.shape[1]
        ).to(logits.dtype)
        (gradient,) = torch.autograd.grad(
            logits,
            kept["edge"],
            chosen[:, None].expand(-1, len(image), -1),
            is_grads_batched=True,
        )  # [C, B, K, h, w]
        return kept["features"], gradient.mean((3, 4)).transpose(0, 1)
