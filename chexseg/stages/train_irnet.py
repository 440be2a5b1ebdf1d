"""IRNet: X-ray to the edges between what belongs together and what does not."""

from __future__ import annotations

from pathlib import Path

import torch
from torch import Tensor, nn

from chexseg.data.store import Store
from chexseg.errors import InputError, Problem
from chexseg.losses.irnet import irnet_losses
from chexseg.models.trained import irnet_of
from chexseg.models.weights import save_checkpoint
from chexseg.settings import IRNetSettings
from chexseg.training.augmentation import augment
from chexseg.training.datasets import Source, Supervised, in_order, to_float
from chexseg.training.loop import fit, start
from chexseg.training.sampling import shuffled


def run(
    *,
    images: tuple[Path, ...],
    labels: tuple[Path, ...],
    out: Path,
    metrics: Path,
    settings: IRNetSettings,
    backbone_architecture: str = "resnet50",
    backbone: str = "imagenet",
    weights: tuple[Path, ...] = (),
    threads: int = 1,
) -> None:
    """Train IRNet's edge and displacement branches on affinity labels; the backbone is frozen.

    X-rays without any labelled pixel are left out. The last epoch is kept, as published; the
    mean displacement over the X-rays, which inference subtracts, is measured after it.

    Args:
        images: The shards of the image store.
        labels: The shards of the store of affinity labels.
        out: The checkpoint.
        metrics: CSV with one row per epoch.
        backbone_architecture: resnet18 or resnet50.
        backbone: Weights of the backbone: none, imagenet or a path.
        weights: The file that `backbone` names, if it names one.
        threads: CPU threads.

    Raises:
        InputError: the weights cannot be had, or belong to another architecture.
    """
    fabric = start(settings, threads)
    store, label_store = Store(images, "images"), Store(labels, "affinity_labels")
    ids = [cxr_id for cxr_id in label_store.ids if (label_store[cxr_id] != 255).any()]
    if not ids:
        found, remedy = (
            "no labelled pixel",
            "Lower labels.foreground, or train the classifier longer.",
        )
        raise InputError([Problem(str(labels[0]), found, "X-rays with labelled pixels", remedy)])
    print(f"{len(ids)} of {len(label_store)} X-rays have labelled pixels")
    initial = str(weights[0]) if weights else backbone
    print(f"backbone: {backbone_architecture}, weights: {initial}")
    model = irnet_of(backbone_architecture, initial)

    def loss_of(model: nn.Module, batch: tuple[Tensor, ...], generator: torch.Generator) -> Tensor:
        # Moved as two masks, so that what comes in from outside the X-ray is unsure.
        masks = torch.cat([batch[1] == 1, batch[1] == 0], dim=1).float()
        image, masks = augment(to_float(batch[0]), masks, settings.augmentation, generator)
        foreground, background = masks.chunk(2, dim=1)
        label = torch.full_like(batch[1], 255)
        label[background > 0] = 0
        label[foreground > 0] = 1
        edge, displacement = model(image)
        return irnet_losses(edge.sigmoid(), displacement, label, settings.radius).total

    dataset = Supervised(store, Source("affinity labels", ids, label_store.__getitem__))
    fit(
        fabric,
        model,
        dataset,
        shuffled(len(ids)),
        loss_of,
        lambda model: {},
        settings,
        metrics=metrics,
        threads=threads,
        parameters=model.parameter_groups(settings.learning_rate),
    )
    batches = in_order(dataset, settings.batch_size, threads)
    model.eval().fit_mean_shift(to_float(image.to(fabric.device)) for image, _ in batches)
    save_checkpoint(
        out,
        state_dict=model.state_dict(),
        kind="irnet",
        settings={"backbone_architecture": backbone_architecture, **settings.model_dump()},
        pathologies=label_store.meta["pathologies"],
        extra=store.meta,
    )
