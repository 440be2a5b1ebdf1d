"""The parts common to all training stages: devices, state, copies of stores, checkpoint."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from torch import nn

from chexseg.config.settings import TrainingSettings
from chexseg.files.artifacts import Execution
from chexseg.files.store import Store
from chexseg.models.weights import Epoch, initialise, save_checkpoint
from chexseg.training.datasets import Supervised
from chexseg.training.loop import fit, start
from chexseg.training.processes import print_once
from chexseg.training.sampling import Draw
from chexseg.training.staging import staged
from chexseg.training.state import StateFile
from chexseg.training.task import Task


class Training:
    """Runs the training of a stage, from setting up devices to writing the checkpoint.

    Create it before the model, since it seeds the random numbers that initialise the model.

    Args:
        kind: kind of the model: `classifier` for the stage `train-classifier`.
        settings: settings of the training; they are stored in the checkpoint.
        execution: how to run it.
        inputs: every file that the stage reads.
        others: further arguments of the stage that affect the result.

    Attributes:
        fabric: handle on devices and processes; see `chexseg.training.loop.start`.
        threads: CPU threads of this process.

    Raises:
        InputError: the devices that `execution` requests are not available.
    """

    def __init__(
        self,
        kind: str,
        settings: TrainingSettings,
        execution: Execution,
        inputs: Sequence[Path],
        **others: Any,
    ):
        self.kind, self.settings, self.execution = kind, settings, execution
        self.threads = execution.threads
        self.fabric = start(settings, execution)
        self.file = StateFile(
            execution.state, execution.save_every, f"train-{kind}", settings, inputs, **others
        )

    def log(self, text: str) -> None:
        """Prints a line to the log, once for all processes."""
        print_once(self.fabric, text)

    def initialise(
        self, network: nn.Module, architecture: str, weights: str, files: Sequence[Path]
    ) -> None:
        """Loads the initial weights of a network and logs which ones.

        Args:
            network: a classifier's backbone, or an encoder.
            architecture: architecture of the network.
            weights, files: see `resolve_weights`.

        Raises:
            InputError: the weights are unavailable, or belong to another architecture.
        """
        weights = resolve_weights(weights, files)
        self.log(initialise(network, weights, architecture=architecture) or "random weights")

    def run(
        self,
        task: Task,
        samples: Supervised,
        draw: Draw,
        *,
        stores: Sequence[Store],
        validation: Iterable[str] = (),
        out: Path,
        metrics: Path,
        classes: Sequence[str],
        extra: dict[str, Any],
        keep: Sequence[int] = (),
    ) -> None:
        """Trains, from the start or from a saved state, and writes the checkpoint.

        Args:
            task: the task.
            samples: the training samples.
            draw: chooses and orders the samples of an epoch.
            stores: the stores that samples and validation read from.
            validation: cxr_id of the X-rays that the task validates on.
            out: the checkpoint.
            metrics: CSV with one row per epoch; see `fit`.
            classes: names of the model's outputs.
            extra: stored in the checkpoint, in addition to the results of the task's validation.
            keep: epochs that the checkpoint keeps beside the best one, as they are before
                `Task.finish`.

        Raises:
            InputError: a batch cannot be split evenly, or the scratch disk is too small.
            Stopped: by Ctrl-C, SIGTERM or SIGUSR1.
        """
        with staged(self.fabric, self.execution.scratch, stores, [*samples.ids, *validation]):
            best, kept = fit(
                self.fabric,
                task,
                samples,
                draw,
                self.settings,
                metrics=metrics,
                file=self.file,
                threads=self.threads,
                keep=keep,
            )
            tensors = task.finish(best.state_dict)
        if self.fabric.is_global_zero:
            save_checkpoint(
                out,
                state_dict=task.kept(tensors),
                kind=self.kind,
                settings=self.settings.model_dump(),
                classes=classes,
                extra={**best.extra, **extra},
                epochs={
                    n: Epoch(task.kept(each.state_dict), each.extra | extra)
                    for n, each in kept.items()
                },
            )
            self.file.discard()


def resolve_weights(weights: str, files: Sequence[Path]) -> str:
    """Returns the initial weights of a network: their file if there is one, else their name.

    Args:
        weights: `none`, `imagenet`, a path, or the name of a model of the study.
        files: the file that the workflow found for the name; may be empty.
    """
    return str(files[0]) if files else weights
