"""Damaged files: a reader either reads them or raises InputError, and nothing else happens.

`CHEXSEG_FUZZ_EXAMPLES=20000 pytest tests/unit/data/test_fuzz_readers.py` tries so many, anew each
time; without it, a few that are always the same.
"""

import csv
import io
import json

import numpy as np
import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from chexseg.config.study import load_study
from chexseg.data.images import image_size, letterboxed, open_image
from chexseg.data.index import read_index
from chexseg.data.layouts.chexpert import FINDINGS, LABEL_COLUMNS, PATHOLOGIES
from chexseg.data.layouts.chexpert_tables import find_images, read_labels
from chexseg.data.masks import decode, encode, read_masks
from chexseg.errors import Problems
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
    "saliency": {"g": {"method": "gradcam", "classifiers": ["c"]}},
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


def test_the_study_is_right_before_it_is_changed(tmp_path):
    """Otherwise no example would reach the checks of references."""
    (tmp_path / "study.yaml").write_text(yaml.safe_dump(STUDY))
    assert load_study(tmp_path / "study.yaml").study == "s"


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
