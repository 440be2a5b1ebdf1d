"""Input that is right although it looks odd, and input that gives a warning."""

import numpy as np
import pytest
from PIL import Image, ImageOps

from chexseg.config.settings import ImageSettings, IndexSettings
from chexseg.files.store import Store
from chexseg.stages import build_index, store_images
from tests.stages.spoilt import Data, change_image
from tests.unit.data.dicoms import SECRETS, dicom

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


def test_dicom_in_the_folders_of_chexpert(data, tmp_path, capsys):
    """What is said of it has no word of its header."""
    path = data.with_masks()[1]
    with Image.open(path) as image:
        dicom(path, np.asarray(image), bits=8)
    data.check(tmp_path / "report.txt")
    index = tmp_path / "index.csv"
    inputs = {role: [file] for role, file in data.files.items()}
    build_index.run(inputs=inputs, root=data.root, settings=IndexSettings(), out=index)
    settings = ImageSettings(image_size=64)
    store_images.run(index=index, root=data.root, out=tmp_path / "images.h5", settings=settings)
    written = b"".join(each.read_bytes() for each in tmp_path.iterdir() if each.is_file())
    said = "".join(capsys.readouterr()).encode() + written
    assert not [word for word in SECRETS if word.encode() in said]


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
