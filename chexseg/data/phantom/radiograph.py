"""One synthetic radiograph: a chest, its diseases, and the film that they expose."""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from chexseg.data.layouts.chexpert import PATHOLOGIES
from chexseg.data.phantom import pathology
from chexseg.data.phantom.anatomy import Chest, draw_build, draw_chest
from chexseg.data.phantom.devices import support_devices
from chexseg.data.phantom.film import burn_in, expose
from chexseg.data.phantom.geometry import Map, Mask, draw_pose, smooth_field
from chexseg.data.phantom.lateral import draw_lateral
from chexseg.data.phantom.skeleton import bone_texture

_OPACITIES = {
    "Pleural Effusion": pathology.pleural_effusion,
    "Edema": pathology.edema,
    "Consolidation": pathology.consolidation,
    "Atelectasis": pathology.atelectasis,
    "Lung Lesion": pathology.lung_lesion,
}
OPACITY_CHILDREN = ("Edema", "Consolidation", "Atelectasis")
"""The pathologies whose masks are included in Airspace Opacity, as in CheXlocalize."""

_SMALLEST = 0.004  # share of the image that a lesion should cover
_TRIES = 8


@dataclass(frozen=True)
class Radiograph:
    """Holds a synthetic X-ray and its ground truth.

    Attributes:
        image: grey values, uint8 [H, W].
        anatomy: masks of the organs, bool [H, W] each; empty for a lateral view.
        masks: mask of each positive pathology, bool [H, W]; empty for a lateral view.
    """

    image: NDArray[np.uint8]
    anatomy: dict[str, Mask]
    masks: dict[str, Mask]


def render(
    rng: np.random.Generator,
    positives: Collection[str],
    *,
    longest_side: int,
    lesion_scale: float = 1.0,
    lateral: bool = False,
) -> Radiograph:
    """Renders one chest radiograph.

    Args:
        rng: the only source of randomness: equal generators give equal bits.
        positives: names from PATHOLOGIES that the chest shows.
        longest_side: mean longest side in pixels; sizes vary by about 20 % and are never square.
        lesion_scale: enlarges lesions and thickens devices.
        lateral: renders a side view instead, without masks.

    Raises:
        ValueError: a positive is not one of PATHOLOGIES.
    """
    unknown = sorted(set(positives) - set(PATHOLOGIES))
    if unknown:
        raise ValueError(f"positives: found {unknown}, expected names from PATHOLOGIES")
    pose = draw_pose(rng, longest_side)
    if lateral:
        matter = draw_lateral(rng, pose, positives, lesion_scale)
        return Radiograph(burn_in(rng, expose(rng, pose.scale, matter), marker=""), {}, {})
    chest = draw_chest(rng, pose, draw_build(rng, positives))
    matter, masks = _matter(rng, chest, positives, lesion_scale)
    image = burn_in(rng, expose(rng, pose.scale, matter), marker="L" if rng.random() < 0.5 else "R")
    return Radiograph(
        image, chest.anatomy, {name: masks[name] for name in PATHOLOGIES if name in masks}
    )


def _visible(
    draw: Callable[..., pathology.Lesion],
    rng: np.random.Generator,
    chest: Chest,
    room: Mask,
    scale: float,
) -> pathology.Lesion:
    """Redraws a lesion while heart or air hide nearly all of it; returns the largest."""
    lesion = draw(rng, chest, room, scale)
    for _ in range(_TRIES):
        if lesion.mask.mean() >= _SMALLEST:
            break
        other = draw(rng, chest, room, scale)
        lesion = max(lesion, other, key=lambda drawn: np.count_nonzero(drawn.mask))
    return lesion


def _matter(
    rng: np.random.Generator, chest: Chest, positives: Collection[str], scale: float
) -> tuple[Map, dict[str, Mask]]:
    """Returns the matter that each ray crosses and the masks of the positives."""
    masks = {}
    if "Cardiomegaly" in positives:
        masks["Cardiomegaly"] = chest.heart
    if "Enlarged Cardiomediastinum" in positives:
        masks["Enlarged Cardiomediastinum"] = chest.cardiomediastinum
    vacant = line = np.zeros(chest.pose.shape, dtype=np.float32)
    clear = np.ones(chest.pose.shape, dtype=np.float32)  # share of the air not replaced by fluid
    room = chest.field
    if "Pneumothorax" in positives:
        escape = pathology.pneumothorax(rng, chest, scale)
        vacant, line = escape.vacant, escape.line
        masks["Pneumothorax"] = escape.mask
        clear = clear - escape.collapsed
        room = room & ~escape.mask
    for name, draw in _OPACITIES.items():
        if name in positives:
            lesion = _visible(draw, rng, chest, room, scale)
            masks[name] = lesion.mask
            clear = clear * (1 - lesion.fill)
            room = room & ~lesion.mask if name == "Pleural Effusion" else room
    if "Airspace Opacity" in positives:
        children = [masks[name] for name in OPACITY_CHILDREN if name in masks]
        if not children or rng.random() < 0.25:
            lesion = _visible(pathology.airspace_opacity, rng, chest, room, scale)
            clear = clear * (1 - lesion.fill)
            children.append(lesion.mask)
        masks["Airspace Opacity"] = np.any(children, axis=0)
    grain = 1 + 0.05 * smooth_field(rng, chest.pose.shape, 50)
    lung = chest.air * (0.17 * grain + 2.4 * chest.vessels) * (1 - vacant)
    matter = chest.tissue - chest.air * clear + lung * clear + line
    matter = matter + chest.bone * bone_texture(rng, chest.pose)
    if "Support Devices" in positives:
        devices, masks["Support Devices"] = support_devices(rng, chest.pose, positives, scale)
        matter = matter + devices
    return matter, masks
