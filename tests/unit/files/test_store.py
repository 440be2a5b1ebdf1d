"""Stores: what is written is read, whole or not at all, in any process."""

import json
import multiprocessing
import pickle
from dataclasses import replace

import h5py
import numpy as np
import pytest
import torch
from torch.utils.data import DataLoader, Dataset

from chexseg.files.store import KINDS, Store, write_store
from tests.unit.files.stores import SHAPES, items_of, meta_of, write


def test_the_axes_of_a_kind_say_how_many_dimensions_an_item_has():
    assert {kind: len(KINDS[kind].axes) for kind in KINDS} == {
        kind: len(shape) for kind, shape in SHAPES.items()
    }
    assert str(KINDS["affinity"]) == "[h, w] edge probability"


@pytest.mark.parametrize("kind", ["images", "masks"])
def test_the_meaning_of_a_kind_is_only_told(tmp_path, monkeypatch, kind):
    path = write(tmp_path / "a.h5", kind, items_of(kind, 2))
    monkeypatch.setitem(KINDS, kind, replace(KINDS[kind], meaning="a [1, 2, 3], or so"))
    assert len(Store([path], kind)) == 2


@pytest.mark.parametrize("kind", KINDS)
def test_round_trip(tmp_path, kind):
    items = items_of(kind, 4)
    store = Store([write(tmp_path / "a.h5", kind, items)], kind)
    assert store.ids == ["cxr0", "cxr1", "cxr2", "cxr3"]
    assert len(store) == 4
    assert "cxr3" in store
    assert "cxr4" not in store
    assert store.meta == meta_of(kind)
    for number in (3, 0, 2, 1):
        read = store[f"cxr{number}"]
        assert read.dtype == items.dtype
        assert np.array_equal(read, items[number])


@pytest.mark.parametrize("columns", [1, 7, 8, 9, 60])
def test_masks_of_any_width(tmp_path, columns):
    masks = np.random.default_rng(columns).random((2, 4, 5, columns)) > 0.5
    path = write(tmp_path / "a.h5", "masks", masks, meta={"columns": columns})
    store = Store([path], "masks")
    assert np.array_equal(store["cxr1"], masks[1])


@pytest.mark.parametrize("kind", KINDS)
def test_shards_read_as_one_store(tmp_path, kind):
    items = items_of(kind, 7)
    whole = Store([write(tmp_path / "whole.h5", kind, items)], kind)
    parts = [
        write(tmp_path / "0.h5", kind, items[:3]),
        write(tmp_path / "1.h5", kind, items[3:3], start=3),
        write(tmp_path / "2.h5", kind, items[3:], start=3),
    ]
    sharded = Store(parts, kind)
    assert sharded.ids == whole.ids
    assert sharded.meta == whole.meta
    ids = whole.ids[::-1]
    assert np.array_equal(sharded.batch(ids), whole.batch(ids))


@pytest.mark.parametrize(
    ("kind", "dtype"), [("images", np.uint8), ("masks", np.bool_), ("saliency", np.float32)]
)
def test_batches(tmp_path, kind, dtype):
    items = items_of(kind, 3)
    batch = Store([write(tmp_path / "a.h5", kind, items)], kind).batch(["cxr2", "cxr0"])
    assert batch.dtype == dtype
    assert np.array_equal(batch, items[[2, 0]].astype(dtype))


@pytest.mark.parametrize("kind", KINDS)
def test_an_empty_shard_is_a_store(tmp_path, kind):
    store = Store([write(tmp_path / "a.h5", kind, [])], kind)
    assert (len(store), store.ids, store.meta) == (0, [], meta_of(kind))


def test_measures_are_read_in_the_order_of_the_ids(tmp_path):
    parts, items = [], items_of("saliency", 3)
    for number, rows in enumerate(([0, 1], [2])):
        parts.append(tmp_path / f"{number}.h5")
        with write_store(parts[-1], "saliency", {"of": "maps"}) as store:
            for row in rows:
                store.append(f"cxr{row}", items[row], {"error": np.array([row, 0.5, -row])})
    measures = Store(parts, "saliency").measures()
    assert {name: values.tolist() for name, values in measures.items()} == {
        "error": [[0, 0.5, 0], [1, 0.5, -1], [2, 0.5, -2]]
    }
    assert measures["error"].dtype == np.float32
    plain = write(tmp_path / "plain.h5", "saliency", items)
    assert Store([plain], "saliency").measures() == {}


def test_same_items_same_bytes(tmp_path):
    items = items_of("saliency", 3)
    first = write(tmp_path / "a.h5", "saliency", items).read_bytes()
    assert write(tmp_path / "b.h5", "saliency", items).read_bytes() == first


@pytest.mark.parametrize("kind", KINDS)
def test_plain_h5py_reads_it(tmp_path, kind):
    items = items_of(kind, 3)
    with h5py.File(write(tmp_path / "a.h5", kind, items)) as file:
        assert dict(file.attrs) == {
            "schema": "chexseg-store",
            "version": 1,
            "kind": kind,
            "complete": True,
            "meta": json.dumps(meta_of(kind)),
        }
        assert list(file["id"].asstr()) == ["cxr0", "cxr1", "cxr2"]
        values = file["values"][:]
        if kind == "masks":
            values = np.unpackbits(values, axis=-1, count=20).astype(bool)
        assert np.array_equal(values, items)
        assert file["values"].chunks == (1, *file["values"].shape[1:])


# Nothing half-written


def test_an_exception_leaves_nothing_behind(tmp_path):
    def items():
        yield items_of("images", 1)[0]
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        write(tmp_path / "a.h5", "images", items())
    assert list(tmp_path.iterdir()) == []


def test_an_exception_leaves_the_old_store(tmp_path):
    path = write(tmp_path / "a.h5", "images", items_of("images", 2))
    before = path.read_bytes()
    with pytest.raises(ZeroDivisionError), write_store(path, "images"):
        1 / 0  # noqa: B018
    assert path.read_bytes() == before
    assert list(tmp_path.iterdir()) == [path]


def test_the_store_is_not_there_before_its_end(tmp_path):
    with write_store(tmp_path / "a.h5", "images") as store:
        store.append("cxr0", items_of("images", 1)[0])
        assert not (tmp_path / "a.h5").exists()
    assert (tmp_path / "a.h5").exists()


@pytest.mark.parametrize("shape", [(1, 20), (20, 19), (2, 20, 20), ()])
def test_items_of_another_shape_are_refused(tmp_path, shape):
    items = [np.zeros((20, 20), np.uint8), np.zeros(shape, np.uint8)]
    with pytest.raises(ValueError, match="cxr1 has shape"):
        write(tmp_path / "a.h5", "images", items)


# Other processes


def test_a_store_that_was_read_can_be_pickled(tmp_path):
    items = items_of("images", 2)
    store = Store([write(tmp_path / "a.h5", "images", items)], "images")
    store["cxr0"]
    again = pickle.loads(pickle.dumps(store))
    assert np.array_equal(again["cxr1"], items[1])
    assert np.array_equal(store["cxr1"], items[1])


def test_a_file_is_opened_once_in_a_process_and_anew_in_another(tmp_path, monkeypatch):
    paths = [write(tmp_path / "a.h5", "images", items_of("images", 3))]
    store, opened = Store(paths, "images"), []

    class Watched(h5py.File):
        def __init__(self, path, *arguments, **options):
            opened.append(path)
            super().__init__(path, *arguments, **options)

    monkeypatch.setattr(h5py, "File", Watched)
    store.batch(["cxr0", "cxr1", "cxr2"])
    assert opened == paths
    monkeypatch.setattr("os.getpid", lambda: -1)  # as behind a fork
    store.batch(["cxr0", "cxr1"])
    assert opened == paths * 2


class Items(Dataset):
    def __init__(self, store):
        self.store = store

    def __len__(self):
        return len(self.store)

    def __getitem__(self, number):
        return torch.from_numpy(self.store[self.store.ids[number]])


@pytest.mark.parametrize("method", ["fork", pytest.param("spawn", marks=pytest.mark.slow)])
def test_workers_of_a_data_loader_read_it(tmp_path, method):
    if method not in multiprocessing.get_all_start_methods():
        pytest.skip(f"no {method} here")
    items = items_of("images", 6)
    paths = [
        write(tmp_path / "a.h5", "images", items[:3]),
        write(tmp_path / "b.h5", "images", items[3:], start=3),
    ]
    store = Store(paths, "images")
    store["cxr0"]
    store["cxr5"]  # open in this process before the workers start
    loader = DataLoader(Items(store), batch_size=2, num_workers=2, multiprocessing_context=method)
    assert torch.equal(torch.cat(list(loader)), torch.from_numpy(items))


def test_a_store_can_be_replaced_while_it_is_open(tmp_path):
    path = write(tmp_path / "a.h5", "images", items_of("images", 2, seed=1))
    store = Store([path], "images")
    old = store["cxr0"]
    write(path, "images", items_of("images", 2, seed=2))
    assert np.array_equal(store["cxr0"], old)
    assert not np.array_equal(Store([path], "images")["cxr0"], old)
