"""How a training on several nodes is started."""

import os
import sys

import pytest

from chexseg.errors import InputError
from chexseg.training import nodes

ENVIRONMENT = ("SLURM_JOB_ID", "SLURM_STEP_NUM_TASKS", "MASTER_ADDR", "TORCHELASTIC_RUN_ID")


@pytest.fixture
def spread(monkeypatch):
    """Calls `relaunch_on_nodes` with an environment; returns the command that took the process's place."""

    def call(nodes_, devices, threads, **environment):
        for name in ENVIRONMENT:
            monkeypatch.delenv(name, raising=False)
        for name, value in environment.items():
            monkeypatch.setenv(name, value)
        monkeypatch.setattr(sys, "argv", ["chexseg", "train-irnet", "--nodes", "2"])
        taken = []
        monkeypatch.setattr(os, "execvp", lambda file, words: taken.append((file, words)))
        nodes.relaunch_on_nodes(nodes_, devices, threads)
        return taken

    return call


def test_srun_takes_the_place_of_a_process_in_a_job_of_slurm(spread):
    ((file, words),) = spread(2, 8, 4, SLURM_JOB_ID="7", MASTER_ADDR="set by a site")
    assert file == "srun"
    assert words[:6] == [
        "srun", "--job-name=chexseg", "--nodes=2", "--ntasks-per-node=8", "--cpus-per-task=4",
        "--kill-on-bad-exit=1",
    ]  # fmt: skip
    assert words[6:] == [sys.executable, "-m", "chexseg", "train-irnet", "--nodes", "2"]


@pytest.mark.parametrize(
    "environment",
    [
        {"SLURM_JOB_ID": "7", "SLURM_STEP_NUM_TASKS": "16"},
        {"SLURM_JOB_ID": "7", "TORCHELASTIC_RUN_ID": "none"},
        {"MASTER_ADDR": "node1"},
    ],
)
def test_processes_that_are_started_go_on(spread, environment):
    assert spread(2, 8, 4, **environment) == []


def test_one_node_needs_nobody(spread):
    assert spread(1, 8, 4) == []
    assert spread(1, 8, 4, SLURM_JOB_ID="7") == []


def test_several_nodes_and_nobody_to_start_them(spread):
    with pytest.raises(InputError, match="with torchrun, or use one node"):
        spread(2, 8, 4)
