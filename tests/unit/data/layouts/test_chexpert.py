import math

import pytest

from chexseg.data.layouts.chexpert import FINDINGS, LABEL_COLUMNS
from tests.unit.data.tables import HEADER, PATIENT, read, read_well, write


def test_columns_and_values_of_a_row(tmp_path):
    path = write(
        tmp_path / "train.csv",
        [{"Path": f"CheXpert-v1.0/train/{PATIENT}", "Frontal/Lateral": "Frontal", "Edema": "1.0"}],
    )
    table = read_well(path)
    assert list(table) == ["row", "cxr_id", "image", "patient", "study", "view", *FINDINGS]
    row = table.iloc[0]
    assert row["row"] == 2
    assert row["cxr_id"] == "patient00001_study1_view1_frontal"
    assert row["image"] == f"train/{PATIENT}"
    assert (row["patient"], row["study"], row["view"]) == ("patient00001", "study1", "frontal")
    assert row["Edema"] == 1
    assert math.isnan(row["Cardiomegaly"])


@pytest.mark.parametrize(
    ("written", "value"),
    [("1", 1), ("1.0", 1), ("0", 0), ("0.0", 0), ("-1", -1), ("-1.0", -1), (" 1.0 ", 1)],
)
def test_every_spelling_of_a_label(tmp_path, written, value):
    table = read_well(
        write(tmp_path / "t.csv", [{"Path": f"train/{PATIENT}", "Edema": written, "Fracture": "0"}])
    )
    assert table["Edema"].tolist() == [value]
    assert table["Fracture"].tolist() == [0]


@pytest.mark.parametrize("written", ["", "  "])
def test_a_blank_label_is_nan(tmp_path, written):
    table = read_well(
        write(tmp_path / "t.csv", [{"Path": f"train/{PATIENT}", "Pneumonia": written}])
    )
    assert table["Pneumonia"].isna().tolist() == [True]


@pytest.mark.parametrize("written", ["2", "x", "nan", "NA", "-2.0", "1.5", "True"])
def test_unknown_labels_are_told_with_row_and_column(tmp_path, written):
    path = write(
        tmp_path / "t.csv",
        [
            {"Path": "train/patient1/study1/view1_frontal.jpg", "Edema": "1"},
            {"Path": "train/patient2/study1/view1_frontal.jpg", "Edema": written},
            {"Path": "train/patient3/study1/view1_frontal.jpg", "Lung Lesion": written},
        ],
    )
    _, found = read(path)
    assert {(p.where, p.found) for p in found} == {
        (f"{path}:3:Edema", repr(written)),
        (f"{path}:4:Lung Lesion", repr(written)),
    }
    assert found[0].expected == "1, 0, -1 (uncertain) or blank"


def test_missing_columns_are_all_told_with_the_nearest(tmp_path):
    header = [name for name in HEADER if name not in ("Edema", "Pneumonia")] + ["Pneumona"]
    path = write(tmp_path / "t.csv", [{"Path": f"train/{PATIENT}"}], header)
    table, found = read(path)
    assert len(table) == 0
    assert [(p.where, p.found) for p in found] == [
        (f"{path}:1", "no column 'Edema'"),
        (f"{path}:1", "no column 'Pneumonia'"),
    ]
    remedy = "Add it, or correct data.findings; the nearest column is 'Pneumona'."
    assert found[1].remedy == remedy
    assert found[0].remedy == "Add it, or correct data.findings."


@pytest.mark.parametrize("prefix", ["CheXpert-v1.0/", "CheXpert-v1.0-small/", "CheXpert/", ""])
def test_the_release_before_a_path_is_removed(tmp_path, prefix):
    table = read_well(write(tmp_path / "t.csv", [{"Path": f"{prefix}train/{PATIENT}"}]))
    assert table["image"].tolist() == [f"train/{PATIENT}"]


@pytest.mark.parametrize("path", ["train/view1.jpg", "", "patient1/study1/", "train/p1/s1/v1.jpg"])
def test_paths_that_name_no_patient_are_told(tmp_path, path):
    file = write(tmp_path / "t.csv", [{"Path": f"train/{PATIENT}"}, {"Path": path, "Edema": 1}])
    _, found = read(file)
    assert [(p.where, p.found) for p in found] == [(f"{file}:3:Path", repr(path))]


def test_a_doubled_x_ray_is_told_even_in_another_folder(tmp_path):
    rows = [{"Path": f"train/{PATIENT}"}, {"Path": f"CheXpert-v1.0/valid/{PATIENT}"}]
    path = write(tmp_path / "t.csv", rows)
    _, found = read(path)
    assert [(p.where, p.found) for p in found] == [
        (f"{path}:3:Path", "patient00001_study1_view1_frontal again")
    ]


def test_lateral_by_column_and_without_it_by_the_name_of_the_file(tmp_path):
    frontal, lateral = (
        "train/patient1/study1/view1_frontal.jpg",
        "train/patient1/study1/view2_{}.jpg",
    )
    rows = [
        {"Path": frontal, "Frontal/Lateral": "Frontal"},
        {"Path": lateral.format("left"), "Frontal/Lateral": " lateral"},
        {"Path": lateral.format("lateral")},
        {"Path": lateral.format("2")},
    ]
    assert read_well(write(tmp_path / "t.csv", rows))["view"].tolist() == [
        "frontal", "lateral", "lateral", "frontal",
    ]  # fmt: skip
    header = ("Path", *LABEL_COLUMNS)
    assert read_well(write(tmp_path / "test_labels.csv", rows, header))["view"].tolist() == [
        "frontal", "frontal", "lateral", "frontal",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("view", "told", "found"),
    [
        ("frontal", "Latral", "'Latral'"),
        ("lateral", "banana", "'banana'"),
        ("lateral", "Frontal", "'Frontal' for a file named lateral"),
        ("frontal", "Lateral", "'Lateral' for a file named frontal"),
    ],
)
def test_a_view_that_is_none_or_not_that_of_the_file(tmp_path, view, told, found):
    row = {"Path": f"train/patient1/study1/view1_{view}.jpg", "Frontal/Lateral": told}
    path = write(tmp_path / "t.csv", [row])
    _, problems = read(path)
    assert [(p.where, p.found) for p in problems] == [(f"{path}:2:Frontal/Lateral", found)]


def test_all_problems_of_a_table_at_once(tmp_path):
    rows = [
        {"Path": "nowhere.jpg", "Edema": "7"},
        {"Path": f"train/{PATIENT}", "Fracture": "y"},
        {"Path": f"train/{PATIENT}"},
    ]
    path = write(tmp_path / "t.csv", rows)
    _, found = read(path)
    assert sorted(p.where.removeprefix(f"{path}:") for p in found) == [
        "2:Edema", "2:Path", "3:Fracture", "4:Path",
    ]  # fmt: skip


def test_a_table_without_rows_is_empty(tmp_path):
    table = read_well(write(tmp_path / "t.csv", []))
    assert len(table) == 0
    assert "Edema" in table


def test_a_byte_order_mark_is_no_part_of_the_first_column(tmp_path):
    path = write(tmp_path / "t.csv", [{"Path": f"train/{PATIENT}"}])
    path.write_bytes(b"\xef\xbb\xbf" + path.read_bytes())
    assert len(read_well(path)) == 1


@pytest.mark.parametrize(
    "content",
    [
        b"\xff\xfe\x00",
        b'Path,"Edema',
        b"x" * 200_000,
    ],
    ids=["binary", "quote that never ends", "endless cell"],
)
def test_an_unreadable_table_is_one_problem(tmp_path, content):
    path = tmp_path / "t.csv"
    path.write_bytes(content)
    table, found = read(path)
    assert len(table) == 0
    assert [p.where for p in found] == [f"{path}:1"]
    assert "unreadable" in found[0].found


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("", "an empty table"),
        (";".join(HEADER) + "\n", "columns separated by ';'"),
        ("\t".join(HEADER), r"columns separated by '\t'"),
        (f"train/{PATIENT},Male,1.0\n", f"a first row '{f'train/{PATIENT},Male,1.0':.60}'"),
    ],
)
def test_a_first_row_that_names_no_column_is_one_problem(tmp_path, text, found):
    (tmp_path / "t.csv").write_text(text)
    table, problems = read(tmp_path / "t.csv")
    assert len(table) == 0
    assert [(p.where, p.found) for p in problems] == [(f"{tmp_path}/t.csv:1", found)]


@pytest.mark.parametrize(
    ("row", "found"),
    [
        (f"train/{PATIENT}" + "," * len(HEADER), "20 cells"),
        (f"train/{PATIENT}" + ",1" * len(HEADER), "20 cells"),
        (f"train/{PATIENT}" + "," * 10, "11 cells"),
    ],
    ids=["comma too many", "value too many", "cells too few"],
)
def test_rows_have_a_cell_for_each_column(tmp_path, row, found):
    path = write(tmp_path / "t.csv", [])
    path.write_text(path.read_text() + row + "\n" + f"train/{PATIENT}" + "," * 18 + "\n")
    table, problems = read(path)
    assert len(table) == 1
    assert [(p.where, p.found) for p in problems] == [(f"{path}:2", found)]


@pytest.mark.parametrize(
    ("last", "ok"),
    [
        (",,,,1.0,0.0,-1.0,,,,,,,,,,,", False),  # a comma was cut off, or nothing
        (",,,,1.0,0.0,-1.0,,,,,,,,,,,,", False),  # a label, or nothing
        (",,,,1.0,0.0,-1.0,,,,,,,,,,,,1", True),
        (",,,,1.0,0.0,-1.0,,,,,,,,,,,,-", False),
        (",,,,1.0,0.0,-1.0,,,,,,,,,,,,1.", False),
        (",,,,1.0,0.0,-1.0,,,,,,,,,,,,\n", True),
    ],
)
def test_a_table_that_ends_inside_its_last_row(tmp_path, last, ok):
    path = write(tmp_path / "t.csv", [{"Path": "train/patient9/study1/view1_frontal.jpg"}])
    path.write_text(path.read_text() + f"train/{PATIENT}" + last)
    table, problems = read(path)
    assert [p.where.removeprefix(f"{path}:").split(":")[0] for p in problems] == (
        [] if ok else ["3"]
    )
    assert (len(table) == 2) or not ok


@pytest.mark.parametrize("column", ["Edema", "Frontal/Lateral"])
def test_a_column_that_stands_twice(tmp_path, column):
    path = write(tmp_path / "t.csv", [], (*HEADER, column))
    found = f"column {column!r} twice"
    assert [(p.where, p.found) for p in read(path)[1]] == [(f"{path}:1", found)]


def test_rows_are_counted_with_blank_lines(tmp_path):
    path = write(tmp_path / "t.csv", [])
    path.write_text(path.read_text() + "\n\n" + f"train/{PATIENT}" + "," * 18 + "\n")
    assert read_well(path)["row"].tolist() == [4]


def test_an_absent_table_is_one_problem(tmp_path):
    _, found = read(tmp_path / "absent.csv")
    assert [(p.where, p.found) for p in found] == [(f"{tmp_path}/absent.csv", "no such file")]
