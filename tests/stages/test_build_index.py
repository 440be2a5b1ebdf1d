"""The index of a release: rows, columns, labels and splits."""

import csv
import json
from pathlib import Path

import pandas as pd
import pytest
from PIL import Image

from chexseg.data.index import findings_of, labels_of, positives_of, read_index
from chexseg.data.layouts.chexpert import FINDINGS, column_of
from tests.stages.indexing import Table, build, masks_of


@pytest.fixture
def out(tmp_path):
    return tmp_path / "results" / "index.csv"


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
