"""A step of training with each loss: against the same step with a plain Dice loss.

A step is what the settings of a segmenter's training do by default: forward pass, loss, backward
pass and Adam, on a batch of 8, on one CPU thread. The network's part is the same whatever the loss,
and is timed once; the losses, with their gradients, take turns. The fastest of several rounds counts,
in core seconds: what else the machine does only adds. Plain Dice is the formula and nothing else: it
ignores no pixel, and knows of no pathology without truth.
"""

from __future__ import annotations

import time
from collections.abc import Callable

import torch
from comparison import comparison
from threads import one_thread
from torch import Tensor

from chexseg.catalog import load, names
from chexseg.config.methods import inputs_of
from chexseg.config.settings import SegmenterSettings
from chexseg.data.layouts.chexpert import PATHOLOGIES
from chexseg.models.trained import segmenter_of

SIZE = 160
NETWORK_ROUNDS, LOSS_ROUNDS = 5, 40
BAR = 0.97
TOLERANCE = 1e-6

Loss = Callable[[Tensor, Tensor], Tensor]


def plain_dice(logits: Tensor, truth: Tensor) -> Tensor:
    """Returns 1 - 2 |P T| / (|P| + |T|), mean over pathologies, of logits and truth [B, P, H, W]."""
    probability = logits.sigmoid()
    overlap = (probability * truth).sum((0, 2, 3))
    return (1 - 2 * overlap / (probability.sum((0, 2, 3)) + truth.sum((0, 2, 3)))).mean()


def compared() -> dict[str, Loss]:
    """Returns what takes turns: plain Dice, then each loss with all pixels known, and with some."""
    known = (torch.rand(batch_shape()) < 0.9).float()
    losses: dict[str, Loss] = {"plain": plain_dice}
    for name in (each for each in names("loss") if "truth" in inputs_of("loss", each)):
        loss = load("loss", name)
        losses[name] = loss
        losses[f"{name}, a tenth of the pixels not known"] = lambda logits, truth, loss=loss: loss(
            logits, truth, known
        )
    return losses


def batch_shape() -> tuple[int, int, int, int]:
    """Returns the shape of the masks of a batch."""
    return SegmenterSettings().batch_size, len(PATHOLOGIES), SIZE, SIZE


def seconds_of_network() -> float:
    """Returns the core seconds of a step without its loss."""
    settings = SegmenterSettings()
    model = segmenter_of(settings, len(PATHOLOGIES)).train()
    optimizer = torch.optim.Adam(model.parameters(), lr=settings.learning_rate)
    batch, _, *sides = batch_shape()
    images, gradient = torch.rand(batch, 1, *sides), torch.randn(batch_shape())

    def step() -> None:
        optimizer.zero_grad()
        model(images).backward(gradient)
        optimizer.step()

    return min(seconds_of(step) for _ in range(NETWORK_ROUNDS))


def seconds_of_losses(losses: dict[str, Loss]) -> dict[str, float]:
    """Returns the core seconds of each loss with its gradient."""
    logits = torch.randn(batch_shape(), requires_grad=True)
    truth = torch.rand(batch_shape()) < 0.1
    taken: dict[str, list[float]] = {name: [] for name in losses}
    for _ in range(LOSS_ROUNDS):
        for name, loss in losses.items():
            logits.grad = None
            taken[name].append(seconds_of(lambda loss=loss: loss(logits, truth).backward()))
    return {name: min(seconds) for name, seconds in taken.items()}


def seconds_of(work: Callable[[], None]) -> float:
    """Returns the core seconds of some work, to the microsecond."""
    start = time.process_time()
    work()
    return time.process_time() - start


def difference_of(name: str) -> float:
    """Returns how a loss differs if it is told that all pixels are known: it must not."""
    logits, truth = torch.randn(batch_shape()), torch.rand(batch_shape()) < 0.1
    loss = load("loss", name)
    return float((loss(logits, truth) - loss(logits, truth, torch.ones(batch_shape()))).abs())


@one_thread()
def rows() -> list[dict]:
    """Returns two rows for each loss of the catalog."""
    torch.manual_seed(0)
    losses = compared()
    network = seconds_of_network()
    seconds = {n: network + loss for n, loss in seconds_of_losses(losses).items()}
    return [
        comparison(
            f"training step of DeepLabV3+, {SIZE} px, batch of {batch_shape()[0]}, loss {name}, "
            "core seconds",
            "plain Dice; max_abs_diff is that of the loss with all pixels marked as known",
            ours_seconds=seconds[name],
            peer_seconds=seconds["plain"],
            difference=difference_of(name.split(",")[0]),
            most_difference=TOLERANCE,
            least_ratio=BAR,
        )
        for name in losses
        if name != "plain"
    ]


if __name__ == "__main__":
    for row in rows():
        print(f"{row['ratio']:.3f} times as fast as plain Dice: {row['work']} ({row['bar']})")
