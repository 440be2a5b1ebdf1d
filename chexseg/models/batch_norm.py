"""Batch normalisation of a single value."""

from __future__ import annotations

from torch import Tensor, nn


class PooledBatchNorm(nn.BatchNorm2d):
    """Batch normalisation that also trains on one image with one pixel.

    DeepLab's image pooling leaves 1 x 1 features, and a batch of one image then has one value per
    channel: no variance. Such a batch is normalised by the running statistics, as in evaluation,
    where torch raises an error. Larger batches are treated as usual.
    """

    def forward(self, features: Tensor) -> Tensor:
        if self.training and features.numel() == features.shape[1]:
            return nn.functional.batch_norm(
                features, self.running_mean, self.running_var, self.weight, self.bias, eps=self.eps
            )
        return super().forward(features)
