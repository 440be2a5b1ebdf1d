"""Releases from which no index is built."""

import json
import os
from pathlib import Path

import pytest

from chexseg.errors import InputError
from tests.stages.indexing import TABLES, Table, build, masks_of


def problems_of(root, out):
    """The problems, as (place, found), after seeing that nothing was written."""
    out.parent.mkdir()
    with pytest.raises(InputError) as caught:
        build(root, out)
    assert os.listdir(out.parent) == []
    return [(problem.where, problem.found) for problem in caught.value.problems]


@pytest.fixture
def out(tmp_path):
    return tmp_path / "results" / "index.csv"


def test_a_missing_column(phantom_copy, out):
    table = Table(phantom_copy, "train")
    table.lines[0][table.lines[0].index("Edema")] = "Oedema"
    table.write()
    assert problems_of(phantom_copy, out) == [(f"{table.path}:1", "no column 'Edema'")]


@pytest.mark.parametrize("split", ["train", "test"])
def test_a_split_without_x_rays(phantom_copy, out, split):
    table = Table(phantom_copy, split)
    table.lines[1:] = []
    table.write()
    assert (str(table.path), "no X-rays") in problems_of(phantom_copy, out)


def test_an_unknown_label(phantom_copy, out):
    table = Table(phantom_copy, "val")
    table.set(4, "Cardiomegaly", "2")
    table.write()
    assert problems_of(phantom_copy, out) == [(f"{table.path}:4:Cardiomegaly", "'2'")]


@pytest.mark.parametrize("split", ["train", "val", "test"])
def test_an_absent_x_ray(phantom_copy, out, split):
    table = Table(phantom_copy, split)
    places = table.get(3, "Path").split("/")[-3:]
    folder = phantom_copy / "CheXpert" / split
    folder.joinpath(*places).unlink()
    ((where, found),) = problems_of(phantom_copy, out)
    assert where == f"{table.path}:3:Path"
    assert found.startswith("no file ")
    assert found.endswith("/".join(places))


def test_a_patient_in_train_and_test(phantom_copy, out):
    table = Table(phantom_copy, "train")
    patient = Table(phantom_copy, "test").get(2, "Path").split("/")[-3]
    old = table.get(2, "Path").split("/")[-3]
    path = table.get(2, "Path").replace(old, patient)
    file, moved = (
        phantom_copy / "CheXpert" / Path(*Path(p).parts[1:]) for p in (table.get(2, "Path"), path)
    )
    moved.parent.mkdir(parents=True)
    file.rename(moved)
    table.set(2, "Path", path)
    table.write()
    ((where, found),) = problems_of(phantom_copy, out)
    assert where.startswith(f"{phantom_copy}/CheXpert/test_labels.csv:")
    assert found == f"{patient} in test and train"


@pytest.mark.parametrize("split", ["val", "test"])
def test_a_mask_whose_size_is_not_its_image(phantom_copy, out, split):
    path, masks = masks_of(phantom_copy, split)
    cxr_id = next(iter(masks))
    height, width = masks[cxr_id]["Edema"]["size"]
    masks[cxr_id]["Edema"]["size"] = [width, height]
    path.write_text(json.dumps(masks))
    assert problems_of(phantom_copy, out) == [
        (f"{path}:{cxr_id}:Edema", f"size [{width}, {height}]")
    ]


def test_masks_of_an_x_ray_that_no_table_names(phantom_copy, out):
    path, masks = masks_of(phantom_copy, "val")
    masks["patient1_study1_view1_frontal"] = next(iter(masks.values()))
    path.write_text(json.dumps(masks))
    assert problems_of(phantom_copy, out) == [
        (f"{path}:patient1_study1_view1_frontal", "masks of an X-ray that is not in the table")
    ]


def test_a_broken_x_ray_that_has_masks(phantom_copy, out):
    table = Table(phantom_copy, "test")
    file = phantom_copy / "CheXpert" / table.get(2, "Path")
    file.write_bytes(b"")
    ((where, found),) = problems_of(phantom_copy, out)
    assert where == str(file)
    assert found == "an empty file"


def test_everything_that_is_wrong_with_all_tables_at_once(phantom_copy, out):
    train, val, test = (Table(phantom_copy, split) for split in TABLES)
    train.set(2, "Edema", "x")
    val.set(3, "Path", "elsewhere/view1.jpg")
    test.row_of(4)[:] = test.row_of(2)
    for table in (train, val, test):
        table.write()
    places = [where for where, _ in problems_of(phantom_copy, out)]
    assert places[0] == f"{train.path}:2:Edema"
    assert f"{val.path}:3:Path" in places
    assert f"{test.path}:4:Path" in places
    # A path that names no X-ray is told once, not once more for its file.
    assert len(places) == 3


def test_everything_that_is_wrong_with_masks_at_once(phantom_copy, out):
    for split in ("val", "test"):
        path, masks = masks_of(phantom_copy, split)
        del next(iter(masks.values()))["Edema"]
        path.write_text(json.dumps(masks))
    found = [found for _, found in problems_of(phantom_copy, out)]
    assert found == ["no mask", "no mask"]


def test_a_failure_leaves_the_old_index(phantom_copy, out):
    build(phantom_copy, out)
    before = out.read_bytes()
    table = Table(phantom_copy, "train")
    table.set(2, "Edema", "x")
    table.write()
    with pytest.raises(InputError):
        build(phantom_copy, out)
    assert out.read_bytes() == before
    assert os.listdir(out.parent) == ["index.csv"]
