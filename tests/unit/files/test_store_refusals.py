"""Files that are no whole store, or that would make the process do more than read one."""

import h5py
import numpy as np
import pytest

from chexseg.errors import InputError
from chexseg.files.store import Store
from tests.unit.files.stores import items_of, meta_of, write


def problems_of(paths, kind="images"):
    with pytest.raises(InputError) as caught:
        Store(paths, kind)
    return [(problem.where, problem.found) for problem in caught.value.problems]


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


@pytest.mark.parametrize(
    ("values", "found"),
    [
        (np.zeros((2, 3)), "'error' of float64 [2, 3]"),
        (np.zeros((3, 3), np.float32), "'error' of float32 [3, 3]"),
        (np.zeros(2, np.float32), "'error' of float32 [2]"),
    ],
    ids=["type", "X-rays", "axes"],
)
def test_measures_of_another_shape_are_refused(tmp_path, values, found):
    path = write(tmp_path / "a.h5", "images", items_of("images", 2))
    with h5py.File(path, "r+") as file:
        file["measures/error"] = values
    assert problems_of([path]) == [(str(path), found)]


def test_measures_that_lie_elsewhere_are_refused(tmp_path):
    path = write(tmp_path / "a.h5", "images", items_of("images", 2))
    with h5py.File(path, "r+") as file:
        file["measures"] = h5py.ExternalLink("b.h5", "values")
    assert problems_of([path]) == [(str(path), "measures stored outside the file")]
    with h5py.File(path, "r+") as file:
        del file["measures"]
        file["measures/error"] = h5py.SoftLink("/values")
    assert problems_of([path]) == [(str(path), "'error' stored outside the file")]


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
