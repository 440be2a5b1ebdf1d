"""Masks of a store, by class."""

import numpy as np
import pytest

from chexseg.data.channels import Channels
from chexseg.files.store import Store, write_store

MASKS = np.stack([np.full((8, 8), n % 2 == 0) for n in range(3)])


@pytest.fixture
def store(tmp_path):
    meta = {"classes": ["a", "b", "c"], "columns": 8}
    with write_store(tmp_path / "masks.h5", "masks", meta) as writer:
        writer.append("x", MASKS)
    return Store([tmp_path / "masks.h5"], "masks")


def test_classes_in_their_order_and_those_that_are_missing_empty(store):
    read = Channels(store, ["b", "d", "a"])["x"]
    assert read.dtype == bool
    assert [mask.all() for mask in read] == [False, False, True]
    assert [mask.any() for mask in read] == [False, False, True]


@pytest.mark.parametrize(
    ("classes", "expected"),
    [(["a", "b", "c"], MASKS), (["c", "b", "a"], MASKS[::-1]), (["a", "b"], MASKS[:2]),
     (["a", "b", "c", "d"], np.concatenate([MASKS, np.zeros((1, 8, 8))]))],
)  # fmt: skip
def test_each_channel_is_that_of_its_class(store, classes, expected):
    assert np.array_equal(Channels(store, classes)["x"], expected)
