"""Contrast of abnormal with normal regions.

A region's embedding is projected from the features of a decoder. Abnormal regions attract each other,
whatever they show, and repel normal ones, so that what the network learns of one finding serves the
others.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn.functional import normalize

from chexseg.losses.regions import ABNORMAL, NORMAL

TEMPERATURE = 0.1
"""As in supervised contrastive learning (Khosla et al., NeurIPS 2020)."""


class ProjectionHead(nn.Module):
    """Projects features of regions to embeddings of length 1, with one hidden layer.

    It is used in training only, since the features before it serve other tasks better (SimCLR: Chen et
    al., ICML 2020).

    Args:
        channels: of the features, and of the hidden layer.
        dimensions: of the embeddings.

    Shape:
        features: [..., channels]; embeddings: [..., dimensions].
    """

    def __init__(self, channels: int, dimensions: int = 128):
        super().__init__()
        self.layers = nn.Sequential(
            nn.Linear(channels, channels), nn.ReLU(), nn.Linear(channels, dimensions)
        )

    def forward(self, features: Tensor) -> Tensor:
        return normalize(self.layers(features), dim=-1)


class Memory(nn.Module):
    """Keeps the last embeddings of normal regions, since a small batch has few.

    A ring of earlier embeddings, as in MoCo (He et al., CVPR 2020) and the memory of Wang et al.,
    "Exploring cross-image pixel contrast for semantic segmentation", ICCV 2021. All is in buffers, so
    that a training that is saved and resumed goes on with the same bits.

    Args:
        size: number of embeddings that are kept.
        dimensions: of an embedding.
    """

    entries: Tensor
    pushed: Tensor

    def __init__(self, size: int, dimensions: int = 128):
        super().__init__()
        self.register_buffer("entries", torch.zeros(size, dimensions))
        self.register_buffer("pushed", torch.zeros((), dtype=torch.int64))

    @property
    def kept(self) -> Tensor:
        """The embeddings, [R, D], at most `size`, in no particular order; a copy."""
        return self.entries[: min(int(self.pushed), len(self.entries))].clone()

    @torch.no_grad()
    def push(self, embeddings: Tensor) -> None:
        """Adds embeddings [R, D] in their order; the oldest make room."""
        size, left_out = len(self.entries), max(0, len(embeddings) - len(self.entries))
        kept, start = embeddings[left_out:], int(self.pushed) + left_out
        places = (start + torch.arange(len(kept), device=kept.device)) % max(size, 1)
        self.entries[places] = kept.to(self.entries.dtype)
        self.pushed += len(embeddings)


def contrastive_loss(
    embeddings: Tensor,
    kinds: Tensor,
    memory: Tensor | None = None,
    temperature: float = TEMPERATURE,
) -> Tensor:
    """Returns the supervised InfoNCE of abnormal regions against normal ones.

    For a pair of abnormal regions i and p, with similarities s of embeddings:

        -log(exp(s_ip / t) / (exp(s_ip / t) + sum over normal n of exp(s_in / t)))

    This is the mean over the other abnormal regions p of each i, and then over i (Wang et al., ICCV
    2021, equation 3). Other than in supervised contrastive learning (Khosla et al.), abnormal regions
    are not in each other's denominator, so that many of them in a batch do not repel each other.

    Args:
        embeddings: [..., D] of length 1.
        kinds: int64 [...], of `chexseg.losses.regions`; regions of kind ABSENT do not count.
        memory: [M, D], embeddings of normal regions of earlier batches, which get no gradient.
        temperature: t.

    Returns:
        A scalar of at least 0; 0, with gradient 0, with fewer than two abnormal regions, or no normal
        one.
    """
    embeddings, kinds = embeddings.flatten(0, -2).float(), kinds.flatten()
    abnormal, normal = embeddings[kinds == ABNORMAL], embeddings[kinds == NORMAL]
    if memory is not None:
        normal = torch.cat([normal, memory.detach().to(normal.dtype)])
    number = len(abnormal)
    if number < 2 or not len(normal):
        return embeddings.sum() * 0.0
    alike = abnormal @ abnormal.T / temperature
    against = (abnormal @ normal.T / temperature).logsumexp(1, keepdim=True)
    pairs = torch.logaddexp(alike, against) - alike
    others = ~torch.eye(number, dtype=torch.bool, device=pairs.device)
    return pairs[others].mean()
