"""Effects of disease on a chest: fluid in place of air, air in place of lung, and exact masks.

Every opacity is a fill: the share (0..1) of the air along a ray that fluid replaces. Masks are made
from the shape of a lesion, before texture, exposure and noise, so they are exact.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from chexseg.data.phantom.anatomy import Chest, Lung
from chexseg.data.phantom.geometry import (
    Map,
    Mask,
    distance_to_curves,
    smooth_curve,
    smooth_field,
    smoothstep,
)


@dataclass(frozen=True)
class Lesion:
    """Holds one pathology: `fill` of the air, 0..1, and its exact `mask`, both [H, W]."""

    fill: Map
    mask: Mask


def lung_lesion(rng: np.random.Generator, chest: Chest, room: Mask, scale: float) -> Lesion:
    """Draws one to three nodules or masses: round, lobulated, with a clear border."""
    fill = np.zeros(chest.pose.shape, dtype=np.float32)
    mask = np.zeros(chest.pose.shape, dtype=bool)
    for _ in range(rng.choice([1, 1, 1, 2, 3])):
        radius = scale * (
            rng.uniform(0.045, 0.08) if rng.random() < 0.6 else rng.uniform(0.08, 0.14)
        )
        dx, dy = _offset(rng, chest, room, margin=min(0.6 * radius, 0.06))
        angle = np.arctan2(dy, dx)
        lobes = sum(
            rng.normal(0, 0.11 / order) * np.cos(order * angle + rng.uniform(0, 6.28))
            for order in (1, 2, 3, 5)
        )
        reach = np.hypot(dx, dy * rng.uniform(0.85, 1.2)) / (radius * (1 + lobes))
        ball = np.sqrt(np.clip(1.1 - reach**2, 0, 1))
        fill = np.maximum(fill, rng.uniform(0.45, 0.95) * ball * smoothstep(1.15, 0.9, reach))
        mask |= reach < 1
    return Lesion(fill * chest.cavity, mask & chest.field)


def airspace_opacity(rng: np.random.Generator, chest: Chest, room: Mask, scale: float) -> Lesion:
    """Draws one to four fluffy patches without a border, anywhere in the lungs."""
    shape = np.zeros(chest.pose.shape, dtype=np.float32)
    for _ in range(rng.integers(1, 5)):
        dx, dy = _offset(rng, chest, room, margin=0.02)
        turn, size = rng.uniform(0, 3.14), scale**0.5 * rng.uniform(0.1, 0.22)
        along = (dx * np.cos(turn) + dy * np.sin(turn)) / (size * rng.uniform(1.0, 1.7))
        across = (dy * np.cos(turn) - dx * np.sin(turn)) / size
        shape = np.maximum(shape, np.exp(-(along**2) - across**2))
    shape = shape + 0.12 * smooth_field(rng, chest.pose.shape, 15)
    shape = shape + 0.06 * smooth_field(rng, chest.pose.shape, 32)
    grain = 1 + 0.1 * smooth_field(rng, chest.pose.shape, 35)
    return _cut(rng.uniform(0.4, 0.85) * grain, shape, 0.12, 0.85, chest)


def edema(rng: np.random.Generator, chest: Chest, room: Mask, scale: float) -> Lesion:
    """Draws streaky haze around both hila (bat wings), weaker at apex and wall."""
    x, y = chest.pose.x, chest.pose.y
    shape = np.zeros_like(x)
    reach = rng.uniform(0.26, 0.42)
    for side in (-1, 1):
        wing = np.hypot(
            (side * x - 0.2) / reach, (y - 0.05) / (1.35 * reach * rng.uniform(0.9, 1.1))
        )
        shape += np.exp(-(wing**2)) * (side * x > 0)
    shape = shape + 0.1 * smooth_field(rng, chest.pose.shape, 14)
    grain = 0.85 + 0.09 * smooth_field(rng, chest.pose.shape, 60) + 2 * chest.vessels
    return _cut(rng.uniform(0.35, 0.7) * grain, shape, 0.15, 0.75, chest)


def consolidation(rng: np.random.Generator, chest: Chest, room: Mask, scale: float) -> Lesion:
    """Draws a dense lobe: sharp at a fissure, soft elsewhere, with black air bronchograms."""
    lung = _either(rng, chest, room)
    low, high = [(-0.1, 0.5), (0.45, 0.8), (0.55, 1.2)][rng.integers(3)]
    lobe = room & lung.field & (lung.level > low) & (lung.level < high)
    dx, dy = _offset(rng, chest, lobe if lobe.any() else room & lung.field, margin=0.04)
    wide, tall = scale**0.5 * rng.uniform(0.22, 0.36), scale**0.5 * rng.uniform(0.17, 0.28)
    fissure = lung.level + rng.uniform(-0.15, 0.15) * (lung.out - 0.4)
    shape = np.exp(-((dx / wide) ** 2) - (dy / tall) ** 2)
    shape = shape + 0.12 * smooth_field(rng, chest.pose.shape, 12)
    shape = shape * smoothstep(low - 0.03, low + 0.01, fissure)
    shape = shape * smoothstep(high + 0.03, high - 0.01, fissure)
    centre = np.array([np.median(chest.pose.x - dx), np.median(chest.pose.y - dy)])
    hilum = np.array([lung.side * 0.17, -0.02])
    bronchi = []
    for _ in range(rng.integers(3, 6)):
        end = hilum + 1.3 * (centre - hilum) + rng.normal(0, 0.11, 2)
        bend = 0.5 * (hilum + end) + rng.normal(0, 0.03, 2)
        bronchi.append(smooth_curve(np.stack([hilum, bend, end])))
    width = max(0.013, 0.8 / chest.pose.scale)
    distance = distance_to_curves(chest.pose, bronchi, 2 * width)
    aerated = 1 - 0.33 * np.exp(-((distance / width) ** 2)) * (distance < 1.99 * width)
    return _cut(rng.uniform(0.7, 1.0) * aerated, shape, 0.25, 0.55, lung)


def atelectasis(rng: np.random.Generator, chest: Chest, room: Mask, scale: float) -> Lesion:
    """Draws collapsed lung: plates above the diaphragm, or a wedge from the hilum down to it."""
    lung = _either(rng, chest, room)
    if rng.random() < 0.5:
        return _plates(rng, chest, lung, room, scale)
    x, y = lung.out - rng.uniform(0.05, 0.12), chest.pose.y - rng.uniform(-0.08, 0.04)
    lean = rng.uniform(0.5, 0.95)
    spread = scale**0.5 * rng.uniform(0.28, 0.42)
    angle = np.arctan2(x, np.maximum(y, 1e-3)) + 0.05 * smooth_field(rng, chest.pose.shape, 9)
    inner = smoothstep(lean - spread, lean - 0.6 * spread, angle)
    outer = smoothstep(lean + spread, lean + 0.75 * spread, angle)
    shape = inner * outer * smoothstep(0.0, 0.12, y) * smoothstep(0.62, 0.3, lung.base)
    grain = 1 + 0.1 * smooth_field(rng, chest.pose.shape, 30)
    return _cut(rng.uniform(0.5, 0.95) * grain, shape, 0.2, 0.8, lung)


def _plates(rng: np.random.Generator, chest: Chest, lung: Lung, room: Mask, scale: float) -> Lesion:
    low = room & lung.field & (lung.level > 0.66)
    curves, fade = [], np.zeros(chest.pose.shape, dtype=np.float32)
    for _ in range(rng.integers(1, 4)):
        place = np.flatnonzero(low if low.any() else lung.field)
        spot = place[rng.integers(place.size)]
        centre = np.array([chest.pose.x.flat[spot], chest.pose.y.flat[spot]])
        turn, half = rng.normal(0, 0.25), rng.uniform(0.14, 0.3)
        arm = half * np.array([np.cos(turn), np.sin(turn)])
        bow = np.array([0.0, rng.uniform(-0.05, 0.02)])
        curves.append(smooth_curve(np.stack([centre - arm, centre + bow, centre + arm])))
        away = np.hypot(chest.pose.x - centre[0], chest.pose.y - centre[1]) / half
        fade = np.maximum(fade, np.clip(1.1 - np.square(away), 0, 1))
    width = scale * rng.uniform(0.022, 0.04)
    distance = distance_to_curves(chest.pose, curves, 2 * width)
    ragged = 1 + 0.4 * smooth_field(rng, chest.pose.shape, 11)
    shape = smoothstep(1.9, 0.2, distance / width + np.clip(ragged, 0.2, 1.8) - 0.9) * fade
    return _cut(rng.uniform(0.4, 0.75), shape, 0.05, 0.75, lung)


def pleural_effusion(rng: np.random.Generator, chest: Chest, room: Mask, scale: float) -> Lesion:
    """Draws fluid at the base of one or both lungs, with a meniscus that climbs the wall."""
    fill = np.zeros(chest.pose.shape, dtype=np.float32)
    lungs = [_either(rng, chest, room)] if rng.random() < 0.65 else list(chest.lungs)
    for lung in lungs:
        dome = chest.build.dome[(lung.side + 1) // 2]
        level = dome + (
            rng.uniform(-0.42, -0.02) if rng.random() < 0.55 else rng.uniform(-0.02, 0.12)
        )
        level -= 0.05 * (scale - 1)
        toward_wall = np.clip(lung.out / (lung.out + np.maximum(lung.wall, 0) + 1e-3), 0, 1)
        top = level - rng.uniform(0.1, 0.22) * toward_wall**5 - 0.05 * (1 - toward_wall) ** 2
        top = top + 0.01 * smooth_field(rng, chest.pose.shape, 6)
        below = smoothstep(-0.025, 0.025, chest.pose.y - top)
        basin = (lung.wall > 0) & (lung.base > -0.02) & (lung.out > 0.06)
        fill = np.maximum(fill, below * basin)
    mask = (fill > 0.5) & ~chest.cardiomediastinum
    return Lesion(rng.uniform(0.82, 0.99) * fill, mask)


@dataclass(frozen=True)
class Pneumothorax:
    """Holds air outside the lung (0..1), the pleural line as tissue, and the mask."""

    vacant: Map
    line: Map
    mask: Mask
    collapsed: Map


def pneumothorax(rng: np.random.Generator, chest: Chest, scale: float) -> Pneumothorax:
    """Draws a black crescent without vessels between wall and pleural line, widest at the top."""
    lung = chest.lungs[rng.integers(2)]
    width = scale**0.5 * (rng.uniform(0.07, 0.14) if rng.random() < 0.6 else rng.uniform(0.14, 0.3))
    lower = rng.uniform(0.0, 0.75)
    gap = width * (1 - lower * smoothstep(0.1, 1.0, lung.level))
    gap = gap * (1 + 0.08 * smooth_field(rng, chest.pose.shape, 5))
    soft = 0.5 / chest.pose.scale + 0.003
    vacant = smoothstep(-soft, soft, gap - lung.wall) * lung.cavity * lung.field
    line_width = max(0.007, 0.6 / chest.pose.scale)
    line = 0.1 * np.exp(-(((lung.wall - gap) / line_width) ** 2)) * lung.field
    collapsed = rng.uniform(0.08, 0.35) * (1 - vacant) * lung.field
    return Pneumothorax(vacant, line, (lung.wall < gap) & lung.field, collapsed)


def _offset(rng: np.random.Generator, chest: Chest, room: Mask, margin: float) -> tuple[Map, Map]:
    """Returns each pixel's offset from a random point in `room`, away from wall and diaphragm."""
    clear = np.any([(lung.wall > margin) & (lung.base > margin) for lung in chest.lungs], axis=0)
    places = np.flatnonzero(room & clear)
    if places.size == 0:
        places = np.flatnonzero(room if room.any() else chest.field)
    spot = places[rng.integers(places.size)]
    return chest.pose.x - chest.pose.x.flat[spot], chest.pose.y - chest.pose.y.flat[spot]


def _either(rng: np.random.Generator, chest: Chest, room: Mask) -> Lung:
    """Returns a random lung, weighted by the room left in it."""
    right = np.count_nonzero(room & chest.lungs[0].field) + 1
    left = np.count_nonzero(room & chest.lungs[1].field) + 1
    return chest.lungs[int(rng.random() * (right + left) >= right)]


def _cut(strength: float | Map, shape: Map, low: float, high: float, place: Lung | Chest) -> Lesion:
    """Converts a shape to a fill that rises between `low` and `high`; the mask is its upper half.

    The fill extends behind the heart; the mask covers only what the film can show. A shape too
    weak to give a mask is scaled up until it gives one.
    """
    peak = max(float(shape[place.field].max(initial=0)), 1e-6)
    rise = smoothstep(low, high, shape * max(1.0, high / peak))
    fill = np.clip(strength * rise, 0, 1) * place.cavity
    return Lesion(fill.astype(np.float32), (rise > 0.5) & place.field)
