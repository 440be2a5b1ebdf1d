"""IRNet: X-ray to the edges between what belongs together and what does not."""

from __future__ import annotations

from pathlib import Path

import torch
from torch import Tensor, nn
from torch.utils.data import Subset

from chexseg.errors import InputError, Problem
from chexseg.files.artifacts import Output
from chexseg.files.store import Store
from chexseg.inference.batching import in_order, to_float
from chexseg.losses.irnet import irnet_losses
from chexseg.mask_sources.irnet import IRNetSettings
from chexseg.models.trained import irnet_of
from chexseg.models.weights import save_checkpoint
from chexseg.training.augmentation import augment
from chexseg.training.datasets import Source, Supervised
from chexseg.training.loop import fit, start
from chexseg.training.processes import of_all, say
from chexseg.training.sampling import shuffled
from chexseg.training.staging import staged
from chexseg.training.state import StateFile


def run(
    *,
    images: tuple[Path, ...],
    labels: tuple[Path, ...],
    out: Output,
    metrics: Output,
    settings: IRNetSettings,
    backbone_architecture: str = "resnet50",
    backbone: str = "imagenet",
    weights: tuple[Path, ...] = (),
    threads: int = 1,
    devices: int = 1,
    nodes: int = 1,
    state: Path | None = None,
    save_every: float = 600,
    scratch: Path | None = None,
) -> None:
    """Train IRNet's edge and displacement branches on affinity labels; the backbone is frozen.

    The last epoch is kept, as published; the mean displacement over the X-rays, which inference
    subtracts, is measured after it.

    Args:
        images: The shards of the image store.
        labels: The shards of the store of affinity labels.
        out: The checkpoint.
        metrics: CSV with one row per epoch.
        backbone_architecture: resnet18 or resnet50.
        backbone: Weights of the backbone: none, imagenet or a path.
        weights: The file that `backbone` names, if it names one.
        threads: CPU threads of each process.
        devices: GPUs on each node, or processes where there is no GPU. They share each batch.
        nodes: Computers.
        state: Where the training keeps its state while it runs, so that a training that was
            stopped goes on from there. Deleted at the end.
        save_every: Seconds between two saves of the state.
        scratch: Folder on a disk of the node, to which the stores are copied while the training
            reads them; None reads them where they are.

    Raises:
        InputError: the weights cannot be had, or belong to another architecture; or a batch
            cannot be split evenly.
    """
    fabric = start(settings, threads, devices=devices, nodes=nodes)
    file = StateFile(
        state,
        save_every,
        "train-irnet",
        settings,
        inputs=(*images, *labels, *weights),
        backbone_architecture=backbone_architecture,
        backbone=backbone,
    )
    store, label_store = Store(images, "images"), Store(labels, "affinity_labels")
    ids = label_store.ids
    if not ids:
        found, remedy = (
            "no labelled pixel",
            "Lower labels.foreground, or train the classifier longer.",
        )
        raise InputError([Problem(str(labels[0]), found, "X-rays with labelled pixels", remedy)])
    say(fabric, f"{len(ids)} X-rays with labelled pixels")
    initial = str(weights[0]) if weights else backbone
    say(fabric, f"backbone: {backbone_architecture}, weights: {initial}")
    model = irnet_of(backbone_architecture, initial)

    def forward(model: nn.Module, batch: list[Tensor], noise: Tensor) -> tuple[Tensor, ...]:
        # Moved as two masks, so that what comes in from outside the X-ray is unsure.
        masks = torch.cat([batch[1] == 1, batch[1] == 0], dim=1).float()
        image, masks = augment(to_float(batch[0]), masks, settings.augmentation, noise)
        foreground, background = masks.chunk(2, dim=1)
        label = torch.full_like(batch[1], 255)
        label[background > 0] = 0
        label[foreground > 0] = 1
        edge, displacement = model(image)
        return edge.sigmoid(), displacement, label

    def loss_of(edge: Tensor, displacement: Tensor, label: Tensor) -> Tensor:
        return irnet_losses(edge, displacement, label, settings.radius).total

    dataset = Supervised(store, Source("affinity labels", ids, label_store.__getitem__))
    with staged(fabric, scratch, [store, label_store], ids):
        fit(
            fabric,
            model,
            dataset,
            shuffled(len(ids)),
            forward,
            loss_of,
            lambda model: ({}, {}),
            settings,
            metrics=metrics,
            file=file,
            threads=threads,
            parameters=model.parameter_groups(settings.learning_rate),
        )
        share = Subset(dataset, range(fabric.global_rank, len(ids), fabric.world_size))
        batches = in_order(share, settings.batch_size, threads)
        model.eval().fit_mean_shift(
            (to_float(image.to(fabric.device)) for image, _ in batches),
            lambda sums: of_all(fabric, sums.to(fabric.device)).cpu(),
        )
    if fabric.is_global_zero:
        save_checkpoint(
            out,
            state_dict=model.state_dict(),
            kind="irnet",
            settings={"backbone_architecture": backbone_architecture, **settings.model_dump()},
            pathologies=label_store.meta["pathologies"],
            extra=store.meta,
        )
        file.discard()
