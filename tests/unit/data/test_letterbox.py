"""The letterbox: X-rays and masks in a square, and back at their own size."""

import numpy as np
import pytest
import torch
from PIL import Image

from chexseg.data.images import Letterbox
from chexseg.inference.native_size import to_native_size


def noise(height, width, seed=0):
    return np.random.default_rng(seed).integers(0, 256, (height, width), dtype=np.uint8)


@pytest.mark.parametrize(
    ("height", "width", "size", "inner", "corner"),
    [
        (100, 200, 64, (32, 64), (16, 0)),
        (200, 100, 64, (64, 32), (0, 16)),
        (64, 64, 64, (64, 64), (0, 0)),
        (2320, 2828, 320, (263, 320), (28, 0)),
        (389, 320, 320, (320, 263), (0, 28)),
        (30, 31, 64, (62, 64), (1, 0)),
        (3000, 1, 32, (32, 1), (0, 15)),
        (1, 1, 32, (32, 32), (0, 0)),
        (1, 5000, 32, (1, 32), (15, 0)),
    ],
)
def test_geometry(height, width, size, inner, corner):
    letterbox = Letterbox(height, width, size)
    assert letterbox.inner == inner
    assert letterbox.corner == corner


def test_an_image_is_centred_and_black_around():
    square = Letterbox(32, 64, 64).image(Image.fromarray(np.full((32, 64), 200, np.uint8)))
    expected = np.zeros((64, 64), np.uint8)
    expected[16:48] = 200
    assert square.dtype == np.uint8
    assert np.array_equal(square, expected)


@pytest.mark.parametrize(("height", "width"), [(40, 64), (64, 41), (64, 1), (64, 64)])
def test_undo_is_exact_where_the_scales_agree(height, width):
    letterbox = Letterbox(height, width, 64)
    image = noise(height, width)
    square = letterbox.image(Image.fromarray(image))
    restored = to_native_size(letterbox, torch.from_numpy(square)[None].float())
    assert torch.equal(restored, torch.from_numpy(image)[None].float())
    masks = noise(height, width, 1)[None] > 127
    squares = torch.from_numpy(letterbox.masks(masks))
    assert torch.equal(to_native_size(letterbox, squares.float()) > 0.5, torch.from_numpy(masks))


@pytest.mark.parametrize("factor", [2, 3, 4])
def test_undo_brings_masks_back_that_were_enlarged_by_a_whole_factor(factor):
    height, width = 24, 16
    masks = noise(height, width)[None] > 127
    letterbox = Letterbox(height, width, 24 * factor)
    squares = letterbox.masks(masks)
    left = (24 * factor - 16 * factor) // 2
    inside = squares[0, :, left : left + 16 * factor]
    assert np.array_equal(inside, masks[0].repeat(factor, 0).repeat(factor, 1))
    restored = to_native_size(letterbox, torch.from_numpy(squares).float()) > 0.5
    assert torch.equal(restored, torch.from_numpy(masks))


def test_undo_keeps_the_place_and_does_not_share_memory():
    letterbox = Letterbox(128, 64, 32)  # scale 1/4; columns 8 to 23 hold the image
    maps = torch.zeros(2, 32, 32)
    maps[1, 8:16, 8:12] = 1
    restored = to_native_size(letterbox, maps)
    assert restored.shape == (2, 128, 64)
    assert restored[0].abs().sum() == 0
    rows, columns = torch.nonzero(restored[1] > 0.5, as_tuple=True)
    assert (rows.min(), rows.max(), columns.min(), columns.max()) == (32, 63, 0, 15)
    same = to_native_size(Letterbox(32, 32, 32), maps)
    same += 1
    assert maps.max() == 1


def test_a_mask_is_set_where_at_least_half_of_the_area_is():
    masks = np.zeros((3, 64, 64), bool)
    masks[0, 0, 0:2] = True  # 2 of the 4 pixels of a cell
    masks[1, 0, 0] = True  # 1 of 4
    masks[2, 0:2, 0:2] = True
    squares = Letterbox(64, 64, 32).masks(masks)
    assert squares.dtype == bool
    assert squares.sum((1, 2)).tolist() == [1, 0, 1]
    assert squares[0, 0, 0]


@pytest.mark.parametrize(("pixels", "is_set"), [(6, False), (7, False), (8, True), (9, True)])
def test_half_of_sixteen_pixels(pixels, is_set):
    mask = np.zeros((128, 128), bool)
    mask[:4, :4] = np.arange(16).reshape(4, 4) < pixels
    assert Letterbox(128, 128, 32).masks(mask[None])[0, 0, 0] == is_set


def test_empty_masks_stay_empty_and_full_ones_fill_the_image():
    masks = np.stack([np.zeros((50, 100), bool), np.ones((50, 100), bool)])
    squares = Letterbox(50, 100, 32).masks(masks)
    assert squares[0].sum() == 0
    assert squares[1].sum() == 16 * 32
    assert squares[1, 8:24].all()


def test_image_and_masks_lie_upon_each_other():
    mask = np.zeros((90, 60), bool)
    mask[30:60, 10:30] = True
    letterbox = Letterbox(90, 60, 45)
    image = letterbox.image(Image.fromarray(mask.astype(np.uint8) * 255))
    assert np.array_equal(image > 127, letterbox.masks(mask[None])[0])
