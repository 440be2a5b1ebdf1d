"""Polygons and points of CheXlocalize; the reference is its converter, written out literally."""

import json

import numpy as np
import pytest
from PIL import Image, ImageDraw

from chexseg.data.annotations import form_of
from chexseg.data.masks import decode, encode, read_masks
from chexseg.errors import InputError

NAMES = ("Edema", "Airspace Opacity")
SQUARE = [[2.0, 1.0], [6.7, 1.2], [6.3, 4.9], [1.6, 5.1]]


@pytest.fixture
def file(tmp_path):
    def write(content):
        path = tmp_path / "annotations.json"
        path.write_text(json.dumps(content))
        return path

    return write


def problems_of(path, **options):
    with pytest.raises(InputError) as caught:
        read_masks(path, pathologies=NAMES, **options)
    return caught.value.problems


def literally(polygons, size):
    """CheXlocalize's annotation_to_segmentation.create_mask."""
    poly = Image.new("1", (size[1], size[0]))
    for polygon in polygons:
        coords = [(point[0], point[1]) for point in polygon]
        ImageDraw.Draw(poly).polygon(coords, outline=1, fill=1)
    return np.array(poly, dtype="int")


def test_a_polygon_is_drawn_with_its_outline(file):
    path = file({"p": {"img_size": [7, 9], "Edema": [SQUARE]}})
    masks = read_masks(path, pathologies=NAMES)["p"]
    rows = ["0" * 9, *["001111100"] * 3, "011111100", "010000000", "0" * 9]
    assert ["".join(map(str, row)) for row in decode(masks["Edema"]).astype(int)] == rows
    assert masks["Airspace Opacity"] == encode(np.zeros((7, 9), bool))


def test_random_polygons_are_those_of_the_converter(file):
    rng = np.random.default_rng(0)
    polygons = [rng.uniform(-5, 60, (rng.integers(2, 12), 2)).tolist() for _ in range(20)]
    for count in range(1, 20):
        path = file({"p": {"img_size": [40, 55], "Edema": polygons[:count]}})
        mask = decode(read_masks(path, pathologies=NAMES)["p"]["Edema"])
        np.testing.assert_array_equal(mask, literally(polygons[:count], (40, 55)))


def test_an_x_ray_without_annotations_has_empty_masks(file):
    masks = read_masks(file({"p": {"img_size": [2, 3]}}), pathologies=NAMES)
    assert masks["p"] == dict.fromkeys(NAMES, encode(np.zeros((2, 3), bool)))


def test_polygons_must_fit_the_x_ray(file):
    path = file({"p": {"img_size": [7, 9], "Edema": [SQUARE]}})
    (problem,) = problems_of(path, sizes={"p": (9, 7)})
    assert problem.where.endswith("json:p:img_size")
    assert problem.remedy.startswith("Height and width are swapped")


def test_polygons_without_a_size_are_one_problem_of_each_x_ray(file):
    (problem,) = problems_of(file({"p": {"Edema": [SQUARE], "Airspace Opacity": [SQUARE]}}))
    assert problem.where.endswith("json:p:img_size")
    assert problem.expected == "[height, width] in whole pixels"


@pytest.mark.parametrize(
    "polygons",
    [3, [3], [[]], [[[1, 2]]], [[[1, "2"], [3, 4]]], [[[1], [2]]], [[[1e9, 2], [3, 4]]], [{}],
     [[[True, 2], [3, 4]]]],
    ids=str,
)  # fmt: skip
def test_no_polygons(file, polygons):
    (problem,) = problems_of(file({"p": {"img_size": [7, 9], "Edema": polygons},
                                   "q": {"img_size": [7, 9], "Edema": [SQUARE]}}))  # fmt: skip
    assert problem.where.endswith("json:p:Edema")
    assert problem.remedy == "Write them as CheXlocalize does."


@pytest.mark.parametrize(("written", "meant"), [("Odema", "Edema"), ("Lung Opacity", NAMES[1])])
def test_a_misspelt_pathology_is_not_taken_for_an_absent_one(file, written, meant):
    (problem,) = problems_of(file({"p": {"img_size": [7, 9], written: [SQUARE]}}))
    assert problem.where.endswith(f"json:p:{written}")
    assert problem.expected == f"{meant!r}, which this X-ray does not have"


def test_findings_that_are_not_outlined_are_passed_over(file):
    path = file({"p": {"img_size": [7, 9], "Fracture": [SQUARE], "Pneumonia": [SQUARE]}})
    assert list(read_masks(path, pathologies=NAMES)["p"]) == list(NAMES)


def test_points_given_as_masks_are_one_problem(file):
    points = {"img_size": [7, 9], "Edema": [[1, 2]], "Airspace Opacity": [[3, 4], [5, 6]]}
    (problem,) = problems_of(file({"p": points, "q": points}))
    assert (problem.found, problem.expected) == ("most representative points", "masks or polygons")


def test_forms_of_files():
    assert form_of({}) == form_of({"p": 3}) == form_of({"p": {"Edema": []}}) == "masks"
    assert form_of({"p": {"Edema": encode(np.ones((2, 2), bool))}}) == "masks"
    assert form_of({"p": {"img_size": [2, 2]}}) == "polygons"
    assert form_of({"p": {"img_size": [2, 2], "Edema": [[1, 1]]}}) == "points"
