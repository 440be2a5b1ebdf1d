"""Trainings on several nodes, whose processes Slurm starts.

Lightning connects processes that srun has started but does not call srun itself; this module does.
"""

from __future__ import annotations

import os
import sys

from chexseg.errors import InputError, Problem


def relaunch_on_nodes(nodes: int, devices: int, threads: int) -> None:
    """Replaces this process by `srun`, which starts the same command on all nodes of the job.

    Returns without effect if that is not needed: for one node, and in processes that were started
    by srun, by torchrun, or with MASTER_ADDR set.

    Args:
        nodes: number of nodes.
        devices: number of processes on each node.
        threads: CPU threads of each process.

    Raises:
        InputError: there are several nodes and nothing that can start processes on them.
    """
    if nodes == 1 or "TORCHELASTIC_RUN_ID" in os.environ:
        return
    if int(os.environ.get("SLURM_STEP_NUM_TASKS", "1")) > 1:
        return
    if "SLURM_JOB_ID" in os.environ:
        sys.stdout.flush()
        command = [
            *srun_prefix(nodes, devices, threads),
            sys.executable,
            "-m",
            "chexseg",
            *sys.argv[1:],
        ]
        os.execvp(command[0], command)
    if "MASTER_ADDR" not in os.environ:
        remedy = "Start it in a Slurm job or with torchrun, or use one node."
        raise InputError([Problem("--nodes", f"{nodes} on a single computer", "1", remedy)])


def srun_prefix(nodes: int, devices: int, threads: int) -> list[str]:
    """Returns the prefix of a command that runs once per GPU on all nodes of a job.

    The step gets all GPUs of the job; every process sees the GPUs of its node and uses one.
    """
    each = (f"--ntasks-per-node={devices}", f"--cpus-per-task={threads}")
    # Lightning ignores Slurm in a step named `interactive`, as in salloc.
    return ["srun", "--job-name=chexseg", f"--nodes={nodes}", *each, "--kill-on-bad-exit=1"]
