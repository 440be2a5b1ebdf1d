import json

import numpy as np
import pytest

from chexseg.data.masks import decode, encode
from chexseg.errors import InputError
from chexseg.evaluation.points import read_points

NAMES = ("Edema", "Cardiomegaly")
TRUTH = {"p1": dict.fromkeys(NAMES, encode(np.zeros((3, 4), bool)))}


@pytest.fixture
def file(tmp_path):
    def write(content):
        path = tmp_path / "points.json"
        path.write_text(json.dumps(content))
        return path

    return write


def test_points_become_the_pixels_that_they_fall_in(file):
    path = file({"p1": {"img_size": [3, 4], "Edema": [[1.9, 0.2], [3, 2]]}, "other": {}})
    masks = read_points(path, TRUTH, pathologies=NAMES)
    assert list(masks) == ["p1"]
    assert np.argwhere(decode(masks["p1"]["Edema"])).tolist() == [[0, 1], [2, 3]]
    assert not decode(masks["p1"]["Cardiomegaly"]).any()


@pytest.mark.parametrize("points", [[[4, 0]], [[0, 3]], [[-1, 0]], [["1", 2]], 3, [[1]]], ids=str)
def test_points_that_are_none(file, points):
    with pytest.raises(InputError) as caught:
        read_points(file({"p1": {"Edema": points}}), TRUTH, pathologies=NAMES)
    (problem,) = caught.value.problems
    assert problem.where.endswith("json:p1:Edema")
    assert problem.expected == "[[x, y], ...] within [4, 3]"


def test_a_misspelt_name(file):
    with pytest.raises(InputError, match="'Edema', which this X-ray does not have"):
        read_points(file({"p1": {"Odema": [[1, 1]]}}), TRUTH, pathologies=NAMES)


def test_points_of_none_of_the_x_rays(file):
    with pytest.raises(InputError, match="found no X-ray to score; the first is 'p1.png'"):
        read_points(file({"p1.png": {"Edema": [[1, 1]]}}), TRUTH, pathologies=NAMES)
