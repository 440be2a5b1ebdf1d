"""How many GPUs this machine has; asked before torch is imported, by profiles."""

from __future__ import annotations

import os
import shutil
import subprocess


def count_gpus() -> int:
    """Returns how many NVIDIA GPUs jobs may use here.

    That is what CUDA_VISIBLE_DEVICES lists, if it is set (as Slurm does, or a person who shares a
    machine); else what `nvidia-smi -L` lists; 0 without a driver.
    """
    if shutil.which("nvidia-smi") is None:
        return 0
    visible = os.environ.get("CUDA_VISIBLE_DEVICES")
    if visible is not None:
        names = [name.strip() for name in visible.split(",")]
        return len([name for name in names if name not in ("", "-1")])
    done = subprocess.run(["nvidia-smi", "-L"], capture_output=True, text=True)
    return sum(line.startswith("GPU ") for line in done.stdout.splitlines())
