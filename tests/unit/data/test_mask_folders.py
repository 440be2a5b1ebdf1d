"""Masks as folders of PNGs: what is read, and what is refused, with the place of each fault."""

import numpy as np
import pytest
from PIL import Image

from chexseg.data.mask_folders import id_of
from chexseg.data.masks import decode
from tests.unit.data.layouts.folders import ORGANS, make_folders, mask_of, problems, read, save


@pytest.fixture
def root(tmp_path):
    return make_folders(tmp_path)


def test_an_id_is_the_path_without_suffix():
    assert id_of("MCUCXR_0001_0.png") == "MCUCXR_0001_0"
    assert id_of("patient1/study2/view1.frontal.jpg") == "patient1_study2_view1.frontal"


def test_a_class_without_a_folder_proposes_the_nearest(root):
    (root / "masks/Heart").rename(root / "masks/heart")
    ((where, found),) = problems(read(root))
    assert (where, found) == (str(root / "masks/Heart"), "no such folder")
    assert "'heart'" in read(root).problems[0].remedy


def test_a_missing_png(root):
    (root / "masks/Heart/person0/1.png").unlink()
    assert problems(read(root)) == [(f"{root}/masks:person0_1:Heart", "no mask")]
    (root / "masks/Left Lung/person0/1.png").unlink()
    assert problems(read(root)) == [(f"{root}/masks:person0_1", "no masks")]


def test_an_extra_png(root):
    for organ in ORGANS:
        save(root / f"masks/{organ}/person9/1.png", mask_of(organ).astype(np.uint8))
    found = "masks of an X-ray that is not in the table"
    assert problems(read(root)) == [(f"{root}/masks:person9_1", found)]


def test_a_png_of_another_size(root):
    save(root / "masks/Heart/person0/1.png", np.zeros((24, 20), np.uint8))
    assert problems(read(root)) == [(f"{root}/masks:person0_1:Heart", "size [24, 20]")]


@pytest.mark.parametrize(
    ("mode", "found"),
    [
        ("P", "a PNG with a palette, whose numbers stand for colours"),
        ("RGB", "a PNG in colour (RGB)"),
        ("RGBA", "a PNG in colour (RGBA)"),
    ],
)
def test_a_png_in_colours(root, mode, found):
    file = root / "masks/Heart/person0/1.png"
    save(file, mask_of("Heart").astype(np.uint8) * 255, mode)
    assert problems(read(root)) == [(str(file), found)]


def test_a_png_with_grey_values_between(root):
    file = root / "masks/Heart/person0/1.png"
    values = mask_of("Heart").astype(np.uint8) * 255
    values[4, 3] = 100
    save(file, values)
    assert problems(read(root)) == [(str(file), "3 grey values, from 0 to 255")]


@pytest.mark.parametrize("value", [1, 128, 255])
def test_any_one_value_is_the_mask(root, value):
    save(root / "masks/Heart/person0/1.png", mask_of("Heart").astype(np.uint8) * value)
    release = read(root)
    assert release.problems == []
    mask = decode(release.truth("validation")["person0_1"]["Heart"])
    np.testing.assert_array_equal(mask, mask_of("Heart"))


def test_one_bit_and_sixteen_bits(root):
    save(root / "masks/Heart/person0/0.png", mask_of("Heart").astype(np.uint8) * 255, "1")
    save(root / "masks/Heart/person0/1.png", mask_of("Heart").astype(np.uint16) * 65535)
    release = read(root)
    assert release.problems == []
    for cxr_id in ("person0_0", "person0_1"):
        mask = decode(release.truth("validation")[cxr_id]["Heart"])
        np.testing.assert_array_equal(mask, mask_of("Heart"))


def test_files_that_are_no_pngs(root):
    Image.new("L", (10, 12)).save(root / "masks/Heart/person0/1.gif")
    (root / "masks/Heart/person0/1.png").unlink()
    (root / "masks/Heart/person0/0.png").write_bytes(b"\x89PNG\r\n\x1a\n damaged")
    (root / "masks/Heart/.hidden").write_bytes(b"is ignored")
    found = problems(read(root))
    assert [where.rpartition("/")[2] for where, _ in found] == ["0.png", "1.gif"]
    assert all("no PNG, or a damaged one" in text for _, text in found)


def test_two_pngs_of_one_x_ray(root):
    save(root / "masks/Heart/person0_1.png", mask_of("Heart").astype(np.uint8))
    assert problems(read(root)) == [
        (f"{root}/masks/Heart/person0_1.png", "another mask of person0_1, beside person0/1.png")
    ]
