"""The GPUs of this machine: how many jobs may use, and which one a job claims.

Profiles call it before torch is imported; jobs call it before torch looks for GPUs.
"""

from __future__ import annotations

import fcntl
import os
import re
import shutil
import subprocess
import tempfile
from pathlib import Path

from chexseg.errors import InputError, Problem

VISIBLE = "CUDA_VISIBLE_DEVICES"
"""Environment variable that limits which GPUs CUDA shows to a process."""


def visible_gpus() -> list[str]:
    """Returns the UUIDs of the NVIDIA GPUs that jobs may use on this machine.

    These are the GPUs in VISIBLE, if it is set (by Slurm, or by someone who shares the machine);
    otherwise all that `nvidia-smi -L` lists; none without a driver. Entries of VISIBLE that are not
    numbers are returned unchanged.
    """
    if shutil.which("nvidia-smi") is None:
        return []
    done = subprocess.run(["nvidia-smi", "-L"], capture_output=True, text=True)
    there = dict(re.findall(r"(?m)^GPU (\d+):.*\(UUID: ([^)]+)\)", done.stdout))
    visible = os.environ.get(VISIBLE)
    if visible is None:
        return list(there.values())
    names = [name.strip() for name in visible.split(",")]
    return [there.get(name, name) for name in names if name not in ("", "-1")]


def count_gpus() -> int:
    """Returns the number of NVIDIA GPUs that jobs may use on this machine."""
    return len(visible_gpus())


def claim_gpus(number: int = 1, locks: Path | None = None) -> None:
    """Claims the first GPUs that no other job of this user has claimed, and hides the others.

    Snakemake counts the GPUs of its jobs but does not assign them; without this function, all jobs
    would use the first GPU. A GPU belongs to the process that holds the lock file with its name,
    until that process ends in any way. Nothing is hidden if the machine has no more GPUs than the
    job needs, as in a Slurm job, or if too few are free.

    Args:
        number: number of GPUs.
        locks: folder of the lock files; None for the default folder of this user.

    Raises:
        InputError: another user created that folder.
    """
    names = visible_gpus()
    if len(names) <= number:
        return
    locks = locks or Path(tempfile.gettempdir()) / f"chexseg-gpus-{os.getuid()}"
    locks.mkdir(mode=0o700, exist_ok=True)
    if locks.lstat().st_uid != os.getuid():  # another user could be waiting for our files
        remedy = f"Set {VISIBLE} to the GPUs of this job, or ask for the folder to be removed."
        raise InputError([Problem(str(locks), "a folder of another user", "your own", remedy)])
    claimed: dict[str, int] = {}
    for name in names:
        flags = os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW
        file = os.open(locks / name.replace("/", "_"), flags, mode=0o600)
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(file)
            continue
        claimed[name] = file  # never closed: the lock is held until the process ends
        if len(claimed) == number:
            os.environ[VISIBLE] = ",".join(claimed)
            return
    for file in claimed.values():
        os.close(file)
