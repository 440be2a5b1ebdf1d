"""The loss for boxes: 0 at a perfect lesion, and its value for each kind of violation, by hand."""

import math

import numpy as np
import pytest
import torch

from chexseg.data.boxes import box_masks
from chexseg.losses.boxes import (
    edge_loss,
    outside_loss,
    projection_loss,
    regions_of,
    size_loss,
)
from chexseg.losses.of_boxes import loss_of_boxes

NAN = math.nan
TERMS = [outside_loss, projection_loss, size_loss, edge_loss]
LESION = torch.tensor(
    [
        [0, 0, 0, 0, 0, 0],
        [0, 0, 1, 1, 0, 0],
        [0, 1, 1, 1, 1, 0],
        [0, 1, 1, 1, 1, 0],
        [0, 0, 1, 1, 0, 0],
        [0, 0, 0, 0, 0, 0],
    ]
).float()[None]
TIGHT = ((1, 1, 5, 5), (1, 1, 5, 5))
LOOSE = ((2, 2, 4, 4), (0, 0, 6, 6))
"""Of the same lesion, by readers who differ by a pixel or more on each side."""


def certain(masks):
    """Logits [B, H, W] so large that their sigmoid is 0 or 1."""
    return (masks * 2 - 1) * 200


def regions(*boxes, size=6, agreement=None):
    """Regions of the boxes of one X-ray."""
    if agreement is not None:
        agreement = torch.tensor([agreement])
    return regions_of(torch.tensor([boxes]).float(), size, size, agreement)


def assert_loss(value, expected):
    torch.testing.assert_close(value, torch.tensor(expected, dtype=torch.float32))


@pytest.mark.parametrize("box", [TIGHT, LOOSE])
@pytest.mark.parametrize("term", TERMS)
def test_a_perfect_lesion_costs_nothing(term, box):
    assert term(certain(LESION), regions(box)) == 0


@pytest.mark.parametrize("box", [TIGHT, LOOSE])
def test_the_sum_of_the_terms_is_0_too(box):
    logits, boxes = certain(LESION)[None], torch.tensor([[box]]).float()
    assert loss_of_boxes(logits, boxes) == 0


def test_two_perfect_lesions_cost_nothing_even_if_one_is_in_the_zone_of_the_other():
    lesions = torch.zeros(1, 8, 8)
    lesions[0, 1:4, 2], lesions[0, 2, 1:4] = 1, 1
    lesions[0, 3:6, 5], lesions[0, 4, 4:7] = 1, 1
    boxes = torch.tensor([[[(1, 1, 4, 4), (0, 0, 6, 6)], [(4, 3, 7, 6), (4, 3, 7, 6)]]]).float()
    assert loss_of_boxes(certain(lesions)[None], boxes) == 0


def test_a_pixel_outside():
    logits = certain(LESION)
    logits[0, 0, 0] = 0  # one of 20 pixels outside
    assert_loss(outside_loss(logits, regions(TIGHT)), math.log(2) / 20)
    assert outside_loss(logits, regions(LOOSE)) == 0  # nothing is outside


def test_a_row_without_anything_abnormal():
    logits = certain(LESION)
    logits[0, 1] = 0  # probability 1/2 in the first of four rows; each column has others
    assert_loss(projection_loss(logits, regions(TIGHT)), math.log(2) / 4 / 2)
    assert projection_loss(logits, regions(LOOSE)) == 0  # no reader's inner box has that row


def test_two_columns_without_anything_abnormal():
    logits = certain(LESION)
    logits[0, :, 1] = 0
    logits[0, :, 4] = -math.log(3)  # probability 1/4
    assert_loss(projection_loss(logits, regions(TIGHT)), (math.log(2) + math.log(4)) / 4 / 2)


def test_the_smooth_maximum_of_a_row():
    # Of probabilities 1/2 and 3/4, with odds 1 and 3: (1/2 + 3 * 3/4) / 4. Columns have one pixel.
    logits = torch.tensor([[[0, math.log(3), 200]]])
    box = torch.tensor([[[(0, 0, 2, 1), (0, 0, 2, 1)]]]).float()
    columns = -(math.log(1 / 2) + math.log(3 / 4)) / 2
    expected = -math.log(0.6875) / 2 + columns / 2
    assert_loss(projection_loss(logits, regions_of(box, 1, 3)), expected)


@pytest.mark.parametrize(
    ("box", "pixels", "expected"),
    [
        (TIGHT, 2, (1 - 2 / 3.2) ** 2),  # at least a fifth of 16 pixels
        (TIGHT, 4, 0.0),
        (TIGHT, 14, 0.0),
        (TIGHT, 16, (16 / 14.4 - 1) ** 2),  # at most nine tenths
        (LOOSE, 1, 0.0),  # at least a fifth of 4, at most nine tenths of 36
        (LOOSE, 0, 1.0),
        (LOOSE, 34, (34 / 32.4 - 1) ** 2),
    ],
)
def test_a_lesion_of_the_wrong_size(box, pixels, expected):
    lesion = torch.zeros(6, 6)
    rows, columns = (slice(1, 5),) * 2 if box is TIGHT else (slice(0, 6),) * 2
    side = 4 if box is TIGHT else 6
    lesion[rows, columns] = (torch.arange(side**2) < pixels).float().view(side, side)
    assert_loss(size_loss(certain(lesion[None]), regions(box)), expected)


def test_evidence_that_rises_outwards():
    box = ((2, 0, 3, 1), (1, 0, 4, 1))  # of the one row
    logits = torch.tensor([[[0.1, 0.3, 0.5, 0.6, 0.9]]]).logit()
    found = regions_of(torch.tensor([[box]]).float(), 1, 5)
    # Steps to the right: 0.5 to 0.6 and 0.6 to 0.9, out of the outer box; those to the left fall.
    assert_loss(edge_loss(logits, found), (0.1 + 0.3) / 4)
    assert_loss(edge_loss(logits.flip(-1), found), (0.1 + 0.3) / 4)
    tall = regions_of(torch.tensor([[[(0, 2, 1, 3), (0, 1, 1, 4)]]]).float(), 5, 1)
    assert_loss(edge_loss(logits.mT, tall), (0.1 + 0.3) / 4)


def test_the_zone_of_readers_who_agree_is_the_step_out():
    logits = torch.tensor([[[0.1, 0.3, 0.5, 0.6, 0.9]]]).logit()
    box = ((1, 0, 4, 1), (1, 0, 4, 1))
    found = regions_of(torch.tensor([[box]]).float(), 1, 5)
    assert_loss(edge_loss(logits, found), 0.3 / 2)  # 0.6 to 0.9; 0.3 to 0.1 falls


def by_loop(probability, boxes):
    """`edge_loss` of one X-ray, a step at a time."""
    size, losses = len(probability), []
    inside = box_masks(boxes[:, 1], size, size)
    inner = box_masks(boxes[:, 0], size, size)
    for n in range(len(boxes)):
        others = np.delete(inside, n, axis=0).any(0)
        rises = []
        for axis in (0, 1):
            maps, own, near, taken = (
                each if axis else each.T for each in (probability, inside[n], inner[n], others)
            )
            core = np.flatnonzero(near.any(0))
            for row in np.flatnonzero(own.any(1)):
                for column in np.flatnonzero(own.any(0)):
                    for step in (-1, 1):
                        after = column + step
                        outwards = after > core[-1] if step > 0 else after < core[0]
                        if not 0 <= after < size or not outwards:
                            continue
                        if not taken[row, column] and not taken[row, after]:
                            rises.append(max(0, maps[row, after] - maps[row, column]))
        if rises:
            losses.append(np.mean(rises))
    return np.mean(losses)


@pytest.mark.parametrize("seed", range(4))
def test_edges_equal_a_literal_loop(seed):
    rng = np.random.default_rng(seed)
    low, sides = rng.uniform(1, 7, (3, 2)), rng.uniform(3, 6, (3, 2))
    outer = np.concatenate([low, low + sides], 1)
    inset = rng.uniform(0, 1.4, (3, 4)) * [1, 1, -1, -1]
    boxes = np.stack([outer + inset, outer], 1)
    logits = torch.from_numpy(rng.normal(size=(1, 12, 12))).float()
    found = regions_of(torch.from_numpy(boxes)[None].float(), 12, 12)
    expected = by_loop(logits[0].sigmoid().numpy(), boxes)
    assert_loss(edge_loss(logits, found), float(expected))


def test_pixels_are_those_of_the_data():
    rng = np.random.default_rng(0)
    low = rng.uniform(0, 8, (20, 2))
    corners = np.concatenate([low, low + rng.uniform(0.1, 4, (20, 2))], 1)
    found = regions_of(torch.from_numpy(corners)[None, :, None].expand(1, 20, 2, 4), 9, 11)
    rows, columns = found.outer
    masks = (rows[:, :, None] & columns[:, None]).numpy()
    assert np.array_equal(masks, box_masks(corners, 9, 11))
    assert np.array_equal(found.inside[0].numpy(), masks.any(0))


def test_what_few_readers_drew_is_only_not_outside():
    unsure = ((NAN,) * 4, (1, 1, 5, 5))
    logits = torch.randn(1, 6, 6, generator=torch.Generator().manual_seed(0), requires_grad=True)
    found = regions(unsure)
    assert [term(logits, found).item() for term in TERMS[1:]] == [0, 0, 0]
    (gradient,) = torch.autograd.grad(outside_loss(logits, found), logits)
    assert torch.equal(gradient[0] != 0, ~found.inside[0])


def test_boxes_weigh_by_the_agreement_of_their_readers():
    logits = torch.full((1, 6, 6), -200.0)
    logits[0, :3] = 0
    good, bad = ((0, 0, 1, 1),) * 2, ((0, 3, 1, 4),) * 2  # log 2 and 200
    both = projection_loss(logits, regions(good, bad))
    assert_loss(both, (math.log(2) + 200) / 2)
    weighted = projection_loss(logits, regions(good, bad, agreement=[1.0, 1 / 3]))
    assert_loss(weighted, (math.log(2) + 200 / 3) / (4 / 3))


def test_boxes_of_one_x_ray_do_not_reach_another():
    boxes = torch.full((2, 2, 2, 4), NAN)
    boxes[1, 0] = torch.tensor(TIGHT)
    both = torch.cat([torch.zeros_like(LESION), LESION])
    assert loss_of_boxes(certain(both)[:, None], boxes) == 0
    assert loss_of_boxes(certain(both.flip(0))[:, None], boxes) > 100


def test_without_boxes_only_the_outside_counts():
    logits = torch.zeros(1, 1, 6, 6, requires_grad=True)
    loss = loss_of_boxes(logits, torch.full((1, 2, 2, 4), NAN))
    assert_loss(loss.detach(), math.log(2))
    (gradient,) = torch.autograd.grad(loss, logits)
    assert_loss(gradient, torch.full((1, 1, 6, 6), 0.5 / 36).tolist())


def test_the_sum_has_the_weights():
    generator = torch.Generator().manual_seed(0)
    logits = torch.randn(1, 1, 6, 6, generator=generator) + 5
    boxes = torch.tensor([[TIGHT]]).float()
    found = regions_of(boxes, 6, 6)
    parts = [float(term(logits[:, 0], found)) for term in TERMS]
    assert min(parts) > 0
    for number, name in enumerate(("outside", "projection", "size", "edge")):
        twice = loss_of_boxes(logits, boxes, **{f"{name}_weight": 2})
        assert_loss(twice, sum(parts) + parts[number])
    assert_loss(loss_of_boxes(logits, boxes), sum(parts))


@pytest.mark.parametrize("scale", [1.0, 300.0])
def test_gradients_are_finite(scale):
    generator = torch.Generator().manual_seed(0)
    logits = (torch.randn(2, 1, 6, 6, generator=generator) * scale).requires_grad_()
    boxes = torch.tensor([[TIGHT, LOOSE], [((NAN,) * 4, TIGHT[1]), ((NAN,) * 4,) * 2]]).float()
    (gradient,) = torch.autograd.grad(loss_of_boxes(logits, boxes), logits)
    assert gradient.isfinite().all()


def test_a_step_against_the_gradient_lowers_it():
    logits = torch.zeros(1, 1, 6, 6, requires_grad=True)
    boxes = torch.tensor([[TIGHT]]).float()
    losses = []
    for _ in range(60):
        loss = loss_of_boxes(logits, boxes)
        (gradient,) = torch.autograd.grad(loss, logits)
        logits = (logits - 5 * gradient).detach().requires_grad_()
        losses.append(loss.item())
    assert losses[-1] < 0.15 * losses[0]
    assert (logits[0, 0][~regions(TIGHT).inside[0]] < 0).all()
    assert (logits[0, 0, 1:5, 1:5] > 0).any(0).all()


def test_several_logits_for_a_pixel_are_refused():
    with pytest.raises(ValueError, match="2 logits"):
        loss_of_boxes(torch.zeros(1, 2, 6, 6), torch.full((1, 1, 2, 4), NAN))
