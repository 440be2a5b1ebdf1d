import numpy as np
import pytest

from chexseg.inference.findings import describe, entropy


def sides_of(*columns, width=10):
    mask = np.zeros((4, width), bool)
    mask[:, list(columns)] = True
    return describe(mask, np.full(mask.shape, 0.5))["side"]


def test_side_of_the_image():
    assert sides_of(0, 1) == "left"
    assert sides_of(8) == "right"
    assert sides_of(4, 5) == "both"
    assert sides_of(*range(5), 9, width=20) == "left"
    assert sides_of() == ""
    assert sides_of(*range(9), 19, width=20) == "both"  # a tenth
    assert sides_of(2, width=5) == "both"  # the middle belongs to both


def test_numbers_of_a_mask():
    mask = np.array([[True, True, False, False]])
    found = describe(mask, np.array([[0.5, 1.0, 0.2, 0.1]]))
    assert found == {
        "area": 2, "share": 0.5, "probability": 1.0, "side": "left",
        "uncertainty": pytest.approx(0.5, abs=1e-9),
    }  # fmt: skip


def test_an_empty_mask_has_the_uncertainty_of_its_highest_probability():
    found = describe(np.zeros((1, 2), bool), np.array([[0.25, 0.1]]))
    assert (found["area"], found["side"]) == (0, "")
    assert found["uncertainty"] == pytest.approx(0.8112781244591328)


def test_entropy():
    assert entropy(np.array([0.0, 0.5, 1.0])).tolist() == pytest.approx([0, 1, 0], abs=1e-9)
