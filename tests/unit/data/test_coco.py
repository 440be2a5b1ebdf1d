"""Masks in COCO's JSON: what is read, and what is refused, with the place of each fault."""

import json

import pytest

from chexseg.data.masks import decode
from tests.unit.data.layouts.folders import make_folders, problems, read


@pytest.fixture
def root(tmp_path):
    return make_folders(tmp_path)


def spoil(root, change):
    content = json.loads((root / "coco.json").read_text())
    change(content)
    (root / "coco.json").write_text(json.dumps(content))
    return read(root, val_masks="coco.json", test_masks="coco.json")


def polygon_of(number, points):
    def change(content):
        content["annotations"][number]["segmentation"] = [points]

    return change


def test_a_polygon_that_leaves_its_image_is_refused(root):
    release = spoil(root, polygon_of(3, [1, 1, 14.5, 1, 14.5, 5]))
    assert problems(release) == [
        (f"{root}/coco.json:annotations[3]", "a polygon that leaves the image by 4.5 pixels")
    ]
    assert "10 x 12 pixels" in release.problems[0].expected


def test_a_polygon_may_leave_its_image_by_one_pixel_and_no_more(root):
    assert problems(spoil(root, polygon_of(3, [1, 1, 11, 1, 11, 5]))) == []
    ((_, found),) = problems(spoil(root, polygon_of(3, [1, 1, 11.1, 1, 11.1, 5])))
    assert found == "a polygon that leaves the image by 1.1 pixels"


def test_a_pixel_beyond_the_edge_is_cut_off(root):
    release = spoil(root, polygon_of(2, [-1, -1, 10.9, -0.5, 11, 13, -1, 13]))
    assert release.problems == []
    assert decode(release.truth("validation")["person0_1"]["Heart"]).all()


@pytest.mark.parametrize("points", [[1, 1, 5, 1], [1, 1, 5, 1, 5], ["1", 1, 5, 1, 5, 5], [1, 1, 5, 1, 5, float("nan")], [1, 1, 5, 1, 5, 10**400], 3])  # fmt: skip
def test_a_polygon_that_is_none(root, points):
    ((where, found),) = problems(spoil(root, polygon_of(3, points)))
    assert where == f"{root}/coco.json:annotations[3]"
    assert found.startswith("a polygon ")


def test_ids_that_the_file_lacks(root):
    def change(content):
        content["annotations"][0]["image_id"] = 77
        content["annotations"][1]["category_id"] = 8
        content["images"].append(dict(content["images"][0]))
        del content["annotations"][4]["segmentation"]

    assert problems(spoil(root, change)) == [
        (f"{root}/coco.json:images[10]", "id 0 again"),
        (f"{root}/coco.json:annotations[4]", "no 'segmentation'"),
        (f"{root}/coco.json:annotations[0]", "image_id 77, which images lack"),
        (f"{root}/coco.json:annotations[1]", "category_id 8, which categories lack"),
    ]


@pytest.mark.parametrize(
    ("key", "value", "found"),
    [
        ("file_name", "", "file_name ''"), ("file_name", 3, "file_name 3"), ("height", 12.0, "size [12.0, 10]"),
        ("width", 0, "size [12, 0]"), ("width", 10**30, "size [12, 10000000000000000000000000000"),
    ],
)  # fmt: skip
def test_names_and_sizes_of_images(root, key, value, found):
    release = spoil(root, lambda content: content["images"][9].update({key: value}))
    (where, text), *_ = problems(release)
    assert where == f"{root}/coco.json:images[9]"
    assert text.startswith(found)


def test_a_category_that_the_file_lacks_is_one_problem(root):
    release = spoil(root, lambda content: content["categories"][0].update(name="heart"))
    assert problems(release) == [(f"{root}/coco.json:categories", "no 'Heart'")]
    assert "'heart'" in release.problems[0].remedy


def test_an_image_without_annotations_has_empty_masks_and_parts_are_united(root):
    def change(content):
        content["annotations"] = content["annotations"][2:]
        content["annotations"][0]["segmentation"] = [
            [0, 0, 4, 0, 4, 2, 0, 2],
            [6, 4, 8, 4, 8, 6, 6, 6],
        ]

    truth = spoil(root, change).truth("validation")
    assert not decode(truth["person0_0"]["Heart"]).any()
    parts = decode(truth["person0_1"]["Heart"])
    assert (parts.sum(), parts[:2, :4].sum(), parts[4:6, 6:8].sum()) == (12, 8, 4)


def test_run_lengths_of_coco(root):
    def change(content):
        content["annotations"][2]["segmentation"] = {"size": [12, 10], "counts": [0, 24, 96]}
        content["annotations"][3]["segmentation"] = {"size": [10, 12], "counts": [0, 24, 96]}

    release = spoil(root, change)
    assert problems(release) == [(f"{root}/coco.json:annotations[3]", "size [10, 12]")]

    def mended(content):
        content["annotations"][3]["segmentation"] = {"size": [12, 10], "counts": [120]}

    truth = spoil(root, mended).truth("validation")
    assert decode(truth["person0_1"]["Heart"])[:, :2].all()
    assert not decode(truth["person0_1"]["Left Lung"]).any()
