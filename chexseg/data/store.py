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

import json
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import h5py
import numpy as np
import torch

from chexseg.atomic import atomic
from chexseg.errors import InputError, Problem, Problems

SCHEMA, VERSION = "chexseg-store", 1


@dataclass(frozen=True)
class Kind:
    """What a store holds: dtype of its items, and whether they are masks kept as bits."""

    dtype: str
    item: str
    bits: bool = False


KINDS = {
    "images": Kind("uint8", "[S, S] letterboxed grey X-ray"),
    "masks": Kind("uint8", "[P, S, S] masks of the pathologies", bits=True),
    "saliency": Kind("float16", "[P, h, w] raw maps at their native resolution"),
    "affinity_labels": Kind("uint8", "[P, h, w] 1 foreground, 0 background, 255 unsure"),
    "affinity": Kind("float16", "[h, w] edge probability"),
}


class StoreWriter:
    """Appends items to a store; made by `write_store`."""

    def __init__(self, file: h5py.File, kind: Kind):
        self.file, self.kind, self.ids = file, kind, []

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


@contextmanager
def write_store(path: str | Path, kind: str, meta: dict | None = None) -> Iterator[StoreWriter]:
    """Yields a writer of a new store, which appears at `path` only when the block succeeds.

    Args:
        path: the file to make.
        kind: one of `KINDS`.
        meta: what readers need to know of all items, as JSON-able values (`pathologies`, …).
    """
    with atomic(path) as temporary, h5py.File(temporary, "w", libver="v110") as file:
        writer = StoreWriter(file, KINDS[kind])
        yield writer
        file.create_dataset("id", data=writer.ids, dtype=h5py.string_dtype())
        file.attrs.update(schema=SCHEMA, version=VERSION, kind=kind, complete=True)
        file.attrs["meta"] = json.dumps(meta or {}, sort_keys=True)


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
        self._files: dict[int, h5py.File] = {}
        self._process = None
        self._where: dict[str, tuple[int, int]] = {}
        problems, metas = Problems(), []
        for number, path in enumerate(self.paths):
            try:
                with h5py.File(path, "r", locking=False) as file:
                    wrong = _wrong(file, kind)
                    if wrong:
                        problems.add(path, *wrong, _REBUILD)
                        continue
                    ids = file["id"].asstr()[:]
                    metas.append(file.attrs.get("meta", "{}"))
            except OSError as error:
                problems.add(
                    path, f"no readable HDF5 file ({error})", f"a store of {kind}", _REBUILD
                )
                continue
            for row, cxr_id in enumerate(ids):
                if cxr_id in self._where:
                    problems.add(path, f"{cxr_id} twice", "each X-ray once", _REBUILD)
                self._where[cxr_id] = (number, row)
        if len(set(metas)) > 1:
            problems.add(self.paths[0], "shards of different settings", "the same meta", _REBUILD)
        problems.raise_if_any()
        self.ids = list(self._where)
        self.meta = json.loads(metas[0]) if metas else {}

    def __len__(self) -> int:
        return len(self.ids)

    def __contains__(self, cxr_id: str) -> bool:
        return cxr_id in self._where

    def __getitem__(self, cxr_id: str) -> np.ndarray:
        """Returns the array of one X-ray; masks as bool."""
        if cxr_id not in self._where:
            names = ", ".join(str(path) for path in self.paths)
            raise InputError([Problem(names, f"no {cxr_id}", "every X-ray of the index", _REBUILD)])
        number, row = self._where[cxr_id]
        item = self._file(number)["values"][row]
        if KINDS[self.kind].bits:
            item = np.unpackbits(item, axis=-1, count=self.meta["columns"]).astype(bool)
        return item

    def batch(self, ids: Sequence[str]) -> torch.Tensor:
        """Returns the arrays of several X-rays as one tensor [B, ...]; float16 as float32."""
        values = torch.from_numpy(np.stack([self[cxr_id] for cxr_id in ids]))
        return values.float() if values.dtype == torch.float16 else values

    def _file(self, number: int) -> h5py.File:
        if self._process != os.getpid():  # a handle must not cross a fork
            self._files, self._process = {}, os.getpid()
        if number not in self._files:
            self._files[number] = h5py.File(self.paths[number], "r", locking=False)
        return self._files[number]

    def __getstate__(self) -> dict:
        return {**self.__dict__, "_files": {}, "_process": None}


_REBUILD = "Delete the file and run the workflow again."


def _wrong(file: h5py.File, kind: str) -> tuple[str, str] | None:
    """Says what is wrong with a shard: found, expected."""
    schema, version = file.attrs.get("schema"), file.attrs.get("version")
    if schema != SCHEMA or version != VERSION:
        return f"schema {schema}, version {version}", f"schema {SCHEMA}, version {VERSION}"
    if file.attrs["kind"] != kind:
        return f"a store of {file.attrs['kind']}", f"a store of {kind}"
    return None if file.attrs.get("complete") else ("an incomplete store", "a complete one")
