"""The training loop, shared by all tasks.

Lightning Fabric handles devices, processes, precision, moving batches, and gradients across
processes; on a CPU, a single process in float32 does without it (`SingleProcess`). Two things are
implemented here, because Fabric promises less: signals (it handles none; here a training stops after
a complete step) and the state (its checkpoints record neither inputs nor code nor the position within
an epoch; here a training that is killed at any point and resumed ends with the same bits).
"""

from __future__ import annotations

import math
import os
import time
from collections.abc import Collection, Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING

import pandas as pd
import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader, Dataset

from chexseg.config.settings import TrainingSettings
from chexseg.files.artifacts import Execution
from chexseg.files.atomic import atomic
from chexseg.files.progress import progress
from chexseg.inference.batching import workers
from chexseg.inference.device import accelerator, peak_memory
from chexseg.inference.signals import Signals, Stopped, ignore_signals
from chexseg.training.augmentation import draw_noise
from chexseg.training.datasets import BatchSampler
from chexseg.training.nodes import relaunch_on_nodes
from chexseg.training.processes import gather_rows, maximum, print_once
from chexseg.training.sampling import Draw
from chexseg.training.single_process import SingleProcess
from chexseg.training.state import Best, StateFile, TrainingState
from chexseg.training.task import Task

if TYPE_CHECKING:
    from lightning.fabric import Fabric

SCORE = "score"
"""Name of the validation figure that selects the best epoch; larger is better."""
SAVE = 1
"""Order to save the state and continue. Higher numbers are signals: save the state and stop."""


def start(settings: TrainingSettings, execution: Execution = Execution()) -> Fabric | SingleProcess:
    """Seeds all random numbers and sets up the devices: GPUs if there are any, else the CPU.

    If Slurm started one task per device of a node, these tasks are the processes of the training.
    Otherwise this process starts the others with the same command line. Several nodes need Slurm or
    torchrun. In a Slurm job, `srun` replaces this process and starts all others.

    Args:
        settings: settings of the training.
        execution: threads, devices and nodes.

    Raises:
        InputError: a GPU is required but there is none (see `chexseg.inference.device`), or there
            are several nodes and nothing that can start processes on them.
    """
    threads, devices, nodes = execution.threads, execution.devices, execution.nodes
    relaunch_on_nodes(nodes, devices, threads)
    alone = devices * nodes == 1 and settings.precision == "32-true"
    kind = accelerator(devices)
    fabric = SingleProcess() if alone and kind == "cpu" else _launched(settings, execution, kind)
    torch.set_num_threads(threads)
    fabric.seed_everything(settings.seed, verbose=False)
    torch.use_deterministic_algorithms(True, warn_only=True)
    return fabric


def _launched(settings: TrainingSettings, execution: Execution, kind: str) -> Fabric:
    from lightning.fabric import Fabric
    from lightning.fabric.plugins.environments import LightningEnvironment

    devices, nodes = execution.devices, execution.nodes
    several = devices * nodes > 1
    # Slurm sets its variables in every job, even if this single process must start the others.
    by_slurm = several and int(os.environ.get("SLURM_STEP_NUM_TASKS", "1")) > 1
    fabric = Fabric(
        accelerator=kind,
        devices=devices,
        num_nodes=nodes,
        strategy="ddp" if several else "auto",
        plugins=[] if by_slurm or nodes > 1 else [LightningEnvironment()],
        precision=settings.precision,
    )
    fabric.launch()
    return fabric


def fit(
    fabric: Fabric | SingleProcess,
    task: Task,
    dataset: Dataset,
    draw: Draw,
    settings: TrainingSettings,
    *,
    metrics: Path,
    file: StateFile,
    threads: int = 1,
    keep: Collection[int] = (),
) -> tuple[Best, dict[int, Best]]:
    """Trains the model of a task, from the start or from the state in `file`.

    The epoch with the highest finite `score` is the best one (the first of equals). If no score is
    finite, it is the last epoch.

    Several processes share each batch and compute the same as one would: each passes its X-rays
    through the model, and then computes the loss over the outputs of all processes, since a loss
    such as Dice is not a mean over X-rays. There are two differences: each process draws its own
    dropout, and without GPUs, BatchNorm uses only the X-rays of its process.

    Args:
        fabric: from `start`.
        task: the task; its model is trained in place.
        dataset: training samples; items and batches are dicts of tensors.
        draw: generator -> item numbers of an epoch; see `BatchSampler`.
        settings: settings of the training.
        metrics: CSV with one row per epoch: epoch, loss, figures, learning_rate, and what it took:
            steps, trainable_parameters, peak_memory_mb (see `peak_memory`) and seconds.
        file: file of the training's state; discard it once the result is published.
        threads: CPU threads of each process; with a GPU, they load samples.
        keep: epochs to keep.

    Returns:
        The best epoch, and those that are kept, by number.

    Raises:
        InputError: a batch cannot be split evenly.
        Stopped: by Ctrl-C, SIGTERM or SIGUSR1; the state is saved.
    """
    sampler = BatchSampler(
        draw,
        settings.seed,
        settings.batch_size,
        parts=settings.gradient_accumulation,
        process=fabric.global_rank,
        processes=fabric.world_size,
    )
    steps, several = sampler.batches, fabric.world_size > 1
    loader = DataLoader(
        dataset,
        batch_sampler=sampler,
        num_workers=workers(threads),
        worker_init_fn=ignore_signals,
        pin_memory=fabric.device.type == "cuda",
    )
    bare = task.model
    if fabric.device.type == "cuda":
        bare = bare.to(memory_format=torch.channels_last)
        bare = nn.SyncBatchNorm.convert_sync_batchnorm(bare) if several else bare
    optimizer = _optimizer(task, settings)
    schedule = _schedule(optimizer, settings, settings.epochs * steps)
    trainable = sum(p.numel() for group in optimizer.param_groups for p in group["params"])
    task.model, optimizer = fabric.setup(bare, optimizer)
    model = task.model
    if fabric.global_rank:  # every process draws different dropout
        torch.manual_seed(settings.seed * 100_003 + 70_000 + fabric.global_rank)

    trained = {"model": model, "optimizer": optimizer, "schedule": schedule}
    trained["precision"] = fabric.strategy.precision
    state = TrainingState(trained, torch.Generator())
    _resume(fabric, state, file, steps)
    if state.rows and fabric.is_global_zero:
        _write_rows(metrics, state)

    def train_step(batches: Iterator[dict[str, Tensor]]) -> Tensor:
        optimizer.zero_grad(set_to_none=True)
        total = torch.zeros((), device=fabric.device)
        noises = draw_noise(sampler.batch_size, state.noise, task.numbers)
        noises = noises.split(sampler.part_size)
        for part, noise in enumerate(noises, 1):
            batch = fabric.to_device(next(batches))
            with fabric.no_backward_sync(model, enabled=part < sampler.parts):
                outputs = task.step(batch, noise[sampler.share])
                outputs = {name: gather_rows(fabric, output) for name, output in outputs.items()}
                loss = task.loss(**outputs) / sampler.parts
                fabric.backward(loss * fabric.world_size)  # DDP averages over processes
            total += loss.detach()
        optimizer.step()
        schedule.step()
        return total

    with Signals(file.path is not None) as signals, _saved_when_stopped(fabric, state, file):
        for epoch in range(state.epoch, settings.epochs + 1):
            began = time.perf_counter() - state.seconds
            sampler.epoch, sampler.first = epoch, state.step
            if not state.step:
                state.noise.manual_seed(settings.seed * 100_003 + 50_000 + epoch)
            model.train()
            batches = iter(loader)  # uses torch's generator, so it precedes the next line
            state.restore_random(fabric)
            left = range(state.step, steps)
            for step in progress(left, f"epoch {epoch}/{settings.epochs}", len(left)):
                state.total = state.total + train_step(batches)
                state.step, state.seconds = step + 1, time.perf_counter() - began
                order = max(signals.caught, SAVE * (file.due and fabric.is_global_zero))
                order = maximum(fabric, order) if several else order
                if order:
                    state.capture_random(fabric)
                if order > SAVE:
                    raise Stopped(order)
                if order and fabric.is_global_zero:
                    file.write(state.content())

            state.capture_random(fabric)
            model.eval()
            # Several processes stop together after a step, so that none waits for another forever.
            with torch.no_grad(), nullcontext() if several else signals.at_once():
                figures, extra = task.validate()
            row = {"epoch": epoch, "loss": float(state.total) / steps, **figures}
            row["learning_rate"] = schedule.get_last_lr()[0]
            row |= {"steps": steps, "trainable_parameters": trainable}
            row["peak_memory_mb"] = peak_memory(fabric.device)
            row["seconds"] = round(time.perf_counter() - began, 3)
            print_once(fabric, "  ".join(f"{k} {_short(v)}" for k, v in row.items()))
            state.rows.append(row)
            if fabric.is_global_zero:
                _write_rows(metrics, state)
            score = figures.get(SCORE, math.nan)
            score = score if math.isfinite(score) else -math.inf
            nothing_better = epoch == settings.epochs and not state.best.epoch
            if score > state.best.score or nothing_better:
                state.best = Best(epoch, score, _copy(model), extra)
            if epoch in keep:
                state.kept[epoch] = Best(epoch, score, _copy(model), extra)
            state.begin(epoch + 1)
        if fabric.is_global_zero and file.path:
            file.write(state.content())  # the caller's next steps may take hours
    task.model = bare
    print_once(fabric, f"best epoch: {state.best.epoch}")
    return state.best, state.kept


def _resume(fabric: Fabric, state: TrainingState, file: StateFile, steps: int) -> None:
    content = fabric.broadcast(file.read() if fabric.is_global_zero else None)
    if content is not None:
        state.load(content)
        state.total = fabric.to_device(state.total)
        where = f"epoch {state.epoch}, after step {state.step} of {steps}"
        print_once(fabric, f"resumed at {where}, from {file.path}")


def _write_rows(metrics: Path, state: TrainingState) -> None:
    with atomic(metrics) as temporary:
        pd.DataFrame(state.rows).to_csv(temporary, index=False)


@contextmanager
def _saved_when_stopped(fabric: Fabric, state: TrainingState, file: StateFile) -> Iterator[None]:
    try:
        yield
    except Stopped as stopped:
        if fabric.is_global_zero:
            file.write(state.content())
            where = f"epoch {state.epoch}, after step {state.step}"
            print(f"{stopped.name}: saved {where}, in {file.path}; run again to resume", flush=True)
        fabric.barrier()
        raise


def _copy(model: nn.Module) -> dict[str, Tensor]:
    """Copies the model's current tensors to the CPU, in torch's default memory layout."""
    return {k: v.detach().to("cpu", copy=True).contiguous() for k, v in model.state_dict().items()}


def _optimizer(task: Task, settings: TrainingSettings) -> torch.optim.Optimizer:
    groups = list(task.parameters())
    rate, decay = settings.learning_rate, settings.weight_decay
    if settings.optimizer == "adam":
        return torch.optim.Adam(groups, lr=rate, weight_decay=decay)
    return torch.optim.SGD(groups, lr=rate, weight_decay=decay, momentum=settings.momentum)


def _schedule(
    optimizer: torch.optim.Optimizer, settings: TrainingSettings, steps: int
) -> torch.optim.lr_scheduler.LRScheduler:
    if settings.schedule == "onecycle":
        highest = [group["lr"] for group in optimizer.param_groups]
        return torch.optim.lr_scheduler.OneCycleLR(
            optimizer,
            highest,
            total_steps=steps + 1,
            cycle_momentum=settings.optimizer == "adam",  # SGD keeps its own
        )
    power = {"constant": 0.0, "polynomial": 0.9}[settings.schedule]

    def factor(step: int) -> float:
        return max(0.0, 1 - step / steps) ** power

    return torch.optim.lr_scheduler.LambdaLR(optimizer, factor)


def _short(value: object) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)
