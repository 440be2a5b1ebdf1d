"""A small training that can be stopped or killed at any moment."""

import csv
import itertools
import os
import signal

import torch
from torch import nn

from chexseg.config.settings import TrainingSettings
from chexseg.training.loop import SCORE, fit, start
from chexseg.training.sampling import shuffled
from chexseg.training.state import StateFile
from chexseg.training.task import Task

STEPS, EPOCHS = 4, 3
SETTINGS = {"batch_size": 4, "epochs": EPOCHS, "learning_rate": 0.05}
SCORES = (0.2, 0.3, 0.1)


class Killed(BaseException):
    """Ends a training as SIGKILL would: nothing is saved any more."""


def train(folder, act=lambda moment: None, *, every=1e9, kept=True, **changes):
    """Trains a small network with BatchNorm, dropout and noise; returns what is published.

    `act` is called at each step of this process, counted from 1, with its number, and in each
    validation with "validation" and the number of the epoch.
    """
    settings = TrainingSettings(**(SETTINGS | changes))
    fabric = start(settings)
    layers = (nn.Linear(2, 8), nn.BatchNorm1d(8), nn.ReLU(), nn.Dropout(0.5), nn.Linear(8, 1))
    points = torch.randn(4 * STEPS + 1, 2, generator=torch.Generator().manual_seed(0))
    given = folder / "given"
    given.touch()
    path = folder / "state.pt" if kept else None
    file = StateFile(path, every, "train-classifier", settings, (given,))
    calls = itertools.count()

    class Toy(Task):
        def step(self, batch, noise):
            step, part = divmod(next(calls), settings.gradient_accumulation)
            if part == 0:
                act(step + 1)
            return {"input": self.model(batch["x"] + 0.1 * noise[:, :2]), "target": batch["y"]}

        def loss(self, **outputs):
            return nn.functional.binary_cross_entropy_with_logits(**outputs)

        def validate(self):
            seen = int(self.model.state_dict()["1.num_batches_tracked"])
            epoch = seen // STEPS // settings.gradient_accumulation
            act(f"validation {epoch}")
            return {SCORE: SCORES[epoch - 1]}, {"thresholds": [epoch / 10]}

    best, _ = fit(
        fabric,
        Toy(nn.Sequential(*layers)),
        [{"x": point, "y": (point[:1] > 0).float()} for point in points],
        shuffled(len(points)),
        settings,
        metrics=folder / "metrics.csv",
        file=file,
    )
    file.discard()
    with (folder / "metrics.csv").open() as stream:
        rows = [
            {k: v for k, v in row.items() if k not in ("seconds", "peak_memory_mb")}
            for row in csv.DictReader(stream)
        ]
    return best, rows


class Steps:
    """Counts the steps of a process."""

    def __init__(self):
        self.count = 0

    def __call__(self, moment):
        self.count += isinstance(moment, int)


def at(wanted, action):
    """Does `action` at one moment."""
    return lambda moment: action() if moment == wanted else None


def terminate(number=signal.SIGTERM):
    os.kill(os.getpid(), number)


def kill():
    raise Killed
