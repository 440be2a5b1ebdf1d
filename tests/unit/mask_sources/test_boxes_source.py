"""Masks that stand for boxes of several readers."""

import numpy as np
import pandas as pd
import pytest

from chexseg.config.paths import Paths
from chexseg.config.study import read_study
from chexseg.data.boxes import Box
from chexseg.data.readings import Reading, write_readings
from chexseg.errors import InputError
from chexseg.files.store import Store, write_store
from chexseg.files.store_format import CERTAIN, UNKNOWN
from chexseg.mask_sources.boxes import Boxes, BoxSettings
from chexseg.mask_sources.source import Shard

ONE = {"classes": ("Abnormality",)}


def box(reader, corners, finding="ILD"):
    return Box("a", reader, finding, *corners)


def made(tmp_path, boxes, **settings):
    """Masks of X-ray a, of 32 x 32 pixels, which R1, R2 and R3 have read, and its numbers."""
    readings = {
        "a": Reading(("R1", "R2", "R3"), tuple(boxes)), "b": Reading(("R1", "R2", "R3"), ()),
        "t": Reading(("consensus",), ()),
    }  # fmt: skip
    write_readings(tmp_path / "boxes.csv", readings)
    with write_store(tmp_path / "images.h5", "images", {"image_size": 32}) as store:
        for cxr_id in readings:
            store.append(cxr_id, np.zeros((32, 32), np.uint8))
    columns = {"split": ["train", "validation", "test"], "height": 32, "width": 32}
    index = pd.DataFrame(columns, index=[*readings])
    shard = Shard(index, Store([tmp_path / "images.h5"], "images"))
    settings = BoxSettings(**(ONE | settings))
    masks = Boxes.make_masks(settings, {"boxes": [tmp_path / "boxes.csv"]}, shard)
    return masks, dict(masks.items)


THREE = [
    box("R1", (4, 4, 12, 12)), box("R2", (4, 4, 14, 12)), box("R3", (4, 4, 16, 12), "ILD"),
]  # fmt: skip


@pytest.mark.parametrize(("fusion", "right"), [("majority", 14), ("union", 16), ("weighted", 14)])
def test_boxes_of_three_readers_by_hand(tmp_path, fusion, right):
    masks, items = made(tmp_path, THREE, fusion=fusion)
    expected = np.zeros((1, 32, 32), bool)
    expected[0, 4:12, 4:right] = True
    assert [*items] == ["a", "b"]  # none of a test X-ray
    assert np.array_equal(items["a"], expected)
    assert not items["b"].any()
    assert masks.splits == ("train",)


def test_where_readers_differ_nothing_is_known(tmp_path):
    masks, items = made(tmp_path, THREE, ignore_rim=True)
    assert masks.graded
    expected = np.zeros((1, 32, 32), np.uint8)
    expected[0, 4:12, 4:12], expected[0, 4:12, 12:16] = CERTAIN, UNKNOWN
    assert np.array_equal(items["a"], expected)


def test_boxes_go_along_with_their_readers(tmp_path):
    masks, _ = made(tmp_path, THREE)
    numbers = masks.numbers("a")
    boxes = numbers["boxes"].reshape(3, 2, 4)
    assert boxes[0].tolist() == [[4, 4, 12, 12], [4, 4, 16, 12]]  # of all readers, of any
    assert np.isnan(boxes[1:]).all()
    assert numbers["agreement"].tolist() == [1, 0, 0]
    assert (numbers["normal"].tolist(), masks.numbers("b")["normal"].tolist()) == ([0], [1])


def test_a_class_is_a_finding_or_all_of_them(tmp_path):
    boxes = [box("R1", (0, 0, 8, 8)), box("R2", (16, 16, 24, 24), "Cardiomegaly")]
    classes = ("Abnormality", "ILD", "Cardiomegaly")
    masks, items = made(tmp_path, boxes, classes=classes, fusion="union")
    assert items["a"].sum((1, 2)).tolist() == [128, 64, 64]
    assert masks.numbers("a") == {}
    _, items = made(tmp_path, boxes, fusion="union", findings=("ILD",))
    assert items["a"].sum() == 64
    _, items = made(tmp_path, boxes, fusion="majority")
    assert items["a"].sum() == 0


def test_data_with_boxes_have_them_as_experts_masks():
    config = {"study": "s", "data": {"layout": "vindr", "root": "d"}}
    study = read_study(config)
    expert = study.masks["expert"]
    assert (expert.source, expert.made, expert.boxes) == ("boxes", False, True)
    assert expert.inputs(Paths(study), "expert", "0000") == {"boxes": ["results/s/boxes/boxes.csv"]}
    assert expert.settings(study).classes == ("Abnormality",)
    assert Paths(study).test_masks() == ["results/s/boxes/test.json"]
    masks = {"other": {"source": "boxes", "findings": ["Cardiomegali"]}}
    with pytest.raises(InputError, match="Did you mean 'Cardiomegaly'"):
        read_study({**config, "masks": masks})
    with pytest.raises(InputError, match="do not have"):
        read_study({"study": "s", "data": {"root": "d"}, "masks": {"a": {"source": "boxes"}}})
