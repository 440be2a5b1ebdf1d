"""What test_two_nodes.py runs as a program: one of two processes, started as srun or torchrun do.

Usage: python -m tests.unit.training.two_nodes FOLDER NODES DEVICES.
"""

import sys
from pathlib import Path
from types import SimpleNamespace

from chexseg.errors import InputError
from chexseg.files.artifacts import Execution
from chexseg.files.store import Store
from chexseg.training import staging
from chexseg.training.loop import start
from tests.unit.training.two_processes import SETTINGS, train


def main(folder, nodes, devices):
    fabric = start(SETTINGS, Execution(devices=devices, nodes=nodes))
    store, scratch = Store([folder / "images.h5"], "images"), folder / "scratch"
    with staging.staged(fabric, scratch, [store], store.ids):
        copies = len(list(scratch.rglob("*.h5")))
        print(f"process {fabric.global_rank}: {copies} copies", store["a"].max(), flush=True)
        train(fabric, folder, "plain")
    fabric.barrier()
    assert list(scratch.iterdir()) == []

    if fabric.node_rank == nodes - 1:  # that node's disk is full
        staging.shutil.disk_usage = lambda _: SimpleNamespace(free=0)
    try:
        with staging.staged(fabric, scratch, [store], store.ids):
            print("entered", flush=True)
    except (InputError, SystemExit) as error:
        print(f"process {fabric.global_rank}: {type(error).__name__}", flush=True)
    fabric.barrier()
    assert list(scratch.iterdir()) == []


if __name__ == "__main__":
    main(Path(sys.argv[1]), *map(int, sys.argv[2:]))
