"""Embeds regions of X-rays for their contrast: a part of a segmenter during its training only."""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn.functional import adaptive_avg_pool2d

from chexseg.losses.contrastive import Memory, ProjectionHead, contrastive_loss
from chexseg.losses.regions import ABNORMAL, NORMAL, contrasted_regions, pool_regions

PREFIX = "contrast."
"""Names of its tensors among those of a segmenter begin with this."""


class RegionContrast(nn.Module):
    """Chooses regions of a batch and projects their features, and remembers normal ones.

    Args:
        channels: of the decoder's features.
        memory: number of normal regions of earlier batches that are kept.
        temperature: of the contrast.
    """

    def __init__(self, channels: int, memory: int, temperature: float):
        super().__init__()
        self.head, self.memory = ProjectionHead(channels), Memory(memory)
        self.temperature = temperature

    def forward(
        self, features: Tensor, logits: Tensor, boxes: Tensor, normal: Tensor
    ) -> tuple[Tensor, Tensor]:
        """Embeds the regions of `chexseg.losses.regions.contrasted_regions`.

        Each pixel of an abnormal region is weighted by its probability of being abnormal, so that the
        healthy tissue in a box counts for less. Where several processes share a batch, each chooses regions
        among its own X-rays.

        Args:
            features: of the decoder, [B, C, h, w].
            logits: [B, 1, S, S].
            boxes: [B, N, 4] in pixels of the square, NaN for none.
            normal: bool [B], whether readers drew nothing.

        Returns:
            Embeddings [B, 2N, D] of length 1, and kinds of regions [B, 2N].
        """
        side = logits.shape[-1]
        regions, kinds = contrasted_regions(boxes, normal, side)
        probability = adaptive_avg_pool2d(logits.detach().float().sigmoid(), features.shape[2:])
        pooled = pool_regions(features, regions, side)
        weighted = pool_regions(features, regions, side, probability)
        chosen = weighted.where((kinds == ABNORMAL)[..., None], pooled)
        return self.head(chosen), kinds

    def loss(self, embeddings: Tensor, kinds: Tensor) -> Tensor:
        """Returns the contrast of a whole batch, whose normal regions are then remembered."""
        loss = contrastive_loss(embeddings, kinds, self.memory.kept, self.temperature)
        self.memory.push(embeddings.detach()[kinds == NORMAL])
        return loss


def without_contrast(tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    """Returns the tensors of a segmenter without those of its contrast."""
    return {name: each for name, each in tensors.items() if not name.startswith(PREFIX)}
