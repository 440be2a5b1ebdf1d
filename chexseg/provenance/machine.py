"""Describes the machine that made an artifact, in particular what determines its kernels.

The same code can give different last bits on another processor: libraries choose kernels by its
instruction set, and split sums by the number of threads. This module imports nothing: a stage that
has not loaded torch does not use its kernels.
"""

from __future__ import annotations

import os
import platform
import re
import sys
from pathlib import Path
from typing import Any

SLURM = ("SLURM_JOB_ID", "SLURM_JOB_PARTITION", "SLURM_RESTART_COUNT", "SLURMD_NODENAME")
LEVELS = (
    *("ATEN_CPU_CAPABILITY", "ONEDNN_MAX_CPU_ISA", "DNNL_MAX_CPU_ISA", "MKL_CBWR"),
    *("MKL_ENABLE_INSTRUCTIONS", "OPENBLAS_CORETYPE", "NPY_DISABLE_CPU_FEATURES"),
)
"""Environment variables that limit libraries to an instruction set."""


def machine() -> dict[str, Any]:
    """Returns the description of this machine for a record.

    Returns:
        `host`, `system`, `cpu`, `kernels`, and, if there are any, `gpu` and `slurm`.
    """
    found: dict[str, Any] = {
        "host": platform.node(),
        "system": platform.platform(terse=True),
        "cpu": _processor(),
        "kernels": {name.lower(): os.environ[name] for name in LEVELS if os.environ.get(name)},
    }
    if (torch := sys.modules.get("torch")) is not None:
        found["kernels"] |= {
            "cpu_capability": torch.backends.cpu.get_cpu_capability(),
            "threads": str(torch.get_num_threads()),
            "mkldnn": str(torch.backends.mkldnn.enabled),
            "deterministic": str(torch.are_deterministic_algorithms_enabled()),
        }
        if torch.cuda.is_available():
            found["gpu"] = torch.cuda.get_device_name()
            found["kernels"] |= {
                "cudnn": str(torch.backends.cudnn.version()),
                "cudnn_benchmark": str(torch.backends.cudnn.benchmark),
                "cudnn_deterministic": str(torch.backends.cudnn.deterministic),
                "float32_matmul_precision": torch.get_float32_matmul_precision(),
            }
    slurm = {name.lower(): os.environ[name] for name in SLURM if name in os.environ}
    return {**found, "slurm": slurm} if slurm else found


def kind_of(machine: dict[str, Any]) -> dict[str, str]:
    """Returns the properties of a recorded machine that determine the bits of results, by name."""
    return {"cpu": machine["cpu"], "gpu": machine.get("gpu", ""), **machine["kernels"]}


def processor_of(machine: dict[str, Any]) -> dict[str, str]:
    """Returns those of the properties that are known without loading torch, by name."""
    levels = {name.lower() for name in LEVELS}
    return {name: value for name, value in kind_of(machine).items() if name in {"cpu", *levels}}


def kind_text(machine: dict[str, Any]) -> str:
    """Describes the kind of a recorded machine briefly: `AMD EPYC 7763, AVX2, NVIDIA A100`."""
    capability = machine["kernels"].get("cpu_capability", "")
    return ", ".join(filter(None, (machine["cpu"], capability, machine.get("gpu", ""))))


def _processor() -> str:
    """Returns the processor as described by Linux, else its architecture.

    A virtual machine may hide the name, so the numbers of family and model are appended.
    """
    try:
        first = Path("/proc/cpuinfo").read_text(encoding="utf-8").partition("\n\n")[0]
    except OSError:
        first = ""
    found = dict(re.findall(r"^(model name|cpu family|model)\s*: (.+)$", first, re.M))
    if len(found) < 3:
        return platform.processor() or platform.machine()
    return f"{found['model name']} (family {found['cpu family']}, model {found['model']})"
