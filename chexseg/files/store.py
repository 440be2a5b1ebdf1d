"""The HDF5 stores: one array per X-ray, found by its id, in one or several shards.

Schema (version 1), readable with plain h5py:

    /                attributes: schema "chexseg-store", version, kind, complete, and the `meta`
                     that the writer gave, as JSON text
    /id       [N]    UTF-8 strings: cxr_id of each X-ray, unique over all shards
    /values   [N, …] the arrays, one X-ray per chunk, gzip; masks are packed bits along the last
                     axis (`numpy.packbits`), `meta["columns"]` is then its length in pixels

Kinds and their items: `KINDS` below. `complete` is written last: a store without it was cut
off and is refused.
"""

from __future__ import annotations

import io
import json
import math
import os
import shlex
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import h5py
import numpy as np

from chexseg.errors import InputError, Problem, Problems
from chexseg.files.artifacts import WORKFLOW
from chexseg.files.atomic import atomic

SCHEMA, VERSION = "chexseg-store", 1

MOST_BYTES = 2**28
"""Bytes that an array of a store may have: ten maps of 2048 x 2048 pixels have 2**27."""

WIDEST_ID = 256
"""Bytes that an id may have, which is about the name of a file."""

_TEXT_ON_DISK = np.dtype([("bytes", "<u4"), ("place", "V12")])
"""How HDF5 writes a text of variable length into an array: how long it is, and where it stands."""


@dataclass(frozen=True)
class Kind:
    """What a store holds.

    Attributes:
        dtype: of its arrays.
        axes: names of the axes of one item: S is the side of the letterboxed square, h and w are
            those of a coarser grid, C are the classes.
        meaning: what an item is, for people.
        bits: whether items are masks, kept as bits along their last axis.
    """

    dtype: str
    axes: tuple[str, ...]
    meaning: str
    bits: bool = False

    def __str__(self) -> str:
        return f"[{', '.join(self.axes)}] {self.meaning}"


KINDS = {
    "images": Kind("uint8", ("S", "S"), "letterboxed grey X-ray"),
    "masks": Kind("uint8", ("C", "S", "S"), "masks of the classes", bits=True),
    "saliency": Kind("float16", ("C", "h", "w"), "raw maps at their native resolution"),
    "affinity_labels": Kind("uint8", ("C", "h", "w"), "1 foreground, 0 background, 255 unsure"),
    "affinity": Kind("float16", ("h", "w"), "edge probability"),
}


class _Disk(io.FileIO):
    """A file that HDF5 writes to, which fails only when it is asked whether it did.

    HDF5 cannot close a file that it cannot write, and crashes the process at its end. So once the
    disk is full, what is written is dropped, and `check` raises what had happened.
    """

    error: OSError | None = None

    def write(self, data) -> int:
        view = memoryview(data).cast("B")
        written = 0
        while written < len(view) and self.error is None:
            try:
                written += super().write(view[written:])
            except OSError as error:
                self.error = error
        return len(view)

    def truncate(self, size: int | None = None) -> int:
        try:
            return super().truncate(size)
        except OSError as error:
            self.error = self.error or error
            return size or 0

    def check(self) -> None:
        """Raises OSError if something could not be written."""
        if self.error is not None:
            raise self.error


class StoreWriter:
    """Appends items to a store; made by `write_store`."""

    def __init__(self, file: h5py.File, kind: Kind, disk: _Disk):
        self.file, self.kind, self.disk, self.ids = file, kind, disk, []

    def append(self, cxr_id: str, item: np.ndarray) -> None:
        """Adds the array of one X-ray. All items of a store have the same shape."""
        if self.kind.bits:
            item = np.packbits(item, axis=-1)
        item = np.asarray(item, dtype=self.kind.dtype)
        if "values" not in self.file:
            self.file.create_dataset(
                "values",
                shape=(0, *item.shape),
                maxshape=(None, *item.shape),
                chunks=(1, *item.shape),
                dtype=self.kind.dtype,
                compression="gzip",
                compression_opts=4,
                shuffle=self.kind.dtype == "float16",
            )
        values = self.file["values"]
        if item.shape != values.shape[1:]:  # h5py would broadcast it
            raise ValueError(f"{cxr_id} has shape {item.shape}, the others {values.shape[1:]}")
        values.resize(len(self.ids) + 1, axis=0)
        values[len(self.ids)] = item
        self.ids.append(cxr_id)
        self.disk.check()


@contextmanager
def write_store(path: str | Path, kind: str, meta: dict | None = None) -> Iterator[StoreWriter]:
    """Yields a writer of a new store, which appears at `path` only when the block succeeds.

    Args:
        path: the file to make.
        kind: one of `KINDS`.
        meta: what readers need to know of all items, as JSON-able values (`classes`, …).

    Raises:
        InputError: the disk is full, or the folder may not be written to.
    """
    with atomic(path) as temporary, _Disk(temporary, "r+") as disk:
        with h5py.File(disk, "w", libver="v110") as file:
            writer = StoreWriter(file, KINDS[kind], disk)
            yield writer
            file.create_dataset("id", data=writer.ids, dtype=h5py.string_dtype())
            file.attrs.update(schema=SCHEMA, version=VERSION, kind=kind, complete=True)
            file.attrs["meta"] = json.dumps(meta or {}, sort_keys=True)
        disk.check()


class Store:
    """Reads the shards of a store as one mapping from cxr_id to array.

    Files are opened when first read and once in each process, so that a store can be handed to
    DataLoader workers, forked or spawned. An open store holds no lock.

    Attributes:
        ids: cxr_id of all items, in the order of the shards.
        meta: what the writer said of all items; the same in every shard.

    Raises:
        InputError: a shard is absent, no HDF5 file, of another kind or version, or incomplete;
            or shards disagree, or an id occurs twice.
    """

    def __init__(self, paths: Sequence[str | Path], kind: str):
        self.paths = [Path(path) for path in paths]
        self.kind = kind
        self._places = self.paths
        self._files: dict[int, h5py.File] = {}
        self._process = None
        self._where: dict[str, tuple[int, int]] = {}
        problems, metas = Problems(), []
        for number, path in enumerate(self.paths):
            try:
                with h5py.File(path, "r", locking=False) as file:
                    wrong = _wrong(file, kind)
                    ids = [] if wrong else file["id"].asstr()[:]
                    metas += [] if wrong else [file.attrs["meta"]]
            except MemoryError:  # sizes were checked: it is this machine that is too small
                raise
            except Exception as error:  # HDF5 raises whatever damaged bytes lead it to
                wrong = f"no readable HDF5 file ({_first_line(error)})", f"a store of {kind}"
            if wrong:
                problems.add(path, *wrong, _rebuild(path))
                continue
            for row, cxr_id in enumerate(ids):
                if cxr_id in self._where:
                    problems.add(path, f"{cxr_id} twice", "each X-ray once", _rebuild(path))
                self._where[cxr_id] = (number, row)
        if len(set(metas)) > 1:
            found, remedy = "shards of different settings", _rebuild(*self.paths)
            problems.add(self.paths[0], found, "the same meta", remedy)
        problems.raise_if_any()
        self.ids = list(self._where)
        self.meta = json.loads(metas[0]) if metas else {}

    def __len__(self) -> int:
        return len(self.ids)

    def __contains__(self, cxr_id: str) -> bool:
        return cxr_id in self._where

    def __getitem__(self, cxr_id: str) -> np.ndarray:
        """Returns the array of one X-ray; masks as bool.

        Raises:
            InputError: there is none, or it is damaged.
        """
        if cxr_id not in self._where:
            names, remedy = ", ".join(str(path) for path in self.paths), _rebuild(*self.paths)
            raise InputError([Problem(names, f"no {cxr_id}", "every X-ray of the index", remedy)])
        number, row = self._where[cxr_id]
        try:
            item = self._file(number)["values"][row]
        except MemoryError:
            raise
        except Exception as error:  # see above; h5py does not check sums before an item is read
            path, found = self.paths[number], f"{cxr_id} is damaged ({_first_line(error)})"
            raise InputError([Problem(str(path), found, "its array", _rebuild(path))]) from error
        if KINDS[self.kind].bits:
            item = np.unpackbits(item, axis=-1, count=self.meta["columns"]).astype(bool)
        return item

    def batch(self, ids: Sequence[str]) -> np.ndarray:
        """Returns the arrays of several X-rays as one, [B, ...]; float16 as float32."""
        values = np.stack([self[cxr_id] for cxr_id in ids])
        return values.astype(np.float32) if values.dtype == np.float16 else values

    def shards_of(self, ids: Iterable[str]) -> list[Path]:
        """Returns the shards that hold the arrays of these X-rays, as far as there are any."""
        numbers = {self._where[cxr_id][0] for cxr_id in ids if cxr_id in self._where}
        return [self.paths[number] for number in sorted(numbers)]

    @contextmanager
    def read_from(self, copies: Mapping[Path, Path]) -> Iterator[None]:
        """Reads copies in the place of shards while the block runs; errors name the shards.

        Args:
            copies: shard -> its copy; the others are read where they are.
        """
        self._move([copies.get(path, path) for path in self.paths])
        try:
            yield
        finally:
            self._move(self.paths)

    def _move(self, places: list[Path]) -> None:
        for file in self._files.values() if self._process == os.getpid() else ():
            file.close()
        self._places, self._files = places, {}

    def _file(self, number: int) -> h5py.File:
        if self._process != os.getpid():  # a handle must not cross a fork
            self._files, self._process = {}, os.getpid()
        if number not in self._files:
            self._files[number] = h5py.File(self._places[number], "r", locking=False)
        return self._files[number]

    def __getstate__(self) -> dict:
        return {**self.__dict__, "_files": {}, "_process": None}


def _rebuild(*paths: Path) -> str:
    """Returns the order to make shards again."""
    names = " ".join(shlex.quote(str(path)) for path in paths)
    command = os.environ.get(WORKFLOW, "snakemake --configfile CONFIG")
    return f"Make it again: {command} --force {names}"


def _first_line(error: Exception) -> str:
    return (str(error) or type(error).__name__).splitlines()[0][:100]


def _wrong(file: h5py.File, kind: str) -> tuple[str, str] | None:
    """Says what is wrong with a shard: found, expected. Reads no array."""
    for name in file.attrs:
        form = file.attrs.get_id(name)  # a list of texts may be far larger than the file
        if form.shape != () or not (
            h5py.check_string_dtype(form.dtype) or form.dtype.kind in "iub"
        ):
            return f"a {name} that is neither a text nor a number", "a store's attributes"
    schema, version = file.attrs.get("schema"), file.attrs.get("version")
    if schema != SCHEMA or version != VERSION:
        return f"schema {schema}, version {version}", f"schema {SCHEMA}, version {VERSION}"
    if file.attrs.get("kind") != kind:
        return f"a store of {file.attrs.get('kind')}", f"a store of {kind}"
    if not file.attrs.get("complete"):
        return "an incomplete store", "a complete one"
    names = [name for name in ("id", "values") if name in file]
    for name in names:
        if not _is_own(file, name):
            return f"{name} that lies elsewhere", "arrays inside the file"
    n_items = len(file["id"]) if "id" in names and file["id"].ndim == 1 else -1
    # An id takes 16 bytes in the file, and its text beside: what claims more than fit is not read.
    if not 0 <= n_items <= os.path.getsize(file.filename) // 16:
        return "no list of ids", "one id for each X-ray"
    if strange := _strange_ids(file["id"]):
        return strange, f"texts of variable length, {WIDEST_ID} bytes at most"
    if "values" not in names:
        return ("no values", f"{n_items} arrays") if n_items else None
    values, of_kind = file["values"], KINDS[kind]
    dimensions = 1 + len(of_kind.axes)
    if values.dtype != of_kind.dtype or values.ndim != dimensions or len(values) != n_items:
        found = f"values of {values.dtype} {list(values.shape)}"
        return found, f"{of_kind.dtype}, {n_items} times {of_kind}"
    if (
        values.chunks != (1, *values.shape[1:])
        or values.dtype.itemsize * math.prod(values.chunks) > MOST_BYTES
    ):
        return f"chunks of {values.chunks}", f"one array a chunk, {MOST_BYTES} bytes at most"
    meta = json.loads(file.attrs["meta"])
    columns = meta.get("columns")
    if of_kind.bits and not (type(columns) is int and -(-columns // 8) == values.shape[-1]):
        return f"masks of {columns} columns in {values.shape[-1]} bytes", "8 columns a byte"
    return None


def _strange_ids(ids: h5py.Dataset) -> str | None:
    """Says how ids are no texts of bounded length, if so; reads none.

    Reading would be too late: a thousand ids may share one text that is as long as the file.
    """
    text = h5py.check_string_dtype(ids.dtype)
    if text is None or text.length is not None:
        return f"ids of type {ids.dtype}"
    if len(ids) == 0:
        return None
    start, size = ids.id.get_offset(), ids.id.get_storage_size()
    if start is None or size != len(ids) * _TEXT_ON_DISK.itemsize:
        return "ids that are packed"
    lengths = np.fromfile(ids.file.filename, _TEXT_ON_DISK, len(ids), offset=start)["bytes"]
    return f"an id of {lengths.max()} bytes" if lengths.max() > WIDEST_ID else None


def _is_own(file: h5py.File, name: str) -> bool:
    """Says whether an array lies in this file, and needs no filter but those of HDF5 itself."""
    if not isinstance(file.get(name, getlink=True), h5py.HardLink):
        return False
    dataset = file[name]
    if not isinstance(dataset, h5py.Dataset) or dataset.is_virtual or dataset.external:
        return False
    filters = dataset.id.get_create_plist()
    used = {filters.get_filter(number)[0] for number in range(filters.get_nfilters())}
    return used <= {h5py.h5z.FILTER_DEFLATE, h5py.h5z.FILTER_SHUFFLE}
