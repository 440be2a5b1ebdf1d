"""The layout `folder`: X-rays in folders or tables, masks in three formats, and what is refused."""

import json

import numpy as np
import pytest
from PIL import Image

from chexseg.config.settings import IndexSettings
from chexseg.config.study import read_study
from chexseg.data.index import findings_of, read_index
from chexseg.data.layouts.folder import Folder
from chexseg.data.layouts.release import read_release
from chexseg.data.masks import decode
from chexseg.stages import build_index
from tests.unit.data.layouts.folders import ORGANS, make_folders, mask_of, save


@pytest.fixture
def root(tmp_path):
    return make_folders(tmp_path)


def read(root, findings=(), pathologies=ORGANS, **roles):
    return read_release(
        "folder",
        root,
        Folder(**roles).files(root),
        findings=findings,
        pathologies=pathologies,
    )


def problems(release):
    return [(p.where, p.found) for p in release.problems]


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


# Folders of PNGs


def test_a_class_without_a_folder_proposes_the_nearest(root):
    (root / "masks/Heart").rename(root / "masks/heart")
    ((where, found),) = problems(read(root))
    assert (where, found) == (str(root / "masks/Heart"), "no such folder")
    assert "'heart'" in read(root).problems[0].remedy


def test_a_missing_png(root):
    (root / "masks/Heart/person0/1.png").unlink()
    assert problems(read(root)) == [(f"{root}/masks:person0_1:Heart", "no mask")]
    (root / "masks/Left Lung/person0/1.png").unlink()
    assert problems(read(root)) == [(f"{root}/masks:person0_1", "no masks")]


def test_an_extra_png(root):
    for organ in ORGANS:
        save(root / f"masks/{organ}/person9/1.png", mask_of(organ).astype(np.uint8))
    found = "masks of an X-ray that is not in the table"
    assert problems(read(root)) == [(f"{root}/masks:person9_1", found)]


def test_a_png_of_another_size(root):
    save(root / "masks/Heart/person0/1.png", np.zeros((24, 20), np.uint8))
    assert problems(read(root)) == [(f"{root}/masks:person0_1:Heart", "size [24, 20]")]


@pytest.mark.parametrize(
    ("mode", "found"),
    [
        ("P", "a PNG with a palette, whose numbers stand for colours"),
        ("RGB", "a PNG in colour (RGB)"),
        ("RGBA", "a PNG in colour (RGBA)"),
    ],
)
def test_a_png_in_colours(root, mode, found):
    file = root / "masks/Heart/person0/1.png"
    save(file, mask_of("Heart").astype(np.uint8) * 255, mode)
    assert problems(read(root)) == [(str(file), found)]


def test_a_png_with_grey_values_between(root):
    file = root / "masks/Heart/person0/1.png"
    values = mask_of("Heart").astype(np.uint8) * 255
    values[4, 3] = 100
    save(file, values)
    assert problems(read(root)) == [(str(file), "3 grey values, from 0 to 255")]


@pytest.mark.parametrize("value", [1, 128, 255])
def test_any_one_value_is_the_mask(root, value):
    save(root / "masks/Heart/person0/1.png", mask_of("Heart").astype(np.uint8) * value)
    release = read(root)
    assert release.problems == []
    mask = decode(release.truth("validation")["person0_1"]["Heart"])
    np.testing.assert_array_equal(mask, mask_of("Heart"))


def test_one_bit_and_sixteen_bits(root):
    save(root / "masks/Heart/person0/0.png", mask_of("Heart").astype(np.uint8) * 255, "1")
    save(root / "masks/Heart/person0/1.png", mask_of("Heart").astype(np.uint16) * 65535)
    release = read(root)
    assert release.problems == []
    for cxr_id in ("person0_0", "person0_1"):
        mask = decode(release.truth("validation")[cxr_id]["Heart"])
        np.testing.assert_array_equal(mask, mask_of("Heart"))


def test_files_that_are_no_pngs(root):
    Image.new("L", (10, 12)).save(root / "masks/Heart/person0/1.gif")
    (root / "masks/Heart/person0/1.png").unlink()
    (root / "masks/Heart/person0/0.png").write_bytes(b"\x89PNG\r\n\x1a\n damaged")
    (root / "masks/Heart/.hidden").write_bytes(b"is ignored")
    found = problems(read(root))
    assert [where.rpartition("/")[2] for where, _ in found] == ["0.png", "1.gif"]
    assert all("no PNG, or a damaged one" in text for _, text in found)


def test_two_pngs_of_one_x_ray(root):
    save(root / "masks/Heart/person0_1.png", mask_of("Heart").astype(np.uint8))
    assert problems(read(root)) == [
        (f"{root}/masks/Heart/person0_1.png", "another mask of person0_1, beside person0/1.png")
    ]


# COCO


def spoil(root, change):
    content = json.loads((root / "coco.json").read_text())
    change(content)
    (root / "coco.json").write_text(json.dumps(content))
    return read(root, val_masks="coco.json", test_masks="coco.json")


def polygon_of(number, points):
    def change(content):
        content["annotations"][number]["segmentation"] = [points]

    return change


def test_a_polygon_that_leaves_its_image_is_refused(root):
    release = spoil(root, polygon_of(3, [1, 1, 14.5, 1, 14.5, 5]))
    assert problems(release) == [
        (f"{root}/coco.json:annotations[3]", "a polygon that leaves the image by 4.5 pixels")
    ]
    assert "10 x 12 pixels" in release.problems[0].expected


def test_a_pixel_beyond_the_edge_is_cut_off(root):
    release = spoil(root, polygon_of(2, [-1, -1, 10.9, -0.5, 11, 13, -1, 13]))
    assert release.problems == []
    assert decode(release.truth("validation")["person0_1"]["Heart"]).all()


@pytest.mark.parametrize("points", [[1, 1, 5, 1], [1, 1, 5, 1, 5], ["1", 1, 5, 1, 5, 5], [1, 1, 5, 1, 5, float("nan")], 3])  # fmt: skip
def test_a_polygon_that_is_none(root, points):
    ((where, found),) = problems(spoil(root, polygon_of(3, points)))
    assert where == f"{root}/coco.json:annotations[3]"
    assert found.startswith("a polygon ")


def test_ids_that_the_file_lacks(root):
    def change(content):
        content["annotations"][0]["image_id"] = 77
        content["annotations"][1]["category_id"] = 8
        content["images"].append(dict(content["images"][0]))
        del content["annotations"][4]["segmentation"]

    assert problems(spoil(root, change)) == [
        (f"{root}/coco.json:images[10]", "id 0 again"),
        (f"{root}/coco.json:annotations[4]", "no 'segmentation'"),
        (f"{root}/coco.json:annotations[0]", "image_id 77, which images lack"),
        (f"{root}/coco.json:annotations[1]", "category_id 8, which categories lack"),
    ]


def test_a_category_that_the_file_lacks_is_one_problem(root):
    release = spoil(root, lambda content: content["categories"][0].update(name="heart"))
    assert problems(release) == [(f"{root}/coco.json:categories", "no 'Heart'")]
    assert "'heart'" in release.problems[0].remedy


def test_an_image_without_annotations_has_empty_masks_and_parts_are_united(root):
    def change(content):
        content["annotations"] = content["annotations"][2:]
        content["annotations"][0]["segmentation"] = [
            [0, 0, 4, 0, 4, 2, 0, 2],
            [6, 4, 8, 4, 8, 6, 6, 6],
        ]

    truth = spoil(root, change).truth("validation")
    assert not decode(truth["person0_0"]["Heart"]).any()
    parts = decode(truth["person0_1"]["Heart"])
    assert (parts.sum(), parts[:2, :4].sum(), parts[4:6, 6:8].sum()) == (12, 8, 4)


def test_run_lengths_of_coco(root):
    def change(content):
        content["annotations"][2]["segmentation"] = {"size": [12, 10], "counts": [0, 24, 96]}
        content["annotations"][3]["segmentation"] = {"size": [10, 12], "counts": [0, 24, 96]}

    release = spoil(root, change)
    assert problems(release) == [(f"{root}/coco.json:annotations[3]", "size [10, 12]")]

    def mended(content):
        content["annotations"][3]["segmentation"] = {"size": [12, 10], "counts": [120]}

    truth = spoil(root, mended).truth("validation")
    assert decode(truth["person0_1"]["Heart"])[:, :2].all()
    assert not decode(truth["person0_1"]["Left Lung"]).any()


# X-rays


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
    assert (f"{root}/val.csv:1", "column 'Edema' missing") in problems(release)
    assert "'edema'" in release.problems[0].remedy


def test_a_folder_has_no_labels(root):
    assert (str(root / "x_rays"), "a folder, which has no labels") in problems(
        read(root, ("Edema",))
    )


def test_a_folder_that_does_not_exist(root):
    ((where, found), *_) = problems(read(root, val_x_rays="absent"))
    assert where == str(root / "absent")
    assert "No such file" in found
