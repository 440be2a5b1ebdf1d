"""Trains an IRNet, which finds edges between image regions of different classes."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import torch
from torch import Tensor
from torch.utils.data import Subset

from chexseg.errors import InputError, Problem
from chexseg.files.artifacts import Execution, Output
from chexseg.files.store import Store
from chexseg.inference.batching import in_order, to_float
from chexseg.losses.irnet import irnet_losses
from chexseg.mask_sources.irnet import IRNetSettings
from chexseg.models.irnet import IRNet
from chexseg.models.trained import irnet_of
from chexseg.training.augmentation import augment
from chexseg.training.datasets import Source, Supervised
from chexseg.training.processes import gather_rows
from chexseg.training.run import Training, resolve_weights
from chexseg.training.sampling import shuffled
from chexseg.training.task import Task


def run(
    *,
    images: tuple[Path, ...],
    labels: tuple[Path, ...],
    out: Output,
    metrics: Output,
    settings: IRNetSettings,
    backbone_architecture: str,
    backbone: str,
    weights: tuple[Path, ...] = (),
    execution: Execution = Execution(),
) -> None:
    """Train IRNet's edge and displacement branches on affinity labels; the backbone is frozen.

    The last epoch is kept, as published. After it, the mean displacement over the X-rays is
    measured, which inference subtracts.

    Args:
        images: The shards of the image store.
        labels: The shards of the affinity label store.
        out: The checkpoint.
        metrics: CSV with one row per epoch.
        backbone_architecture: A ResNet of torchvision, such as resnet50.
        backbone: Weights of the backbone: none, imagenet or a path.
        weights: The file of the weights, if `backbone` refers to one.

    Raises:
        InputError: the weights are unavailable or belong to another architecture, no X-ray has a
            labelled pixel, or a batch cannot be split evenly.
    """
    inputs = (*images, *labels, *weights)
    names = {"backbone_architecture": backbone_architecture, "backbone": backbone}
    training = Training("irnet", settings, execution, inputs, **names)
    store, label_store = Store(images, "images"), Store(labels, "affinity_labels")
    ids = label_store.ids
    if not ids:
        found, remedy = (
            "no labelled pixel",
            "Lower labels.foreground, or train the classifier longer.",
        )
        raise InputError([Problem(str(labels[0]), found, "X-rays with labelled pixels", remedy)])
    training.log(f"{len(ids)} X-rays with labelled pixels")

    initial = resolve_weights(backbone, weights)
    training.log(f"backbone: {backbone_architecture}, weights: {initial}")
    model = irnet_of(backbone_architecture, initial)
    samples = Supervised(store, Source("affinity labels", ids, {"label": label_store.__getitem__}))
    training.run(
        Affinities(model, training, settings, samples),
        samples,
        shuffled(len(ids)),
        stores=[store, label_store],
        out=out,
        metrics=metrics,
        classes=label_store.meta["classes"],
        extra={"backbone_architecture": backbone_architecture, **store.meta},
    )


class Affinities(Task):
    """Predicts edges and displacements, learning from affinity labels; the last epoch is kept.

    Args:
        model: the model to train.
        training: the training that runs this task.
        settings: settings of the training.
        samples: the training samples.
    """

    def __init__(
        self, model: IRNet, training: Training, settings: IRNetSettings, samples: Supervised
    ):
        super().__init__(model)
        self.training, self.settings, self.samples = training, settings, samples

    def parameters(self) -> Iterable[dict]:
        return self.model.parameter_groups(self.settings.learning_rate)

    def step(self, batch: dict[str, Tensor], noise: Tensor) -> dict[str, Tensor]:
        # Moved as two masks, so that pixels from outside the X-ray become unsure.
        masks = torch.cat([batch["label"] == 1, batch["label"] == 0], dim=1).float()
        image = to_float(batch["image"])
        image, masks = augment(image, masks, self.settings.augmentation, noise)
        foreground, background = masks.chunk(2, dim=1)
        label = torch.full_like(batch["label"], 255)
        label[background > 0] = 0
        label[foreground > 0] = 1
        edge, displacement = self.model(image)
        return {"edge": edge.sigmoid(), "displacement": displacement, "label": label}

    def loss(self, edge: Tensor, displacement: Tensor, label: Tensor) -> Tensor:
        return irnet_losses(edge, displacement, label, self.settings.radius).total

    def finish(self, best: dict[str, Tensor]) -> dict[str, Tensor]:
        """Measures the mean displacement; each process handles its share of the X-rays."""
        fabric = self.training.fabric
        own = range(fabric.global_rank, len(self.samples), fabric.world_size)
        share = Subset(self.samples, own)
        batches = in_order(share, self.settings.batch_size, self.training.threads)
        self.model.eval().fit_mean_shift(
            (to_float(batch["image"].to(fabric.device)) for batch in batches),
            lambda sums: gather_rows(fabric, sums.to(fabric.device)).cpu(),
        )
        return self.model.state_dict()
