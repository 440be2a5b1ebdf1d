"""Tubes, lines, pacemakers and electrodes."""

from __future__ import annotations

from collections.abc import Collection

import numpy as np
from numpy.typing import NDArray

from chexseg.data.phantom.geometry import (
    Map,
    Mask,
    Pose,
    distance_to_curves,
    smooth_curve,
    smoothstep,
)

Curve = NDArray[np.float64]

_KINDS = ("endotracheal", "nasogastric", "central", "pacemaker", "chest tube", "electrodes")
_CHANCES = (0.2, 0.17, 0.25, 0.15, 0.1, 0.13)


def support_devices(
    rng: np.random.Generator, pose: Pose, positives: Collection[str], scale: float
) -> tuple[Map, Mask]:
    """Returns the path length through one or more devices, weighted as for bone, and their mask.

    Args:
        rng: source of randomness.
        pose: positions of the pixels.
        positives: other pathologies; air or fluid around the lung often has a chest tube.
        scale: thickens every device.
    """
    kinds = list(rng.choice(_KINDS, size=rng.integers(1, 4), replace=False, p=_CHANCES))
    if rng.random() < 0.4 and {"Pneumothorax", "Pleural Effusion"} & set(positives):
        kinds.append("chest tube")
    matter = np.zeros(pose.shape, dtype=np.float32)
    mask = np.zeros(pose.shape, dtype=bool)
    for kind in dict.fromkeys(kinds):
        curves, radius, weight = _curves(rng, kind)
        radius = max(scale * radius, 0.75 / pose.scale)
        distance = distance_to_curves(pose, curves, radius + 2 / pose.scale)
        edge = 0.5 / pose.scale
        inside = smoothstep(radius + edge, radius - edge, distance)
        if kind in ("endotracheal", "chest tube"):  # hollow, with visible walls
            inside *= 0.65 + 0.35 * smoothstep(0.2 * radius, radius, distance)
        matter = np.maximum(matter, weight * inside)
        mask |= distance < radius
        if kind in ("pacemaker", "electrodes"):
            solid = _solids(rng, kind, pose, curves, scale)
            matter = np.maximum(matter, (0.5 if kind == "pacemaker" else 0.3) * solid)
            mask |= solid > 0.5
    return matter, mask


def _curves(rng: np.random.Generator, kind: str) -> tuple[list[Curve], float, float]:
    """Returns the curves of a device, their radius and the weight of its material."""
    side = rng.choice([-1, 1])
    jitter = rng.normal(0, 0.012, 8)
    vein = [(-0.085 + jitter[0], -0.45), (-0.09 + jitter[1], rng.uniform(-0.2, 0.05))]
    if kind == "endotracheal":
        line = [(0.03, -1.3), (0.0 + jitter[0], -0.8), (jitter[1], rng.uniform(-0.5, -0.27))]
        return [smooth_curve(line)], 0.021, 0.17
    if kind == "nasogastric":
        line = [(-0.02, -1.3), (0.01 + jitter[0], -0.7), (0.02 + jitter[1], -0.1), (0.03, 0.3)]
        line += [(0.14 + jitter[2], 0.52), (rng.uniform(0.25, 0.45), rng.uniform(0.5, 0.68))]
        return [smooth_curve(line)], 0.012, 0.2
    if kind == "central":
        start = [
            [(side * 0.22, -1.1), (side * 0.16, -0.75), (side * 0.1, -0.6)],
            [(side * 0.75, -0.52), (side * 0.45, -0.66), (side * 0.15, -0.6)],
            [(side * 1.25, 0.0), (side * 1.0, -0.4), (side * 0.6, -0.64), (side * 0.15, -0.58)],
        ][rng.integers(3)]
        return [smooth_curve(start + vein)], 0.011, 0.22
    if kind == "pacemaker":
        side = rng.choice([1, 1, 1, -1])
        box = (side * rng.uniform(0.46, 0.58), rng.uniform(-0.52, -0.4))
        way = [box, (side * 0.4, -0.64), (side * 0.14, -0.55), vein[0], (-0.1, 0.0)]
        ventricle = way + [(-0.08 + jitter[2], 0.3), (0.1, 0.38), (0.3 + jitter[3], 0.36)]
        atrium = way + [(-0.16, 0.2 + jitter[4]), (-0.08, 0.12)]
        return [smooth_curve(ventricle), smooth_curve(atrium)][: rng.integers(1, 3)], 0.011, 0.28
    if kind == "chest tube":
        line = [(side * 1.15, rng.uniform(0.1, 0.4)), (side * 0.78, rng.uniform(0.0, 0.25))]
        line += [
            (side * 0.58, -0.1 + jitter[0]),
            (side * rng.uniform(0.25, 0.45), rng.uniform(-0.6, -0.1)),
        ]
        return [smooth_curve(line)], 0.02, 0.17
    wires = []
    for out, down in ((-0.5, -0.5), (0.5, -0.5), (0.55, 0.3))[: rng.integers(2, 4)]:
        spot = np.array([out, down]) + rng.normal(0, 0.06, 2)
        bend = spot * (0.8, 0.5) + rng.normal(0, 0.15, 2)
        exit_ = (rng.uniform(-0.5, 0.5), 1.3) if rng.random() < 0.5 else (np.sign(out) * 1.4, 0.2)
        wires.append(smooth_curve([tuple(spot), tuple(bend), exit_]))
    return wires, 0.01, 0.16


def _solids(
    rng: np.random.Generator, kind: str, pose: Pose, curves: list[Curve], scale: float
) -> Map:
    """Returns 0..1: the generator of a pacemaker, or the discs of electrodes."""
    edge = 0.6 / pose.scale
    solid = np.zeros(pose.shape, dtype=np.float32)
    for curve in curves[:1] if kind == "pacemaker" else curves:
        dx, dy = pose.x - curve[0, 0], pose.y - curve[0, 1]
        if kind == "pacemaker":
            turn = rng.normal(0, 0.3)
            along, across = (
                dx * np.cos(turn) + dy * np.sin(turn),
                dy * np.cos(turn) - dx * np.sin(turn),
            )
            size = 0.105 * scale**0.3
            outside = np.sqrt(np.sqrt((along / size) ** 8 + (across / (0.8 * size)) ** 8)) ** 0.5
            solid = smoothstep(size + edge, size - edge, size * outside)
        else:
            radius = 0.034 * scale**0.5
            solid = np.maximum(solid, smoothstep(radius + edge, radius - edge, np.hypot(dx, dy)))
    return solid
