"""Damaged files: a reader either reads them or raises InputError, and nothing else happens.

`CHEXSEG_FUZZ_EXAMPLES=20000 pytest tests/unit/data/test_fuzz_readers.py` tries so many, anew each
time; without it, a few that are always the same.
"""

import csv
import io
import json

import h5py
import numpy as np
import pytest
import torch
import yaml
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from chexseg.config.settings import ClassifierSettings
from chexseg.config.study import load_study
from chexseg.data.images import image_size, letterboxed, open_image
from chexseg.data.index import read_index
from chexseg.data.layouts.chexpert import FINDINGS, LABEL_COLUMNS, PATHOLOGIES
from chexseg.data.layouts.chexpert_tables import find_images, read_labels
from chexseg.data.masks import decode, encode, read_masks
from chexseg.errors import Problems
from chexseg.files.store import KINDS, Store, write_store
from chexseg.models.classifier import build_classifier
from chexseg.models.trained import load_classifier
from chexseg.models.weights import initialise, load_checkpoint, save_checkpoint
from tests.unit.data.fuzzing import damaged, examples, try_to_read


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("fuzz")


# Tables


def table(rows):
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["Path", "Sex", "Age", "Frontal/Lateral", "AP/PA", *LABEL_COLUMNS])
    writer.writerows(rows)
    return text.getvalue().encode()


ROWS = [
    [f"CheXpert-v1.0/train/patient{n}/study1/view1_frontal.jpg", "Male", 60, "Frontal", "AP",
     *["1.0", "0.0", "-1.0", ""] * 3, "1", "0"] for n in range(3)
]  # fmt: skip
LABEL_CELLS = st.sampled_from(["1.0", "0", "", "-1", "x", "nan", "1e999", '"', "\x00", "\u2028"])
PATH_CELLS = st.text(max_size=40) | st.sampled_from(
    ["../../etc/patient1/study1/v.jpg", "/patient1/study1/v.jpg", "patient1/study1/\x00.jpg",
     "a" * 5000 + "/patient1/study1/v.jpg", "valid/patient1/study1/v.jpg", "/dev/zero"]
)  # fmt: skip
TABLES = st.lists(
    st.tuples(PATH_CELLS, st.lists(LABEL_CELLS, min_size=18, max_size=18)), max_size=4
).map(lambda rows: table([[path, *cells] for path, cells in rows]))


def read_table(path):
    problems = Problems()
    labels = read_labels(path, problems)
    find_images(labels, path, path.parent, problems)
    problems.raise_if_any()


@examples(60)
@given(damaged([table(ROWS)]) | TABLES | st.binary(max_size=300))
def test_tables(folder, content):
    try_to_read(folder / "train.csv", content, read_table)


INDEX = (
    "cxr_id,path,patient,study,split,shard,height,width," + ",".join(FINDINGS) + "\n"
    "a,a.jpg,patient1,study1,train,0,,," + ",".join(["1.0"] * 13) + "\n"
    "b,b.jpg,patient2,study1,test,1,20,30," + ",".join([""] * 13) + ",-1\n"
).encode()


@examples(60)
@given(damaged([INDEX]))
def test_indices(folder, content):
    def read(path):
        read_index(path, "train", "test", shard=0)

    try_to_read(folder / "index.csv", content, read)


# Masks

MASK = encode(np.arange(60).reshape(6, 10) % 7 < 3)
MASKS = json.dumps(
    {f"patient{n}_study1_view1": dict.fromkeys(PATHOLOGIES[:3], MASK) for n in (1, 2)}
)
NUMBERS = st.integers() | st.sampled_from([2**28, 2**31, 2**63, 50_000, 0, -1]) | st.floats()
RLES = st.fixed_dictionaries(
    {"size": st.lists(NUMBERS, max_size=3), "counts": st.text(max_size=20) | st.lists(NUMBERS, max_size=9)}
)  # fmt: skip
ANY_JSON = st.recursive(
    st.none() | st.booleans() | NUMBERS | st.text(max_size=10) | RLES,
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from([*PATHOLOGIES[:3], "size", "counts"]), inner, max_size=3)
    ),
    max_leaves=8,
)


def read_and_decode(path):
    sizes = {"patient1_study1_view1": (6, 10)}
    for entry in read_masks(path, pathologies=PATHOLOGIES[:3], sizes=sizes).values():
        for rle in entry.values():
            if rle["size"][0] * rle["size"][1] < 10**6:
                assert decode(rle).shape == tuple(rle["size"])


@examples(120)
@given(
    damaged([MASKS.encode()])
    | st.dictionaries(st.text(max_size=3), ANY_JSON, max_size=3).map(
        lambda x: json.dumps(x).encode()
    )
    | st.dictionaries(
        st.just("p"), st.fixed_dictionaries(dict.fromkeys(PATHOLOGIES[:3], RLES))
    ).map(lambda x: json.dumps(x).encode())
)
def test_masks(folder, content):
    try_to_read(folder / "masks.json", content, read_and_decode)


# Configs

STUDY = {
    "study": "s",
    "data": {"root": "/nowhere", "index": {"shards": 2}, "images": {"image_size": 64}},
    "defaults": {"segmenters": {"epochs": 2}},
    "classifiers": {"c": {"architecture": "resnet18", "initial_weights": "none"}},
    "saliency": {"g": {"classifiers": ["c"]}},
    "masks": {"m": {"source": "threshold", "saliency": "g"},
                     "i": {"source": "irnet", "saliency": "g", "backbone": "none"}},
    "segmenters": {"x": {"masks": ["expert", "m"], "selection": ["Edema"]}},
}  # fmt: skip
SCALARS = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8) | st.dates()
KEYS = st.sampled_from([*STUDY, "c", "method", "masks", "saliency", "epochs", "root", "seed"])
ANY_YAML = st.recursive(
    SCALARS,
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(KEYS | SCALARS, inner, max_size=3)
        | st.lists(inner, max_size=2).map(lambda x: [x, x])
    ),  # the same object twice: an alias
    max_leaves=8,
)


@st.composite
def changed_studies(draw):
    """A study with a value, anywhere in it, in place of another."""
    study = json.loads(json.dumps(STUDY))
    for _ in range(draw(st.integers(1, 3))):
        node = study
        while True:
            key = draw(st.sampled_from(sorted(node, key=str)))
            if not isinstance(node[key], dict) or not node[key] or draw(st.booleans()):
                break
            node = node[key]
        node[draw(st.just(key) | KEYS)] = draw(ANY_YAML)
    return yaml.safe_dump(study, sort_keys=False, allow_unicode=True).encode("utf-8", "replace")


@pytest.mark.slow
@examples(60)
@given(
    damaged([yaml.safe_dump(STUDY, sort_keys=False).encode()])
    | changed_studies()
    | ANY_YAML.map(lambda x: yaml.safe_dump(x, allow_unicode=True).encode("utf-8", "replace"))
)
def test_configs(folder, content):
    try_to_read(folder / "study.yaml", content, load_study)


# X-rays


def images():
    values = np.random.default_rng(0).integers(0, 256, (24, 16), dtype=np.uint8)
    exif = Image.Exif()
    exif[0x0112] = 6
    for mode, suffix in (("L", "png"), ("RGBA", "png"), ("P", "png"), ("I;16", "png"), ("L", "jpeg"),
                         ("RGB", "jpeg"), ("CMYK", "jpeg")):  # fmt: skip
        image, stream = Image.fromarray(values), io.BytesIO()
        image = (
            Image.fromarray(values.astype(np.uint16) * 256)
            if mode == "I;16"
            else image.convert(mode)
        )
        image.save(stream, suffix, exif=exif)
        yield stream.getvalue()


def read_image(path):
    square = letterboxed(path, 32)
    assert (square.shape, square.dtype) == ((32, 32), np.uint8)
    open_image(path)


@pytest.mark.filterwarnings("ignore")
@examples(120)
@given(damaged(list(images())))
def test_images(folder, content):
    try_to_read(folder / "view1.jpg", content, read_image)
    try_to_read(folder / "view1.jpg", content, image_size)


# Stores


@pytest.fixture(scope="module")
def stores(folder):
    found, rng = {}, np.random.default_rng(0)
    for kind, shape in {"images": (8, 8), "masks": (2, 8, 8), "saliency": (2, 3, 3),
                        "affinity_labels": (2, 3, 3), "affinity": (3, 3)}.items():  # fmt: skip
        with write_store(folder / "s.h5", kind, {"columns": 8}) as store:
            for number in range(3):
                store.append(f"x{number}", (rng.random(shape) > 0.5).astype(KINDS[kind].dtype))
        found[kind] = (folder / "s.h5").read_bytes()
    return found.__getitem__


def read_all(kind):
    def read(path):
        store = Store([path], kind)
        for cxr_id in store.ids:
            store[cxr_id]

    return read


@examples(120)
@given(data=st.data(), kind=st.sampled_from(sorted(KINDS)))
def test_stores(folder, stores, data, kind):
    try_to_read(folder / "s.h5", data.draw(damaged([stores(kind)])), read_all(kind))


ATTRIBUTES = st.sampled_from(["schema", "version", "kind", "complete", "meta"])
META = st.sampled_from(["{", "[]", "{}", '{"columns": null}', '{"columns": 9999999999}', "3"])


@examples(60)
@given(
    key=ATTRIBUTES,
    value=META | st.integers(-(2**63), 2**63 - 1) | st.text(st.characters(codec="ascii", min_codepoint=1)) | st.none(),
    shape=st.lists(st.sampled_from([0, 1, 2, 8, 3, 2**20, 2**40]), max_size=4),
    dtype=st.sampled_from(["u1", "f2", "f8", "S4", "i8"]),
    replaced=st.sampled_from(["id", "values", ""]),
)  # fmt: skip
def test_strange_stores(folder, stores, key, value, shape, dtype, replaced):
    path = folder / "s.h5"
    path.write_bytes(stores("masks"))
    with h5py.File(path, "r+") as file:
        if value is None:
            file.attrs.pop(key, None)
        else:
            file.attrs[key] = value
        if replaced:
            del file[replaced]
            file.create_dataset(
                replaced, shape, dtype, chunks=(1,) * len(shape) if all(shape) else None
            )
    try_to_read(path, path.read_bytes(), read_all("masks"))


# Checkpoints


@pytest.fixture(scope="module")
def checkpoints(folder):
    path, found = folder / "m.pt", []
    tensors = {"weight": torch.arange(6.0).reshape(2, 3), "bias": torch.ones(2)}
    save_checkpoint(path, state_dict=tensors, kind="classifier", settings={"epochs": 1},
                    classes=FINDINGS, extra={})  # fmt: skip
    found.append(path.read_bytes())
    torch.save({"state_dict": tensors}, path, _use_new_zipfile_serialization=False)
    found.append(path.read_bytes())
    return lambda: found


def load_tensors(path):
    load_checkpoint(path, kind="classifier")


def load_anything(path):
    initialise(torch.nn.Linear(3, 2), str(path), architecture="resnet18")


@pytest.mark.filterwarnings("ignore")
@examples(120)
@given(data=st.data(), read=st.sampled_from([load_tensors, load_anything]))
def test_checkpoints(folder, checkpoints, data, read):
    try_to_read(folder / "m.pt", data.draw(damaged(checkpoints())), read)


PLAIN = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=9)
    | st.sampled_from([torch.zeros(2), torch.zeros(1).expand(2**40), torch.zeros(0, 3)]),
    lambda inner: st.lists(inner, max_size=3)
    | st.dictionaries(st.text(max_size=4) | st.integers(), inner, max_size=3),
    max_leaves=6,
)  # fmt: skip
SETTINGS = ClassifierSettings(architecture="densenet_small").model_dump()


@pytest.fixture(scope="module")
def state():
    return build_classifier("densenet_small", 14).state_dict


@pytest.mark.slow
@examples(20)
@given(
    key=st.sampled_from(["kind", "settings", "pathologies", "extra", "description", "state_dict",
                         "version", "format", "architecture", "stride", "none"]),
    value=PLAIN | st.lists(st.sampled_from(FINDINGS), max_size=14),
)  # fmt: skip
def test_strange_checkpoints(folder, state, key, value):
    description = {"kind": "classifier", "settings": dict(SETTINGS), "extra": {},
                   "pathologies": list(FINDINGS)}  # fmt: skip
    content = {"format": "chexseg checkpoint", "version": 1, "state_dict": state()}
    inner = {**description, **description["settings"]}
    if key in description:
        description[key] = value
    elif key in inner:
        description["settings"][key] = value
    content["description"] = json.dumps(description, default=str)
    if key in content:
        content[key] = value
    torch.save(content, folder / "m.pt")
    try_to_read(folder / "m.pt", (folder / "m.pt").read_bytes(), load_classifier)
