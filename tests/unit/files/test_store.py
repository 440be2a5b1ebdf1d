import json
import multiprocessing
import pickle
from dataclasses import replace

import h5py
import numpy as np
import pytest
import torch
from torch.utils.data import DataLoader, Dataset

from chexseg.errors import InputError
from chexseg.files.store import KINDS, Store, write_store


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


SHAPES = {
    "images": (20, 20),
    "masks": (3, 20, 20),
    "saliency": (3, 5, 5),
    "affinity_labels": (3, 5, 5),
    "affinity": (5, 5),
}


def items_of(kind, number, seed=0):
    rng = np.random.default_rng(seed)
    shape = (number, *SHAPES[kind])
    if kind == "masks":
        return rng.random(shape) > 0.5
    if KINDS[kind].dtype == "float16":
        return rng.random(shape).astype(np.float16)
    return rng.integers(0, 256, shape, dtype=np.uint8)


def meta_of(kind):
    return {"columns": 20} if kind == "masks" else {"of": kind}


def write(path, kind, items, start=0, meta=None):
    with write_store(path, kind, meta_of(kind) if meta is None else meta) as store:
        for number, item in enumerate(items):
            store.append(f"cxr{start + number}", item)
    return path


def problems_of(paths, kind="images"):
    with pytest.raises(InputError) as caught:
        Store(paths, kind)
    return [(problem.where, problem.found) for problem in caught.value.problems]


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


# What is no store


def test_a_store_that_was_cut_off_is_refused(tmp_path):
    path = write(tmp_path / "a.h5", "images", items_of("images", 2))
    with h5py.File(path, "r+") as file:
        del file.attrs["complete"]
    assert problems_of([path]) == [(str(path), "an incomplete store")]


def test_a_truncated_file_is_refused(tmp_path):
    path = write(tmp_path / "a.h5", "images", items_of("images", 20))
    path.write_bytes(path.read_bytes()[:-3000])
    ((where, found),) = problems_of([path])
    assert where == str(path)
    assert "an unreadable HDF5 file" in found


@pytest.mark.parametrize("content", [b"", b"text, no store", None])
def test_what_is_no_hdf5_is_refused(tmp_path, content):
    path = tmp_path / "a.h5"
    if content is not None:
        path.write_bytes(content)
    ((where, found),) = problems_of([path])
    assert where == str(path)
    assert "an unreadable HDF5 file" in found


def test_foreign_hdf5_is_refused(tmp_path):
    path = tmp_path / "a.h5"
    with h5py.File(path, "w") as file:
        file["values"] = [1, 2, 3]
    assert problems_of([path]) == [(str(path), "schema None, version None")]


def test_another_version_is_refused(tmp_path):
    path = write(tmp_path / "a.h5", "images", items_of("images", 2))
    with h5py.File(path, "r+") as file:
        file.attrs["version"] = 2
    assert problems_of([path]) == [(str(path), "schema chexseg-store, version 2")]


def test_another_kind_is_refused(tmp_path):
    path = write(tmp_path / "a.h5", "saliency", items_of("saliency", 2))
    assert problems_of([path]) == [(str(path), "a store of saliency")]


def with_ids(path, *arguments, **options):
    """A store of two images with another array of ids."""
    write(path, "images", items_of("images", 2))
    with h5py.File(path, "r+") as file:
        del file["id"]
        file.create_dataset("id", *arguments, **options)
    return path


@pytest.mark.parametrize(
    ("options", "found"),
    [
        ({"data": ["a", "b" * 257], "dtype": h5py.string_dtype()}, "an id of 257 bytes"),
        ({"data": [b"a", b"b"], "dtype": "S9"}, "ids of type |S9"),
        ({"shape": 2, "dtype": "S400000000", "chunks": 1, "compression": 1}, "ids of type |S400000000"),
        ({"data": ["a", "b"], "dtype": h5py.string_dtype(), "chunks": 2, "compression": 1}, "packed ids"),
        ({"data": [1, 2]}, "ids of type int64"),
    ],
    ids=["wide", "fixed", "fixed and huge", "packed", "numbers"],
)  # fmt: skip
def test_ids_that_could_be_larger_than_the_file_are_not_read(tmp_path, options, found):
    path = with_ids(tmp_path / "a.h5", **options)
    assert path.stat().st_size < 20_000
    assert problems_of([path]) == [(str(path), found)]


def test_the_widest_id_is_read(tmp_path):
    ids = ["a", "b" * 256]
    path = with_ids(tmp_path / "a.h5", data=ids, dtype=h5py.string_dtype())
    assert Store([path], "images").ids == ids


@pytest.mark.parametrize("value", [["a", "b"], np.zeros(3), np.zeros((), "i4,i4")], ids=str)
def test_attributes_are_single_values(tmp_path, value):
    path = write(tmp_path / "a.h5", "images", items_of("images", 2))
    with h5py.File(path, "r+") as file:
        file.attrs["meta"] = value
    assert problems_of([path]) == [(str(path), "a meta that is neither text nor a number")]


def test_an_id_that_occurs_twice_is_refused(tmp_path):
    first = write(tmp_path / "a.h5", "images", items_of("images", 2))
    second = write(tmp_path / "b.h5", "images", items_of("images", 2), start=1)
    assert problems_of([first, second]) == [(str(second), "cxr1 twice")]


def test_shards_of_different_settings_are_refused(tmp_path):
    first = write(tmp_path / "a.h5", "images", items_of("images", 2), meta={"image_size": 20})
    second = write(tmp_path / "b.h5", "images", items_of("images", 2), 2, {"image_size": 64})
    assert problems_of([first, second]) == [(str(first), "shards of different settings")]


def test_all_bad_shards_are_told_at_once(tmp_path):
    good = write(tmp_path / "a.h5", "images", items_of("images", 2))
    other = write(tmp_path / "b.h5", "saliency", items_of("saliency", 2), meta=meta_of("images"))
    found = problems_of([tmp_path / "absent.h5", good, other])
    assert [where for where, _ in found] == [str(tmp_path / "absent.h5"), str(other)]


def test_an_x_ray_that_is_not_there_is_told_with_the_files(tmp_path):
    store = Store([write(tmp_path / "a.h5", "images", items_of("images", 1))], "images")
    with pytest.raises(InputError, match=r"a\.h5: found no cxr7"):
        store["cxr7"]


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


# What a store may not make the process do


def foreign(tmp_path, change):
    """A store of masks, changed by h5py."""
    path = write(tmp_path / "a.h5", "masks", items_of("masks", 2))
    with h5py.File(path, "r+") as file:
        change(file)
    return path


def link_elsewhere(file):
    del file["values"]
    file["values"] = h5py.ExternalLink("elsewhere.h5", "/values")


def map_elsewhere(file):
    del file["values"]
    layout = h5py.VirtualLayout((2, 3, 20, 3), "uint8")
    layout[:] = h5py.VirtualSource("elsewhere.h5", "values", (2, 3, 20, 3))
    file.create_virtual_dataset("values", layout)


def read_any_file(file):
    del file["values"]
    file.create_dataset("values", (2, 3, 20, 3), "uint8", external=[("/etc/passwd", 0, 360)])


def claim_ids(file):
    del file["id"]
    file.create_dataset("id", (2**40,), h5py.string_dtype(), chunks=(1000,))


def claim_values(file):
    del file["values"]
    file.create_dataset("values", (2, 3, 2**20, 2**20), "uint8", chunks=(1, 3, 2**14, 2**14))


def change_meta(file):
    file.attrs["meta"] = '{"columns": 4000000000}'


@pytest.mark.parametrize(
    ("change", "found"),
    [
        (link_elsewhere, "values stored outside the file"),
        (map_elsewhere, "values stored outside the file"),
        (read_any_file, "values stored outside the file"),
        (claim_ids, "no list of ids"),
        (claim_values, "chunks of"),
        (change_meta, "masks of 4000000000 columns"),
        (lambda file: file.attrs.pop("meta"), "an unreadable HDF5 file"),
        (lambda file: file.pop("id"), "no list of ids"),
        (lambda file: file.pop("values"), "no values"),
    ],
)
def test_a_store_that_reaches_out_or_claims_too_much(tmp_path, change, found):
    path = foreign(tmp_path, change)
    ((where, told),) = problems_of([path], "masks")
    assert where == str(path)
    assert found in told


def test_a_damaged_array_is_told_with_the_command_that_makes_it_again(tmp_path):
    path = write(tmp_path / "a b.h5", "images", items_of("images", 2))
    with h5py.File(path) as file:
        at = file["values"].id.get_chunk_info(1).byte_offset
    content = bytearray(path.read_bytes())
    content[at + 30 : at + 90] = bytes(60)
    path.write_bytes(content)
    store = Store([path], "images")
    assert store["cxr0"].shape == (20, 20)
    with pytest.raises(InputError) as caught:
        store["cxr1"]
    (problem,) = caught.value.problems
    assert problem.where == str(path)
    assert problem.remedy == f"Rebuild it: snakemake --configfile CONFIG --force '{path}'"
