"""Two processes that srun or torchrun start, each a node or both on one, train what one trains."""

import csv
import os
import runpy
import socket
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from chexseg.files.store import write_store

ROOT = Path(__file__).parents[3]
pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("two_processes")]


def by_srun(rank, nodes):
    """What srun tells a process of a job with two tasks."""
    devices = 2 // nodes
    return {
        "SLURM_JOB_ID": "7",
        "SLURM_JOB_NAME": "chexseg",
        "SLURM_NODELIST": "localhost",
        "SLURM_NNODES": nodes,
        "SLURM_NTASKS": 2,
        "SLURM_STEP_NUM_TASKS": 2,
        "SLURM_NTASKS_PER_NODE": devices,
        "SLURM_PROCID": rank,
        "SLURM_LOCALID": rank % devices,
        "SLURM_NODEID": rank // devices,
    }


def by_torchrun(rank, nodes):
    devices = 2 // nodes
    return {
        "TORCHELASTIC_RUN_ID": "none",
        "MASTER_ADDR": "localhost",
        "WORLD_SIZE": 2,
        "LOCAL_WORLD_SIZE": devices,
        "RANK": rank,
        "LOCAL_RANK": rank % devices,
        "GROUP_RANK": rank // devices,
    }


def free_port():
    with socket.socket() as probe:
        probe.bind(("", 0))
        return probe.getsockname()[1]


def losses(folder):
    with (folder / "plain.csv").open() as file:
        return [float(row["loss"]) for row in csv.DictReader(file)]


@pytest.fixture(scope="module")
def expected(tmp_path_factory):
    """The losses of one process."""
    folder = tmp_path_factory.mktemp("one")
    runpy.run_path(str(ROOT / "tests/unit/training/two_processes.py"))["main"](folder, 1)
    return losses(folder)


@pytest.mark.parametrize(("started", "nodes"), [(by_srun, 2), (by_torchrun, 1)])
def test_two_processes_have_the_losses_of_one(expected, tmp_path, started, nodes):
    with write_store(tmp_path / "images.h5", "images") as writer:
        writer.append("a", np.full((4, 4), 7))
    words = [sys.executable, "-m", "tests.unit.training.two_nodes", tmp_path, nodes, 2 // nodes]
    port = {**os.environ, "MASTER_PORT": str(free_port())}
    processes = [
        subprocess.Popen(
            [*map(str, words)],
            cwd=ROOT,
            env=port | {name: str(value) for name, value in started(rank, nodes).items()},
            text=True,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
        )
        for rank in range(2)
    ]
    try:
        outputs = [process.communicate(timeout=600)[0] for process in processes]
    finally:
        for process in processes:
            process.kill()
    assert [process.returncode for process in processes] == [0, 0], outputs
    assert losses(tmp_path) == pytest.approx(expected, rel=1e-4)
    # One process of each node copies; where the last node has no room, none goes on.
    leader_without_room = {2: 1, 1: 0}[nodes]
    for rank, output in enumerate(outputs):
        assert f"process {rank}: {nodes} copies 7" in output
        error = "InputError" if rank == leader_without_room else "SystemExit"
        assert f"process {rank}: {error}" in output
        assert "entered" not in output
