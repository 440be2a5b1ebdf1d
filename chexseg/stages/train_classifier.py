"""Classifier: X-ray to the probability of each finding."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn
from torchmetrics.functional.classification import binary_auroc

from chexseg.config.settings import ClassifierSettings
from chexseg.data.index import findings_of, labels_of, read_index
from chexseg.files.artifacts import Output
from chexseg.files.store import Store
from chexseg.inference.batching import Unlabelled, infer, to_float
from chexseg.losses.classification import classification_loss, positive_probability
from chexseg.models.trained import classifier_of
from chexseg.models.weights import initialise, save_checkpoint
from chexseg.training.augmentation import augment
from chexseg.training.datasets import Rows, Source, Supervised
from chexseg.training.loop import SCORE, fit, start
from chexseg.training.processes import say
from chexseg.training.sampling import shuffled
from chexseg.training.staging import staged
from chexseg.training.state import StateFile


def run(
    *,
    index: Path,
    images: tuple[Path, ...],
    out: Output,
    metrics: Output,
    settings: ClassifierSettings,
    weights: tuple[Path, ...] = (),
    threads: int = 1,
    devices: int = 1,
    nodes: int = 1,
    state: Path | None = None,
    save_every: float = 600,
    scratch: Path | None = None,
) -> None:
    """Train a classifier on the labels of the train X-rays.

    It has an output for each finding of the index. The epoch with the highest mean AUROC over
    `selection` wins, measured on the validation X-rays (splits `expert` and `validation`: no
    classifier trains on them). A finding without both a positive and a negative X-ray there has
    no AUROC.

    Args:
        index: The study's index.
        images: The shards of the image store.
        out: The checkpoint.
        metrics: CSV with one row per epoch.
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
        InputError: initial weights cannot be had, or belong to another architecture; or a batch
            cannot be split evenly.
    """
    fabric = start(settings, threads, devices=devices, nodes=nodes)
    file = StateFile(
        state, save_every, "train-classifier", settings, inputs=(index, *images, *weights)
    )
    store = Store(images, "images")
    train, validation = read_index(index, "train"), read_index(index, "expert", "validation")
    source = Source("labels", list(train.index), Rows(train.index, labels_of(train)))
    findings = findings_of(train)
    truth = torch.from_numpy(labels_of(validation))

    model = classifier_of(settings, len(findings))
    initial = str(weights[0]) if weights else settings.initial_weights
    say(
        fabric,
        initialise(model.backbone, initial, architecture=settings.architecture) or "random weights",
    )

    def forward(model: nn.Module, batch: list[Tensor], noise: Tensor) -> tuple[Tensor, Tensor]:
        image, _ = augment(to_float(batch[0]), None, settings.augmentation, noise)
        return model(image), batch[1]

    def loss_of(logits: Tensor, labels: Tensor) -> Tensor:
        return classification_loss(
            logits, labels, uncertain=settings.uncertain, blank=settings.blank
        )

    def validate(model: nn.Module) -> tuple[dict[str, float], dict]:
        logits = infer(
            model,
            Unlabelled(store, validation.index),
            batch_size=settings.batch_size,
            device=fabric.device,
            threads=threads,
        )
        probability = positive_probability(torch.stack(list(logits)).float(), settings.uncertain)
        return auroc_figures(probability, truth, findings, settings.selection), {}

    with staged(fabric, scratch, [store], [*train.index, *validation.index]):
        best = fit(
            fabric,
            model,
            Supervised(store, source),
            shuffled(len(train)),
            forward,
            loss_of,
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
            kind="classifier",
            settings=settings.model_dump(),
            pathologies=findings,
            extra=store.meta,
        )
        file.discard()


def auroc_figures(
    probability: Tensor,
    labels: Tensor,
    findings: tuple[str, ...],
    selection: tuple[str, ...] = (),
) -> dict[str, float]:
    """Returns the AUROC of each finding, and the mean over `selection` as `score`.

    Args:
        probability: [N, F].
        labels: [N, F]; only 1 and 0 count.
        findings: their names.
        selection: those whose mean is the score; empty: all.

    Returns:
        `auroc <finding>` for each, NaN where labels are not of both kinds, and `score`, NaN if
        all of `selection` are.
    """
    figures = {}
    for column, finding in enumerate(findings):
        truth = labels[:, column]
        known = (truth == 0) | (truth == 1)
        auroc = float("nan")
        if truth[known].unique().numel() == 2:
            auroc = float(binary_auroc(probability[known, column], truth[known].long()))
        figures[f"auroc {finding}"] = auroc
    scores = np.array([figures[f"auroc {finding}"] for finding in selection or findings])
    score = float(scores[~np.isnan(scores)].mean()) if not np.isnan(scores).all() else np.nan
    return {**figures, SCORE: score}
