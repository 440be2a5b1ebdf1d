import math

import pytest
import torch

from chexseg.training.augmentation import augment, draw_noise, move_boxes


def noise(batch=8, seed=0):
    return draw_noise(batch, torch.Generator().manual_seed(seed))


def squares(batch=8, side=64):
    """X-rays with a bright square above the middle and left of it, and its mask."""
    image = torch.full((batch, 1, side, side), 0.2)
    image[:, :, side // 4 : side // 2, side // 4 : side // 2] = 0.8
    return image, (image > 0.5).float()


def centres(masks):
    """Row and column of the centre of each mask, in shares of the side."""
    side = masks.shape[-1]
    place = (torch.arange(side) + 0.5) / side
    weight = masks.sum((1, 2, 3))
    rows = (masks.sum((1, 3)) * place).sum(1) / weight
    columns = (masks.sum((1, 2)) * place).sum(1) / weight
    return torch.stack([rows, columns], 1)


def test_noise_is_uniform_and_the_same_again():
    drawn = noise(2000)
    assert drawn.shape == (2000, 6)
    assert -1 <= drawn.min() < -0.99
    assert 0.99 < drawn.max() < 1
    assert drawn.mean(0).abs().max() < 0.05
    assert torch.equal(drawn, noise(2000))
    assert not torch.equal(drawn, noise(2000, seed=1))


def test_strength_0_changes_nothing():
    image, masks = squares()
    moved, moved_masks = augment(image, masks, 0, noise())
    assert moved is image
    assert moved_masks is masks


def test_processes_that_share_a_batch_augment_it_as_one():
    image, masks = squares(8)
    whole = augment(image, masks, 0.7, noise())
    parts = [augment(image[r], masks[r], 0.7, noise()[r]) for r in (slice(0, 5), slice(5, 8))]
    for value, shares in zip(whole, zip(*parts, strict=True), strict=True):
        assert torch.equal(value, torch.cat(shares))


def test_shapes_types_and_range_are_kept():
    image, masks = squares(3)
    moved, moved_masks = augment(image, masks.to(torch.uint8), 1, noise(3))
    assert moved.shape == image.shape
    assert moved.dtype == torch.float32
    assert 0 <= moved.min() < moved.max() <= 1
    assert moved_masks.dtype == torch.uint8
    assert moved_masks.shape == masks.shape
    assert set(moved_masks.unique().tolist()) == {0, 1}
    moved, none = augment(image, None, 1, noise(3))
    assert none is None
    assert torch.equal(moved, augment(image, masks, 1, noise(3))[0])


def test_masks_move_with_the_image():
    image, masks = squares(32)
    moved, moved_masks = augment(image, masks, 1, noise(32))
    # Exposure changes the grey, not the order: the square stays the brightest part.
    highest, background = moved.flatten(1).amax(1), moved.flatten(1).median(1).values
    bright = (moved > ((highest + background) / 2).reshape(-1, 1, 1, 1)).float()
    apart = (centres(bright) - centres(moved_masks)).abs()
    assert apart.median() < 0.002  # an eighth of a pixel
    assert apart.max() < 0.01
    assert (centres(moved_masks) - centres(masks)).norm(dim=1).median() > 0.03


def test_masks_of_another_resolution_move_alike():
    image, masks = squares(16)
    _, fine = augment(image, masks, 1, noise(16))
    _, coarse = augment(image, squares(16, 32)[1], 1, noise(16))
    assert coarse.shape == (16, 1, 32, 32)
    assert (centres(fine) - centres(coarse)).abs().max() < 0.02


def test_pathologies_of_an_x_ray_move_together():
    image, masks = squares(4)
    both = torch.cat([masks, masks], 1)
    _, moved = augment(image, both, 1, noise(4))
    assert torch.equal(moved[:, 0], moved[:, 1])


def test_each_x_ray_of_a_batch_moves_in_its_own_way():
    image, masks = squares(8)
    _, moved = augment(image, masks, 1, noise())
    places = centres(moved)
    assert len({tuple(place) for place in places.tolist()}) == 8


def angles_and_scales(strength):
    """How an L of two squares lies after augmentation, over many draws."""
    masks = torch.zeros(256, 3, 96, 96)
    masks[:, 0, 46:50, 46:50] = 1  # the corner, in the middle
    masks[:, 1, 46:50, 62:66] = 1  # 16 pixels to its right
    masks[:, 2, 30:34, 46:50] = 1  # 16 pixels above it
    _, moved = augment(torch.zeros(256, 1, 96, 96), masks, strength, noise(256))
    corner, right, above = (centres(moved[:, [number]]) * 96 for number in range(3))
    right, above = right - corner, above - corner
    return corner, right, above


@pytest.mark.parametrize("strength", [0.3, 1])
def test_x_rays_are_never_mirrored(strength):
    _, right, above = angles_and_scales(strength)
    turn = right[:, 1] * above[:, 0] - right[:, 0] * above[:, 1]
    assert (turn < 0).all()  # rows count downwards: above has a smaller row
    assert (right[:, 1] > 0).all()
    assert (above[:, 0] < 0).all()


@pytest.mark.parametrize("strength", [0.3, 1])
def test_rotations_scales_and_shifts_reach_their_bounds_and_not_beyond(strength):
    corner, right, _ = angles_and_scales(strength)
    angle = torch.atan2(right[:, 0], right[:, 1]).abs().rad2deg()
    assert angle.max() <= 20 * strength + 3
    assert angle.max() > 20 * strength * 0.8
    enlarged = right.norm(dim=1) / 16  # the grid is scaled, so the X-ray by the inverse
    assert enlarged.max() <= 1 / (1 - 0.25 * strength) + 0.06
    assert enlarged.min() >= 1 / (1 + 0.25 * strength) - 0.06
    assert enlarged.max() > 1 + 0.2 * strength
    assert enlarged.min() < 1 - 0.12 * strength
    shift = (corner - 48).abs().max() / 96
    assert 0.12 * strength < shift < 0.3 * strength


def test_exposure_changes_contrast_and_brightness():
    # An even X-ray has no contrast to change, and moving it changes its rim only.
    image = torch.full((256, 1, 32, 32), 0.5)
    moved, _ = augment(image, None, 1, noise(256))
    middle = moved[:, 0, 16, 16] - 0.5
    assert middle.max() > 0.2
    assert middle.min() < -0.15
    assert math.isclose(middle.mean(), 0, abs_tol=0.08)


def scales_of(strength, scale_range, drawn):
    """How much larger a square in the middle is, for each X-ray."""
    masks = torch.zeros(len(drawn), 1, 128, 128)
    masks[:, :, 48:80, 48:80] = 1
    _, moved = augment(torch.zeros_like(masks), masks, strength, drawn, scale_range)
    return (moved.sum((1, 2, 3)) / 32**2).sqrt()


def test_scales_by_hand():
    drawn = torch.zeros(3, 6)
    drawn[:, 1] = torch.tensor([-1.0, 0.0, 1.0])
    expected = torch.tensor([0.5, 1.0, 2.0])
    assert torch.allclose(scales_of(0, (0.5, 2), drawn), expected, atol=0.04)
    assert torch.allclose(scales_of(0, (1.5, 1.5), drawn), torch.full((3,), 1.5), atol=0.04)
    assert torch.equal(scales_of(0, None, drawn), torch.ones(3))


def test_scales_replace_those_of_the_strength_and_are_uniform_in_their_logarithm():
    drawn = noise(256)
    for strength in (0, 0.5):
        drawn[:, 2:4] = 0  # no shifts, or a part of a square may leave
        scales = scales_of(strength, (0.5, 2), drawn)
        assert 0.48 < scales.min() < 0.55
        assert 1.85 < scales.max() < 2.05
        assert (scales < 1).float().mean() == pytest.approx(0.5, abs=0.1)


def one_box(inner, outer=None):
    """Boxes of one X-ray with a single box, then none."""
    return torch.tensor([[[inner, outer or inner], [[math.nan] * 4] * 2]], dtype=torch.float32)


def test_boxes_by_hand():
    box = one_box((16, 16, 48, 32))
    assert move_boxes(box, 64, 0, noise(1)) is box
    left = move_boxes(box, 64, 1, torch.tensor([[0.0, 0, 1, 0, 0, 0]]))
    torch.testing.assert_close(left, one_box((6.4, 16, 38.4, 32)), equal_nan=True)
    smaller = move_boxes(box, 64, 0.8, torch.tensor([[0.0, 1, 0, 0, 0, 0]]))  # by a factor of 1.2
    wanted = (32 - 16 / 1.2, 32 - 16 / 1.2, 32 + 16 / 1.2, 32)
    torch.testing.assert_close(smaller, one_box(wanted), equal_nan=True)
    cosine, sine = math.cos(math.radians(20)), math.sin(math.radians(20))
    turned = move_boxes(one_box((16, 24, 48, 40)), 64, 1, torch.tensor([[1.0, 0, 0, 0, 0, 0]]))
    outer = 16 * cosine + 8 * sine, 16 * sine + 8 * cosine
    inner = math.hypot(16 * cosine, 8 * sine), math.hypot(16 * sine, 8 * cosine)
    wanted = [(32 - x, 32 - y, 32 + x, 32 + y) for x, y in (inner, outer)]
    torch.testing.assert_close(turned, one_box(*wanted), equal_nan=True)


def test_boxes_that_leave_the_x_ray_are_cut_and_then_dropped():
    left = torch.tensor([[0.0, 0, 1, 0, 0, 0]])  # by 9.6 pixels
    cut = move_boxes(one_box((4.6, 0, 24.6, 9)), 64, 1, left)
    torch.testing.assert_close(cut, one_box((0, 0, 15, 9)), equal_nan=True)
    half = move_boxes(one_box((0, 0, 19, 9)), 64, 1, left)
    torch.testing.assert_close(half, one_box((math.nan,) * 4, (0, 0, 9.4, 9)), equal_nan=True)
    gone = move_boxes(one_box((0, 0, 9, 9)), 64, 1, left)
    assert gone.isnan().all()


@pytest.mark.parametrize("seed", range(3))
def test_boxes_go_where_their_masks_go(seed):
    side, drawn = 128, noise(16, seed)
    place = torch.arange(side) + 0.5
    ellipse = ((place[:, None] - 60) / 14) ** 2 + ((place[None] - 70) / 24) ** 2 <= 1
    masks = ellipse.float().expand(16, 1, side, side)
    _, moved = augment(masks, masks, 1, drawn)
    boxes = move_boxes(one_box((46, 46, 94, 74)).expand(16, 2, 2, 4), side, 1, drawn)
    for mask, (inner, outer) in zip(moved[:, 0], boxes[:, 0], strict=True):
        rows, columns = torch.nonzero(mask, as_tuple=True)
        found = [columns.min(), rows.min(), columns.max() + 1, rows.max() + 1]
        torch.testing.assert_close(inner, torch.tensor(found).float(), atol=1.5, rtol=0)
        assert (outer[:2] <= inner[:2]).all()
        assert (outer[2:] >= inner[2:]).all()
