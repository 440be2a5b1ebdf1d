"""Rates on a GPU (or a CPU), and the share of the time in which the GPU waits."""

from __future__ import annotations

import gc
import platform
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass

import torch

LEAST_CALLS = 3
PROFILED_CALLS = 2


@dataclass(frozen=True)
class Rate:
    """What a call achieved.

    Attributes:
        x_rays_per_second: by wall-clock time.
        share_not_gpu: share of the time in which no kernel ran on the GPU; None without a GPU, or
            if the profiler saw none.
    """

    x_rays_per_second: float
    share_not_gpu: float | None = None


def rate_of(
    call: Callable[[], object], x_rays: int, device: torch.device, seconds: float = 1.5
) -> Rate:
    """Repeats a call for some seconds and returns its rate.

    Args:
        call: processes `x_rays` X-rays; it is called a few times before, to warm up.
        x_rays: in each call.
        device: where it computes.
        seconds: how long to repeat it; at least LEAST_CALLS times, or once for 0.
    """
    least = LEAST_CALLS if seconds else 1
    for _ in range(least):
        call()
    synchronize(device)
    calls, start = 0, time.perf_counter()
    while calls < least or time.perf_counter() - start < seconds:
        call()
        calls += 1
        if calls % 8 == 0:  # otherwise the host runs far ahead of the GPU
            synchronize(device)
    synchronize(device)
    each = (time.perf_counter() - start) / calls
    return Rate(x_rays / each, _share_not_gpu(call, each, device))


def _share_not_gpu(
    call: Callable[[], object], seconds: float, device: torch.device
) -> float | None:
    """Returns 1 - (time of all kernels of a call) / (its wall-clock seconds without a profiler)."""
    if device.type != "cuda":
        return None
    with suppress(RuntimeError):  # no profiler: a rate is worth having without it
        kinds = [torch.profiler.ProfilerActivity.CPU, torch.profiler.ProfilerActivity.CUDA]
        with torch.profiler.profile(activities=kinds) as profile:
            for _ in range(PROFILED_CALLS):
                call()
            synchronize(device)
        kernels = [
            event
            for event in profile.events()
            if event.device_type == torch.autograd.DeviceType.CUDA
            and not event.name.startswith("Mem")  # copies
        ]
        busy = sum(event.device_time for event in kernels) / 1e6 / PROFILED_CALLS
        return min(1.0, max(0.0, 1 - busy / seconds)) if kernels else None
    return None


def synchronize(device: torch.device) -> None:
    """Waits until the device has computed everything."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def release(device: torch.device) -> None:
    """Gives memory that is no longer used back to the device."""
    gc.collect()
    if device.type == "cuda":
        torch.cuda.empty_cache()


def name_of(device: torch.device) -> str:
    """Returns the name of a GPU, or `CPU` and the machine's architecture."""
    if device.type == "cuda":
        return torch.cuda.get_device_name(device)
    return f"CPU ({platform.machine()}), {torch.get_num_threads()} threads"
