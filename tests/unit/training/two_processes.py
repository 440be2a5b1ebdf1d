"""What test_two_processes.py runs as a program: trainings on as many processes as it says.

Usage: two_processes.py FOLDER DEVICES. Each training leaves `NAME.csv` and `NAME.pt` in FOLDER.
"""

import os
import signal
import sys
from pathlib import Path

import torch
from torch import nn

from chexseg.config.settings import TrainingSettings
from chexseg.files.artifacts import Execution
from chexseg.inference.signals import Stopped
from chexseg.losses.dice import dice_loss
from chexseg.training.loop import SCORE, fit, start
from chexseg.training.sampling import shuffled
from chexseg.training.state import StateFile
from chexseg.training.task import Task

SETTINGS = TrainingSettings(batch_size=4, epochs=3, learning_rate=0.05)
PARTS = SETTINGS.model_copy(update={"gradient_accumulation": 2})


def train(
    fabric, folder, name, settings=SETTINGS, *, dropout=0.0, act=lambda step: None, state=None
):
    """Trains a network whose loss is no mean over its samples; returns the samples seen here."""
    fabric.seed_everything(settings.seed, verbose=False)
    model = nn.Sequential(
        nn.Conv2d(1, 4, 3), nn.GroupNorm(2, 4), nn.ReLU(), nn.Dropout(dropout), nn.Conv2d(4, 2, 1)
    )
    images = torch.randn(18, 1, 8, 8, generator=torch.Generator().manual_seed(0))
    images[:, 0, 0, 0] = torch.arange(18)
    masks = (images[:, :, 1:-1, 1:-1] > 0.5).expand(-1, 2, -1, -1).float()
    seen = []

    class Toy(Task):
        def step(self, batch, noise):
            image = batch["image"]
            seen.append(image[:, 0, 0, 0].int().tolist())
            act(len(seen))
            image = image * (1 + 0.1 * noise[:, 0].reshape(-1, 1, 1, 1))
            return {"logits": self.model(image), "masks": batch["masks"]}

        def loss(self, logits, masks):
            return dice_loss(logits, masks)

        def validate(self):
            return {SCORE: -float(dice_loss(self.model(images), masks))}, {}

    file = StateFile(state, 1e9, "train-segmenter", settings, ())
    data = [{"image": image, "masks": mask} for image, mask in zip(images, masks, strict=True)]
    options = {"metrics": folder / f"{name}.csv", "file": file}
    best, _ = fit(fabric, Toy(model), data, shuffled(18), settings, **options)
    if fabric.is_global_zero:
        torch.save({"state_dict": best.state_dict, "seen": seen}, folder / f"{name}.pt")
    return seen


def main(folder, devices):
    fabric = start(SETTINGS, Execution(devices=devices))
    train(fabric, folder, "plain")
    train(fabric, folder, "parts", PARTS)
    if devices == 1:
        return

    train(fabric, folder, "whole", dropout=0.5)

    def signalled(step):
        if step == 6 and fabric.global_rank == 1:  # one of the processes alone
            os.kill(os.getpid(), signal.SIGTERM)

    state = folder / "state.pt"
    try:
        train(fabric, folder, "cut", dropout=0.5, act=signalled, state=state)
    except Stopped as stopped:
        print(f"process {fabric.global_rank} stopped with {stopped.code}", flush=True)
    rest = train(fabric, folder, "cut", dropout=0.5, state=state)
    print(f"process {fabric.global_rank} went on for {len(rest)} steps", flush=True)


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]))
