"""Fuses the boxes of several readers, and tells what they agree on.

Boxes of a finding are first put into groups, as weighted box fusion does (Solovyev, Wang, Gabruseva,
"Weighted boxes fusion: ensembling boxes from different object detection models", Image and Vision
Computing, 2021). Then each group becomes one box, by a function that is a method of its own: `union`,
`majority` or `weighted`. `ensemble-boxes`, the library of that paper, gives the same boxes, and a test
compares them; it is not used here because it needs numba, a compiler, for its other methods.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from chexseg.data.boxes import (
    Box,
    Corners,
    area,
    box_masks,
    corners_of,
    intersection_over_union,
    to_square,
)
from chexseg.data.images import Letterbox

SAME = 0.4
"""Two boxes enclose the same if their IoU is above this, as in the challenge on VinDr-CXR."""


@dataclass(frozen=True)
class FusedBox:
    """Holds a group of boxes of one finding in one X-ray.

    Attributes:
        cxr_id: the X-ray.
        finding: what the boxes enclose.
        box: the fused box; None if too few readers drew it.
        inner: what the boxes of all readers of the group share; None if there is no fused box or
            nothing is shared.
        outer: the smallest box around all of them.
        agreement: share of the readers who drew it.
    """

    cxr_id: str
    finding: str
    box: Corners | None
    inner: Corners | None
    outer: Corners
    agreement: float


Fusion = Callable[[np.ndarray, np.ndarray, int], np.ndarray | None]
"""Corners of a group [K, 4], number of the reader of each [K], how many read the X-ray -> one box [4].

None if too few readers drew it."""


def union(group: np.ndarray, reader: np.ndarray, readers: int) -> np.ndarray:
    """Returns the smallest box around a group; see `Fusion`."""
    return hull(group)


def weighted(group: np.ndarray, reader: np.ndarray, readers: int) -> np.ndarray:
    """Returns the mean of the corners of a group; see `Fusion`.

    This is weighted box fusion with equal confidence, since readers state none.
    """
    return group.mean(0)


def majority(group: np.ndarray, reader: np.ndarray, readers: int) -> np.ndarray | None:
    """Returns the box whose every side more than half of the readers enclose; see `Fusion`.

    With three readers, the left side is the second one from the left. None if no more than half
    drew it, or if their boxes share too little.
    """
    each, needed = hull_of_each(group, reader), readers // 2 + 1
    if len(each) < needed:
        return None
    ordered = np.sort(each, axis=0)
    box = np.concatenate([ordered[needed - 1, :2], ordered[-needed, 2:]])
    return box if area(box) > 0 else None


FUSIONS: dict[str, Fusion] = {"majority": majority, "union": union, "weighted": weighted}
"""Name of a fusion in the config -> the fusion."""


def fuse(
    boxes: Sequence[Box], readers: Sequence[str], fusion: Fusion, *, same: float = SAME
) -> list[FusedBox]:
    """Fuses the boxes of one X-ray, each finding by itself.

    The result does not depend on the order of the boxes or of the readers.

    Args:
        boxes: boxes of one X-ray, of all readers and findings.
        readers: all who read the X-ray, whether or not they drew anything.
        fusion: what makes one box of a group, such as `majority`.
        same: boxes with a higher IoU than this with the mean of a group join it.

    Returns:
        One for each group, ordered by finding and corners.

    Raises:
        ValueError: the boxes are of several X-rays, or of someone who is not among the readers.
    """
    if len({box.cxr_id for box in boxes}) > 1 or {box.reader for box in boxes} - set(readers):
        raise ValueError("boxes of several X-rays, or of an unknown reader")
    fused = []
    for finding in sorted({box.finding for box in boxes}):
        mine = sorted((box for box in boxes if box.finding == finding), key=lambda box: box.corners)
        for group in group_boxes(corners_of(mine), np.ones(len(mine)), same=same):
            members = [mine[number] for number in group]
            fused.append(_fused(members, len(set(readers)), fusion))
    return sorted(fused, key=lambda each: (each.finding, each.outer))


def _fused(members: Sequence[Box], readers: int, fusion: Fusion) -> FusedBox:
    """Fuses the boxes of one group."""
    group = corners_of(members)
    names, reader = np.unique([box.reader for box in members], return_inverse=True)
    each, box = hull_of_each(group, reader), fusion(group, reader, readers)
    shared = np.concatenate([each[:, :2].max(0), each[:, 2:].min(0)])
    sure = box is not None and area(shared) > 0
    return FusedBox(
        members[0].cxr_id, members[0].finding, None if box is None else _plain(box),
        _plain(shared) if sure else None, _plain(hull(each)), len(names) / readers,
    )  # fmt: skip


def group_boxes(corners: np.ndarray, scores: np.ndarray, *, same: float) -> list[list[int]]:
    """Groups boxes as weighted box fusion does.

    Boxes are taken from the highest score down, ties in the given order. Each joins the group whose
    weighted mean it overlaps best, if their IoU is above `same`; otherwise it opens a group.

    Args:
        corners: [N, 4].
        scores: [N], above 0: the confidence in each box, which weights it in the mean.
        same: the IoU.

    Returns:
        Numbers of the boxes of each group, groups in the order in which they were opened.
    """
    groups: list[list[int]] = []
    means = np.zeros((0, 4))
    for number in np.argsort(-scores, kind="stable").tolist():
        overlap = intersection_over_union(means, corners[number][None])[:, 0]
        best = int(overlap.argmax()) if len(overlap) else -1
        if best >= 0 and overlap[best] > same:
            groups[best].append(number)
            means[best] = np.average(corners[groups[best]], axis=0, weights=scores[groups[best]])
        else:
            groups.append([number])
            means = np.concatenate([means, corners[number][None]])
    return groups


def hull(corners: np.ndarray) -> np.ndarray:
    """Returns the smallest box around boxes, [K, 4] -> [4]."""
    return np.concatenate([corners[:, :2].min(0), corners[:, 2:].max(0)])


def hull_of_each(group: np.ndarray, reader: np.ndarray) -> np.ndarray:
    """Returns the smallest box around the boxes of each reader, [K, 4] -> [readers, 4].

    Where one reader draws two boxes and others one, the two together are what that reader means.
    """
    return np.stack([hull(group[reader == number]) for number in np.unique(reader)])


def _plain(corners: np.ndarray) -> Corners:
    x_min, y_min, x_max, y_max = corners.tolist()
    return x_min, y_min, x_max, y_max


def box_target(
    fused: Sequence[FusedBox], boxes: Sequence[Box], readers: int, letterbox: Letterbox
) -> np.ndarray:
    """Draws what is abnormal in an X-ray, and where its readers differ, whatever the finding.

    Args:
        fused: from `fuse`.
        boxes: the boxes of the readers.
        readers: number of readers.
        letterbox: of the X-ray.

    Returns:
        bool [2, size, size]: inside any fused box; and the uncertain rim, which is inside boxes of
        some readers but not of all. Both are False where all agree that nothing is abnormal.
    """
    size = letterbox.size
    kept = np.array([each.box for each in fused if each.box is not None]).reshape(-1, 4)
    inside = box_masks(to_square(kept, letterbox), size, size).any(0)
    votes = np.zeros((size, size), int)
    for reader in {box.reader for box in boxes}:
        drawn = corners_of([box for box in boxes if box.reader == reader])
        votes += box_masks(to_square(drawn, letterbox), size, size).any(0)
    return np.stack([inside, (votes > 0) & (votes < readers)])


def padded_boxes(fused: Sequence[FusedBox], letterbox: Letterbox, most: int) -> np.ndarray:
    """Returns the boxes of an X-ray as a target of training, with the same shape for every X-ray.

    Args:
        fused: from `fuse`.
        letterbox: of the X-ray.
        most: number of rows: the largest number of boxes of any X-ray.

    Returns:
        float32 [most, 2, 4]: inner and outer box, in pixels of the square. The inner box is NaN
        where nothing is sure; both are in the rows left over.

    Raises:
        ValueError: there are more boxes than rows.
    """
    if len(fused) > most:
        raise ValueError(f"{len(fused)} boxes for {most} rows")
    rows = np.full((most, 2, 4), np.nan)
    for row, each in zip(rows, fused, strict=False):
        row[0] = np.nan if each.inner is None else each.inner
        row[1] = each.outer
    return to_square(rows, letterbox).astype(np.float32)
