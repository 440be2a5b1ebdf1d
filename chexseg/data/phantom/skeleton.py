"""Ribs, spine, clavicles, scapulae and upper arms, in path length through bone."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from chexseg.data.phantom.geometry import (
    Map,
    Mask,
    Pose,
    distance_to_curves,
    smooth_curve,
    smooth_field,
    smoothstep,
)

if TYPE_CHECKING:
    from chexseg.data.phantom.anatomy import Build


def _tube(distance: Map, radius: float) -> Map:
    """Returns the path length through a hollow tube: bone is denser at its rim."""
    outer = np.sqrt(np.clip(1 - (distance / radius) ** 2, 0, 1))
    inner = np.sqrt(np.clip(1 - (distance / (0.72 * radius)) ** 2, 0, 1))
    return outer - 0.5 * inner


def ribs(pose: Pose, build: Build) -> tuple[Map, Mask]:
    """Returns bone and mask of ten pairs of ribs.

    A rib is a tilted half-ellipse around the chest. From the front it looks like a helix that
    leaves the spine, reaches the wall half-way down and returns in front, lower and fainter.
    """
    turn = np.linspace(0.09, 2.45, 48)
    behind, before = [], []
    for number in range(10):
        start = -0.80 + 0.131 * number
        drop = 0.30 + 0.035 * number
        y = start + drop * (1 - np.cos(turn)) / 2 - 0.035 * np.sin(turn * 0.9)
        for side in (-1, 1):
            wall = build.cage_width(side, np.array([start + drop / 2]))[0] + 0.01
            curve = np.stack([side * wall * np.sin(turn), y], axis=1)
            split = int(np.searchsorted(turn, np.pi / 2)) + 1
            behind.append(curve[:split])
            if number < 8:
                before.append(curve[split - 1 :])
    radius = 0.029
    bone = np.zeros(pose.shape, dtype=np.float32)
    mask = np.zeros(pose.shape, dtype=bool)
    for curves, weight in ((behind, 0.1), (before, 0.075)):
        distance = distance_to_curves(pose, curves, radius + 1.5 / pose.scale)
        bone += weight * _tube(distance, radius)
        mask |= distance < radius
    limb = 1 + 0.25 * smoothstep(0.45, 0.8, np.abs(pose.x))  # ribs run along the ray at the wall
    return bone * limb, mask


def spine(rng: np.random.Generator, pose: Pose) -> tuple[Map, Mask]:
    """Returns bone and mask of the vertebral column: bodies, discs, pedicles and processes."""
    bend = 0.02 * rng.normal() * np.sin(2.2 * pose.y + rng.uniform(0, 6))
    x, y = pose.x - bend, pose.y
    half = 0.082 + 0.022 * smoothstep(-0.8, 0.9, y)
    body = np.sqrt(np.clip(1 - np.square(np.square(x / half)), 0, 1))
    phase = np.mod((y + 1.4 + rng.uniform(0, 0.12)) / (0.118 + 0.018 * y), 1.0)
    disc = smoothstep(0.16, 0.05, np.abs(phase - 0.5) * -1 + 0.5)
    pedicle = np.hypot((np.abs(x) - 0.6 * half) / 0.02, (phase - 0.45) / 0.2)
    process = np.hypot(x / 0.018, (phase - 0.8) / 0.3)
    bone = 0.1 * body * (1 - 0.45 * disc) + 0.03 * smoothstep(1.2, 0.7, pedicle)
    return bone + 0.04 * smoothstep(1.2, 0.6, process), np.abs(x) < half


def clavicles(rng: np.random.Generator, pose: Pose) -> tuple[Map, Mask]:
    """Returns bone and mask of the collar bones: S-shaped, each with a different slope."""
    curves = []
    rise = rng.uniform(0.02, 0.2)
    for side in (-1, 1):
        lift = rise + rng.normal(0, 0.02)
        line = [(0.085, -0.6), (0.25, -0.585 - 0.2 * lift), (0.5, -0.62 - 0.7 * lift)]
        line += [(0.72, -0.72 - lift), (0.98, -0.69 - lift)]
        curves.append(smooth_curve([(side * out, down) for out, down in line]))
    radius = 0.037
    distance = distance_to_curves(pose, curves, radius + 1.5 / pose.scale)
    return 0.17 * _tube(distance, radius), distance < radius


def scapulae(pose: Pose, build: Build) -> Map:
    """Returns the shoulder blades: faint plates with a denser inner border."""
    out, y = np.abs(pose.x), pose.y
    inner = out - (build.cage.mean() * 0.86 + 0.12 * np.abs(y + 0.25))
    outer = 1.02 - 0.28 * smoothstep(-0.4, 0.1, y) - out
    inside = np.minimum(
        np.minimum(inner, outer), np.minimum(y + 0.75 - 0.3 * (out - 0.6), 0.05 - y)
    )
    plate = smoothstep(-0.02, 0.02, inside)
    rim = np.exp(-((inside / 0.018) ** 2))
    return (0.05 * plate + 0.04 * rim) * smoothstep(-0.75, -0.4, y)


def humeri(pose: Pose) -> Map:
    """Returns the heads and shafts of the upper arms."""
    out, y = np.abs(pose.x), pose.y
    head = 0.13 - np.hypot(out - 1.08, y + 0.6)
    axis = out - 1.14 - 0.05 * (y + 0.5)
    shaft = np.where(y > -0.6, 0.07 - np.abs(axis), -1.0)
    return 0.12 * np.maximum(
        smoothstep(-0.01, 0.03, head), _tube(np.clip(0.07 - shaft, 0, 1), 0.07)
    )


def bone_texture(rng: np.random.Generator, pose: Pose) -> Map:
    """Returns the grain of trabecular bone, with values near 1."""
    return 1 + 0.08 * smooth_field(rng, pose.shape, 60)
