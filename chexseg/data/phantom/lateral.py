"""The chest from the side: simpler than the frontal view, since it needs no masks."""

from __future__ import annotations

from collections.abc import Collection

import numpy as np

from chexseg.data.phantom.geometry import Map, Pose, distance_to_curves, smooth_field, smoothstep


def draw_lateral(
    rng: np.random.Generator, pose: Pose, positives: Collection[str], scale: float
) -> Map:
    """Returns the matter that lateral rays cross, [H, W]; the sternum is on the left.

    Args:
        rng: source of randomness.
        pose: positions of the pixels.
        positives: pathologies; each leaves a simple sign: a big heart, haze, fluid, a lead.
        scale: enlarges lesions.
    """
    x, y = pose.x, pose.y
    chest_x = (x - 0.05 - 0.1 * y) / (0.62 + 0.12 * smoothstep(-0.9, 0.2, y))
    cage = 1 - chest_x**2
    dome = 0.42 + 0.5 * (x + 0.1) * np.abs(x + 0.1) + 0.15 * np.clip(x, 0, None)
    top = smoothstep(-0.95, -0.35, y - 0.25 * np.abs(x))
    air = 0.75 * np.sqrt(np.clip(cage, 0, 1)) * top * smoothstep(-0.015, 0.015, dome - y)
    growth = 1.35 if "Cardiomegaly" in positives else 1.0
    across, along = 0.8 * (x + 0.24) + 0.6 * (y - 0.24), 0.8 * (y - 0.24) - 0.6 * (x + 0.24)
    heart = 1 - (across / (0.24 * growth)) ** 2 - (along / (0.36 * growth)) ** 2
    hilum = np.hypot((x - 0.05) / 0.16, (y + 0.08) / 0.2)
    arch = np.hypot((x - 0.08) / 0.22, (y + 0.3) / 0.16)
    great_vessels = 0.25 * np.exp(-(hilum**2)) + 0.2 * np.exp(-(arch**2))
    air = air * (1 - 0.6 * np.clip(heart, 0, 1) ** 0.7) * (1 - great_vessels)
    trachea = smoothstep(0.05, 0.02, np.abs(x - 0.02 - 0.15 * (y + 0.4))) * (y < -0.15)
    air = air + 0.06 * trachea
    body = (
        1.05 * np.sqrt(np.clip(1.45 - chest_x**2, 0, 1)) * (0.75 + 0.25 * smoothstep(-0.9, 0.3, y))
    )
    spine_x = x - 0.42 - 0.18 * np.cos(1.7 * y)
    vertebra = 0.6 + 0.4 * smoothstep(0.1, 0.25, np.mod(y / 0.13, 1.0))
    bone = 0.16 * vertebra * smoothstep(0.1, 0.07, np.abs(spine_x))
    turn = np.linspace(-1.2, 1.1, 40)
    ribs = [
        np.stack([0.05 + 0.6 * np.sin(turn), start + 0.25 * (1 - np.sin(turn)) / 2 + 0.1], axis=1)
        for start in np.arange(-0.85, 0.5, 0.14)
    ]
    bone = bone + 0.05 * smoothstep(0.03, 0.015, distance_to_curves(pose, ribs, 0.04))
    fill = np.zeros_like(x)
    if "Pleural Effusion" in positives:
        fill = smoothstep(-0.03, 0.03, y - rng.uniform(0.2, 0.4) + 0.3 * np.clip(x, 0, None))
    if {"Airspace Opacity", "Edema", "Consolidation", "Atelectasis", "Lung Lesion"} & set(
        positives
    ):
        distance = np.hypot(x - rng.uniform(-0.2, 0.3), y - rng.uniform(-0.4, 0.3))
        blob = np.exp(-((distance / (0.16 * scale**0.5)) ** 2))
        fill = np.maximum(fill, rng.uniform(0.3, 0.7) * blob)
    grain = 1 + 0.03 * smooth_field(rng, pose.shape, 26)
    matter = body - air * (1 - fill) * 0.8 * grain + bone
    if "Support Devices" in positives:
        lead = [np.array([[0.1, -1.2], [0.05, -0.4], [-0.1, 0.1], [-0.35, 0.35]])]
        matter = matter + 0.2 * smoothstep(0.02, 0.01, distance_to_curves(pose, lead, 0.03))
    return np.clip(matter, 0, None)
