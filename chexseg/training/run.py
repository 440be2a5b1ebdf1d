"""What every stage that trains does around its task: devices, state, copies of stores, checkpoint."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from torch import nn

from chexseg.config.settings import TrainingSettings
from chexseg.files.artifacts import Execution
from chexseg.files.store import Store
from chexseg.models.weights import initialise, save_checkpoint
from chexseg.training.datasets import Supervised
from chexseg.training.loop import fit, start
from chexseg.training.processes import say
from chexseg.training.sampling import Draw
from chexseg.training.staging import staged
from chexseg.training.state import StateFile
from chexseg.training.task import Task


class Training:
    """A training of a stage, from its devices to its checkpoint.

    Made before the model, since it seeds the random numbers that the model starts with.

    Args:
        kind: of the model: `classifier` for the stage `train-classifier`.
        settings: of the training; they are kept in the checkpoint.
        execution: how it is computed.
        inputs: every file that the stage reads.
        others: further arguments of the stage that change what it computes.

    Attributes:
        fabric: Lightning's handle on devices and processes.
        threads: CPU threads of this process.

    Raises:
        InputError: there are not the devices that `execution` asks for.
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

    def say(self, text: str) -> None:
        """Prints a line of the log, once for all processes."""
        say(self.fabric, text)

    def initialise(
        self, network: nn.Module, architecture: str, named: str, files: Sequence[Path]
    ) -> None:
        """Gives a network its first weights, and says which.

        Args:
            network: a classifier's backbone, or an encoder.
            architecture: of the network.
            named, files: see `first_weights`.

        Raises:
            InputError: the weights cannot be had, or belong to another architecture.
        """
        weights = first_weights(named, files)
        self.say(initialise(network, weights, architecture=architecture) or "random weights")

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
    ) -> None:
        """Trains, from the beginning or from the state that was kept, and writes the checkpoint.

        Args:
            task: what is trained, and how.
            samples: the training samples.
            draw: which of them an epoch shows, in which order.
            stores: the stores that samples and validation are read from.
            validation: cxr_id of the X-rays that the task validates on.
            out: the checkpoint.
            metrics: CSV with one row per epoch; see `fit`.
            classes: names of the model's outputs.
            extra: kept in the checkpoint, beside what the task's validation said.

        Raises:
            InputError: a batch cannot be split evenly, or the scratch disk is too small.
            Stopped: by Ctrl-C, SIGTERM or SIGUSR1.
        """
        with staged(self.fabric, self.execution.scratch, stores, [*samples.ids, *validation]):
            best = fit(
                self.fabric,
                task,
                samples,
                draw,
                self.settings,
                metrics=metrics,
                file=self.file,
                threads=self.threads,
            )
            tensors = task.finish(best.state_dict)
        if self.fabric.is_global_zero:
            save_checkpoint(
                out,
                state_dict=tensors,
                kind=self.kind,
                settings=self.settings.model_dump(),
                classes=classes,
                extra={**best.extra, **extra},
            )
            self.file.discard()


def first_weights(named: str, files: Sequence[Path]) -> str:
    """Returns which weights a network starts from: the file that a name stands for, if there is one.

    Args:
        named: `none`, `imagenet`, a path, or a model of the study by its name.
        files: the file that the workflow found for the name; or none.
    """
    return str(files[0]) if files else named
