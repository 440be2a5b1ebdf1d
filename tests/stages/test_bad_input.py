"""Mistakes in the data, and what a folder that others can write to may hold.

Each case changes one thing in a good release and is reported as one problem: its group, its place,
and words that say what to do. Odd input that is accepted is in test_odd_input.py. What a single
reader refuses is tested beside that reader: tests/unit/data (tables, masks, images),
tests/unit/files (stores), tests/unit/models (checkpoints) and tests/unit/config.
"""

import zlib

import numpy as np
import pytest
from PIL import Image

from chexseg.data.layouts.chexpert import PATHOLOGIES
from chexseg.data.masks import decode, encode
from chexseg.errors import InputError


def change_mask(data, change):
    masks = data.masks()
    cxr_id = next(iter(masks))
    change(masks[cxr_id])
    data.write_masks(masks)


# Tables


def give_validation_as_train(data):
    data.files["train_csv"] = data.files["val_csv"]


def prefix_all(data):
    rows = data.rows("train_csv")
    data.write(
        "train_csv", [rows[0], *[[f"my/copy/{r[0].split('/', 1)[1]}", *r[1:]] for r in rows[1:]]]
    )


def cut_off(data):
    path = data.files["train_csv"]
    path.write_text(path.read_text().rstrip("\n")[:-12])


def other_masks(data):
    data.files["val_masks"], data.files["test_masks"] = (
        data.files["test_masks"], data.files["val_masks"],
    )  # fmt: skip


def escape(data):
    rows = data.rows("test_csv")
    rows[1][0] = "../../outside/patient1/study1/view1_frontal.jpg"
    data.write("test_csv", rows)
    masks = data.masks()
    data.write_masks(dict(list(masks.items())[1:]))


# Masks


def transpose(entry):
    entry["Edema"] = encode(decode(entry["Edema"]).T)


def claim_gigabytes(entry):
    entry["Edema"] = {"size": [2**31, 2**31], "counts": "o" * 6 + "0"}


def of_another_size(entry):
    entry["Edema"] = encode(np.zeros((7, 9), bool))


def corrupt(entry):
    entry["Edema"]["counts"] = entry["Edema"]["counts"][:-1] + "o"


def lateral_only(data):
    masks = data.masks("val_masks")
    cxr_id = next(iter(masks))
    lateral = cxr_id.replace("view1_frontal", "view2_lateral")
    data.write_masks({lateral: masks[cxr_id]}, "val_masks")
    rows = data.rows("val_csv")
    row = next(row for row in rows if cxr_id.replace("_", "/", 2) in row[0])
    path, labels = row[0].replace("view1_frontal", "view2_lateral"), row[1:]
    if "Frontal/Lateral" in rows[0]:
        labels[rows[0].index("Frontal/Lateral") - 1] = "Lateral"
    data.write("val_csv", [*rows, [path, *labels]])


# Splits


def one_patient(data):
    """Leaves the X-rays of one patient in the validation table, with their masks."""
    rows, masks = data.rows("val_csv"), data.masks("val_masks")
    patient = next(iter(masks)).split("_")[0]
    data.write("val_csv", [rows[0], *[row for row in rows[1:] if f"{patient}/" in row[0]]])
    data.write_masks({k: v for k, v in masks.items() if k.startswith(f"{patient}_")}, "val_masks")


def only_lateral(data):
    """Makes laterals of all X-rays of the train table."""
    rows = [[row[0].replace("frontal", "lateral"), *row[1:]] for row in data.rows("train_csv")]
    view = rows[0].index("Frontal/Lateral")
    rows[1:] = [[*row[:view], "Lateral", *row[view + 1 :]] for row in rows[1:]]
    data.write("train_csv", rows)


# X-rays


def truncate(data):
    path = data.x_ray("train_csv")
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def empty(data):
    data.x_ray("train_csv").write_bytes(b"")


def turn(data):
    """Marks an X-ray as lying on its side: the masks were drawn on it as it lies in the file."""
    exif = Image.Exif()
    exif[0x0112] = 6
    path = data.with_masks()[1]
    values = Image.fromarray(np.arange(60 * 80, dtype=np.uint8).reshape(60, 80))
    values.save(path, exif=exif)
    masks, cxr_id = data.masks(), data.with_masks()[0]
    data.write_masks({k: v for k, v in masks.items() if k != cxr_id} | {
        cxr_id: dict.fromkeys(PATHOLOGIES, encode(np.zeros((60, 80), bool)))
    })  # fmt: skip


def enormous(data):
    """A header that claims 50,001 x 50,001 pixels, in front of nothing."""
    path = data.x_ray("train_csv")
    Image.new("L", (1, 1)).save(path, "PNG")
    content = bytearray(path.read_bytes())
    content[16:24] = (50_001).to_bytes(4, "big") * 2
    content[29:33] = zlib.crc32(content[12:29]).to_bytes(4, "big")
    path.write_bytes(content)


def postscript(data):
    data.x_ray("train_csv").write_bytes(
        b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n(witness) (w) file\n%%EOF\n"
    )


CASES = {
    "validation table as train": (
        give_validation_as_train, "tables", "val_labels.csv:2:Path", "10 X-rays of validation",
        "Provide another table for train",
    ),
    "wrong prefix": (
        prefix_all, "tables", "train.csv:2:Path", "none of the 24 X-rays", "without the prefix 'my/copy'",
    ),
    "table cut off": (cut_off, "tables", "train.csv:", "a truncated last row", "Copy the file again"),
    "path out of the folder": (escape, "tables", "test_labels.csv:2:Path", "outside", "Correct the path"),
    "pathology lacking": (
        lambda data: change_mask(data, lambda entry: entry.pop("Edema")),
        "masks", ":Edema", "no mask", "use an empty mask if the finding is absent",
    ),
    "pathology misspelt": (
        lambda data: change_mask(data, lambda entry: entry.update(Odema=entry.pop("Edema"))),
        "masks", ":Edema", "no mask", "the nearest name there is 'Odema'",
    ),
    "mask transposed": (
        lambda data: change_mask(data, transpose), "masks", ":Edema", "size", "transpose the mask",
    ),
    "mask of another size": (
        lambda data: change_mask(data, of_another_size), "masks", ":Edema", "[7, 9]", "Resize it",
    ),
    "mask that claims gigabytes": (
        lambda data: change_mask(data, claim_gigabytes), "masks", ":Edema", "2147483648", "Correct the size",
    ),
    "mask with a corrupt code": (
        lambda data: change_mask(data, corrupt), "masks", ":Edema", "damaged counts", "Encode",
    ),
    "no masks at all": (
        lambda data: data.write_masks({}), "masks", "test.json", "no X-ray at all", "Provide the whole file",
    ),
    "masks of lateral X-rays only": (
        lateral_only, "masks", "val.json", "none of which is frontal", "of the same X-rays",
    ),
    "header only": (
        lambda data: data.write("train_csv", data.rows("train_csv")[:1]),
        "tables", "train.csv", "no X-rays", "Provide a table that has some",
    ),
    "lateral X-rays only": (
        only_lateral, "tables", "train.csv", "none of which is frontal", "Provide a table that has some",
    ),
    "one validation patient": (
        one_patient, "tables", "val_labels.csv", "X-rays of one patient", "Add another patient's",
    ),
    "invalid JSON": (
        lambda data: data.files["val_masks"].write_text("{"), "masks", "val.json", "invalid JSON", "Replace",
    ),
    "truncated X-ray": (truncate, "X-rays", ".jpg", "a damaged image", "Fetch the file again"),
    "empty X-ray": (empty, "X-rays", ".jpg", "an empty file", "Fetch the file again"),
    "enormous X-ray": (enormous, "X-rays", ".jpg", "50001 x 50001 pixels", "Replace the file"),
    "PostScript as X-ray": (postscript, "X-rays", ".jpg", "a PostScript file", "Convert it"),
    "X-ray turned by EXIF": (turn, "masks", ":", "size [60, 80]", "transpose the mask"),
}  # fmt: skip


@pytest.mark.parametrize("case", CASES)
def test_one_mistake_is_one_problem_that_says_what_to_do(data, tmp_path, case):
    spoil, group, where, found, remedy = CASES[case]
    spoil(data)
    with pytest.raises(InputError) as caught:
        data.check(tmp_path / "report.txt")
    problems = caught.value.problems
    # A turned X-ray does not fit any of its ten masks.
    assert len(problems) == (10 if case == "X-ray turned by EXIF" else 1), str(caught.value)
    problem = problems[0]
    assert problem.group == group
    assert where in problem.where
    assert found in problem.found
    assert remedy in problem.remedy
    assert not (tmp_path / "report.txt").exists()


def test_masks_of_other_x_rays_are_one_problem_for_each_file(data, tmp_path):
    other_masks(data)
    with pytest.raises(InputError) as caught:
        data.check(tmp_path / "report.txt")
    assert ["none of which" in problem.found for problem in caught.value.problems] == [True, True]


def test_everything_is_told_at_once(data, tmp_path):
    cut_off(data)
    change_mask(data, of_another_size)
    broken = data.x_ray("val_csv", 3)
    broken.write_bytes(b"")
    with pytest.raises(InputError) as caught:
        data.check(tmp_path / "report.txt")
    assert [problem.group for problem in caught.value.problems] == ["tables", "masks", "X-rays"]
