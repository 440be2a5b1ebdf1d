"""Damaged stores and checkpoints; see tests/unit/data/test_fuzz_readers.py."""

import json

import h5py
import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from chexseg.config.settings import ClassifierSettings
from chexseg.data.layouts.chexpert import FINDINGS
from chexseg.files.store import KINDS, Store, write_store
from chexseg.models.classifier import build_classifier
from chexseg.models.trained import load_classifier
from chexseg.models.weights import FORMAT, VERSION, initialise, load_checkpoint, save_checkpoint
from tests.unit.data.fuzzing import damaged, examples, try_to_read


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("fuzz")


# Stores


@pytest.fixture(scope="module")
def stores(folder):
    found, rng = {}, np.random.default_rng(0)
    for kind, shape in {"images": (8, 8), "masks": (2, 8, 8), "mask_levels": (2, 8, 8),
                        "saliency": (2, 3, 3), "histograms": (2, 2, 5),
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


def checkpoint_of(state, **changes):
    """The content of a checkpoint of a classifier; a change of a key stands wherever the key does."""
    settings = {name: changes.get(name, value) for name, value in SETTINGS.items()}
    description = {
        "kind": "classifier",
        "settings": settings,
        "classes": list(FINDINGS),
        "extra": {},
    }
    description = {name: changes.get(name, value) for name, value in description.items()}
    content = {"format": FORMAT, "version": VERSION, "state_dict": state(),
               "description": json.dumps(description, default=str)}  # fmt: skip
    return {name: changes.get(name, value) for name, value in content.items()}


def test_a_checkpoint_without_changes_is_read(folder, state):
    """Otherwise the examples below would all be refused for one and the same reason."""
    torch.save(checkpoint_of(state), folder / "m.pt")
    assert load_classifier(folder / "m.pt")


@pytest.mark.slow
@examples(20)
@given(
    key=st.sampled_from(["kind", "settings", "classes", "extra", "description", "state_dict",
                         "version", "format", "architecture", "stride"]),
    value=PLAIN | st.lists(st.sampled_from(FINDINGS), max_size=14),
)  # fmt: skip
def test_strange_checkpoints(folder, state, key, value):
    torch.save(checkpoint_of(state, **{key: value}), folder / "m.pt")
    try_to_read(folder / "m.pt", (folder / "m.pt").read_bytes(), load_classifier)
