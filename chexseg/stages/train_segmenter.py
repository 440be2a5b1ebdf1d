"""Trains a segmenter, which maps an X-ray to masks, on one or several sources of masks."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from torch import Tensor, nn

from chexseg.config.methods import configured, inputs_of
from chexseg.config.settings import SegmenterSettings
from chexseg.data.channels import Channels
from chexseg.data.index import read_index, without
from chexseg.errors import InputError, Problem
from chexseg.evaluation.thresholds import FALLBACK, ThresholdSelection
from chexseg.files.artifacts import Execution, Output
from chexseg.files.store import Store
from chexseg.files.store_format import MASK_KINDS
from chexseg.inference.batching import in_order, to_float
from chexseg.models.start import start_segmenter
from chexseg.models.trained import segmenter_of
from chexseg.training.augmentation import NUMBERS, augment, augment_known, move_boxes
from chexseg.training.consistency import STRONG_NUMBERS, consistency_loss, strengthen
from chexseg.training.contrast import RegionContrast, without_contrast
from chexseg.training.datasets import Source, Supervised
from chexseg.training.loop import SCORE
from chexseg.training.run import Training, resolve_weights
from chexseg.training.sampling import mixed, shuffled
from chexseg.training.supervision import supervision
from chexseg.training.targets import unpack
from chexseg.training.task import Figures, Task


def run(
    *,
    index: Path,
    images: tuple[Path, ...],
    truth: tuple[Path, ...],
    masks: tuple[Path, ...],
    sources: tuple[str, ...],
    out: Output,
    metrics: Output,
    settings: SegmenterSettings,
    mixing: tuple[float, ...] = (),
    leave_out: tuple[str, ...] = (),
    weights: tuple[Path, ...] = (),
    execution: Execution = Execution(),
) -> None:
    """Train a segmenter and select its thresholds.

    Each source of masks defines the splits whose X-rays may be used for training; the split
    `validation` never is. After each epoch, the candidate thresholds are tried on that split. The
    score of an epoch is the mean of `selection_metric` over `selection`, with each class at its best
    threshold. The best epoch and its thresholds are kept. A class without truth on that split, or
    that the masks for validation lack, has the threshold 0.5 and no score; if no class of
    `selection` has a score, all that have one select, and if none has, the last epoch is kept.

    Args:
        index: The study's index.
        images: The shards of the image store.
        truth: The shards of the masks for validation; X-rays of the split `validation` without
            masks are left out.
        masks: The shards of the masks for training, in the order of `sources`, equally many per
            source.
        sources: Names of the sources, in the order of `masks`.
        out: The checkpoint.
        metrics: CSV with one row per epoch.
        mixing: Probability with which each source is drawn for a sample; they sum to 1. Without
            it, the sources are concatenated and shuffled.
        leave_out: `source:class` for each class of which a source teaches nothing.
        weights: The file of the initial weights, if `initial_weights` refers to one.

    Raises:
        InputError: the sources are inconsistent or have no training masks, no X-ray has masks for
            validation, the initial weights do not match, or a batch cannot be split evenly.
    """
    inputs = (index, *images, *truth, *masks, *weights)
    named = {"sources": sources, "mixing": mixing, "leave_out": leave_out}
    training = Training("segmenter", settings, execution, inputs, **named)
    store, true = Store(images, "images"), Store(truth, "masks")
    classes = _classes_of(masks)
    learnt, stores = supervision(
        index, masks, sources, mixing, classes, leave_out,
        held_out=settings.held_out, numbers=numbers_of(settings),
    )  # fmt: skip
    for source in learnt:
        training.log(f"{source.name}: {len(source.ids)} X-rays")
    rows = without(read_index(index, "validation"), settings.held_out)
    validation = [cxr_id for cxr_id in rows.index if cxr_id in true]
    if not validation:
        found, remedy = "no masks of validation X-rays", "Validate on other masks."
        raise InputError([Problem(str(truth[0]), found, "masks of one or more", remedy)])
    training.log(f"validation: {len(validation)} X-rays")
    drawn = Channels(true, classes)
    _log_unseen(training, drawn, classes, validation)

    checked = Supervised(store, Source("validation", validation, {"masks": drawn.__getitem__}))
    soft = any(masks.meta.get("soft", False) for masks in stores)
    task = Segmentation(training, settings, checked, classes, soft=soft)
    task.start(resolve_weights(settings.initial_weights, weights))
    counts = [len(source.ids) for source in learnt]
    samples = settings.samples_per_epoch or sum(counts)
    training.run(
        task,
        Supervised(store, *learnt),
        mixed(counts, mixing, samples) if mixing else shuffled(sum(counts), samples),
        stores=[store, true, *stores],
        validation=validation,
        out=out,
        metrics=metrics,
        classes=classes,
        extra=store.meta,
        keep=settings.keep_epochs,
    )


class Segmentation(Task):
    """Predicts masks from X-rays; the score is the mean metric of the classes in `selection`.

    Args:
        training: the training that runs this task.
        settings: settings of the training.
        validation: X-rays with their true masks.
        classes: names of the mask channels.
        soft: whether the masks of any source are probabilities.
    """

    def __init__(
        self,
        training: Training,
        settings: SegmenterSettings,
        validation: Supervised,
        classes: Sequence[str],
        *,
        soft: bool = False,
    ):
        super().__init__(segmenter_of(settings, len(classes)))
        self.training, self.settings, self.validation = training, settings, validation
        self.classes, self.soft = tuple(classes), soft
        self.numbers = NUMBERS + (STRONG_NUMBERS if settings.consistency > 0 else 0)
        self.mask_loss = configured("loss", settings.loss, settings)
        self.compared = inputs_of("loss", settings.loss)
        self.contrast: RegionContrast | None = None
        self.trained: list[tuple[list[nn.Parameter], float]] = []
        selection = settings.selection or self.classes
        self.selected = [self.classes.index(name) for name in selection if name in self.classes]

    def start(self, initial_weights: str) -> None:
        """Gives the model its first weights, and chooses what of it is trained.

        Args:
            initial_weights: see `start_segmenter`.

        Raises:
            InputError: the weights are unavailable, or belong to another network.
        """
        report = start_segmenter(self.model, self.settings, initial_weights)
        self.training.log(str(report or "random weights"))
        tuning = configured("fine_tuning", self.settings.fine_tuning, self.settings)
        self.trained = tuning(self.model)
        if self.settings.contrast > 0:
            channels = self.model.network.segmentation_head[0].in_channels
            memory, temperature = self.settings.contrast_memory, self.settings.contrast_temperature
            self.model.contrast = self.contrast = RegionContrast(channels, memory, temperature)
            self.trained = [*self.trained, ([*self.contrast.parameters()], 1.0)]
        number = sum(each.numel() for each in self.model.parameters())
        trained = sum(each.numel() for parameters, _ in self.trained for each in parameters)
        self.training.log(f"{trained:,} of {number:,} parameters are trained")

    def parameters(self) -> Iterable[dict[str, Any]]:
        rate = self.settings.learning_rate
        return [{"params": each, "lr": rate * factor} for each, factor in self.trained]

    def step(self, batch: dict[str, Tensor], noise: Tensor) -> dict[str, Tensor]:
        geometry = noise[:, :NUMBERS]
        strength, scales = self.settings.augmentation, self.settings.scale_range
        image = to_float(batch["image"])
        masks, known = unpack(batch["masks"])
        if known is None:
            image, masks = augment(image, masks, strength, geometry, scales)
        else:
            image, masks, known = augment_known(
                image, masks, known, strength, geometry, scales, soft=self.soft
            )
        boxes = {}
        if "boxes" in batch:
            placed = batch["boxes"].unflatten(1, (-1, 2, 4))
            boxes["boxes"] = move_boxes(placed, image.shape[-1], strength, geometry, scales)
            boxes["agreement"] = batch["agreement"]
        if self.contrast is None:
            outputs = {"logits": self.model(image), "masks": masks, **boxes}
        else:
            found = self.model(image, boxes["boxes"][:, :, 1], batch["normal"][:, 0] > 0)
            outputs = dict(zip(("logits", "embeddings", "kinds"), found, strict=True))
            outputs |= {"masks": masks, **boxes}
        outputs |= {} if known is None else {"known": known}
        if self.settings.consistency > 0:
            outputs["strong"] = self.model(strengthen(image, noise[:, NUMBERS:]))
        return outputs

    def loss(
        self,
        logits: Tensor,
        masks: Tensor,
        known: Tensor | None = None,
        strong: Tensor | None = None,
        embeddings: Tensor | None = None,
        kinds: Tensor | None = None,
        **boxes: Tensor,
    ) -> Tensor:
        settings = self.settings
        given = {"logits": logits / settings.temperature, "truth": masks, "known": known, **boxes}
        loss = self.mask_loss(**{name: given[name] for name in self.compared if name in given})
        if embeddings is not None:
            contrast = self.contrast.loss(embeddings, kinds)
            loss = settings.mask_weight * loss + settings.contrast * contrast
        if strong is None:
            return loss
        agreement = consistency_loss(strong, logits, settings.confidence)
        return loss + settings.consistency * agreement

    def kept(self, tensors: dict[str, Tensor]) -> dict[str, Tensor]:
        return without_contrast(tensors)

    def validate(self) -> tuple[Figures, dict[str, Any]]:
        metric = self.settings.selection_metric
        thresholding = ThresholdSelection(len(self.classes), metric)
        device = self.training.fabric.device
        for batch in in_order(self.validation, self.settings.batch_size, self.training.threads):
            probability = self.model(to_float(batch["image"].to(device))).float().sigmoid()
            thresholding.update(probability, batch["masks"].to(device))
        thresholds, scores = thresholding.best()
        names = (f"{metric} {name}" for name in self.classes)
        figures = dict(zip(names, scores.tolist(), strict=True))
        selecting = scores[self.selected]
        selecting = scores if selecting.isnan().all() else selecting
        figures[SCORE] = float(selecting.nanmean())
        return figures, {"thresholds": thresholds.tolist()}


def numbers_of(settings: SegmenterSettings) -> tuple[str, ...]:
    """Returns what a training needs of its masks' stores beside the masks."""
    if settings.contrast > 0:
        return ("boxes", "agreement", "normal")
    return ("boxes", "agreement") if "boxes" in inputs_of("loss", settings.loss) else ()


def _classes_of(masks: Sequence[Path]) -> tuple[str, ...]:
    """Returns the classes of the first masks for training; the others must have the same."""
    return tuple(Store(masks[:1], *MASK_KINDS).meta["classes"]) if masks else ()


def _log_unseen(
    training: Training, truth: Channels, classes: Sequence[str], validation: Sequence[str]
) -> None:
    seen = np.any([truth[cxr_id].any((1, 2)) for cxr_id in validation], axis=0)
    if not seen.all():
        unseen = ", ".join(np.array(classes)[~seen])
        training.log(f"no truth in validation, so their threshold is {FALLBACK}: {unseen}")
