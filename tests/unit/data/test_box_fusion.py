"""Fusion of the boxes of several readers: by hand, and against the library of the paper."""

import numpy as np
import pytest

from chexseg.data.box_fusion import (
    FusedBox,
    box_target,
    fuse,
    group_boxes,
    majority,
    padded_boxes,
    union,
    weighted,
)
from chexseg.data.boxes import Box
from chexseg.data.images import Letterbox

READERS = ("r1", "r2", "r3")
FUSIONS = [union, majority, weighted]


def drawn(*rows, finding="Mass"):
    """Boxes of one X-ray from rows (reader, corners)."""
    return [Box("a", reader, finding, *corners) for reader, corners in rows]


def boxes_of(fused):
    return [each.box for each in fused]


@pytest.mark.parametrize("fusion", FUSIONS)
def test_identical_boxes_stay_as_they_are(fusion):
    boxes = drawn(*[(reader, (2, 3, 6, 9)) for reader in READERS])
    same = (2, 3, 6, 9)
    assert fuse(boxes, READERS, fusion) == [FusedBox("a", "Mass", same, same, same, 1.0)]


@pytest.mark.parametrize(
    ("fusion", "expected"),
    [
        (union, [(0, 0, 2, 2), (4, 0, 6, 2), (8, 0, 10, 2)]),
        (majority, [None, None, None]),
        (weighted, [(0, 0, 2, 2), (4, 0, 6, 2), (8, 0, 10, 2)]),
    ],
)
def test_disjoint_boxes_stay_apart(fusion, expected):
    places = (0, 0, 2, 2), (4, 0, 6, 2), (8, 0, 10, 2)
    fused = fuse(drawn(*zip(READERS, places, strict=True)), READERS, fusion)
    assert boxes_of(fused) == expected
    assert [each.inner for each in fused] == expected
    assert [each.outer for each in fused] == list(places)
    assert [each.agreement for each in fused] == [1 / 3] * 3


NESTED = drawn(("r1", (0, 0, 10, 10)), ("r2", (1, 1, 9, 9)), ("r3", (1, 2, 9, 9)))
"""IoU of the first two 0.64, of the third with their mean 0.69."""


@pytest.mark.parametrize(
    ("fusion", "box"),
    [(union, (0, 0, 10, 10)), (majority, (1, 1, 9, 9)), (weighted, (2 / 3, 1, 28 / 3, 28 / 3))],
)
def test_nested_boxes(fusion, box):
    (fused,) = fuse(NESTED, READERS, fusion)
    np.testing.assert_allclose(fused.box, box)
    assert (fused.inner, fused.outer, fused.agreement) == ((1, 2, 9, 9), (0, 0, 10, 10), 1)


def test_a_small_box_in_a_large_one_is_another():
    boxes = drawn(("r1", (0, 0, 10, 10)), ("r2", (0, 0, 2, 2)))
    assert boxes_of(fuse(boxes, READERS, union)) == [(0, 0, 2, 2), (0, 0, 10, 10)]
    assert boxes_of(fuse(boxes, READERS, union, same=0.03)) == [(0, 0, 10, 10)]


def test_a_majority_of_two_readers_is_both():
    boxes = drawn(("r1", (0, 0, 10, 10)), ("r2", (2, 0, 12, 10)))
    assert boxes_of(fuse(boxes, ("r1", "r2"), majority)) == [(2, 0, 10, 10)]
    assert boxes_of(fuse(boxes, READERS, majority)) == [(2, 0, 10, 10)]
    assert boxes_of(fuse(boxes[:1], ("r1",), majority)) == [(0, 0, 10, 10)]
    assert boxes_of(fuse(boxes, (*READERS, "r4"), majority)) == [None]


def test_two_boxes_of_one_reader_are_one_vote():
    boxes = drawn(("r1", (0, 0, 10, 8)), ("r1", (0, 2, 10, 10)))
    (fused,) = fuse(boxes, READERS, majority)
    assert (fused.box, fused.inner, fused.outer) == (None, None, (0, 0, 10, 10))
    assert fused.agreement == pytest.approx(1 / 3)


def test_findings_are_fused_apart():
    boxes = drawn(("r1", (0, 0, 4, 4))) + drawn(("r2", (0, 0, 4, 4)), finding="Edema")
    fused = fuse(boxes, READERS, union)
    assert [(each.finding, each.box) for each in fused] == [
        ("Edema", (0, 0, 4, 4)),
        ("Mass", (0, 0, 4, 4)),
    ]


def random_boxes(seed, number=14):
    rng = np.random.default_rng(seed)
    centre, half = rng.integers(1, 4, (number, 2)) / 5, rng.uniform(0.05, 0.2, (number, 2))
    centre = centre + rng.uniform(-0.04, 0.04, (number, 2))
    return np.concatenate([centre - half, centre + half], 1).clip(0, 1)


@pytest.mark.parametrize("fusion", FUSIONS)
def test_the_order_of_boxes_and_readers_makes_no_difference(fusion):
    rows = zip(READERS * 5, random_boxes(0), strict=False)
    boxes = drawn(*[(reader, corners.tolist()) for reader, corners in rows])
    fused = fuse(boxes, READERS, fusion)
    assert 3 < len(fused) < 14
    assert fuse(boxes[::-1], READERS[::-1], fusion) == fused


def test_boxes_of_others_are_refused():
    with pytest.raises(ValueError, match="unknown reader"):
        fuse(NESTED, ("r1", "r2"), union)
    with pytest.raises(ValueError, match="several X-rays"):
        fuse([NESTED[0], NESTED[1]._replace(cxr_id="b")], READERS, union)


def test_no_boxes():
    assert fuse([], READERS, majority) == []


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("same", [0.2, 0.55])
def test_equals_ensemble_boxes(seed, same):
    library = pytest.importorskip("ensemble_boxes")
    corners = random_boxes(seed)
    scores = np.random.default_rng(seed).permutation(14) / 14 + 0.05
    models = np.arange(14) % 3
    groups = group_boxes(corners, scores, same=same)
    ours = [np.average(corners[group], axis=0, weights=scores[group]) for group in groups]
    theirs, confidence, _ = library.weighted_boxes_fusion(
        *([values[models == model].tolist() for model in range(3)] for values in (corners, scores)),
        [[0] * int((models == model).sum()) for model in range(3)],
        iou_thr=same,
    )
    expected = [scores[group].mean() * min(3, len(group)) / 3 for group in groups]
    order = np.argsort(-np.array(expected))
    np.testing.assert_allclose(confidence, np.array(expected)[order], atol=1e-6)
    np.testing.assert_allclose(theirs, np.array(ours)[order], atol=1e-6)


def test_the_target_by_hand():
    boxes = drawn(("r1", (0, 0, 2, 2)), ("r2", (0, 0, 4, 2)), ("r3", (0, 0, 3, 2)))
    boxes += drawn(("r3", (0, 3, 1, 4)), finding="Edema")
    inside, rim = box_target(fuse(boxes, READERS, majority), boxes, 3, Letterbox(4, 4, 4))
    assert inside.astype(int).tolist() == [[1, 1, 1, 0], [1, 1, 1, 0], [0] * 4, [0] * 4]
    assert rim.astype(int).tolist() == [[0, 0, 1, 1], [0, 0, 1, 1], [0] * 4, [1, 0, 0, 0]]


def test_the_target_of_a_healthy_x_ray_is_empty():
    target = box_target([], [], 3, Letterbox(10, 20, 32))
    assert target.shape == (2, 32, 32)
    assert target.dtype == bool
    assert not target.any()


def test_padded_boxes_lie_in_the_square():
    boxes = [*NESTED, Box("a", "r1", "Edema", 15, 0, 20, 5)]
    padded = padded_boxes(fuse(boxes, READERS, majority), Letterbox(10, 20, 40), 3)
    assert padded.dtype == np.float32
    nothing = [np.nan] * 4
    np.testing.assert_array_equal(
        padded,
        [
            [nothing, [30, 10, 40, 20]],  # drawn by one reader
            [[2, 14, 18, 28], [0, 10, 20, 30]],
            [nothing, nothing],
        ],
    )
    with pytest.raises(ValueError, match="2 boxes for 1 rows"):
        padded_boxes(fuse(boxes, READERS, majority), Letterbox(10, 20, 40), 1)
