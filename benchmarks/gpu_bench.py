"""What the works of the GPU benchmark share: sizes, settings, the table and its rows."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from datetime import date

import pandas as pd
import torch
from dense_walk import smooth
from gpu_clock import Rate, name_of, rate_of, release
from torch import Tensor, nn

from chexseg.inference.batching import to_float
from chexseg.scheduling.gpu_rates import STAGE

COLUMNS = (
    *("work", "setting", "x_rays_per_second", "share_not_gpu", "gflops", "cores"),
    *("peer", "ratio", "difference", "tolerance", "held", "device", "date", "error"),
)


@dataclass(frozen=True)
class Sizes:
    """How much work there is; the defaults are those of the benchmark.

    Attributes:
        size: side of the X-rays in pixels.
        native: side of the X-rays whose masks are enlarged, in pixels.
        architecture, backbone: of the classifier and of the IRNet.
        batch: of the trainings; a segmenter's is half of it.
        batches: larger ones that are tried, until one is slower or does not fit.
        inference: X-rays in a forward pass of inference.
        walks: X-rays in a batch of CRFs and walks.
        steps: of Integrated Gradients.
        stored: X-rays in the store from which the stage trains.
        seconds: how long each rate is measured.
        compiled: whether compiled networks are measured.
    """

    size: int = 320
    native: int = 2320
    architecture: str = "densenet121"
    backbone: str = "resnet50"
    batch: int = 16
    batches: tuple[int, ...] = (64, 128, 256)
    inference: int = 32
    walks: int = 16
    steps: int = 16
    stored: int = 512
    seconds: float = 1.5
    compiled: bool = True


TINY = Sizes(
    size=64, native=80, architecture="densenet_small", backbone="resnet18", batch=4, batches=(8,),
    inference=2, walks=2, steps=2, stored=12, seconds=0, compiled=False,
)  # fmt: skip
"""For tests, on a CPU."""


@dataclass(frozen=True)
class Setting:
    """How a network computes.

    Attributes:
        name: in the table.
        channels_last: whether channels are innermost in memory.
        bf16: whether it computes in bfloat16 where autocast allows.
        compiled: whether `torch.compile` compiles it.
    """

    name: str
    channels_last: bool = False
    bf16: bool = False
    compiled: bool = False

    def prepare(self, model: nn.Module) -> nn.Module:
        """Returns the model, laid out and compiled."""
        if self.channels_last:
            model = model.to(memory_format=torch.channels_last)
        return torch.compile(model) if self.compiled else model

    def context(self, device: torch.device) -> AbstractContextManager:
        """Returns the context in which the model computes."""
        return torch.autocast(device.type, torch.bfloat16) if self.bf16 else nullcontext()


USUAL = Setting("eager, fp32")
AS_STAGE = Setting(STAGE, channels_last=True)
BF16 = Setting("bf16, channels_last", channels_last=True, bf16=True)
COMPILED = Setting("bf16, channels_last, compiled", channels_last=True, bf16=True, compiled=True)


@dataclass
class Bench:
    """The table while it grows.

    Attributes:
        device: where to compute.
        sizes: how much.
        until: no work begins after this, in seconds of `time.monotonic`.
        rows: of the table.
    """

    device: torch.device
    sizes: Sizes = Sizes()
    until: float = float("inf")
    rows: list[dict] = field(default_factory=list)

    def images(self, count: int) -> Tensor:
        """Returns X-rays [count, 1, size, size], uint8, on the host: blobs and noise."""
        generator = torch.Generator().manual_seed(0)
        side = self.sizes.size
        blobs = smooth(count, max(side // 16, 4), side, generator)
        noise = 0.05 * torch.randn(blobs.shape, generator=generator)
        images = (255 * (0.2 + 0.6 * blobs + noise).clamp(0, 1)).to(torch.uint8)[:, None]
        return images.pin_memory() if self.device.type == "cuda" else images

    def moved(self, images: Tensor) -> Tensor:
        """Returns X-rays on the device, as networks read them."""
        return to_float(images.to(self.device, non_blocking=True))

    def rate(self, call: Callable[[], object], x_rays: int) -> Rate:
        """Measures the rate of a call that processes so many X-rays."""
        return rate_of(call, x_rays, self.device, self.sizes.seconds)

    def add(self, work: str, setting: str, rate: Rate | None = None, **columns: object) -> None:
        """Adds a row and prints it; `peer_rate` gives `ratio`, `difference` and `tolerance` `held`.

        `gflop`, of an X-ray, gives `gflops`, those of a second.
        """
        peer_rate, gflop = columns.pop("peer_rate", None), columns.pop("gflop", None)
        row = dict.fromkeys(COLUMNS) | {"work": work, "setting": setting} | columns
        row["device"], row["date"] = name_of(self.device), date.today().isoformat()
        if rate:
            row |= vars(rate)
            row["gflops"] = gflop and gflop * rate.x_rays_per_second
            row["ratio"] = peer_rate and rate.x_rays_per_second / peer_rate.x_rays_per_second
        if row["difference"] is not None:
            row["held"] = bool(row["difference"] <= row["tolerance"])
        self.rows.append(row)
        print({name: value for name, value in row.items() if value is not None}, flush=True)

    def run(self, works: list[Callable[[Bench], None]]) -> None:
        """Runs works one after the other; one that fails, or for which no time is left, has a row."""
        for work in works:
            if time.monotonic() > self.until:
                self.add(work.__name__, "", error="no time left")
                continue
            try:
                work(self)
            except Exception as error:  # the next work must get its turn: GPUs are hard to come by
                self.add(work.__name__, "", error=f"{type(error).__name__}: {error}"[:500])
            release(self.device)

    def table(self) -> pd.DataFrame:
        """Returns the rows as a table."""
        return pd.DataFrame(self.rows, columns=list(COLUMNS))


def relative_difference(found: Tensor, expected: Tensor) -> float:
    """Returns the largest difference of two results, relative to the largest expected value."""
    found, expected = found.detach().float().cpu(), expected.detach().float().cpu()
    return float((found - expected).abs().max() / expected.abs().max().clamp(min=1e-12))


class exact(AbstractContextManager):
    """Computes in full float32 while it is entered, without TF32, to compare with a CPU."""

    def __enter__(self) -> None:
        self.before = torch.backends.cudnn.allow_tf32, torch.backends.cuda.matmul.allow_tf32
        torch.backends.cudnn.allow_tf32 = torch.backends.cuda.matmul.allow_tf32 = False

    def __exit__(self, *_: object) -> None:
        torch.backends.cudnn.allow_tf32, torch.backends.cuda.matmul.allow_tf32 = self.before
