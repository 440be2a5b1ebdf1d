"""Segmenter: X-ray to masks, from expert masks, pseudo masks, or both."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from torch import Tensor, nn

from chexseg.config.settings import SegmenterSettings
from chexseg.data.index import read_index
from chexseg.errors import InputError, Problem
from chexseg.evaluation.thresholds import CANDIDATES, FALLBACK, ThresholdSelection
from chexseg.files.artifacts import Output
from chexseg.files.store import Store
from chexseg.inference.batching import in_order, to_float
from chexseg.losses.dice import dice_loss
from chexseg.models.trained import segmenter_of
from chexseg.models.weights import initialise, save_checkpoint
from chexseg.training.augmentation import augment
from chexseg.training.datasets import Source, Supervised
from chexseg.training.loop import SCORE, fit, start
from chexseg.training.processes import say
from chexseg.training.sampling import Draw, mixed, shuffled
from chexseg.training.staging import staged
from chexseg.training.state import StateFile


def run(
    *,
    index: Path,
    images: tuple[Path, ...],
    expert_masks: Path,
    out: Output,
    metrics: Output,
    settings: SegmenterSettings,
    expert: bool = True,
    pseudo_masks: tuple[Path, ...] = (),
    weights: tuple[Path, ...] = (),
    threads: int = 1,
    devices: int = 1,
    nodes: int = 1,
    state: Path | None = None,
    save_every: float = 600,
    scratch: Path | None = None,
) -> None:
    """Train a segmenter and choose its thresholds.

    Trains on the X-rays of the split `expert` (with `expert`), and on the train X-rays (with
    `pseudo_masks`). After each epoch the 20 candidate thresholds are tried on the split
    `validation`; an epoch's score is the mean IoU, each pathology at its best threshold, over
    `selection`. The best epoch and its thresholds are kept.

    Args:
        index: The study's index.
        images: The shards of the image store.
        expert_masks: The store of expert masks; its X-rays of the split `validation` select.
        out: The checkpoint.
        metrics: CSV with one row per epoch.
        expert: Learn from expert masks.
        pseudo_masks: The shards of a store of pseudo masks to learn from.
        weights: The file that `initial_weights` names, if it names one.
        threads: CPU threads of each process.
        devices: GPUs on each node, or processes where there is no GPU. They share each batch.
        nodes: Computers.
        state: Where the training keeps its state while it runs, so that a training that was
            stopped goes on from there. Deleted at the end.
        save_every: Seconds between two saves of the state.
        scratch: Folder on a disk of the node, to which the stores are copied while the training
            reads them; None reads them where they are.

    Raises:
        InputError: there are no masks to learn from, initial weights do not fit, or a batch
            cannot be split evenly.
    """
    fabric = start(settings, threads, devices=devices, nodes=nodes)
    file = StateFile(
        state,
        save_every,
        "train-segmenter",
        settings,
        inputs=(index, *images, expert_masks, *pseudo_masks, *weights),
        expert=expert,
    )
    store, truth = Store(images, "images"), Store([expert_masks], "masks")
    pathologies = tuple(truth.meta["pathologies"])
    validation = list(read_index(index, "validation").index)
    sources, stores = [], [store, truth]
    if expert:
        ids = list(read_index(index, "expert").index)
        sources.append(Source("expert masks", ids, truth.__getitem__))
    if pseudo_masks:
        pseudo = Store(pseudo_masks, "masks")
        stores.append(pseudo)
        ids = list(read_index(index, "train").index)
        sources.append(Source("pseudo masks", ids, pseudo.__getitem__))
    if not sources or not all(source.ids for source in sources):
        names = " and ".join(source.name for source in sources if not source.ids)
        found, remedy = f"no X-ray with {names or 'masks'}", "Give masks to learn from."
        raise InputError([Problem(str(index), found, "at least one", remedy)])
    for source in sources:
        say(fabric, f"{source.name}: {len(source.ids)} X-rays")

    model = segmenter_of(settings, len(pathologies))
    initial = str(weights[0]) if weights else settings.initial_weights
    say(
        fabric,
        initialise(model.encoder, initial, architecture=settings.encoder) or "random weights",
    )

    def forward(model: nn.Module, batch: list[Tensor], noise: Tensor) -> tuple[Tensor, Tensor]:
        image, masks = augment(to_float(batch[0]), batch[1].float(), settings.augmentation, noise)
        return model(image), masks

    checked = Supervised(store, Source("validation", validation, truth.__getitem__))
    selection = settings.selection or pathologies
    selected = [pathologies.index(p) for p in selection if p in pathologies]

    def validate(model: nn.Module) -> tuple[dict[str, float], dict]:
        thresholding = ThresholdSelection(len(pathologies), CANDIDATES)
        for image, masks in in_order(checked, settings.batch_size, threads):
            probability = model(to_float(image.to(fabric.device))).float().sigmoid()
            thresholding.update(probability, masks.to(fabric.device))
        thresholds, iou = thresholding.best()
        score = float(iou[selected].nanmean())
        names = {f"iou {p}": float(value) for p, value in zip(pathologies, iou, strict=True)}
        return {**names, SCORE: score}, {"thresholds": thresholds.tolist()}

    seen = np.any([truth[cxr_id].any((1, 2)) for cxr_id in validation], axis=0)
    if not seen.all():
        unseen = ", ".join(np.array(pathologies)[~seen])
        say(fabric, f"no truth in validation, so their threshold is {FALLBACK}: {unseen}")
    read = [*validation, *(cxr_id for source in sources for cxr_id in source.ids)]
    with staged(fabric, scratch, stores, read):
        best = fit(
            fabric,
            model,
            Supervised(store, *sources),
            _draw(sources, settings),
            forward,
            dice_loss,
            validate,
            settings,
            metrics=metrics,
            file=file,
            threads=threads,
        )
    if fabric.is_global_zero:
        save_checkpoint(
            out,
            state_dict=best.state_dict,
            kind="segmenter",
            settings=settings.model_dump(),
            pathologies=pathologies,
            extra={**best.extra, **store.meta},
        )
        file.discard()


def _draw(sources: list[Source], settings: SegmenterSettings) -> Draw:
    counts = [len(source.ids) for source in sources]
    samples = settings.samples_per_epoch or sum(counts)
    if len(counts) == 2 and settings.mixing == "probability":
        return mixed(*counts, settings.expert_probability, samples)
    return shuffled(sum(counts), samples)
