"""The training loop: the same for classifiers, IRNets and segmenters."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterable
from pathlib import Path

import pandas as pd
import torch
from lightning.fabric import Fabric
from torch import Tensor, nn
from torch.utils.data import DataLoader, Dataset

from chexseg.atomic import atomic
from chexseg.progress import progress
from chexseg.settings import TrainingSettings
from chexseg.training.datasets import EpochSampler, workers
from chexseg.training.sampling import Draw

SCORE = "score"
"""Name of the validation figure that selects the epoch: larger is better."""


def start(settings: TrainingSettings, threads: int) -> Fabric:
    """Seeds everything and finds the device; the first GPU if there is one, else the CPU."""
    torch.set_num_threads(threads)
    fabric = Fabric(accelerator="auto", devices=1, precision=settings.precision)
    fabric.launch()
    fabric.seed_everything(settings.seed, workers=True, verbose=False)
    torch.use_deterministic_algorithms(True, warn_only=True)
    return fabric


def fit(
    fabric: Fabric,
    model: nn.Module,
    dataset: Dataset,
    draw: Draw,
    loss_of: Callable[[nn.Module, tuple[Tensor, ...], torch.Generator], Tensor],
    validate: Callable[[nn.Module], dict[str, float]],
    settings: TrainingSettings,
    *,
    metrics: Path,
    threads: int = 1,
    parameters: Iterable[dict] | None = None,
) -> tuple[dict[str, Tensor], int]:
    """Trains a model and returns its best state.

    Args:
        fabric: from `start`.
        model: what is trained.
        dataset: training samples; a batch is what DataLoader makes of its items.
        draw: generator -> item numbers of an epoch. The last batch is dropped if smaller, since
            BatchNorm cannot train on a single X-ray; an epoch has at least one batch.
        loss_of: (model, batch on the device, generator for augmentation) -> scalar loss.
        validate: model in evaluation mode -> figures of the epoch. The epoch with the highest
            finite `score` wins, the first of equals; where no score is finite, the last epoch.
        settings: of the training.
        metrics: CSV with one row per epoch: epoch, loss, learning_rate, seconds, and the figures.
        threads: CPU threads; beside a GPU they load samples.
        parameters: parameter groups; all that require a gradient if None.

    Returns:
        State of the best epoch, on the CPU, and the number of that epoch, from 1.
    """
    sampler = EpochSampler(draw, settings.seed)
    batch_size = min(settings.batch_size, len(sampler))
    loader = DataLoader(
        dataset,
        batch_size=batch_size,
        sampler=sampler,
        drop_last=True,
        num_workers=workers(threads),
        persistent_workers=workers(threads) > 0,
        pin_memory=fabric.device.type == "cuda",
    )
    optimizer = _optimizer(model, parameters, settings)
    schedule = _schedule(optimizer, settings, settings.epochs * len(loader))
    model, optimizer = fabric.setup(model, optimizer)
    batches = fabric.setup_dataloaders(loader, use_distributed_sampler=False)
    best_score, best_state, best_epoch, rows = -math.inf, {}, 0, []
    for epoch in range(1, settings.epochs + 1):
        began, total = time.perf_counter(), 0.0
        sampler.epoch = epoch
        generator = torch.Generator().manual_seed(settings.seed * 100_003 + 50_000 + epoch)
        model.train()
        for batch in progress(batches, f"epoch {epoch}/{settings.epochs}", len(loader)):
            optimizer.zero_grad(set_to_none=True)
            loss = loss_of(model, batch, generator)
            fabric.backward(loss)
            optimizer.step()
            schedule.step()
            total += loss.detach()
        model.eval()
        with torch.no_grad():
            figures = validate(model)
        row = {"epoch": epoch, "loss": float(total) / len(loader), **figures}
        row["learning_rate"] = schedule.get_last_lr()[0]
        row["seconds"] = round(time.perf_counter() - began, 3)
        rows.append(row)
        print("  ".join(f"{name} {_short(value)}" for name, value in row.items()), flush=True)
        with atomic(metrics) as temporary:
            pd.DataFrame(rows).to_csv(temporary, index=False)
        score = figures.get(SCORE, math.nan)
        score = score if math.isfinite(score) else -math.inf
        if score > best_score or score == best_score == -math.inf:
            best_score = score
            best_state = {k: v.detach().cpu().clone() for k, v in model.state_dict().items()}
            best_epoch = epoch
    print(f"best epoch: {best_epoch}")
    return best_state, best_epoch


def _optimizer(
    model: nn.Module, parameters: Iterable[dict] | None, settings: TrainingSettings
) -> torch.optim.Optimizer:
    groups = list(parameters or [{"params": [p for p in model.parameters() if p.requires_grad]}])
    rate, decay = settings.learning_rate, settings.weight_decay
    if settings.optimizer == "adam":
        return torch.optim.Adam(groups, lr=rate, weight_decay=decay)
    return torch.optim.SGD(groups, lr=rate, weight_decay=decay)


def _schedule(
    optimizer: torch.optim.Optimizer, settings: TrainingSettings, steps: int
) -> torch.optim.lr_scheduler.LRScheduler:
    if settings.schedule == "onecycle":
        highest = [group["lr"] for group in optimizer.param_groups]
        return torch.optim.lr_scheduler.OneCycleLR(
            optimizer,
            highest,
            total_steps=steps + 1,
            cycle_momentum=settings.optimizer == "adam",  # SGD is plain: it has no momentum
        )
    power = {"constant": 0.0, "polynomial": 0.9}[settings.schedule]

    def factor(step: int) -> float:
        return max(0.0, 1 - step / steps) ** power

    return torch.optim.lr_scheduler.LambdaLR(optimizer, factor)


def _short(value: object) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)
