"""Copies stores to a local disk of the node while a training reads them."""

from __future__ import annotations

import shutil
import uuid
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from chexseg.errors import InputError, Problem
from chexseg.files.atomic import atomic, check_writable
from chexseg.files.progress import progress
from chexseg.files.store import Store
from chexseg.inference.signals import Signals
from chexseg.training.processes import maximum

if TYPE_CHECKING:
    from lightning.fabric import Fabric

    from chexseg.training.single_process import SingleProcess


@contextmanager
def staged(
    fabric: Fabric | SingleProcess,
    scratch: Path | None,
    stores: Sequence[Store],
    ids: Iterable[str],
) -> Iterator[None]:
    """Copies shards to `scratch`, reads them there while the block runs, and removes the copies.

    Copies are removed at the end of the block, after an exception and after a signal, but not after
    SIGKILL. One process per node makes the copies for all.

    Args:
        fabric: this process's Fabric; all processes must enter the block together.
        scratch: folder on a local disk of the node; None copies nothing.
        stores: the stores that the block reads.
        ids: the X-rays that the block reads; only shards that hold one of them are copied.

    Raises:
        InputError: there is not enough space, or the folder is not writable.
        Stopped: by Ctrl-C, SIGTERM or SIGUSR1.
    """
    if scratch is None:
        yield
        return
    ids = list(ids)
    folder = scratch / f"chexseg-{fabric.broadcast(uuid.uuid4().hex)}-{fabric.node_rank}"
    # Copy each shard once, even if two stores share it.
    shards = list(dict.fromkeys(path for store in stores for path in store.shards_of(ids)))
    copies = {path: folder / f"{number:05d}.h5" for number, path in enumerate(shards)}
    with Signals() as signals, signals.at_once():
        try:
            steps = [partial(_make_folder, folder, shards)]
            steps += [partial(_copy, path, copy) for path, copy in copies.items()]
            _do_together(fabric, steps, f"copying stores to {scratch}")
            with ExitStack() as stack:
                for store in stores:
                    stack.enter_context(store.read_from(copies))
                yield
            fabric.barrier()  # other processes of the node may still read
        finally:
            if fabric.local_rank == 0:
                shutil.rmtree(folder, ignore_errors=True)


def _do_together(
    fabric: Fabric | SingleProcess, steps: Sequence[Callable[[], None]], what: str
) -> None:
    """Runs steps in one process per node; if a step fails anywhere, all processes stop.

    The other processes wait for each step separately, since a wait for all steps could time out.
    """
    leads = fabric.local_rank == 0
    for step in progress(steps, what, len(steps)) if leads else steps:
        error = None
        try:
            if leads:
                step()
        except Exception as caught:
            error = caught
        if maximum(fabric, int(error is not None)):
            raise error or SystemExit(2)  # the process that failed reports why


def _make_folder(folder: Path, shards: Sequence[Path]) -> None:
    check_writable(folder)
    folder.parent.mkdir(parents=True, exist_ok=True)
    free = shutil.disk_usage(folder.parent).free
    needed = sum(path.stat().st_size for path in shards)
    if needed > free:
        expected = f"{needed / 1e9:.1f} GB for the stores that the training reads"
        remedy = "Free some space, choose another folder, or omit --scratch to read them in place."
        raise InputError([Problem(str(folder.parent), f"{free / 1e9:.1f} GB", expected, remedy)])
    folder.mkdir(mode=0o700)


def _copy(shard: Path, copy: Path) -> None:
    with atomic(copy) as temporary:  # its errors explain what is wrong with the disk
        shutil.copyfile(shard, temporary)
