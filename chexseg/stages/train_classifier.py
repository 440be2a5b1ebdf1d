"""Trains a classifier, which maps an X-ray to the probability of each finding."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pandas as pd
import torch
from torch import Tensor

from chexseg.config.settings import ClassifierSettings
from chexseg.data.index import findings_of, labels_of, read_index, without
from chexseg.data.splits import first_of_train
from chexseg.evaluation.auroc import auroc_of_each, mean_of_known
from chexseg.files.artifacts import Execution, Output
from chexseg.files.store import Store
from chexseg.inference.batching import Unlabelled, infer, to_float
from chexseg.losses.classification import classification_loss, positive_probability
from chexseg.models.trained import classifier_of
from chexseg.training.augmentation import augment
from chexseg.training.datasets import Rows, Source, Supervised
from chexseg.training.loop import SCORE
from chexseg.training.run import Training
from chexseg.training.sampling import shuffled
from chexseg.training.task import Figures, Task


def run(
    *,
    index: Path,
    images: tuple[Path, ...],
    out: Output,
    metrics: Output,
    settings: ClassifierSettings,
    weights: tuple[Path, ...] = (),
    execution: Execution = Execution(),
) -> None:
    """Train a classifier on the labels of the train X-rays.

    It has an output for each finding of the index. The best epoch is the one with the highest mean
    AUROC over `selection` on the validation X-rays (splits `expert` and `validation`, on which no
    classifier trains). A finding without both positive and negative X-rays there has no AUROC.

    Args:
        index: The study's index.
        images: The shards of the image store.
        out: The checkpoint.
        metrics: CSV with one row per epoch.
        weights: The file of the initial weights, if `initial_weights` refers to one.

    Raises:
        InputError: the initial weights are unavailable or belong to another architecture, a batch
            cannot be split evenly, or there are fewer train X-rays than `train_images`.
    """
    training = Training("classifier", settings, execution, (index, *images, *weights))
    store = Store(images, "images")
    train, validation = read_index(index, "train"), read_index(index, "expert", "validation")
    train = train.loc[first_of_train(train.index, settings.train_images)]
    train, validation = (without(rows, settings.held_out) for rows in (train, validation))
    findings = findings_of(train)

    task = Classification(training, settings, store, validation)
    network = task.model.backbone
    training.initialise(network, settings.architecture, settings.initial_weights, weights)
    labels = Rows(train.index, labels_of(train))
    training.run(
        task,
        Supervised(store, Source("labels", list(train.index), {"labels": labels})),
        shuffled(len(train)),
        stores=[store],
        validation=validation.index,
        out=out,
        metrics=metrics,
        classes=findings,
        extra=store.meta,
    )


class Classification(Task):
    """Predicts labels from X-rays; the score is the mean AUROC of the findings in `selection`.

    Args:
        training: the training that runs this task.
        settings: settings of the training.
        store: the images.
        validation: rows of the index.
    """

    def __init__(
        self,
        training: Training,
        settings: ClassifierSettings,
        store: Store,
        validation: pd.DataFrame,
    ):
        self.findings = findings_of(validation)
        super().__init__(classifier_of(settings, len(self.findings)))
        self.training, self.settings = training, settings
        self.images = Unlabelled(store, validation.index)
        self.truth = torch.from_numpy(labels_of(validation))
        selection = settings.selection or self.findings
        self.selected = [self.findings.index(name) for name in selection]

    def step(self, batch: dict[str, Tensor], noise: Tensor) -> dict[str, Tensor]:
        image, _ = augment(to_float(batch["image"]), None, self.settings.augmentation, noise)
        return {"logits": self.model(image), "labels": batch["labels"]}

    def loss(self, logits: Tensor, labels: Tensor) -> Tensor:
        policies = {"uncertain": self.settings.uncertain, "blank": self.settings.blank}
        return classification_loss(logits, labels, **policies)

    def validate(self) -> tuple[Figures, dict[str, Any]]:
        logits = infer(
            self.model,
            self.images,
            batch_size=self.settings.batch_size,
            device=self.training.fabric.device,
            threads=self.training.threads,
        )
        logits = torch.stack(list(logits)).float()
        auroc = auroc_of_each(positive_probability(logits, self.settings.uncertain), self.truth)
        score = mean_of_known(auroc[self.selected])
        names = (f"auroc {finding}" for finding in self.findings)
        return {**dict(zip(names, auroc.tolist(), strict=True)), SCORE: score}, {}
