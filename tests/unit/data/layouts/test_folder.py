"""The layout `folder`: X-rays in folders or tables, masks in three formats, and what is refused."""

import numpy as np
import pytest

from chexseg.config.settings import IndexSettings
from chexseg.config.study import read_study
from chexseg.data.index import findings_of, read_index
from chexseg.data.layouts.folder import Folder
from chexseg.data.masks import decode
from chexseg.stages import build_index
from tests.unit.data.layouts.folders import ORGANS, make_folders, mask_of, problems, read


@pytest.fixture
def root(tmp_path):
    return make_folders(tmp_path)


def table(root, rows, name="val.csv", header="path,patient"):
    (root / name).write_text("\n".join([header, *rows]) + "\n")
    return name


# What is read


@pytest.mark.parametrize("masks", ["masks", "coco.json", "masks.json"])
def test_masks_in_three_formats_are_the_same(root, masks):
    release = read(root, val_masks=masks, test_masks=masks)
    assert release.problems == []
    truth = release.truth("validation")
    assert list(truth) == [f"person{n // 2}_{n}" for n in range(10)]
    for organ in ORGANS:
        np.testing.assert_array_equal(decode(truth["person3_7"][organ]), mask_of(organ))


def test_a_fifth_of_the_patients_is_for_test_if_no_x_rays_are_named_for_it(root):
    table = read(root).table.set_index("cxr_id")
    assert table["split"].value_counts().to_dict() == {"validation": 8, "test": 2}
    assert table.groupby("patient")["split"].nunique().eq(1).all()
    assert table.loc["person3_7", ["path", "patient", "height", "width"]].tolist() == [
        "x_rays/person3/7.png", "person3", 12, 10,
    ]  # fmt: skip


def test_tables_name_the_x_rays_of_each_part(root):
    rows = [f"x_rays/person{n // 2}/{n}.png,person{n // 2}_{n},p{n // 2}," for n in range(10)]
    rows[0] += "1"
    header = "path,cxr_id,patient,Edema"
    val = table(root, rows[:4], header=header)
    test = table(root, rows[4:10:2], "test.csv", header)
    train = table(root, rows[5:10:2], "train.csv", header)
    release = read(root, ("Edema",), train_x_rays=train, val_x_rays=val, test_x_rays=test)
    assert [found for _, found in problems(release)][:3] == ["p2 in test and train", "p3 in test and train", "p4 in test and train"]  # fmt: skip
    release = read(root, ("Edema",), val_x_rays=val, test_x_rays=test)
    # Masks of X-rays that no table names are reported.
    assert {found for _, found in problems(release)} == {
        "masks of an X-ray that is not in the table"
    }
    test = table(root, rows[4:], "test.csv", header)
    release = read(root, ("Edema",), val_x_rays=val, test_x_rays=test)
    assert release.problems == []
    assert release.table["split"].tolist() == ["validation"] * 4 + ["test"] * 6
    assert release.table["Edema"].fillna(9).tolist() == [1, *[9] * 9]
    assert release.table["patient"].tolist()[:3] == ["p0", "p0", "p1"]


def test_the_id_of_a_row_is_the_name_of_its_file_and_its_patient_if_nothing_else_is_said(root):
    rows = [f"x_rays/person{n // 2}/{n}.png" for n in range(10)]
    release = read(root, val_x_rays=table(root, rows, header="path"))
    assert sorted(release.table["cxr_id"]) == sorted(release.table["patient"])
    assert set(release.table["cxr_id"]) == set("0123456789")


def test_a_study_reads_it_from_config_to_index(root, tmp_path):
    config = {"layout": "folder", "root": str(root), "pathologies": list(ORGANS)}
    data = read_study({"study": "s", "data": config}).data
    assert (data.pathologies, data.findings) == (ORGANS, ())
    assert data.mask_files(root, "test") == [root / "masks"]
    build_index.run(
        layout=data.layout,
        inputs=data.files(root),
        root=root,
        findings=data.findings,
        pathologies=data.pathologies,
        settings=IndexSettings(expert_fraction=0.5),
        out=tmp_path / "index.csv",
    )
    index = read_index(tmp_path / "index.csv")
    assert findings_of(index) == ()
    assert index["split"].value_counts().to_dict() == {"expert": 4, "validation": 4, "test": 2}


def test_x_rays_are_counted_before_they_are_read(root):
    assert Folder().count(root) == {"train": 0, "validation": 8, "test": 2}
    val = table(root, ["a.png,1", "b.png,2"])
    counted = Folder(val_x_rays=val, test_x_rays="x_rays").count(root)
    assert counted == {"train": 0, "validation": 2, "test": 10}
    assert Folder(val_x_rays="absent").count(root) == {"train": 0, "validation": 0, "test": 0}


# X-rays


def test_the_folder_of_x_rays_may_be_a_link_and_nothing_in_it_may_lead_out(root, tmp_path_factory):
    elsewhere = tmp_path_factory.mktemp("elsewhere").resolve() / "x_rays"
    (root / "x_rays").rename(elsewhere)
    (root / "x_rays").symlink_to(elsewhere)
    release = read(root)
    assert release.problems == []
    assert release.table["path"][0] == str(elsewhere / "person0/0.png")
    (elsewhere / "person0/0.png").rename(elsewhere.parent / "0.png")
    (elsewhere / "person0/0.png").symlink_to(elsewhere.parent / "0.png")
    assert problems(read(root))[0][0] == str(root / "x_rays/person0/0.png")


def test_masks_of_other_x_rays_are_one_problem(root):
    (root / "x_rays/person0").rename(root / "x_rays/other")
    for number in range(1, 5):
        (root / f"x_rays/person{number}").rename(root / f"x_rays/other{number}")
    found = "masks of 10 X-rays, none of which is in the table"
    assert problems(read(root)) == [(f"{root}/masks", found)]


def test_a_table_with_faults_lists_all_of_them(root):
    rows = [
        "x_rays/person0/0.png,a,1", "x_rays/person0/0.png,a,1", "../outside.png,b,0",
        "x_rays/absent.png,c,0", "x_rays/person0/1.png,d,2", "x_rays/person0/1.png,e",
    ]  # fmt: skip
    name = table(root, rows, header="path,cxr_id,Edema")
    found = problems(read(root, ("Edema",), val_x_rays=name))
    assert [(where.rpartition("/")[2], text.replace(str(root), "")) for where, text in found][:5] == [
        ("val.csv:3:path", "a again"), ("val.csv:4:path", "'../outside.png'"),
        ("val.csv:5:path", "no file /x_rays/absent.png"), ("val.csv:6:Edema", "'2'"),
        ("val.csv:7", "2 cells"),
    ]  # fmt: skip


def test_columns_that_a_table_lacks(root):
    name = table(root, ["x_rays/person0/0.png,1"], header="path,edema")
    release = read(root, ("Edema",), val_x_rays=name)
    assert problems(release) == [(f"{root}/val.csv:1", "no column 'Edema'")]
    assert "'edema'" in release.problems[0].remedy


def test_a_folder_has_no_labels(root):
    assert (str(root / "x_rays"), "a folder, which has no labels") in problems(
        read(root, ("Edema",))
    )


def test_a_folder_that_does_not_exist(root):
    assert problems(read(root, val_x_rays="absent")) == [(str(root / "absent"), "no such file")]


def test_a_table_that_was_cut_off(root):
    table(root, ["x_rays/person0/0.png,a"])
    (root / "val.csv").write_text((root / "val.csv").read_text() + "x_rays/pers")
    assert problems(read(root, val_x_rays="val.csv"))[0] == (
        f"{root}/val.csv:3",
        "a truncated last row",
    )
