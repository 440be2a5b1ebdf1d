import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays
from pycocotools import mask as coco

from chexseg.data.masks import decode, encode, read_masks, write_masks
from chexseg.errors import InputError

EDEMA = ("Edema",)
MASK = np.array([[0, 1, 1], [0, 0, 1]], bool)  # down the columns: 2 off, 1 on, 1 off, 2 on


@pytest.fixture
def file(tmp_path):
    """Writes JSON (or raw text) and returns its path."""

    def write(content):
        path = tmp_path / "masks.json"
        path.write_text(content if isinstance(content, str) else json.dumps(content))
        return path

    return write


def problems_of(path, **options):
    with pytest.raises(InputError) as caught:
        read_masks(path, **{"pathologies": EDEMA, **options})
    return caught.value.problems


def problem_of_mask(file, rle, **options):
    (problem,) = problems_of(file({"p_1": {"Edema": rle}}), **options)
    assert problem.where.endswith("masks.json:p_1:Edema")
    return problem


def test_encode_counts_down_the_columns():
    assert encode(MASK) == {"size": [2, 3], "counts": "2111"}


def test_decode_is_the_inverse_of_encode():
    np.testing.assert_array_equal(decode({"size": [2, 3], "counts": "2111"}), MASK)
    assert decode({"size": [2, 3], "counts": "6"}).dtype == bool


@settings(deadline=None, max_examples=60)
@given(st.lists(arrays(bool, array_shapes(min_dims=2, max_dims=2, max_side=40)), max_size=9))
def test_any_masks_survive_the_file(tmp_path_factory, masks):
    path = tmp_path_factory.mktemp("any") / "masks.json"
    write_masks(path, {str(number): {"Edema": encode(mask)} for number, mask in enumerate(masks)})
    found = read_masks(path, pathologies=EDEMA)
    assert len(found) == len(masks)
    for number, mask in enumerate(masks):
        np.testing.assert_array_equal(decode(found[str(number)]["Edema"]), mask)


def test_masks_of_one_x_ray_are_told_apart(file):
    masks = {"Edema": MASK, "Lung Lesion": np.zeros((3, 2), bool), "Cardiomegaly": ~MASK}
    path = file({"p": {name: encode(mask) for name, mask in masks.items()}})
    for name, rle in read_masks(path, pathologies=tuple(masks))["p"].items():
        np.testing.assert_array_equal(decode(rle), masks[name])


@pytest.mark.parametrize("runs", [[2**28], [0, 2**28], [1, 2**28 - 2, 1, 0], [2**27, 1, 2**27 - 1]])
def test_longest_runs_fit_into_six_characters(runs, file):
    path = file({"p": {"Edema": {"size": [16384, 16384], "counts": runs}}})
    rle = read_masks(path, pathologies=EDEMA)["p"]["Edema"]
    assert coco.area(rle) == sum(runs[1::2])
    assert read_masks(file({"p": {"Edema": rle}}), pathologies=EDEMA)["p"]["Edema"] == rle


def test_what_is_written_is_read_back(tmp_path):
    masks = {"b": {"Edema": encode(MASK)}, "a": {"Edema": encode(~MASK)}}
    write_masks(tmp_path / "one.json", masks)
    write_masks(tmp_path / "two.json", dict(reversed(masks.items())))
    assert read_masks(tmp_path / "one.json", pathologies=EDEMA) == masks
    assert (tmp_path / "one.json").read_bytes() == (tmp_path / "two.json").read_bytes()


def test_counts_in_a_list_come_out_compressed(file):
    path = file({"p": {"Edema": {"size": [2, 3], "counts": [2, 1, 1, 2]}}})
    assert read_masks(path, pathologies=EDEMA) == {"p": {"Edema": encode(MASK)}}


@pytest.mark.parametrize("counts", [[2, 1, 1, 2, 0, 0, 0], [1, 0, 1, 1, 0, 0, 1, 2], "2111ON0"])
def test_empty_runs_are_taken_out(file, counts):
    path = file({"p": {"Edema": {"size": [2, 3], "counts": counts}}})
    assert read_masks(path, pathologies=EDEMA) == {"p": {"Edema": encode(MASK)}}


def test_pathologies_that_are_not_asked_for_are_passed_over(file):
    path = file({"p": {"Lung Lesion": 7, "Edema": encode(MASK)}})
    assert list(read_masks(path, pathologies=EDEMA)["p"]) == ["Edema"]


@pytest.mark.parametrize("text", ["{", "[1]", "", "null", "[" * 100_000])
def test_no_json_object(file, text):
    (problem,) = problems_of(file(text))
    assert problem.where.endswith("masks.json")


def test_no_file(tmp_path):
    (problem,) = problems_of(tmp_path / "absent.json")
    assert problem.found == "No such file or directory"


def test_an_x_ray_twice(file):
    entry = json.dumps({"Edema": encode(MASK)})
    (problem,) = problems_of(file(f'{{"p": {entry}, "q": {entry}, "p": {entry}}}'))
    assert problem.found == "'p' twice"


def test_a_missing_pathology_has_the_nearest_of_the_other_names(file):
    names = {"Odema": encode(MASK), "Fracture": encode(MASK), "Lung Opacity": encode(MASK)}
    for wanted, near in (("Edema", "Odema"), ("Airspace Opacity", "Lung Opacity")):
        (problem,) = problems_of(file({"p": names}), pathologies=(wanted, "Fracture"))
        assert problem.where.endswith(f":p:{wanted}")
        assert problem.remedy.endswith(f"the nearest name there is {near!r}.")


@pytest.mark.parametrize("other", ["Pneumonia", "Fracture", "No Finding", "Pleural Other"])
def test_a_finding_that_is_not_outlined_is_no_name_for_another(file, other):
    names = ("Pneumothorax", "Lung Lesion", "Pleural Effusion")
    found = problems_of(file({"p": {other: encode(MASK)}}), pathologies=names)
    assert {problem.remedy for problem in found} == {
        "Add it; use an empty mask if the finding is absent."
    }
    whole = {name: encode(MASK) for name in (*names, other)}
    assert list(read_masks(file({"p": whole}), pathologies=names)["p"]) == list(names)


def test_missing_pathology(file):
    (problem,) = problems_of(file({"p": {}}))
    assert (problem.where[-8:], problem.found) == (":p:Edema", "no mask")


def test_size_of_the_x_ray(file):
    assert not problem_of_mask(file, encode(MASK), sizes={"p_1": (4, 5)}).remedy.startswith(
        "Height"
    )
    assert problem_of_mask(file, encode(MASK), sizes={"p_1": (3, 2)}).remedy.startswith("Height")
    path = file({"p_1": {"Edema": encode(MASK)}})
    assert read_masks(path, pathologies=EDEMA, sizes={"p_1": (2, 3), "p_2": (9, 9)})
    assert read_masks(path, pathologies=EDEMA, sizes={"p_2": (9, 9)})


@pytest.mark.parametrize(
    "rle",
    [None, 3, [], {}, {"size": [2, 3]}, {"counts": "2111"}],
    ids=str,
)  # fmt: skip
def test_no_mask(file, rle):
    assert "pycocotools" in problem_of_mask(file, rle).remedy


@pytest.mark.parametrize(
    "size",
    [None, 6, "23", [2], [2, 3, 1], [2.0, 3], [True, 6], [0, 6], [-2, -3], [2, 10**30],
     [50_001, 1], [30_000, 30_000]],
    ids=str,
)  # fmt: skip
def test_impossible_size_is_refused_before_any_memory_is_taken(file, size):
    assert "size" in problem_of_mask(file, {"size": size, "counts": "2111"}).found


@pytest.mark.parametrize(
    "counts",
    ["", "?P", "211", "2112", "211P", "21 11", "2111\x00", "é", "\ud800", "PPPPPP0", "211oooooo2",
     "7O", "N7", [], [2, 1, 1], [2, -1, 3, 2], [2.0, 1, 1, 2], [True, 5], [2, 1, 1, 2**40], ["6"],
     None, 2112, {}],
    ids=ascii,
)  # fmt: skip
def test_damaged_counts(file, counts):
    assert "counts" in problem_of_mask(file, {"size": [2, 3], "counts": counts}).found


def test_sum_that_is_right_but_with_a_negative_run(file):
    def text(value):  # one signed value of five bits
        return chr(48 + (value & 31))

    assert "".join(map(text, (2, 1, 1, 1))) == encode(MASK)["counts"]
    code = "".join(map(text, (5, 3, -2)))
    assert "damaged" in problem_of_mask(file, {"size": [2, 3], "counts": code}).found


def test_all_problems_at_once(file):
    good, wrong = encode(MASK), {"size": [2, 3], "counts": "211"}
    content = {
        "a": {"Edema": wrong, "Cardiomegaly": good},
        "b": 3,
        "c": {"Cardiomegaly": wrong, "Oedema": good},
    }
    found = problems_of(file(content), pathologies=("Edema", "Cardiomegaly"))
    assert [problem.where.split("json:")[1] for problem in found] == [
        "a:Edema", "b", "c:Edema", "c:Cardiomegaly"
    ]  # fmt: skip


@settings(deadline=None, max_examples=200)
@given(st.text(st.characters(min_codepoint=48, max_codepoint=111), max_size=12))
def test_codes_that_pass_are_codes_that_pycocotools_reads(tmp_path_factory, code):
    path = tmp_path_factory.mktemp("any") / "masks.json"
    path.write_text(json.dumps({"p": {"Edema": {"size": [2, 3], "counts": code}}}))
    try:
        rle = read_masks(path, pathologies=EDEMA)["p"]["Edema"]
    except InputError:
        return
    assert decode(rle).sum() == coco.area(rle)
