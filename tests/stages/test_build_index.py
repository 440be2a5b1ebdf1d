import csv
import json
import os
from pathlib import Path

import pandas as pd
import pytest
from PIL import Image

from chexseg.config.settings import IndexSettings
from chexseg.data.index import findings_of, labels_of, positives_of, read_index
from chexseg.data.layouts.chexpert import FINDINGS, column_of
from chexseg.errors import InputError
from chexseg.stages.build_index import run
from tests.stages.release_files import release_files

TABLES = {"train": "train.csv", "val": "val_labels.csv", "test": "test_labels.csv"}


def build(root, out, **settings):
    settings = {"expert_fraction": 0.5} | settings
    run(
        **release_files(root),
        out=out,
        settings=IndexSettings(**settings),
    )
    return read_index(out)


def problems_of(root, out):
    """The problems, as (place, found), after seeing that nothing was written."""
    out.parent.mkdir()
    with pytest.raises(InputError) as caught:
        build(root, out)
    assert os.listdir(out.parent) == []
    return [(problem.where, problem.found) for problem in caught.value.problems]


class Table:
    """A table of the release, to change and write back; rows count as in the file."""

    def __init__(self, root, split):
        self.path = root / "CheXpert" / TABLES[split]
        with self.path.open() as file:
            self.lines = list(csv.reader(file))

    def row_of(self, number):
        return self.lines[number - 1]

    def set(self, number, column, value):
        self.row_of(number)[self.lines[0].index(column)] = value

    def get(self, number, column):
        return self.row_of(number)[self.lines[0].index(column)]

    def write(self):
        with self.path.open("w", newline="") as file:
            csv.writer(file, lineterminator="\n").writerows(self.lines)


@pytest.fixture
def out(tmp_path):
    return tmp_path / "results" / "index.csv"


# What is written


def test_counts_and_columns(phantom, out, capsys):
    index = build(phantom, out)
    assert index["split"].value_counts().to_dict() == {
        "train": 24, "expert": 5, "validation": 5, "test": 8,
    }  # fmt: skip
    columns = ["path", "patient", "study", "split", "shard", "height", "width", *FINDINGS]
    columns.append("sha256")
    assert list(index) == columns
    assert index.index.name == "cxr_id"
    assert index.index.is_unique
    assert "No patient is in two splits." in capsys.readouterr().out


def test_splits_share_no_patient(phantom, out):
    index = build(phantom, out)
    assert (index.groupby("patient")["split"].nunique() == 1).all()


def test_every_row_names_its_x_ray(phantom, out):
    index = build(phantom, out)
    for cxr_id, row in index.iterrows():
        assert (phantom / row["path"]).is_file()
        assert cxr_id == "_".join(Path(row["path"]).with_suffix("").parts[-3:])
        assert cxr_id.startswith(f"{row['patient']}_{row['study']}_")


def test_lateral_x_rays_take_no_part(phantom, out):
    index = build(phantom, out)
    with (phantom / "CheXpert/train.csv").open() as file:
        views = [row["Frontal/Lateral"] for row in csv.DictReader(file)]
    assert views.count("Lateral") > 0
    assert (index["split"] == "train").sum() == views.count("Frontal")
    assert not index["path"].str.contains("lateral").any()


def test_sizes_are_those_of_the_files_that_have_masks(phantom, out):
    index = build(phantom, out)
    assert index.loc[index["split"] == "train", ["height", "width"]].isna().all(axis=None)
    for _, row in index[index["split"] != "train"].iterrows():
        assert Image.open(phantom / row["path"]).size == (row["width"], row["height"])


def test_labels_are_those_of_the_tables(phantom, out):
    index = build(phantom, out)
    table = Table(phantom, "train")
    values = {"1.0": 1.0, "0.0": 0.0, "-1.0": -1.0, "": None}
    numbers = [
        n for n in range(2, len(table.lines) + 1) if table.get(n, "Frontal/Lateral") == "Frontal"
    ]
    for number, (_, row) in zip(numbers, index[index["split"] == "train"].iterrows(), strict=True):
        for finding in FINDINGS:
            expected = values[table.get(number, column_of(finding))]
            assert pd.isna(row[finding]) if expected is None else row[finding] == expected
    assert findings_of(index) == FINDINGS
    assert set(pd.unique(index[list(FINDINGS)].to_numpy().ravel())) >= {1, 0, -1}


def test_gates_are_open_for_positive_labels_only(phantom, out):
    index = build(phantom, out)
    labels = labels_of(index)
    assert labels.shape == (42, 14)
    gates = positives_of(index, ("Airspace Opacity", "Edema"))
    opacity, edema = FINDINGS.index("Airspace Opacity"), FINDINGS.index("Edema")
    assert (gates == (labels[:, [opacity, edema]] == 1)).all()
    assert gates.any()
    assert not gates.all()


def test_reading_parts_of_an_index(phantom, out):
    index = build(phantom, out, shards=3)
    assert len(read_index(out, "train")) == 24
    assert len(read_index(out, "expert", "validation")) == 10
    parts = [read_index(out, shard=shard) for shard in range(3)]
    assert [len(part) for part in parts] == [14, 14, 14]
    assert list(pd.concat(parts).index) == list(index.index)
    assert len(read_index(out, "test", shard=0)) == 0


def test_masks_of_lateral_x_rays_are_passed_over(phantom_copy, out):
    table = Table(phantom_copy, "val")
    image = table.get(2, "Path").replace("view1_frontal", "view2_lateral")
    table.lines.append(list(table.row_of(2)))
    table.set(len(table.lines), "Path", image)
    table.set(len(table.lines), "Frontal/Lateral", "Lateral")
    table.write()
    path, masks = masks_of(phantom_copy, "val")
    cxr_id = "_".join(image.split("/")[-3:]).removesuffix(".jpg")
    masks[cxr_id] = next(iter(masks.values()))
    path.write_text(json.dumps(masks))
    index = build(phantom_copy, out)
    assert len(index) == 42
    assert cxr_id not in index.index


def test_the_share_of_the_experts(phantom, out):
    split = build(phantom, out, expert_fraction=0.79)["split"]
    assert (split == "expert").sum() == 8
    assert (split == "validation").sum() == 2


def test_fewer_train_x_rays_are_whole_patients(phantom, out):
    whole = build(phantom, out)
    few = build(phantom, out, max_train_images=10)
    train = few[few["split"] == "train"]
    assert 10 <= len(train) <= 12
    of_them = whole[(whole["split"] == "train") & whole["patient"].isin(train["patient"])]
    assert list(of_them.index) == list(train.index)
    assert len(few) - len(train) == 18


def test_same_seed_same_bytes_and_another_seed_another_split(phantom, tmp_path):
    for name, seed in (("a", 0), ("b", 0), ("c", 5)):
        build(phantom, tmp_path / name, seed=seed)
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()
    assert (tmp_path / "a").read_bytes() != (tmp_path / "c").read_bytes()


# What is refused


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


def masks_of(root, split):
    path = root / f"CheXlocalize/gt_segmentations_{split}.json"
    return path, json.loads(path.read_text())


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
    assert "a damaged image" in found


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
