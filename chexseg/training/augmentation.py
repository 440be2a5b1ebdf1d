"""Random shifts, rotations, scales and exposures, computed for a whole batch on its device."""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.nn import functional

ROTATION, SCALE, SHIFT = math.radians(20), 0.25, 0.15
CONTRAST, BRIGHTNESS = 0.5, 0.25


NUMBERS = 6
"""Random numbers that `augment` takes for an X-ray."""


def draw_noise(batch: int, generator: torch.Generator, numbers: int = NUMBERS) -> Tensor:
    """Draws random numbers for a batch, uniform in [-1, 1), as [batch, numbers].

    They are drawn on the CPU, so that they are equal for every device, and for a whole batch, so
    that processes sharing a batch can each use their rows of it.
    """
    return (torch.rand((numbers, batch), generator=generator) * 2 - 1).T


def augment(
    image: Tensor,
    masks: Tensor | None,
    strength: float,
    noise: Tensor,
    scale_range: tuple[float, float] | None = None,
    *,
    soft: bool = False,
) -> tuple[Tensor, Tensor | None]:
    """Moves and re-exposes each X-ray at random. It never mirrors, since the heart is on the left.

    At strength 1, the ranges are: rotation 20 degrees, scale 1 +- 0.25, shift 15 % of the side,
    contrast 1 +- 0.5, brightness +- 0.25, each uniform. They shrink with `strength`.

    Args:
        image: [B, 1, H, W] in [0, 1].
        masks: [B, P, h, w] in [0, 1], of any resolution, transformed alike; or None.
        strength: 0 (nothing changes) to 1.
        noise: [B, NUMBERS], from `draw_noise`.
        scale_range: smallest and largest scale, instead of 1 +- 0.25 and whatever the strength;
            their logarithm is uniform, so that half and double are equally likely. At scale 2, an
            X-ray is twice as large, and its margins are lost.
        soft: whether masks may lie between 0 and 1.

    Returns:
        Image and masks, with unchanged shapes and types; masks are again 0 or 1, unless soft.
    """
    if strength == 0 and scale_range is None:
        return image, masks
    matrix = _matrix(strength, noise.to(image.device), scale_range)
    contrast, brightness = (noise.to(image.device) * strength).T[4:]
    image = _move(image, matrix)
    mean = image.mean((1, 2, 3), keepdim=True)
    image = (image - mean) * (1 + contrast * CONTRAST).reshape(-1, 1, 1, 1) + mean
    image = (image + (brightness * BRIGHTNESS).reshape(-1, 1, 1, 1)).clamp(0, 1)
    if masks is not None:
        moved = _move(masks.to(image.dtype), matrix)
        masks = moved if soft else (moved > 0.5).to(masks.dtype)
    return image, masks


def augment_known(
    image: Tensor,
    masks: Tensor,
    known: Tensor,
    strength: float,
    noise: Tensor,
    scale_range: tuple[float, float] | None = None,
    *,
    soft: bool,
) -> tuple[Tensor, Tensor, Tensor]:
    """Moves and re-exposes X-rays like `augment`, with masks that are not known everywhere.

    A pixel is known if most of what moves there is, and its mask is the mean of that. What moves in
    from outside the X-ray is known to be background.

    Args:
        image, strength, noise, scale_range, soft: see `augment`.
        masks: [B, P, H, W] in [0, 1], 0 where they are not known.
        known: [B, P, H, W], 1 or 0.

    Returns:
        Image, masks and known, with unchanged shapes.
    """
    both = torch.cat([masks, 1 - known], 1)
    image, both = augment(image, both, strength, noise, scale_range, soft=True)
    masks, unknown = both.chunk(2, 1)
    masks = masks / (1 - unknown).clamp(min=0.5)
    masks = masks.clamp(max=1) if soft else (masks > 0.5).to(masks.dtype)
    known = (unknown < 0.5).to(masks.dtype)
    return image, masks * known, known


def move_boxes(
    boxes: Tensor,
    side: int,
    strength: float,
    noise: Tensor,
    scale_range: tuple[float, float] | None = None,
) -> Tensor:
    """Moves boxes as `augment` moves the X-rays, with the same strength, noise and scales.

    A turned box is no longer upright. Its outer box becomes the smallest upright one around it, in
    which its lesion surely lies. Its inner box becomes the smallest one around the ellipse that it
    encloses, as if that were its lesion. What leaves the X-ray is cut off; an inner box of which less
    than half stays is dropped, since its lesion may be in the other half.

    Args:
        boxes: [B, N, 2, 4], see `chexseg.data.box_fusion.padded_boxes`.
        side: of the X-rays, in pixels.
        strength, noise, scale_range: see `augment`.

    Returns:
        Boxes of the same shape, NaN where a box has left the X-ray.
    """
    if strength == 0 and scale_range is None:
        return boxes
    matrix = _matrix(strength, noise.to(boxes.device), scale_range)[:, None]
    turn = torch.linalg.inv(matrix[..., :2])
    places = boxes.float() * 2 / side - 1
    centre, half = (places[..., 2:] + places[..., :2]) / 2, (places[..., 2:] - places[..., :2]) / 2
    centre = torch.einsum("bnij,bnkj->bnki", turn, centre - matrix[:, :, None, :, 2])
    around = torch.einsum("bnij,bnj->bni", turn.abs(), half[:, :, 1])
    ellipse = torch.einsum("bnij,bnj->bni", turn**2, half[:, :, 0] ** 2).sqrt()
    half = torch.stack([ellipse, around], dim=2)
    moved = (torch.cat([centre - half, centre + half], dim=-1) + 1) * side / 2
    cut = moved.clamp(0, side)
    left, whole = ((each[..., 2:] - each[..., :2]).prod(-1) for each in (cut, moved))
    gone = torch.stack([left[..., 0] < whole[..., 0] / 2, left[..., 1] <= 0], dim=-1)
    gone[..., 0] |= gone[..., 1]
    return cut.masked_fill(gone[..., None], torch.nan).to(boxes.dtype)


def _matrix(
    strength: float, noise: Tensor, scale_range: tuple[float, float] | None = None
) -> Tensor:
    """Returns the moves of a batch, [B, 2, 3], from a new place to the old one, sides from -1 to 1."""
    angle, scale, right, down = (noise * strength).T[:4]
    step = 1 + scale * SCALE  # in the X-ray, for a step of 1 in the result
    if scale_range is not None:
        low, high = map(math.log, scale_range)
        step = torch.exp(-(low + high) / 2 - (high - low) / 2 * noise[:, 1])
    cosine, sine = torch.cos(angle * ROTATION) * step, torch.sin(angle * ROTATION) * step
    return torch.stack(
        [cosine, -sine, right * 2 * SHIFT, sine, cosine, down * 2 * SHIFT], dim=1
    ).reshape(len(noise), 2, 3)


def _move(maps: Tensor, matrix: Tensor) -> Tensor:
    grid = functional.affine_grid(matrix, list(maps.shape), align_corners=False)
    return functional.grid_sample(maps, grid.to(maps.dtype), align_corners=False)
