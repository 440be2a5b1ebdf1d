"""What people give by mistake, and what a folder that others can write to may hold.

Each case changes one thing in a good release and is told as one problem, in the group, the place
and the words that say what to do; or it is right as it is. What a single reader refuses is tested
beside it: labels, columns, doubled ids and paths in tests/unit/data/test_chexpert.py, codes of
masks in test_masks.py, broken images in test_images.py, stores in test_store.py, checkpoints in
tests/unit/models, configs in tests/unit/test_config.py and test_positions.py.
"""

import csv
import json
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageOps

from chexseg.config.settings import ImageSettings, IndexSettings
from chexseg.data.layouts.chexpert import PATHOLOGIES
from chexseg.data.masks import decode, encode
from chexseg.errors import InputError
from chexseg.files.store import Store
from chexseg.stages import build_index, check_data, store_images

FILES = {
    "train_csv": "CheXpert/train.csv",
    "val_csv": "CheXpert/val_labels.csv",
    "test_csv": "CheXpert/test_labels.csv",
    "val_masks": "CheXlocalize/gt_segmentations_val.json",
    "test_masks": "CheXlocalize/gt_segmentations_test.json",
}


class Data:
    """A copy of the phantom release, to spoil."""

    def __init__(self, root):
        self.root = root
        self.files = {key: root / name for key, name in FILES.items()}
        self.pathologies = PATHOLOGIES

    @property
    def inputs(self):
        return {role: (path,) for role, path in self.files.items()}

    def check(self, out):
        check_data.run(
            root=self.root, inputs=self.inputs, out=out, pathologies=self.pathologies, threads=2
        )
        return out.read_text()

    def rows(self, table):
        with self.files[table].open(newline="") as file:
            return list(csv.reader(file))

    def write(self, table, rows):
        with self.files[table].open("w", newline="") as file:
            csv.writer(file, lineterminator="\n").writerows(rows)

    def x_ray(self, table="test_csv", row=2):
        """The file of the X-ray in a row; of the first frontal one of `train_csv`."""
        rows = self.rows(table)
        path = Path(rows[row - 1][0]).parts[-4:]
        folder = {"train_csv": "train", "val_csv": "val", "test_csv": "test"}[table]
        return self.root / "CheXpert" / folder / Path(*path[-3:])

    def masks(self, file="test_masks"):
        return json.loads(self.files[file].read_text())

    def with_masks(self):
        """An X-ray of the test set that has masks: its id and its file."""
        cxr_id = next(iter(self.masks()))
        return cxr_id, self.root / "CheXpert/test" / Path(*cxr_id.split("_", 2)).with_suffix(".jpg")

    def write_masks(self, masks, file="test_masks"):
        self.files[file].write_text(json.dumps(masks))


@pytest.fixture
def data(phantom_copy, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)  # where digests are remembered
    return Data(phantom_copy)


def change_mask(data, change):
    masks = data.masks()
    cxr_id = next(iter(masks))
    change(masks[cxr_id])
    data.write_masks(masks)


def change_image(data, change):
    path = data.with_masks()[1]
    with Image.open(path) as image:
        change(image).save(path)


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
    "empty X-ray": (empty, "X-rays", ".jpg", "a damaged image", "Fetch the file again"),
    "enormous X-ray": (enormous, "X-rays", ".jpg", "50001 x 50001 pixels", "Replace the file"),
    "PostScript as X-ray": (postscript, "X-rays", ".jpg", "a damaged image", "Fetch the file again"),
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


# What is right as it is


GOOD = {
    "16 bits": lambda image: Image.fromarray(np.asarray(image).astype(np.uint16) * 257),
    "RGBA": lambda image: image.convert("RGBA"),
    "palette": lambda image: image.convert("P"),
    "PNG": lambda image: image,
}


@pytest.mark.parametrize("form", GOOD)
def test_x_rays_of_any_form_are_read(data, tmp_path, form):
    path = data.with_masks()[1]
    with Image.open(path) as image:
        changed = GOOD[form](image)
        changed.save(path, "PNG")
    assert "No warnings." in data.check(tmp_path / "report.txt")


def test_a_cmyk_x_ray_is_read(data, tmp_path):
    change_image(data, lambda image: image.convert("CMYK"))
    assert "No warnings." in data.check(tmp_path / "report.txt")


def test_x_rays_without_an_entry_have_no_masks(data, tmp_path):
    masks = data.masks()
    del masks[next(iter(masks))]
    data.write_masks(masks)
    assert f"{len(masks)} of 8 X-rays have an entry" in data.check(tmp_path / "report.txt")


# What looks wrong, and need not be


def double(data):
    data.x_ray("test_csv").write_bytes(data.x_ray("train_csv").read_bytes())
    masks, rows = data.masks(), data.rows("test_csv")
    masks.pop("_".join(data.x_ray("test_csv").with_suffix("").parts[-3:]), None)
    data.write_masks(masks)
    rows[1][1:] = ["0.0"] * len(rows[1][1:])
    data.write("test_csv", rows)


def lose_masks(data):
    masks = data.masks()
    data.write_masks({cxr_id: masks[cxr_id] for cxr_id in list(masks)[:1]})


def label_nothing(data):
    rows = data.rows("val_csv")
    first = rows[0].index("No Finding")
    data.write(
        "val_csv", [rows[0], *[r[:first] + ["0.0"] * 14 + r[first + 14 :] for r in rows[1:]]]
    )


@pytest.mark.parametrize(
    ("spoil", "warning"),
    [
        (lambda data: change_image(data, ImageOps.invert), "inverted"),
        (lambda data: change_image(data, lambda image: image.point(lambda v: 90)), "almost constant"),
        (double, "the same file: "),
        (lose_masks, "labelled 1, but without a mask: 6 of test, such as patient"),
        (label_nothing, "labelled 0, but with a mask: 9 of validation, such as patient"),
    ],
    ids=["inverted", "constant", "the same file twice", "masks lost", "labels lost"],
)  # fmt: skip
def test_what_looks_wrong_is_a_warning(data, tmp_path, spoil, warning):
    spoil(data)
    text = data.check(tmp_path / "report.txt")
    assert warning in text.partition("\n1 warning.\n")[2]
    lines = [line for line in text.splitlines() if not line.startswith("  ")]  # they name files
    assert max(map(len, lines)) <= 100


# Names

STRANGE = "a b; $(touch pwned) 'q' \"r\" & ü -x"


def test_strange_names_of_folders_and_x_rays(data, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    rows = data.rows("train_csv")
    old = data.x_ray("train_csv")
    new = old.with_name(f"-view1 {STRANGE}_frontal.jpg")
    old.rename(new)
    rows[1][0] = rows[1][0].replace(old.name, new.name)
    data.write("train_csv", rows)
    root = tmp_path / STRANGE
    data.root.rename(root)
    data = Data(root)
    assert "No warnings." in data.check(tmp_path / f"{STRANGE}.txt")
    index, images = tmp_path / f"{STRANGE}.csv", tmp_path / f"{STRANGE}.h5"
    build_index.run(root=root, inputs=data.inputs, out=index, settings=IndexSettings())
    store_images.run(index=index, root=root, out=images, settings=ImageSettings(image_size=64))
    (cxr_id,) = [each for each in Store([images], "images").ids if STRANGE in each]
    assert cxr_id.endswith(f"_-view1 {STRANGE}_frontal")
    assert not (tmp_path / "pwned").exists()
