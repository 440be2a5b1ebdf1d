"""Trainings on several computers: Slurm starts their processes.

Lightning joins processes that srun has started, but starts none itself; that is all there is here.
"""

from __future__ import annotations

import os
import sys

from chexseg.errors import InputError, Problem


def spread(nodes: int, devices: int, threads: int) -> None:
    """Lets Slurm start this very command on all nodes of its job, in the place of this process.

    Returns where that is done or not needed: for one node, and in processes that srun, torchrun,
    or a person who set MASTER_ADDR has started.

    Args:
        nodes: computers.
        devices: processes on each of them.
        threads: CPU threads of each process.

    Raises:
        InputError: several nodes, and nothing that could start processes there.
    """
    if nodes == 1 or "TORCHELASTIC_RUN_ID" in os.environ:
        return
    if int(os.environ.get("SLURM_STEP_NUM_TASKS", "1")) > 1:
        return
    if "SLURM_JOB_ID" in os.environ:
        sys.stdout.flush()
        command = [*srun(nodes, devices, threads), sys.executable, "-m", "chexseg", *sys.argv[1:]]
        os.execvp(command[0], command)
    if "MASTER_ADDR" not in os.environ:
        remedy = "Start it in a job of Slurm, or by torchrun; or take one node."
        raise InputError([Problem("--nodes", f"{nodes} on a single computer", "1", remedy)])


def srun(nodes: int, devices: int, threads: int) -> list[str]:
    """Returns the words before a command that runs once for each GPU of the nodes of a job.

    The step gets all GPUs of the job; every process sees those of its node, and takes one.
    """
    each = (f"--ntasks-per-node={devices}", f"--cpus-per-task={threads}")
    # Lightning takes a step that is called `interactive`, as in salloc, for none of Slurm.
    return ["srun", "--job-name=chexseg", f"--nodes={nodes}", *each, "--kill-on-bad-exit=1"]
