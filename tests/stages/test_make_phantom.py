import csv
import json

import numpy as np
import pytest
from PIL import Image
from pycocotools import mask as coco

from chexseg.config.phantom import PhantomSettings
from chexseg.data.layouts.chexpert import LABEL_COLUMNS, PATHOLOGIES, column_of
from chexseg.errors import InputError
from chexseg.stages.make_phantom import run

SETTINGS = PhantomSettings(
    train_images=24, val_images=8, test_images=10, longest_side=72, lateral=0.5, seed=1
)


@pytest.fixture(scope="module")
def release(tmp_path_factory):
    root = tmp_path_factory.mktemp("phantom") / "release"
    run(out=root, settings=SETTINGS)
    return root


def table(path):
    with path.open() as file:
        return list(csv.DictReader(file))


def content(root):
    return {
        str(path.relative_to(root)): path.read_bytes() for path in root.rglob("*") if path.is_file()
    }


def test_layout_and_columns(release):
    top = sorted(str(path.relative_to(release)) for path in release.glob("*/*"))
    assert top == [
        "CheXlocalize/gt_segmentations_test.json",
        "CheXlocalize/gt_segmentations_val.json",
        "CheXlocalize/hb_segmentations_test.json",
        "CheXpert/test",
        "CheXpert/test_labels.csv",
        "CheXpert/train",
        "CheXpert/train.csv",
        "CheXpert/val",
        "CheXpert/val.csv",
        "CheXpert/val_labels.csv",
        "anatomy/segmentations_test.json",
        "anatomy/segmentations_val.json",
    ]
    train, val = table(release / "CheXpert/train.csv"), table(release / "CheXpert/val.csv")
    test = table(release / "CheXpert/test_labels.csv")
    assert list(train[0]) == ["Path", "Sex", "Age", "Frontal/Lateral", "AP/PA", *LABEL_COLUMNS]
    assert list(val[0]) == list(train[0])
    assert list(test[0]) == ["Path", *LABEL_COLUMNS]
    assert val == table(release / "CheXpert/val_labels.csv")
    frontal = [row for row in train if row["Frontal/Lateral"] == "Frontal"]
    assert (len(frontal), len(val), len(test)) == (24, 8, 10)
    assert 0 < len(train) - len(frontal) < 24


@pytest.mark.parametrize(
    ("name", "prefix", "folder"),
    [
        ("train.csv", "CheXpert-v1.0/train/", "train"),
        ("val.csv", "CheXpert-v1.0/valid/", "val"),
        ("test_labels.csv", "test/", "test"),
    ],
)
def test_every_row_has_its_image_and_every_image_its_row(release, name, prefix, folder):
    paths = [row["Path"] for row in table(release / "CheXpert" / name)]
    assert all(path.startswith(prefix) for path in paths)
    files = {path.removeprefix(prefix) for path in paths}
    images = (release / "CheXpert" / folder).rglob("*.jpg")
    assert files == {str(path.relative_to(release / "CheXpert" / folder)) for path in images}


def test_patients_are_whole_within_a_split(release):
    patients = [
        {path.name for path in (release / "CheXpert" / split).iterdir()}
        for split in ("train", "val", "test")
    ]
    assert len(set.union(*patients)) == sum(len(split) for split in patients)
    studies = {path.name for path in (release / "CheXpert/train").glob("*/*")}
    assert "study2" in studies


@pytest.mark.parametrize("split", ["val", "test"])
def test_masks_decode_to_the_image_size_and_agree_with_the_labels(release, split):
    truth = json.loads((release / f"CheXlocalize/gt_segmentations_{split}.json").read_text())
    anatomy = json.loads((release / f"anatomy/segmentations_{split}.json").read_text())
    name = {"val": "val.csv", "test": "test_labels.csv"}[split]
    rows = table(release / "CheXpert" / name)
    assert len(anatomy) == len(rows)
    for row in rows:
        place = row["Path"].split("/")[-3:]
        cxr_id = "_".join(place).removesuffix(".jpg")
        image = Image.open(release / "CheXpert" / split / "/".join(place))
        assert image.mode == "L"
        positives = {name for name in PATHOLOGIES if row[column_of(name)] == "1.0"}
        assert {row[name] for name in LABEL_COLUMNS} <= {"0.0", "1.0"}
        assert (cxr_id in truth) == bool(positives)
        for pathology, code in truth.get(cxr_id, {}).items():
            mask = coco.decode(code)
            assert mask.shape == image.size[::-1]
            assert bool(mask.any()) == (pathology in positives)
        if positives:
            assert tuple(truth[cxr_id]) == PATHOLOGIES
        assert coco.decode(anatomy[cxr_id]["Left Lung"]).any()


def test_second_reader_reads_the_same_images(release):
    truth = json.loads((release / "CheXlocalize/gt_segmentations_test.json").read_text())
    second = json.loads((release / "CheXlocalize/hb_segmentations_test.json").read_text())
    assert list(second) == list(truth)
    assert second != truth


def test_release_is_reproducible_and_grows_without_changing(release, tmp_path):
    again = tmp_path / "again"
    run(out=again, settings=SETTINGS)
    assert content(again) == content(release)
    larger = tmp_path / "larger"
    run(out=larger, settings=SETTINGS.model_copy(update={"train_images": 26}))
    before, after = content(release), content(larger)
    images = [name for name in before if name.endswith(".jpg")]
    assert all(before[name] == after[name] for name in images)


def test_a_failed_release_leaves_nothing(tmp_path, monkeypatch):
    monkeypatch.setattr("chexseg.data.phantom.release.render", lambda *_, **__: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        run(out=tmp_path / "release", settings=SETTINGS)
    assert list(tmp_path.iterdir()) == []


def test_train_labels_hold_all_four_values(release):
    labels = np.array(
        [[row[name] for name in LABEL_COLUMNS] for row in table(release / "CheXpert/train.csv")]
    )
    assert set(labels.ravel()) == {"1.0", "0.0", "-1.0", ""}


def test_leaves_a_folder_alone_that_is_no_phantom(tmp_path):
    (tmp_path / "thesis.txt").write_text("years of work")
    with pytest.raises(InputError, match=r"thesis\.txt"):
        run(out=tmp_path, settings=PhantomSettings(train_images=1, test_images=1))
    assert (tmp_path / "thesis.txt").read_text() == "years of work"
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.txt"]
