"""VinDr-CXR as on PhysioNet and as in Kaggle's challenge, and what is refused."""

import csv

import numpy as np
import pytest
from PIL import Image

from chexseg.config.phantom import PhantomSettings
from chexseg.config.settings import IndexSettings
from chexseg.data.boxes import Box
from chexseg.data.layouts.release import read_release
from chexseg.data.layouts.vindr import CHALLENGE, VinDr
from chexseg.data.phantom.release import make_release
from chexseg.stages.build_index import index_of
from tests.unit.data.dicoms import dicom

COLUMNS = ("image_id", "class_name", "class_id", "rad_id", "x_min", "y_min", "x_max", "y_max")
SOUND = [
    ("a", "ILD", "5", "R1", "10", "0", "20", "40"),
    ("a", "ILD", "5", "R2", "12", "0", "20", "40"),
    ("b", "No finding", "14", "R1", "", "", "", ""),
    ("b", "Edema", "15", "R2", "1", "2", "3", "4"),
]


def write_table(path, rows, columns=COLUMNS):
    path.parent.mkdir(exist_ok=True)
    with path.open("w", newline="") as file:
        csv.writer(file, lineterminator="\n").writerows([columns, *rows])


@pytest.fixture
def root(tmp_path):
    """Two X-rays of 80 x 60 pixels, read by two readers, and a test X-ray with a consensus."""
    for folder, name in (("train", "a"), ("train", "b"), ("test", "t")):
        (tmp_path / folder).mkdir(exist_ok=True)
        Image.fromarray(np.zeros((80, 60), np.uint8)).save(tmp_path / folder / f"{name}.png")
    write_table(tmp_path / "annotations/annotations_train.csv", SOUND)
    rows = [("t", "Cardiomegaly", "0.5", "1", "30", "70")]
    columns = ("image_id", "class_name", "x_min", "y_min", "x_max", "y_max")
    write_table(tmp_path / "annotations/annotations_test.csv", rows, columns)
    return tmp_path


def read(root, **files):
    layout = VinDr(**files)
    return read_release("vindr", root, layout.files(root))


def test_boxes_readers_and_labels(root):
    release = read(root)
    assert release.problems == []
    assert release.readings["a"].readers == ("R1", "R2")
    assert release.readings["a"].boxes[0] == Box("a", "R1", "ILD", 10, 0, 20, 40)
    # A rare finding is another lesion, as in the challenge.
    assert [box.finding for box in release.readings["b"].boxes] == ["Other lesion"]
    assert release.readings["t"].readers == ("consensus",)
    rows = release.table.set_index("cxr_id")
    assert rows["ILD"].tolist() == [1, 0, 0]
    assert rows["Other lesion"].tolist() == [0, -1, 0]
    assert rows["Abnormality"].tolist() == [1, -1, 1]
    assert rows["Cardiomegaly"].tolist() == [0, 0, 1]
    assert rows["split"].tolist() == ["train", "train", "test"]
    assert rows["path"].tolist() == ["train/a.png", "train/b.png", "test/t.png"]
    assert rows["height"].tolist() == [80] * 3
    assert VinDr().count(root) == {"train": 2, "validation": 0, "test": 1}


def test_boxes_of_resized_x_rays_and_no_test_table(root):
    write_table(root / "meta.csv", [("a", 160, 60), ("b", 80, 60)], ("image_id", "dim0", "dim1"))
    release = read(root, sizes="meta.csv", test_boxes=None)
    assert release.problems == []
    assert release.readings["a"].boxes[0].corners == (10, 0, 20, 20)
    assert release.readings["b"].boxes[0].corners == (1, 2, 3, 4)
    assert release.divided == VinDr(test_boxes=None).divided == ("test", "validation")


def test_boxes_of_pixels_that_are_not_square(root):
    (root / "train/a.png").unlink()
    dicom(root / "train/a.dicom", np.zeros((40, 60), int), PixelSpacing=[0.2, 0.1])
    release = read(root)
    assert release.problems == []
    assert release.readings["a"].boxes[0].corners == (10, 0, 20, 80)
    assert release.table["height"].tolist()[0] == 80


def test_labels_of_findings_without_boxes(root):
    columns = ("image_id", "rad_id", "Tuberculosis")
    rows = [("a", "R1", 1), ("a", "R2", 0), ("b", "R1", 0), ("b", "R2", 0)]
    write_table(root / "labels.csv", rows, columns)
    files = VinDr(train_labels="labels.csv", test_boxes=None).files(root)
    release = read_release("vindr", root, files, findings=("Tuberculosis",))
    assert release.table["Tuberculosis"].tolist() == [-1, 0]


def changed(row, column, value):
    rows = [list(each) for each in SOUND]
    rows[row][COLUMNS.index(column)] = value
    return rows


@pytest.mark.parametrize(
    ("rows", "where", "found", "expected"),
    [
        (changed(0, "x_max", "61"), "2:x_min", "10, 0, 61, 40", "60 wide and 80 high"),
        (changed(0, "x_max", "10"), "2:x_min", "x_min 10 and x_max 10", "the lower one first"),
        (changed(0, "y_max", ""), "2:y_max", "'ILD' without a box", "four corners"),
        (changed(2, "x_min", "1"), "4:x_min", "a box of 'No finding'", "no corners"),
        (changed(0, "x_min", "1o"), "2:x_min", "'1o, 0, 20, 40'", "four numbers"),
        (changed(0, "x_min", "inf"), "2:x_min", "inf, 0, 20, 40", "four numbers"),
        (changed(1, "class_name", "IDL"), "3:class_name", "'IDL'", "a finding of VinDr-CXR"),
        (changed(1, "class_id", "6"), "3:class_id", "'ILD' as '6'", "'5', as in the rows before"),
        (changed(1, "rad_id", " "), "3:rad_id", "no reader", "who drew the box"),
        (changed(1, "image_id", "../a"), "3:image_id", "'../a'", "without its suffix"),
        (SOUND[:3], "4:rad_id", "b with 1 readers", "2, as most X-rays have"),
        ([*SOUND, ("c", *SOUND[0][1:]), ("c", *SOUND[1][1:])], "6:image_id", "no file of c", "its file"),
    ],
)  # fmt: skip
def test_rows_that_are_refused(root, rows, where, found, expected):
    path = root / "annotations/annotations_train.csv"
    if rows == SOUND[:3]:  # a third X-ray, so that most have two readers
        Image.fromarray(np.zeros((80, 60), np.uint8)).save(root / "train/c.png")
        rows = [*rows, ("c", *SOUND[0][1:]), ("c", *SOUND[1][1:])]
    write_table(path, rows)
    problems = [p for p in read(root).problems if p.where == f"{path}:{where}"]
    assert [(p.found, p.group) for p in problems] == [(found, "tables")]
    assert expected in problems[0].expected
    assert problems[0].remedy


@pytest.mark.parametrize(
    ("name", "remedy"),
    [("atelectasia", "Did you mean 'Atelectasis'?"), ("Scoliosis", "Correct the name.")],
)
def test_only_a_finding_that_is_spelt_alike_is_proposed(root, name, remedy):
    write_table(root / "annotations/annotations_train.csv", changed(1, "class_name", name))
    assert [p.remedy for p in read(root).problems] == [remedy]


@pytest.mark.parametrize(
    ("column", "remedy"),
    [("tuberculosis", "The nearest column is 'tuberculosis'."), ("Pneumonia", "Add it.")],
)
def test_only_a_column_that_is_spelt_alike_is_proposed(root, column, remedy):
    write_table(root / "labels.csv", [("a", 1)], ("image_id", column))
    files = VinDr(train_labels="labels.csv", test_boxes=None).files(root)
    release = read_release("vindr", root, files, findings=("Tuberculosis",))
    assert [(p.found, p.remedy) for p in release.problems] == [("no column 'Tuberculosis'", remedy)]


def test_one_image_in_two_files_and_in_two_tables(root):
    Image.fromarray(np.zeros((80, 60), np.uint8)).save(root / "test/a.jpg")
    (problem, *_) = read(root).problems
    assert problem.found == "train/a.png and test/a.jpg"
    (root / "test/a.jpg").unlink()
    rows = [("a", "ILD", "0", "0", "9", "9")]
    columns = ("image_id", "class_name", "x_min", "y_min", "x_max", "y_max")
    write_table(root / "annotations/annotations_test.csv", rows, columns)
    assert [p.found for p in read(root).problems] == ["a in test and train"]


def test_missing_columns_and_files(root):
    write_table(root / "annotations/annotations_train.csv", [], COLUMNS[1:])
    assert read(root).problems[0].found == "no column 'image_id'"
    write_table(root / "annotations/annotations_train.csv", [], (*COLUMNS, "x_min"))
    problem = read(root).problems[0]
    assert (problem.found, problem.remedy) == ("column 'x_min' twice", "Delete one of the two.")
    (root / "annotations/annotations_train.csv").unlink()
    assert read(root).problems[0].found == "no such file"


def test_the_phantom_writes_this_layout_and_splits_leak_nothing(tmp_path):
    settings = PhantomSettings(
        layout="vindr", train_images=40, test_images=6, longest_side=64, normal=0.4, seed=3
    )
    for name in ("one", "other"):
        make_release(tmp_path / name, settings)
    files = [p.relative_to(tmp_path / "one") for p in (tmp_path / "one").rglob("*") if p.is_file()]
    assert len(files) == 40 + 6 + 4 + 1 + 1
    for file in files:
        assert (tmp_path / "one" / file).read_bytes() == (tmp_path / "other" / file).read_bytes()
    root = tmp_path / "one"
    release = read(root, test_masks="masks/segmentations_test.json")
    assert release.problems == []
    assert {len(each.readers) for each in release.readings.values()} == {1, 3}
    labels = release.table[[*CHALLENGE, "Abnormality"]]
    assert {-1.0, 0.0, 1.0} == {*labels.to_numpy().ravel()}
    assert 5 < (labels["Abnormality"] == 0).sum() < 35
    index = index_of(release, IndexSettings(validation_fraction=0.3))
    assert index["cxr_id"].is_unique
    counts = index["split"].value_counts()
    assert set(counts.index) == {"train", "validation", "test"}
    assert 8 <= counts["validation"] <= 18
