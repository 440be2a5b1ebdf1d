"""Converts class activation maps into training labels for IRNet: 1, 0, or 255 for unsure."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from chexseg.affinity.dense_crf import refine
from chexseg.errors import Problems

UNSURE = 255


@torch.no_grad()
def affinity_labels(
    image: Tensor,
    cam: Tensor,
    positive: Tensor,
    *,
    foreground: float,
    background: float,
    **crf_settings: float,
) -> Tensor:
    """Labels where each pathology certainly is (1), certainly is not (0), or may be (255).

    Negative values of the CAM are set to 0, it is upsampled to the image, and its maximum there is
    scaled to 1. The regions above `foreground` and above `background` are each refined by a dense CRF.
    The first gives the pixels labelled 1; pixels outside both are labelled 0.

    Args:
        image: [H, W] or [B, H, W], 0 to 255.
        cam: [P, h, w] or [B, P, h, w], of any scale and size.
        positive: [P] or [B, P] bool, which pathologies the image has.
        foreground: CAM values above this are foreground; 0 to 1.
        background: CAM values up to this are background; at most `foreground`.
        crf_settings: keyword arguments of `dense_crf.refine`.

    Returns:
        [P, H, W] or [B, P, H, W] uint8. A pathology that is not positive, or whose CAM has no
        positive value, is 255 everywhere.

    Raises:
        InputError: the shapes or thresholds do not match, or a CRF setting is out of range.

    Source: Ahn et al. 2019, section 4.1; `cam_to_ir_label` in its published code, which uses one
    CRF with a label per class. Here each pathology has a separate CRF, since pathologies overlap.
    """
    if image.ndim == 2:
        labels = affinity_labels(
            image[None],
            cam[None],
            positive[None],
            foreground=foreground,
            background=background,
            **crf_settings,
        )
        return labels[0]
    _check(image, cam, positive, foreground, background)
    labels = torch.full((*cam.shape[:2], *image.shape[1:]), UNSURE, dtype=torch.uint8)
    labels = labels.to(image.device)
    for index in range(len(image)):
        chosen = positive[index].nonzero()[:, 0]
        if len(chosen):
            maps, known = _scaled(cam[index : index + 1, chosen].float(), image.shape[1:])
            chosen, maps = chosen[known], maps[:, known]
        if len(chosen) == 0:
            continue
        rough = torch.cat([maps > foreground, maps > background], 1)
        refined = refine(image[index : index + 1], rough, **crf_settings)[0]
        sure, possible = refined.chunk(2)
        unsure = torch.full_like(sure, UNSURE)
        labels[index, chosen] = torch.where(
            sure == 1, sure, torch.where(possible == 0, possible, unsure)
        )
    return labels


def _scaled(cam: Tensor, size: torch.Size) -> tuple[Tensor, Tensor]:
    """Returns CAMs [1, P, *size], scaled to 0..1 there, and which of them are not empty, [P]."""
    maps = F.interpolate(cam.clamp(min=0), size=size, mode="bilinear", align_corners=False)
    highest = maps.amax((2, 3), keepdim=True)
    known = highest[0, :, 0, 0] > 0
    return maps / torch.where(highest > 0, highest, torch.ones_like(highest)), known


def _check(
    image: Tensor, cam: Tensor, positive: Tensor, foreground: float, background: float
) -> None:
    problems = Problems()
    shapes = tuple(image.shape), tuple(cam.shape), tuple(positive.shape)
    if image.ndim != 3 or cam.ndim != 4 or not len(image) == len(cam) == len(positive):
        fits = False
    else:
        fits = positive.shape == cam.shape[:2]
    if not fits:
        problems.add(
            "affinity_labels: image, cam, positive",
            f"shapes {shapes[0]}, {shapes[1]}, {shapes[2]}",
            "[B, H, W], [B, P, h, w] and [B, P]",
            "Pass all three for the same images and pathologies.",
        )
    if not 0 <= background <= foreground <= 1:
        problems.add(
            "affinity_labels: background, foreground",
            f"{background}, {foreground}",
            "0 <= background <= foreground <= 1",
            "Use 0.05 and 0.30 as in IRN, or 0.1 and 0.25 as in CheXseg.",
        )
    problems.raise_if_any()
