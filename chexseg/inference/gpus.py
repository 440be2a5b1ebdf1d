"""The GPUs of this machine: how many jobs may use, and which one a job takes.

Asked before torch is imported, by profiles, and before torch looks for GPUs, by jobs.
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
"""Environment variable: the only GPUs that CUDA shows to a process."""


def visible_gpus() -> list[str]:
    """Returns the UUIDs of the NVIDIA GPUs that jobs may use here.

    Those that VISIBLE lists, if it is set (as Slurm does, or a person who shares a machine); else
    all that `nvidia-smi -L` lists; nothing without a driver. Of those that VISIBLE names in another
    way than by number, the names.
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
    """Returns how many NVIDIA GPUs jobs may use here."""
    return len(visible_gpus())


def claim_gpus(number: int = 1, locks: Path | None = None) -> None:
    """Takes the first GPUs that no other job of this user here has, and hides all others.

    Snakemake counts the GPUs that its jobs take, but does not say which; without this, all jobs
    would compute on the first. A GPU belongs to the process that holds the lock of its name, up to
    the end of that process, however it ends. Where there are no more GPUs than the job needs, as
    in a job of Slurm, or fewer are free, nothing is hidden.

    Args:
        number: of GPUs.
        locks: folder of the locks; that of this user and machine if None.

    Raises:
        InputError: another user has made that folder.
    """
    names = visible_gpus()
    if len(names) <= number:
        return
    locks = locks or Path(tempfile.gettempdir()) / f"chexseg-gpus-{os.getuid()}"
    locks.mkdir(mode=0o700, exist_ok=True)
    if locks.lstat().st_uid != os.getuid():  # somebody waits for what is written there
        remedy = f"Set {VISIBLE} to the GPUs of this job, or have the folder removed."
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
        claimed[name] = file  # never closed: the lock ends with the process
        if len(claimed) == number:
            os.environ[VISIBLE] = ",".join(claimed)
            return
    for file in claimed.values():
        os.close(file)
