"""Files of X-rays: every form that is read, and what is refused."""

import zlib

import numpy as np
import pytest
from PIL import Image, ImageOps

from chexseg.data import images as module
from chexseg.data.images import Letterbox, image_size, letterboxed, open_image
from chexseg.errors import InputError
from tests.unit.data.dicoms import dicom


def noise(height, width, seed=0):
    return np.random.default_rng(seed).integers(0, 256, (height, width), dtype=np.uint8)


def smooth(height, width):
    rows, columns = np.mgrid[0:height, 0:width]
    values = 120 + 60 * np.sin(rows / height * 9) + 60 * np.cos(columns / width * 7)
    return values.round().clip(0, 255).astype(np.uint8)


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


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ([0, 256, 2056, 4095], [0, 16, 128, 255]),  # by the bits of the file: 0, 1, 8, 16
        ([0, 256, 2056, 3000], [0, 16, 128, 187]),
        ([0, 256, 1023], [0, 64, 255]),
        ([0, 256], [0, 128]),
        ([0, 4096, 65520], [0, 16, 255]),  # 12 bits, shifted to the upper end
    ],
)
def test_the_bits_in_use_are_scaled(tmp_path, values, expected):
    Image.fromarray(np.array([values], np.uint16)).save(tmp_path / "a.png")
    image, *_ = open_image(tmp_path / "a.png")
    assert np.asarray(image).tolist() == [expected]


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


# DICOM, whose pixels are tested in test_dicom.py


@pytest.mark.parametrize("name", ["a.dcm", "a.DICOM", "a.jpg", "a"])
def test_dicom_is_known_by_its_name_or_its_content(tmp_path, name):
    path = dicom(tmp_path / name, [[0, 100, 200]], PixelSpacing=[0.4, 0.2])
    image, height, width = open_image(path, longest=1)
    assert np.asarray(image)[0].tolist() == [0, 128, 255]
    assert (height, width) == image_size(path) == (2, 3)
    assert letterboxed(path, 32).shape == (32, 32)


@pytest.mark.parametrize("read", [open_image, image_size])
def test_what_is_called_dicom_and_is_not(tmp_path, read):
    Image.fromarray(noise(4, 4)).save(tmp_path / "a.dcm", "PNG")
    with pytest.raises(InputError, match="a file that is not DICOM"):
        read(tmp_path / "a.dcm")
    with pytest.raises(InputError, match="no such file"):
        read(tmp_path / "b.dcm")
