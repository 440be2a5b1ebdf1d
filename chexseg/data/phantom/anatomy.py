"""A person's chest: a random build, and the resulting maps of tissue, air and bone.

The image is later computed from how much matter each ray crosses, so all maps hold path lengths:
`air` is aerated lung, `tissue` is the rest of the body, `bone` weighs more per length.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from chexseg.data.phantom.geometry import Map, Mask, Pose, smooth_field, smoothstep
from chexseg.data.phantom.skeleton import clavicles, humeri, ribs, scapulae, spine
from chexseg.data.phantom.vessels import vessel_tree

SIDES = (-1, 1)
"""Sign of x in the right and the left half of the patient."""


@dataclass(frozen=True)
class Build:
    """Holds the shape of one person; pairs are (right, left), lengths in patient units."""

    cage: NDArray[np.float64]  # half-width of the rib cage at its base
    apex: NDArray[np.float64]  # y of the lungs' tops
    dome: NDArray[np.float64]  # y of the diaphragm's tops
    mediastinum: NDArray[np.float64]  # half-width of the upper mediastinum
    knob: float  # radius of the aortic knob
    heart_centre: NDArray[np.float64]
    heart_axes: NDArray[np.float64]
    heart_tilt: float
    fat: float
    breasts: float
    depth: float

    def cage_width(self, side: int, y: Map) -> Map:
        """Returns the half-width of the rib cage at height `y`; 0 above the apex."""
        index = (side + 1) // 2
        t = np.clip((y - self.apex[index]) / (0.62 - self.apex[index]), 0, 1.25)
        taper = 1 - 0.25 * np.clip(t - 0.85, 0, 1)
        return self.cage[index] * taper * np.sqrt(1 - np.square(np.square(np.clip(1 - t, 0, 1))))

    def cage_top(self, side: int, out: Map) -> Map:
        """Returns the height of the cage's top at distance `out` from the midline."""
        index = (side + 1) // 2
        rest = np.clip(1 - np.square(out / self.cage[index]), 0, 1)
        return self.apex[index] + (0.62 - self.apex[index]) * (1 - np.sqrt(np.sqrt(rest)))


def draw_build(rng: np.random.Generator, positives: Collection[str]) -> Build:
    """Draws a random build, which includes an enlarged heart or mediastinum and volume loss."""
    dome = np.array([0.36, 0.42]) + rng.normal(0, 0.05) + rng.normal(0, 0.02, 2)
    if "Atelectasis" in positives:
        dome[rng.integers(2)] -= rng.uniform(0.0, 0.12)
    heart_axes = np.array([0.375, 0.27]) * rng.normal(1, 0.05)
    heart_centre = np.array([0.12, 0.29]) + rng.normal(0, 0.015, 2)
    if "Cardiomegaly" in positives:
        growth = rng.uniform(1.3, 1.62)
        heart_axes = heart_axes * (growth, 0.5 + 0.5 * growth)
        heart_centre = heart_centre + (0.05, -0.04) * np.array(growth - 1) * 2
    mediastinum = rng.uniform(0.095, 0.125, 2)
    knob = rng.uniform(0.055, 0.085)
    if "Enlarged Cardiomediastinum" in positives:
        mediastinum = mediastinum * rng.uniform(1.55, 2.3, 2)
        knob *= rng.uniform(1.1, 1.7)
    return Build(
        cage=np.clip(rng.normal(0.75, 0.03) + rng.normal(0, 0.012, 2), 0.68, 0.82),
        apex=-0.84 + rng.normal(0, 0.02) + rng.normal(0, 0.01, 2),
        dome=dome,
        mediastinum=mediastinum,
        knob=knob,
        heart_centre=heart_centre,
        heart_axes=heart_axes,
        heart_tilt=rng.normal(0.62, 0.1) * (0.75 if "Cardiomegaly" in positives else 1.0),
        fat=rng.uniform(0.08, 0.22),
        breasts=rng.uniform(0.04, 0.16) if rng.random() < 0.45 else 0.0,
        depth=rng.uniform(0.9, 1.1),
    )


@dataclass(frozen=True)
class Lung:
    """Holds one lung as the film shows it.

    Attributes:
        side: -1 right, 1 left.
        out: distance from the midline, growing outwards, [H, W].
        wall: distance to the lateral and apical chest wall, positive inside the cage, [H, W].
        base: distance above the diaphragm, [H, W].
        level: 0 at the apex, 1 at the diaphragm, [H, W].
        cavity: 0..1, the half of the chest that the lung can fill, including the heart, [H, W].
        field: the lung that is not hidden by heart, mediastinum or diaphragm, [H, W].
    """

    side: int
    out: Map
    wall: Map
    base: Map
    level: Map
    cavity: Map
    field: Mask


@dataclass(frozen=True)
class Chest:
    """Holds what a pathology depends on, all maps [H, W]; see the module."""

    pose: Pose
    build: Build
    lungs: tuple[Lung, Lung]
    tissue: Map
    air: Map
    bone: Map
    vessels: Map
    heart: Mask
    cardiomediastinum: Mask
    anatomy: dict[str, Mask]

    @property
    def field(self) -> Mask:
        """Both lung fields together."""
        return self.lungs[0].field | self.lungs[1].field

    @property
    def cavity(self) -> Map:
        """Both lungs' cavities together."""
        return np.maximum(self.lungs[0].cavity, self.lungs[1].cavity)


def draw_chest(rng: np.random.Generator, pose: Pose, build: Build) -> Chest:
    """Computes the maps of a healthy chest of this build."""
    x, y, soft = pose.x, pose.y, 0.7 / pose.scale + 0.004
    heart_depth = _heart(build, x, y)
    silhouette = _mediastinum(rng, build, pose)
    column = smoothstep(-soft, soft, silhouette)
    floor = [_floor(build, side, x) for side in SIDES]
    right = smoothstep(0.15, -0.15, x)
    heart = (heart_depth > 0) & (y < right * floor[0] + (1 - right) * floor[1] + 0.05)
    lungs, air = [], np.zeros_like(x)
    for side in SIDES:
        lung, lung_air = _lung(build, side, x, y, soft, column, heart)
        lungs.append(lung)
        air += lung_air
    thickness = np.sqrt(np.clip(heart_depth, 0, None))
    air *= 1 - np.clip(1.25 * thickness, 0, 0.97)
    mediastinum = (column > 0.5) & (y < 0.35) & (y > -0.7)
    ribs_bone, ribs_mask = ribs(pose, build)
    spine_bone, spine_mask = spine(rng, pose)
    clavicle_bone, clavicle_mask = clavicles(rng, pose)
    tissue = _body(build, x, y) - _airway(rng, x, y) + 0.06 * thickness
    tissue = np.clip(tissue - _stomach(rng, build, x, y) + _skin(rng, build, x, y), 0, None)
    below = np.abs(x) < build.cage.max()
    diaphragm = np.any([(np.abs(lung.base) < 0.02) & (lung.wall > 0) for lung in lungs], axis=0)
    return Chest(
        pose=pose,
        build=build,
        lungs=(lungs[0], lungs[1]),
        tissue=tissue,
        air=air,
        bone=ribs_bone + spine_bone + clavicle_bone + scapulae(pose, build) + humeri(pose),
        vessels=vessel_tree(rng, pose),
        heart=heart,
        cardiomediastinum=heart | mediastinum,
        anatomy={
            "Left Lung": lungs[1].field,
            "Right Lung": lungs[0].field,
            "Heart": heart,
            "Ribs": ribs_mask,
            "Spine": spine_mask,
            "Clavicles": clavicle_mask,
            "Diaphragm": diaphragm & below,
        },
    )


def _heart(build: Build, x: Map, y: Map) -> Map:
    """Returns the squared depth of the heart along the ray, at most 1; <= 0 outside."""
    dx, dy = x - build.heart_centre[0], y - build.heart_centre[1]
    cos, sin = np.cos(build.heart_tilt), np.sin(build.heart_tilt)
    along, across = dx * cos + dy * sin, -dx * sin + dy * cos
    ventricles = 1 - (along / build.heart_axes[0]) ** 2 - (across / build.heart_axes[1]) ** 2
    atrium = 1 - ((x + 0.045) / (0.44 * build.heart_axes[0])) ** 2
    atrium = atrium - ((y - build.heart_centre[1]) / (0.98 * build.heart_axes[1])) ** 2
    return _smooth_maximum(0.12, ventricles, atrium)


def _mediastinum(rng: np.random.Generator, build: Build, pose: Pose) -> Map:
    """Returns the distance inside the column of great vessels, negative outside, [H, W]."""
    x, y = pose.x, pose.y
    waver = 0.008 * smooth_field(rng, pose.shape, 7)
    narrowing = 1 - 0.22 * smoothstep(-0.35, -0.75, y)
    half = np.where(x < 0, build.mediastinum[0], build.mediastinum[1]) * narrowing + waver
    knob_x = 0.75 * build.mediastinum[1] + 0.02
    knob = build.knob - np.hypot(x - knob_x, 0.75 * (y + 0.27))
    trunk_x = 0.7 * build.mediastinum[1] + 0.02
    trunk = 0.085 - np.hypot(x - trunk_x, 0.5 * (y + 0.03))  # pulmonary trunk, below the knob
    return _smooth_maximum(0.018, half - np.abs(x), knob, trunk)


def _smooth_maximum(softness: float, *maps: Map) -> Map:
    """Returns a maximum without creases, since organs meet in curves rather than corners."""
    total = maps[0]
    for other in maps[1:]:
        blend = np.clip(1 - np.abs(total - other) / (4 * softness), 0, None)
        total = np.maximum(total, other) + softness * blend**2
    return total


def _lung(
    build: Build, side: int, x: Map, y: Map, soft: float, column: Map, heart: Mask
) -> tuple[Lung, Map]:
    """Returns a lung and the depth of air in it."""
    index = (side + 1) // 2
    out = side * x
    width = build.cage_width(side, y)
    apex = build.apex[index]
    across, down = width - out, y - build.cage_top(side, out)
    product = np.maximum(across, 0) * np.maximum(down, 0)
    wall = np.where(
        product > 0, product / (np.hypot(across, down) + 1e-6), np.minimum(across, down)
    )
    floor = _floor(build, side, x)
    base = floor - y
    medial = out - 0.13 * np.exp(-np.clip(y - apex, 0, None) / 0.1) - 0.05
    sides = smoothstep(-soft, soft, wall) * smoothstep(-soft, soft, medial) * (out > 0)
    cavity = sides * smoothstep(-soft, soft, base)
    visible = cavity * (1 - column)
    round_depth = np.sqrt(np.clip(1 - (out / np.maximum(width, 1e-3)) ** 2, 0, 1))
    apical = np.sqrt(np.clip((y - apex) / 0.6, 0, 1))
    recess = 0.13 * sides * (1 - smoothstep(0.0, 0.2, -base))  # lung behind the diaphragm
    air = build.depth * 0.56 * (0.3 + 0.7 * round_depth * apical) * np.maximum(visible, recess)
    level = np.clip((y - apex) / (floor - apex), 0, 1.2)
    field = (visible > 0.5) & ~heart
    return Lung(side, out, wall, base, level, cavity, field), air


def _floor(build: Build, side: int, x: Map) -> Map:
    """Returns the height of the diaphragm on one side: a dome that drops to the wall."""
    from_top = side * x - 0.34
    rise = np.where(from_top > 0, 1.55, 0.45) * np.square(from_top)
    return np.minimum(build.dome[(side + 1) // 2] + rise, 0.72)


def _body(build: Build, x: Map, y: Map) -> Map:
    """Returns the depth of the body: neck, shoulders, arms, trunk and the thicker abdomen."""
    trunk = build.cage.mean() * 1.0 + build.fat + 0.04 * smoothstep(0.0, 0.9, y)
    shoulders = 1.28 - 0.5 * smoothstep(-0.75, -1.15, y) - 0.55 * smoothstep(-0.95, -1.2, y)
    half = trunk + (shoulders - trunk) * (1 - smoothstep(-0.62, -0.12, y))
    round_depth = np.sqrt(np.clip(1 - np.abs(x / half) * np.square(x / half), 0, 1))
    depth = build.depth * (0.82 + 0.22 * smoothstep(0.1, 0.7, y) - 0.22 * smoothstep(-0.5, -0.9, y))
    arm = 1 - ((np.abs(x) - (1.24 + 0.5 * build.fat)) / (0.13 + 0.3 * build.fat)) ** 2
    arm = 0.34 * np.sqrt(np.clip(arm, 0, 1)) * smoothstep(-0.75, -0.35, y)
    return np.maximum(
        depth * round_depth * (0.72 + 0.28 * np.exp(-np.square(np.square(x / 0.75)))), arm
    )


def _airway(rng: np.random.Generator, x: Map, y: Map) -> Map:
    """Returns the air of trachea and main bronchi."""
    carina = rng.uniform(-0.22, -0.14)
    x = x + rng.normal(0.005, 0.008)
    trachea = np.clip(1 - (x / 0.045) ** 2, 0, 1) * smoothstep(0.03, -0.03, y - carina)
    slope = y - carina - 0.75 * np.abs(x)
    bronchi = np.clip(1 - (slope / 0.032) ** 2, 0, 1) * smoothstep(0.24, 0.1, np.abs(x))
    return 0.16 * np.sqrt(np.maximum(trachea, 0.6 * bronchi))


def _stomach(rng: np.random.Generator, build: Build, x: Map, y: Map) -> Map:
    """Returns the gas below the left diaphragm: the gastric bubble, and sometimes bowel."""
    gas = np.zeros_like(x)
    for _ in range(rng.integers(0, 3)):
        centre = rng.uniform(0.22, 0.5), build.dome[1] + rng.uniform(0.12, 0.26)
        axes = rng.uniform(0.06, 0.14), rng.uniform(0.035, 0.075)
        inside = 1 - ((x - centre[0]) / axes[0]) ** 2 - ((y - centre[1]) / axes[1]) ** 2
        gas = np.maximum(gas, rng.uniform(0.15, 0.35) * np.sqrt(np.clip(inside, 0, 1)))
    return gas


def _skin(rng: np.random.Generator, build: Build, x: Map, y: Map) -> Map:
    """Returns the shadows of breasts, nipples and skin folds, which are not lesions."""
    shadow = np.zeros_like(x)
    drop = rng.uniform(0.22, 0.42)
    for side in SIDES:
        out = (side * x - 0.47) / 0.36
        low = y - drop - rng.normal(0, 0.02)
        inside = 1 - out**2 - (low / np.where(low > 0, 0.26, 0.5)) ** 2
        shadow += build.breasts * np.sqrt(np.clip(inside, 0, 1))
        if rng.random() < 0.25:
            nipple = np.hypot(side * x - 0.5, low - 0.12)
            shadow += 0.05 * smoothstep(0.035, 0.015, nipple)
    if rng.random() < 0.2:  # a fold of skin: an edge with a fading side, not a pleural line
        edge = np.abs(x) - rng.uniform(0.4, 0.62) - 0.25 * (y - rng.uniform(-0.3, 0.4))
        side = rng.choice(SIDES) * x > 0
        shadow += (
            0.06 * side * smoothstep(-0.004, 0.006, edge) * np.exp(-np.clip(edge, 0, 9) / 0.06)
        )
    return shadow
