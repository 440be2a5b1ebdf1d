"""The operations of a piecewise linear network, each with a backward pass for several gradients.

Between its kinks such a network is linear, so a backward pass needs only where the input lies: the
slope of each ReLU, the winners of each maximum. One forward pass saves these for N inputs; then the
gradients of K outputs go back together, as [K, N, C, H, W].
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional


class Operation(ABC):
    """An operation on tensors [N, C, H, W].

    Attributes:
        hands_on: whether `backward` returns its gradient, or views of it, and no new tensors.
    """

    hands_on = False

    @abstractmethod
    def forward(self, *inputs: Tensor) -> tuple[Tensor, Any]:
        """Returns the result, and what the backward pass needs."""

    @abstractmethod
    def backward(self, gradient: Tensor, saved: Any) -> Sequence[Tensor]:
        """Returns the gradients of the inputs, [K, N, C, H, W]; changes nothing in place.

        Args:
            gradient: of K outputs with respect to the result, [K, N, C, H, W].
            saved: what `forward` returned.
        """


class Convolution(Operation):
    """A convolution, with zeros around its input.

    With stride 1, the backward pass is a convolution with the mirrored kernel, which is faster than
    torch's own backward pass. A kernel of one pixel gets a dilation: it changes nothing, but
    without it torch sends small batches on one thread to a slow implementation.

    Args:
        weight: [C, C / groups, h, w].
        bias: [C], or None.
        layout: memory format of the weights.

    Attributes:
        of_pixels: whether each pixel of the result depends on one pixel.
    """

    def __init__(
        self,
        weight: Tensor,
        bias: Tensor | None,
        *,
        stride: tuple[int, int],
        padding: tuple[int, int],
        dilation: tuple[int, int],
        groups: int,
        layout: torch.memory_format,
    ):
        self.weight, self.bias = weight.contiguous(memory_format=layout), bias
        self.stride, self.padding, self.groups = stride, padding, groups
        single = weight.shape[2:] == (1, 1)
        self.dilation = (2, 2) if single else dilation
        self.of_pixels = single and stride == (1, 1) and padding == (0, 0)
        self.mirrored = None
        if stride == (1, 1) and groups == 1:
            turned = weight.flip(2, 3).transpose(0, 1)
            self.mirrored = turned.contiguous(memory_format=layout)
            sides = zip(self.dilation, weight.shape[2:], padding, strict=True)
            self.margin = tuple(step * (side - 1) - around for step, side, around in sides)

    def forward(self, image: Tensor) -> tuple[Tensor, torch.Size]:
        result = functional.conv2d(
            image, self.weight, self.bias, self.stride, self.padding, self.dilation, self.groups
        )
        return result, image.shape[1:]

    def of_grey(self, factors: Tensor) -> Convolution:
        """Returns the convolution of one channel, whose multiples are the channels of this one.

        Args:
            factors: what each channel is a multiple by, [1, C, 1, 1].
        """
        return Convolution(
            (self.weight * factors).sum(1, keepdim=True),
            None,
            stride=self.stride,
            padding=self.padding,
            dilation=self.dilation,
            groups=1,
            layout=torch.channels_last,
        )

    def backward(self, gradient: Tensor, saved: torch.Size) -> tuple[Tensor]:
        flat = gradient.flatten(0, 1)
        if self.mirrored is not None and min(self.margin) >= 0:
            back = functional.conv2d(flat, self.mirrored, None, 1, self.margin, self.dilation)
        else:
            back = functional.conv_transpose2d(
                flat,
                self.weight,
                None,
                self.stride,
                self.padding,
                self._left_over(saved),
                self.groups,
                self.dilation,
            )
        return (back.unflatten(0, gradient.shape[:2]),)

    def _left_over(self, shape: torch.Size) -> tuple[int, int]:
        """Returns how many rows and columns of an input [C, H, W] no window reaches."""
        sides = zip(
            shape[1:], self.padding, self.dilation, self.weight.shape[2:], self.stride, strict=True
        )
        return tuple(
            (size + 2 * around - step * (side - 1) - 1) % stride
            for size, around, step, side, stride in sides
        )


class Rectifier(Operation):
    """A ReLU, behind a scale and a shift for each channel if they are given.

    Args:
        scale: [C, 1, 1], or None.
        shift: [C, 1, 1], or None.
    """

    def __init__(self, scale: Tensor | None = None, shift: Tensor | None = None):
        self.scale, self.shift = scale, shift

    def forward(self, values: Tensor) -> tuple[Tensor, Tensor]:
        if self.scale is None:
            result = values.relu()
            return result, result.sign()
        result = torch.addcmul(self.shift, values, self.scale).relu_()
        return result, result.sign().mul_(self.scale)

    def backward(self, gradient: Tensor, saved: Tensor) -> tuple[Tensor]:
        return (gradient * saved,)


class MaxPool(Operation):
    """A maximum over windows; each gradient goes to the pixel that won."""

    def __init__(self, kernel_size: int, stride: int, padding: int):
        self.window = (kernel_size, stride, padding)

    def forward(self, values: Tensor) -> tuple[Tensor, tuple[Tensor, torch.Size]]:
        result, winners = functional.max_pool2d(values, *self.window, return_indices=True)
        return result, (winners, values.shape[2:])

    def backward(self, gradient: Tensor, saved: tuple[Tensor, torch.Size]) -> tuple[Tensor]:
        winners, size = saved
        # Channels come last: so they lie in memory where layers compute fastest on a CPU.
        cells = gradient.permute(0, 1, 3, 4, 2).flatten(2, 3)
        places = winners.permute(0, 2, 3, 1).flatten(1, 2).expand_as(cells)
        pixels = cells.new_zeros(*cells.shape[:2], size.numel(), cells.shape[-1])
        pixels.scatter_add_(2, places, cells)
        return (pixels.unflatten(2, tuple(size)).permute(0, 1, 4, 2, 3),)


class Halving(Operation):
    """The mean of windows of 2 x 2 pixels; a last odd row or column is dropped."""

    def forward(self, values: Tensor) -> tuple[Tensor, torch.Size]:
        return functional.avg_pool2d(values, 2), values.shape[2:]

    def backward(self, gradient: Tensor, saved: torch.Size) -> tuple[Tensor]:
        quarter = functional.interpolate(gradient.flatten(0, 1) / 4, scale_factor=2, mode="nearest")
        (height, width), (rows, columns) = saved, quarter.shape[2:]
        if (height, width) != (rows, columns):
            quarter = functional.pad(quarter, (0, width - columns, 0, height - rows))
        return (quarter.unflatten(0, gradient.shape[:2]),)


class Concatenation(Operation):
    """Channels of several tensors, one after the other."""

    hands_on = True

    def forward(self, *inputs: Tensor) -> tuple[Tensor, list[int]]:
        return torch.cat(inputs, 1), [each.shape[1] for each in inputs]

    def backward(self, gradient: Tensor, saved: list[int]) -> tuple[Tensor, ...]:
        return gradient.split(saved, 2)


class Sum(Operation):
    """The sum of two tensors."""

    hands_on = True

    def forward(self, one: Tensor, other: Tensor) -> tuple[Tensor, None]:
        return one + other, None

    def backward(self, gradient: Tensor, saved: None) -> tuple[Tensor, Tensor]:
        return gradient, gradient
