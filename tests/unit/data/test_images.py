import zlib

import numpy as np
import pytest
import torch
from PIL import Image, ImageOps

from chexseg.data import images as module
from chexseg.data.images import Letterbox, image_size, letterboxed, open_image
from chexseg.errors import InputError
from chexseg.inference.native_size import to_native_size


def noise(height, width, seed=0):
    return np.random.default_rng(seed).integers(0, 256, (height, width), dtype=np.uint8)


def smooth(height, width):
    rows, columns = np.mgrid[0:height, 0:width]
    values = 120 + 60 * np.sin(rows / height * 9) + 60 * np.cos(columns / width * 7)
    return values.round().clip(0, 255).astype(np.uint8)


# The letterbox


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


# Files


def test_an_8_bit_grey_png_comes_out_as_it_is(tmp_path):
    values = noise(20, 30)
    Image.fromarray(values).save(tmp_path / "a.png")
    image, height, width = open_image(tmp_path / "a.png")
    assert (image.mode, height, width) == ("L", 20, 30)
    assert np.array_equal(np.asarray(image), values)


def test_16_bits_are_scaled_to_8(tmp_path):
    values = np.array([[0, 257, 32896, 65535]], np.uint16)
    Image.fromarray(values).save(tmp_path / "a.png")
    image, *_ = open_image(tmp_path / "a.png")
    assert np.asarray(image).tolist() == [[0, 1, 128, 255]]


def test_the_bands_of_16_bits_are_those_of_the_whole(tmp_path):
    values = np.random.default_rng(0).integers(0, 65536, (2 * module.BAND + 3, 50), np.uint16)
    Image.fromarray(values).save(tmp_path / "a.png")
    image, *_ = open_image(tmp_path / "a.png")
    expected = np.round(values.astype(np.float64) * (255.0 / 65535.0)).astype(np.uint8)
    assert np.array_equal(np.asarray(image), expected)


def test_8_bit_values_in_a_16_bit_file_keep_their_brightness(tmp_path):
    Image.fromarray(np.array([[0, 100, 255]], np.uint16)).save(tmp_path / "a.png")
    image, *_ = open_image(tmp_path / "a.png")
    assert np.asarray(image).tolist() == [[0, 100, 255]]


@pytest.mark.parametrize("mode", ["RGB", "RGBA", "LA", "P", "1", "CMYK", "L"])
def test_every_mode_of_a_file_gives_the_same_grey(tmp_path, mode):
    values = np.zeros((16, 24), np.uint8)
    values[4:12, 6:18] = 255
    suffix = "jpg" if mode == "CMYK" else "png"
    path = tmp_path / f"a.{suffix}"
    colours = Image.fromarray(values).convert("RGB")
    (colours if mode == "RGB" else colours.convert(mode)).save(path, quality=100)
    image, height, width = open_image(path)
    assert (image.mode, height, width) == ("L", 16, 24)
    assert np.abs(np.asarray(image).astype(int) - values).max() <= 3


def test_colours_become_their_luminance(tmp_path):
    Image.fromarray(np.array([[[255, 0, 0], [0, 255, 0], [0, 0, 255]]], np.uint8)).save(
        tmp_path / "a.png"
    )
    image, *_ = open_image(tmp_path / "a.png")
    assert np.asarray(image).tolist() == [[76, 150, 29]]


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("longest", [None, 16])
def test_exif_turns_the_image_and_swaps_its_sides(tmp_path, orientation, longest):
    values = np.zeros((48, 96), np.uint8)
    values[:24, :48] = 255  # one bright quarter
    image, exif = Image.fromarray(values), Image.Exif()
    exif[0x0112] = orientation
    image.save(tmp_path / "a.jpg", exif=exif, quality=100)
    turned, height, width = open_image(tmp_path / "a.jpg", longest=longest)
    image.info["exif"] = exif.tobytes()
    expected = np.asarray(ImageOps.exif_transpose(Image.open(tmp_path / "a.jpg")))
    assert (height, width) == expected.shape
    assert (height, width) == ((96, 48) if orientation >= 5 else (48, 96))
    assert image_size(tmp_path / "a.jpg") == (height, width)
    small = np.asarray(turned.resize((2, 2), Image.Resampling.BOX)) > 127
    assert np.array_equal(
        small, expected[[height // 4, -height // 4]][:, [width // 4, -width // 4]] > 127
    )
    assert small.sum() == 1


def test_the_orientation_of_a_phone_is_undone(tmp_path):
    exif = Image.Exif()
    exif[0x0112] = 6  # to be turned by 90 degrees clockwise
    values = np.zeros((8, 16), np.uint8)
    values[0, 0] = 255
    Image.fromarray(values).save(tmp_path / "a.png", exif=exif)
    image, height, width = open_image(tmp_path / "a.png")
    assert (height, width) == (16, 8)
    assert np.argwhere(np.asarray(image) == 255).tolist() == [[0, 7]]


@pytest.mark.parametrize(("height", "width"), [(1500, 1200), (1111, 1777)])
@pytest.mark.parametrize("size", [64, 256])
def test_a_large_jpeg_is_decoded_small_with_nearly_the_same_result(tmp_path, height, width, size):
    Image.fromarray(smooth(height, width)).save(tmp_path / "a.jpg", quality=95)
    drafted, *native = open_image(tmp_path / "a.jpg", longest=size)
    assert tuple(native) == (height, width)
    assert size <= min(drafted.size) < min(height, width)
    whole, *_ = open_image(tmp_path / "a.jpg")
    expected = Letterbox(height, width, size).image(whole).astype(int)
    difference = np.abs(letterboxed(tmp_path / "a.jpg", size) - expected)
    assert difference.max() <= 6
    assert difference.mean() < 1


def test_a_tiny_x_ray_is_letterboxed(tmp_path):
    Image.fromarray(np.full((40, 1), 90, np.uint8)).save(tmp_path / "a.png")
    square = letterboxed(tmp_path / "a.png", 32)
    assert square.shape == (32, 32)
    assert np.array_equal(np.flatnonzero(square.any(0)), [15])


def make_truncated_jpeg(path):
    Image.fromarray(noise(200, 200)).save(path, "JPEG")
    path.write_bytes(path.read_bytes()[:5000])


def make_truncated_png(path):
    Image.fromarray(noise(200, 200)).save(path, "PNG")
    path.write_bytes(path.read_bytes()[:5000])


def make_header_only(path):
    Image.fromarray(noise(200, 200)).save(path, "JPEG")
    path.write_bytes(path.read_bytes()[:20])


BROKEN = {
    "truncated JPEG": make_truncated_jpeg,
    "truncated PNG": make_truncated_png,
    "header only": make_header_only,
    "zero bytes": lambda path: path.write_bytes(b""),
    "text": lambda path: path.write_text("404 not found"),
    "folder": lambda path: path.mkdir(),
    "absent": lambda path: None,
}


@pytest.mark.parametrize("make", BROKEN.values(), ids=BROKEN)
@pytest.mark.parametrize("longest", [None, 32])
def test_what_is_no_whole_image_is_told_with_its_path(tmp_path, make, longest):
    path = tmp_path / "view1_frontal.jpg"
    make(path)
    with pytest.raises(InputError) as caught:
        open_image(path, longest=longest)
    assert [problem.where for problem in caught.value.problems] == [str(path)]
    with pytest.raises(InputError):
        letterboxed(path, 32)


def test_an_absent_file_is_told_apart_from_a_broken_one(tmp_path):
    with pytest.raises(InputError, match="no such file"):
        open_image(tmp_path / "a.jpg")
    make_truncated_jpeg(tmp_path / "a.jpg")
    with pytest.raises(InputError, match="a damaged image"):
        open_image(tmp_path / "a.jpg")


@pytest.mark.parametrize("make", ["header only", "zero bytes", "text", "folder", "absent"])
def test_the_size_of_what_is_no_image_is_told_with_its_path(tmp_path, make):
    path = tmp_path / "a.jpg"
    BROKEN[make](path)
    with pytest.raises(InputError) as caught:
        image_size(path)
    assert [problem.where for problem in caught.value.problems] == [str(path)]


def test_an_image_larger_than_can_be_meant_is_refused_before_it_is_decoded(tmp_path, monkeypatch):
    Image.fromarray(noise(10, 40)).save(tmp_path / "a.png")
    monkeypatch.setattr(module, "LONGEST_SIDE", 39)
    for read in (open_image, image_size):
        with pytest.raises(InputError, match="40 x 10 pixels"):
            read(tmp_path / "a.png")
    monkeypatch.setattr(module, "LONGEST_SIDE", 40)
    monkeypatch.setattr(module, "MOST_PIXELS", 399)
    for read in (open_image, image_size):
        with pytest.raises(InputError, match="40 x 10 pixels"):
            read(tmp_path / "a.png")


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("pixels", [68, 120, 200])
def test_a_header_of_millions_of_pixels_is_told_in_our_words(tmp_path, pixels):
    """Pillow warns from 90 million on, and refuses 180 million in words of its own."""
    Image.new("L", (1, 1)).save(tmp_path / "a.png")
    content = bytearray((tmp_path / "a.png").read_bytes())
    content[16:24] = (10_000).to_bytes(4, "big") + (pixels * 100).to_bytes(4, "big")
    content[29:33] = zlib.crc32(content[12:29]).to_bytes(4, "big")
    (tmp_path / "a.png").write_bytes(content)
    with pytest.raises(InputError, match=f"10000 x {pixels}00 pixels.* 67108864 in total"):
        image_size(tmp_path / "a.png")


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("suffix", ["png", "jpg"])
def test_damaged_bytes_never_raise_anything_else(tmp_path, suffix):
    exif, rng = Image.Exif(), np.random.default_rng(0)
    exif[0x0112] = 6
    path = tmp_path / f"a.{suffix}"
    Image.fromarray(noise(40, 30)).save(path, exif=exif)
    whole, refused = path.read_bytes(), 0
    for _ in range(150):
        damaged = bytearray(whole)
        for place in rng.integers(0, min(len(whole), 200), rng.integers(1, 6)):
            damaged[place] = rng.integers(256)
        path.write_bytes(damaged)
        for read in (open_image, image_size):
            try:
                read(path)
            except InputError:
                refused += 1
    assert 0 < refused < 300
