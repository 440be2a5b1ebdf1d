"""HDF5 stores: one array per X-ray, looked up by id, in one or more shards.

Schema (version 1), readable with plain h5py:

    /                attributes: schema "chexseg-store", version, kind, complete, and the `meta`
                     and `notes` of the writer, as JSON text
    /id       [N]    UTF-8 strings: cxr_id of each X-ray, unique over all shards
    /values   [N, …] the arrays, one X-ray per chunk, gzip; masks are packed bits along the last
                     axis (`numpy.packbits`), `meta["columns"]` is then its length in pixels
    /measures/<name> [N, C] numbers for each map, if there are any: see `chexseg.files.measures`

`KINDS` in `store_format` lists the kinds. `complete` is written last: a store without it was cut
off and is rejected.
"""

from __future__ import annotations

import io
import json
import os
import shlex
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

import h5py
import numpy as np

from chexseg.errors import InputError, Problem, Problems
from chexseg.files.artifacts import WORKFLOW
from chexseg.files.atomic import atomic
from chexseg.files.measures import read_measures, write_measures
from chexseg.files.store_format import KINDS, SCHEMA, VERSION, Kind, find_mismatch


class _Disk(io.FileIO):
    """A file for HDF5 to write to, which raises errors only when `check` is called.

    HDF5 cannot close a file that it cannot write, and crashes the process at exit. So once the
    disk is full, writes are silently dropped, and `check` raises the original error.
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
        """Raises the first OSError of a write, if there was one."""
        if self.error is not None:
            raise self.error


class StoreWriter:
    """Appends items to a store; create one with `write_store`.

    Attributes:
        ids: cxr_id of the items so far.
        notes: JSON-serializable facts about the items of this shard, such as counts.
    """

    def __init__(self, file: h5py.File, kind: Kind, disk: _Disk):
        self.file, self.kind, self.disk, self.ids = file, kind, disk, []
        self.notes: dict = {}
        self.measures: list[Mapping[str, np.ndarray]] = []

    def append(
        self, cxr_id: str, item: np.ndarray, measures: Mapping[str, np.ndarray] | None = None
    ) -> None:
        """Adds the array of one X-ray. All items of a store have the same shape.

        Args:
            cxr_id: of the X-ray.
            item: its array.
            measures: name -> numbers for each map, [C]; the same names for all X-rays.
        """
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
                shuffle=self.kind.dtype in ("float16", "uint32"),
            )
        values = self.file["values"]
        if item.shape != values.shape[1:]:  # h5py would broadcast it
            raise ValueError(f"{cxr_id} has shape {item.shape}, the others {values.shape[1:]}")
        values.resize(len(self.ids) + 1, axis=0)
        values[len(self.ids)] = item
        self.ids.append(cxr_id)
        self.measures.append(measures or {})
        self.disk.check()


@contextmanager
def write_store(path: str | Path, kind: str, meta: dict | None = None) -> Iterator[StoreWriter]:
    """Yields a writer for a new store, which appears at `path` only if the block succeeds.

    Args:
        path: the file to create.
        kind: one of `KINDS`.
        meta: JSON-serializable facts about all items (`classes`, …).

    Raises:
        InputError: the disk is full, or the folder is not writable.
    """
    with atomic(path) as temporary, _Disk(temporary, "r+") as disk:
        with h5py.File(disk, "w", libver="v110") as file:
            writer = StoreWriter(file, KINDS[kind], disk)
            yield writer
            file.create_dataset("id", data=writer.ids, dtype=h5py.string_dtype())
            write_measures(file, writer.measures)
            file.attrs.update(schema=SCHEMA, version=VERSION, kind=kind, complete=True)
            file.attrs["meta"] = json.dumps(meta or {}, sort_keys=True)
            if writer.notes:
                file.attrs["notes"] = json.dumps(writer.notes, sort_keys=True)
        disk.check()


class Store:
    """Reads the shards of a store as one mapping from cxr_id to array.

    Each process opens a file when it first reads from it, so a store can be passed to DataLoader
    workers, forked or spawned. An open store holds no lock.

    Args:
        paths: the shards.
        kinds: the kinds that are accepted; all shards are of the same.

    Attributes:
        kind: the kind of the shards.
        ids: cxr_id of all items, in the order of the shards.
        meta: the writer's facts about all items; the same in every shard.
        notes: of each shard, the writer's facts about its items; none: an empty dict.

    Raises:
        InputError: a shard is missing, not an HDF5 file, of another kind or version, or
            incomplete; or shards disagree, or an id occurs twice.
    """

    def __init__(self, paths: Sequence[str | Path], *kinds: str):
        self.paths = [Path(path) for path in paths]
        self._places = self.paths
        self._files: dict[int, h5py.File] = {}
        self._process = None
        self._where: dict[str, tuple[int, int]] = {}
        self.notes: list[dict] = []
        problems, metas = Problems(), []
        for number, path in enumerate(self.paths):
            try:
                with h5py.File(path, "r", locking=False) as file:
                    mismatch = find_mismatch(file, *kinds)
                    if not mismatch:
                        kinds = (file.attrs["kind"],)  # all shards are of the same
                    ids = [] if mismatch else file["id"].asstr()[:]
                    metas += [] if mismatch else [file.attrs["meta"]]
                    self.notes += [] if mismatch else [json.loads(file.attrs.get("notes", "{}"))]
            except MemoryError:  # sizes were checked, so this machine is too small
                raise
            except Exception as error:  # HDF5 raises whatever damaged bytes lead it to
                expected = f"a store of {' or '.join(kinds)}"
                mismatch = f"an unreadable HDF5 file ({_first_line(error)})", expected
            if mismatch:
                problems.add(path, *mismatch, _rebuild(path))
                continue
            for row, cxr_id in enumerate(ids):
                if cxr_id in self._where:
                    problems.add(path, f"{cxr_id} twice", "each X-ray once", _rebuild(path))
                self._where[cxr_id] = (number, row)
        if len(set(metas)) > 1:
            found, remedy = "shards of different settings", _rebuild(*self.paths)
            problems.add(self.paths[0], found, "the same meta", remedy)
        problems.raise_if_any()
        self.kind = kinds[0]
        self.ids = list(self._where)
        self.meta = json.loads(metas[0]) if metas else {}

    def __len__(self) -> int:
        return len(self.ids)

    def __contains__(self, cxr_id: str) -> bool:
        return cxr_id in self._where

    def __getitem__(self, cxr_id: str) -> np.ndarray:
        """Returns the array of one X-ray; masks as bool.

        Raises:
            InputError: the store has no such X-ray, or its array is damaged.
        """
        if cxr_id not in self._where:
            names, remedy = ", ".join(str(path) for path in self.paths), _rebuild(*self.paths)
            raise InputError([Problem(names, f"no {cxr_id}", "every X-ray of the index", remedy)])
        number, row = self._where[cxr_id]
        try:
            item = self._file(number)["values"][row]
        except MemoryError:
            raise
        except Exception as error:  # h5py verifies checksums only when an item is read
            path, found = self.paths[number], f"{cxr_id} is damaged ({_first_line(error)})"
            raise InputError([Problem(str(path), found, "its array", _rebuild(path))]) from error
        if KINDS[self.kind].bits:
            item = np.unpackbits(item, axis=-1, count=self.meta["columns"]).astype(bool)
        return item

    def batch(self, ids: Sequence[str]) -> np.ndarray:
        """Returns the arrays of several X-rays, stacked to [B, ...]; float16 becomes float32."""
        values = np.stack([self[cxr_id] for cxr_id in ids])
        return values.astype(np.float32) if values.dtype == np.float16 else values

    def measures(self) -> dict[str, np.ndarray]:
        """Returns the numbers that the store holds for each map, name -> [N, C], as `ids`."""
        shards = [read_measures(self._file(number)) for number in range(len(self.paths))]
        names = shards[0] if shards else {}
        return {name: np.concatenate([shard[name] for shard in shards]) for name in names}

    def shards_of(self, ids: Iterable[str]) -> list[Path]:
        """Returns the shards that hold these X-rays; unknown ids are ignored."""
        numbers = {self._where[cxr_id][0] for cxr_id in ids if cxr_id in self._where}
        return [self.paths[number] for number in sorted(numbers)]

    @contextmanager
    def read_from(self, copies: Mapping[Path, Path]) -> Iterator[None]:
        """Reads from copies of shards while the block runs; errors still name the shards.

        Args:
            copies: shard -> its copy; shards without a copy are read in place.
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
    """Returns the remedy that rebuilds shards."""
    names = " ".join(shlex.quote(str(path)) for path in paths)
    command = os.environ.get(WORKFLOW, "snakemake --configfile CONFIG")
    return f"Rebuild it: {command} --force {names}"


def _first_line(error: Exception) -> str:
    return (str(error) or type(error).__name__).splitlines()[0][:100]
