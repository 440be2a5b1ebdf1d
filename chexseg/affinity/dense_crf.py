"""Aligns rough masks with the edges of an X-ray, using a fully connected CRF with two labels.

The model equals pydensecrf's DenseCRF2D with Potts compatibility and symmetric normalisation, for a
grey image passed as three equal channels. Each mean-field step averages the masks with two Gaussian
kernels over all pairs of pixels. To be fast, it sums pixels into coarser cells, blurs the cells,
and interpolates at the pixels. All masks of an image are filtered together, in the innermost axis
of [pixels, M].

Source: Kraehenbuehl and Koltun, "Efficient inference in fully connected CRFs with Gaussian edge
potentials", NeurIPS 2011. The cells of the bilateral kernel: Chen, Paris, Durand, "Real-time
edge-aware image processing with the bilateral grid", SIGGRAPH 2007.
"""

from __future__ import annotations

import math
from functools import lru_cache

import torch
import torch.nn.functional as F
from torch import Tensor

from chexseg.errors import Problems

GREY_LEVELS = 256
CHANNELS = 3
"""A grey image counts as three equal channels, so intensity differences count three times."""

GAUSSIAN_CELLS = 0.75
BILATERAL_CELLS = 1.25
"""Cells per spatial standard deviation; more cells are slower and more exact. With this number,
99.7 % of the pixels of 320 x 320 X-rays get the same label as with three. Each grey level has
separate cells."""

CORNERS = 4
"""Number of bilateral cells around each pixel."""
BAND = 20
"""Number of rows of a blur that a CPU computes together; a GPU computes all."""
REACH = 4
"""Number of standard deviations at which a blur is truncated."""


@torch.no_grad()
def refine(
    image: Tensor,
    label: Tensor,
    *,
    iterations: int,
    ground_truth_probability: float,
    gaussian_sigma: float,
    gaussian_compatibility: float,
    bilateral_sigma: float,
    intensity_sigma: float,
    bilateral_compatibility: float,
) -> Tensor:
    """Returns the more probable label of each pixel after `iterations` mean-field steps.

    Args:
        image: [B, H, W], uint8 or float, 0 to 255. Values are rounded to whole grey levels.
        label: [B, M, H, W], 0 or 1, rough masks of the image. The masks are independent.
        iterations: number of mean-field steps; 0 returns `label`.
        ground_truth_probability: confidence in `label`, between 0 and 1.
        gaussian_sigma: standard deviation of the Gaussian kernel, pixels.
        gaussian_compatibility: weight of the Gaussian kernel.
        bilateral_sigma: spatial standard deviation of the bilateral kernel, pixels.
        intensity_sigma: standard deviation of the bilateral kernel per channel, grey levels.
        bilateral_compatibility: weight of the bilateral kernel.

    Returns:
        [B, M, H, W] uint8, 0 or 1. The result is empty if M = 0.

    Raises:
        InputError: the shapes do not match, or a number is out of range.
    """
    _check(image, label, ground_truth_probability, gaussian_sigma, bilateral_sigma, intensity_sigma)
    refined = torch.empty_like(label, dtype=torch.uint8)
    if label.numel() == 0:
        return refined
    height, width = image.shape[-2:]
    # Twice, since a kernel K adds K (Q1 - Q0) = 2 K (Q1 - 1/2) to the log odds.
    gaussian = _gaussian_kernel(
        height, width, gaussian_sigma, 2 * gaussian_compatibility, device=image.device
    )
    trust = math.log(ground_truth_probability / (1 - ground_truth_probability))
    # One image at a time: the masks of a batch would not fit in the processor's cache.
    for grey, rough, result in zip(image, label, refined, strict=True):
        bilateral = _BilateralKernel(
            grey, bilateral_sigma, intensity_sigma, 2 * bilateral_compatibility
        )
        unary = rough.flatten(1).T.float().contiguous().mul_(2 * trust).sub_(trust)
        log_odds = _mean_field(unary, gaussian, bilateral, iterations)
        result.copy_((log_odds.T > 0).reshape(rough.shape))
    return refined


def _mean_field(
    unary: Tensor, gaussian: _GaussianKernel, bilateral: _BilateralKernel, iterations: int
) -> Tensor:
    """Returns log(Q1 / Q0) of [pixels, M] after `iterations` steps from `unary` of that shape."""
    log_odds = unary
    surplus = torch.empty_like(unary)
    for _ in range(iterations):
        torch.sigmoid(log_odds, out=surplus).sub_(0.5)
        log_odds = bilateral.apply(surplus).add_(unary)
        gaussian.add_to(log_odds, surplus)
    return log_odds


class _Blur:
    """A band matrix, split into blocks of rows."""

    def __init__(self, matrix: Tensor):
        self.blocks: list[tuple[slice, slice, Tensor]] = []
        band = len(matrix) if matrix.device.type == "cuda" else BAND
        for first in range(0, len(matrix), band):
            block = matrix[first : first + band]
            reached = block.any(0).nonzero()
            near = slice(int(reached.min()), int(reached.max()) + 1)
            rows = slice(first, first + len(block))
            self.blocks.append((rows, near, block[:, near].contiguous()))

    def of(self, values: Tensor) -> Tensor:
        """Returns the product with [columns, M]."""
        product = values.new_empty(self.blocks[-1][0].stop, values.shape[1])
        for rows, near, block in self.blocks:
            torch.mm(block, values[near], out=product[rows])
        return product

    def add_to(self, total: Tensor, values: Tensor) -> None:
        """Adds the product with [columns, M] to [rows, M] in place."""
        for rows, near, block in self.blocks:
            total[rows].addmm_(block, values[near])


class _GaussianKernel:
    """Gaussian kernel over (row, column), normalised and scaled; it depends only on the image size.

    Pixels are summed into square cells; each axis is then blurred back to full resolution.
    """

    def __init__(
        self, height: int, width: int, sigma: float, compatibility: float, device: torch.device
    ):
        self.shape = height, width
        self.cell = max(int(sigma / GAUSSIAN_CELLS), 1)
        scale = math.sqrt(compatibility)
        self.rows, self.columns = (
            _Blur(scale * self._axis(length, sigma).to(device)) for length in self.shape
        )

    def _axis(self, length: int, sigma: float) -> Tensor:
        """Returns [pixels, cells]: the kernel of one axis from cells to pixels, D K D normalised."""
        pixels = torch.arange(length, dtype=torch.float32)
        cell_of = pixels.long() // self.cell
        sizes = torch.bincount(cell_of)
        centres = torch.bincount(cell_of, pixels) / sizes
        kernel = _kernel(pixels, centres, math.sqrt(sigma**2 - (self.cell**2 - 1) / 12))
        norm = (kernel @ sizes.float()).rsqrt()
        return norm[:, None] * kernel * (torch.bincount(cell_of, norm) / sizes)

    def add_to(self, total: Tensor, values: Tensor) -> None:
        """Adds kernel x values to `total` in place; both are [pixels, M]."""
        height, width = self.shape
        pixels = values.view(1, height, width, -1).permute(0, 3, 1, 2)
        cells = F.avg_pool2d(pixels, self.cell, ceil_mode=True, divisor_override=1)
        lines = self.columns.of(cells[0].permute(2, 1, 0).flatten(1))
        lines = lines.view(width, cells.shape[2], -1).transpose(0, 1)
        self.rows.add_to(total.view(height, -1), lines.flatten(1))


_gaussian_kernel = lru_cache(maxsize=4)(_GaussianKernel)


class _BilateralKernel:
    """Gaussian kernel over (row, column, intensity) of one image, normalised and scaled.

    Each pixel belongs to the four surrounding cells of its grey level; the same weights are used to
    distribute it to the cells and to interpolate the result. Cells are ordered by (level, row,
    column).
    """

    def __init__(self, grey: Tensor, sigma: float, intensity_sigma: float, compatibility: float):
        cells, weights, self.spatial_blurs = _spatial_cells(*grey.shape, sigma, grey.device)
        self.level_blur = _level_blur(intensity_sigma, grey.device)
        level = grey.float().round().clamp(0, GREY_LEVELS - 1).int().reshape(-1, 1)
        per_level = math.prod(len(blur) for blur in self.spatial_blurs)
        self.cells = level * per_level + cells
        flat = self.cells.flatten()
        count = GREY_LEVELS * per_level
        ones = torch.bincount(flat, weights.flatten(), minlength=count)
        sums = _weighted_sums(self._blur(ones[:, None]), self.cells, weights)
        self.weights = weights * (compatibility / sums.clamp(min=1e-20)).sqrt()

        by_cell = flat.argsort(stable=True)
        self.pixels_by_cell = by_cell.int() // CORNERS
        self.weights_by_cell = self.weights.flatten().index_select(0, by_cell)
        self.cell_ends = F.pad(torch.bincount(flat, minlength=count).cumsum(0), (1, 0)).int()

    def apply(self, values: Tensor) -> Tensor:
        """Returns kernel x values; both are [pixels, M]."""
        cells = F.embedding_bag(
            self.pixels_by_cell,
            values,
            self.cell_ends,
            mode="sum",
            per_sample_weights=self.weights_by_cell,
            include_last_offset=True,
        )
        return _weighted_sums(self._blur(cells), self.cells, self.weights)

    def _blur(self, cells: Tensor) -> Tensor:
        """Blurs [cells, M] along every axis."""
        rows, columns = self.spatial_blurs
        masks = cells.shape[1]
        cells = self.level_blur.of(cells.view(GREY_LEVELS, -1))
        cells = rows @ cells.view(GREY_LEVELS, len(rows), -1)
        return (columns @ cells.view(-1, len(columns), masks)).view(-1, masks)


def _weighted_sums(rows: Tensor, chosen: Tensor, weights: Tensor) -> Tensor:
    """Returns [pixels, M]: weighted sums of the rows given by `chosen` [pixels, 4]."""
    return F.embedding_bag(chosen, rows, mode="sum", per_sample_weights=weights)


@lru_cache(maxsize=4)
def _spatial_cells(
    height: int, width: int, sigma: float, device: torch.device
) -> tuple[Tensor, Tensor, tuple[Tensor, Tensor]]:
    """Returns the cells around each pixel [pixels, 4], their bilinear weights, and both blurs.

    Linear splatting before a blur and linear slicing after it each add a variance of 1/6 of a
    squared cell.
    """
    spacing = sigma / BILATERAL_CELLS
    below, parts, blurs = [], [], []
    for length in (height, width):
        position = torch.arange(length, device=device) / spacing
        below.append(position.long())
        parts.append(torch.stack([1 - position.frac(), position.frac()], -1))
        number = torch.arange(int((length - 1) / spacing) + 2, device=device)
        blurs.append(_kernel(number, number, math.sqrt(BILATERAL_CELLS**2 - 1 / 3)))
    corner = torch.arange(2, device=device)
    rows, columns = below[0][:, None] + corner, below[1][:, None] + corner
    cells = rows[:, None, :, None] * len(blurs[1]) + columns[None, :, None, :]
    weights = parts[0][:, None, :, None] * parts[1][None, :, None, :]
    return cells.reshape(-1, CORNERS).int(), weights.reshape(-1, CORNERS), (blurs[0], blurs[1])


@lru_cache(maxsize=4)
def _level_blur(intensity_sigma: float, device: torch.device) -> _Blur:
    level = torch.arange(GREY_LEVELS, device=device)
    return _Blur(_kernel(level, level, intensity_sigma / math.sqrt(CHANNELS)))


def _kernel(to: Tensor, source: Tensor, sigma: float) -> Tensor:
    """Returns exp(-(i - j)^2 / (2 sigma^2)) for i in `to` and j in `source`, 0 beyond REACH."""
    distance = (to[:, None] - source) / sigma
    return torch.exp(-0.5 * distance**2) * (distance.abs() <= REACH)


def _check(
    image: Tensor,
    label: Tensor,
    ground_truth_probability: float,
    gaussian_sigma: float,
    bilateral_sigma: float,
    intensity_sigma: float,
) -> None:
    problems = Problems()
    if label.ndim != 4 or image.shape != label.shape[:1] + label.shape[2:]:
        problems.add(
            "refine: image, label",
            f"shapes {tuple(image.shape)}, {tuple(label.shape)}",
            "[B, H, W] and [B, M, H, W]",
            "Resize the masks to the size of the image.",
        )
    if not 0 < ground_truth_probability < 1:
        problems.add(
            "refine: ground_truth_probability",
            str(ground_truth_probability),
            "a number between 0 and 1",
            "Use 0.7 as IRN does.",
        )
    for name, sigma in (
        ("gaussian_sigma", gaussian_sigma),
        ("bilateral_sigma", bilateral_sigma),
        ("intensity_sigma", intensity_sigma),
    ):
        if not sigma > 0:
            problems.add(f"refine: {name}", str(sigma), "above 0", "Choose a larger value.")
    problems.raise_if_any()
