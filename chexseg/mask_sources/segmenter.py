"""Masks that segmenters of the study predict: self-training and distillation.

Sources: gates by image-level labels as in the study's other made masks; soft targets and their
temperature from Hinton, Vinyals, Dean, "Distilling the knowledge in a neural network", 2015, which
the first version of CheXseg (arXiv 2102.10484v1) applied to segmenters; agreement of teachers as
the reliability of an X-ray from ST++ (Yang et al., CVPR 2022), which ranks X-rays by it. Here it is
compared with a fixed bound, so that a mask does not depend on what else is in its shard.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated, ClassVar, Literal

from pydantic import Field, StrictBool, model_validator

from chexseg.config.classes import classes_of_segmenter
from chexseg.config.networks import classifier_gflop, segmenter_gflop
from chexseg.config.paths import Paths
from chexseg.config.settings import Fraction, Name, Reference, Settings, misfit
from chexseg.mask_sources.gate import GateSettings, gate_of, partly_known, value_of
from chexseg.mask_sources.source import Inputs, Masks, MaskSource, Misfit, Shard

if TYPE_CHECKING:
    import numpy as np
    from torch import Tensor

    from chexseg.config.study import Study

TeacherGate = Literal["zeros", "ones", "ignore", "classifier"]

BATCH = 16
"""X-rays in a forward pass."""


class Segmenter(MaskSource, GateSettings):
    """What trained segmenters see in X-rays that have labels only."""

    source: Literal["segmenter"] = Field(description="The source of the masks.")
    segmenters: tuple[Annotated[Name, Reference("segmenters")], ...] = Field(
        min_length=1, description="The teachers; their probabilities and thresholds are averaged."
    )
    soft: StrictBool = Field(
        False,
        description="Keep probabilities, instead of cutting them at the teachers' thresholds.",
    )
    temperature: float = Field(
        1.0, gt=0, description="Divides the teachers' logits of soft masks; above 1 flattens them."
    )
    uncertain: TeacherGate = Field(
        "zeros",
        description="Masks of classes labelled -1: empty (zeros), let through (ones), not known "
        "(ignore), or multiplied by the probability of `classifier`.",
    )
    blank: TeacherGate = Field(
        "zeros", description="Masks of classes with a blank label; likewise."
    )
    classifier: Annotated[Name, Reference("classifiers")] | None = Field(
        None, description="The classifier whose probability gates, where a setting says so."
    )
    least_agreement: Fraction = Field(
        0.0,
        description="Train X-rays are left out on which the teachers' masks agree less: mean IoU of "
        "each teacher's masks with those of all, before gates and temperature.",
    )
    roles: ClassVar = {
        "teachers": "Checkpoints of the teachers.",
        "gate": "Checkpoint of the classifier.",
    }
    optional_roles: ClassVar = ("gate",)
    gpu: ClassVar = True
    core_seconds: ClassVar = 0.01

    def unused(self) -> set[str]:
        return {"certain_background"} if self.soft else {"temperature"}

    @property
    def graded(self) -> bool:
        return self.soft or partly_known(self)

    def scored_on(self, study: Study) -> tuple[str, ...]:
        # Teachers may have learnt from the experts' masks of the split `expert`. Those of
        # `validation` chose their thresholds and epochs, which flatters them a little.
        return ("validation",)

    def gflop(self, study: Study) -> float:
        entries = [study.segmenters[name] for name in self.segmenters]
        gate = study.classifiers[self.classifier] if self.classifier else None
        total = sum(segmenter_gflop(entry.encoder, entry.architecture) for entry in entries)
        return total + (classifier_gflop(gate.architecture, gate.stride) if gate else 0)

    @model_validator(mode="after")
    def _gate_has_a_classifier(self) -> Segmenter:
        gates = "classifier" in (self.uncertain, self.blank)
        if gates and self.classifier is None:
            raise misfit("a gate by a classifier, but none", "classifier: NAME", "Name one.")
        if self.classifier is not None and not gates:
            found, expected = "a classifier that gates nothing", "uncertain or blank: classifier"
            raise misfit(found, expected, "Set one of them, or delete `classifier`.")
        if self.least_agreement > 0 and len(self.segmenters) == 1:
            found = "least_agreement of a single teacher"
            raise misfit(found, "several teachers", "Name more segmenters, or delete it.")
        return self

    def classes_of(self, study: Study) -> tuple[str, ...]:
        return classes_of_segmenter(study, self.segmenters[0])

    def find_misfits(self, study: Study) -> Iterator[Misfit]:
        classes = self.classes_of(study)
        for number, name in enumerate(self.segmenters):
            if classes_of_segmenter(study, name) != classes:
                found, remedy = f"{name!r} with other classes", "Average teachers of one kind."
                expected = f"the classes of {self.segmenters[0]!r}, in their order"
                yield ("segmenters", number), found, expected, remedy

    def inputs(self, paths: Paths, name: str, shard: str) -> dict[str, list[str]]:
        files = {"teachers": [paths.checkpoint("segmenters", each) for each in self.segmenters]}
        gate = [paths.checkpoint("classifiers", self.classifier)] if self.classifier else []
        return files | {"gate": gate}

    @staticmethod
    def make_masks(settings: Settings, inputs: Inputs, shard: Shard) -> Masks:
        """Makes the masks of a shard; X-rays of the split `test` get none.

        Raises:
            InputError: a checkpoint cannot be read, or the teachers have different classes.
        """
        import torch

        from chexseg.data.levels import levels_of
        from chexseg.inference.batching import Unlabelled, infer

        models, classes, thresholds = _load(inputs["teachers"], shard)
        rows = shard.rows[shard.rows["split"] != "test"]
        gates = _gates(settings, inputs["gate"], shard, list(rows.index), classes)
        results = infer(
            lambda image: torch.stack([model(image).float() for model in models], 1),
            Unlabelled(shard.images, rows.index),
            batch_size=BATCH,
            device=shard.device,
            threads=shard.threads,
            what="masks",
        )

        graded = settings.soft or partly_known(settings)

        def items() -> Iterator[tuple[str, np.ndarray]]:
            parts = (rows["split"].items(), torch.from_numpy(gates), results)
            for (cxr_id, split), gate, logits in zip(*parts, strict=True):
                gate = gate[:, None, None]
                may_be_left_out = split == "train" and settings.least_agreement > 0
                if may_be_left_out and (
                    _agreement(logits.sigmoid(), thresholds, gate > 0) < settings.least_agreement
                ):
                    continue
                tempered = logits / settings.temperature if settings.soft else logits
                probability = tempered.sigmoid().mean(0) * gate.nan_to_num(nan=0.0)
                mask = probability > thresholds.mean(0)
                if not graded:
                    yield cxr_id, mask.numpy()
                    continue
                known = torch.ones_like(mask)
                if not settings.soft and settings.certain_background is not None:
                    known = mask | (probability < settings.certain_background)
                value = probability if settings.soft else mask
                yield cxr_id, levels_of(value.numpy(), (known & ~gate.isnan()).numpy())

        return Masks(classes, ("train",), items(), graded=graded, soft=settings.soft)


def _load(paths, shard: Shard) -> tuple[list, tuple[str, ...], Tensor]:
    """Loads the teachers: models, their classes, and thresholds [T, C, 1, 1]."""
    import torch

    from chexseg.errors import Problems
    from chexseg.inference.batching import evaluation_mode
    from chexseg.models.trained import load_segmenter

    models, thresholds, names, problems = [], [], (), Problems("weights")
    for path in paths:
        model, trained = load_segmenter(path)
        models.append(evaluation_mode(model, shard.device))
        thresholds.append(torch.tensor(trained.extra["thresholds"]))
        names = names or trained.classes
        if trained.classes != names:
            expected = f"{', '.join(names)}, as those of {paths[0]}"
            remedy = "Average teachers of the same classes, in the same order."
            problems.add(path, f"classes {', '.join(trained.classes)}", expected, remedy)
    problems.raise_if_any()
    return models, names, torch.stack(thresholds)[..., None, None]


def _gates(settings: Settings, paths, shard: Shard, ids: list[str], classes) -> np.ndarray:
    """Returns the gate of each X-ray and class: [N, C] in [0, 1], NaN where it is not known."""
    from chexseg.data.index import class_labels

    labels = class_labels(shard.index.loc[ids], classes)
    policies = {"uncertain": settings.uncertain, "blank": settings.blank}
    probability = _probabilities(paths[0], shard, ids, classes) if paths else None
    values = {
        key: probability if policy == "classifier" else value_of(policy)
        for key, policy in policies.items()
    }
    return gate_of(labels, **values)


def _probabilities(path, shard: Shard, ids: list[str], classes) -> np.ndarray:
    """Returns a classifier's probabilities of the classes: [N, C] float32.

    Raises:
        InputError: the checkpoint cannot be read, or lacks a class.
    """
    import numpy as np

    from chexseg.inference.batching import Unlabelled, evaluation_mode, infer
    from chexseg.losses.classification import positive_probability
    from chexseg.models.trained import load_classifier, places_of

    model, trained, findings = load_classifier(path)
    columns = places_of(classes, findings, path)
    model = evaluation_mode(model, shard.device)
    results = infer(
        lambda image: positive_probability(model(image).float(), trained.uncertain),
        Unlabelled(shard.images, ids),
        batch_size=BATCH,
        device=shard.device,
        threads=shard.threads,
        what="gate",
    )
    return np.array([result.numpy()[columns] for result in results], np.float32)


def _agreement(probability: Tensor, thresholds: Tensor, counts: Tensor) -> float:
    """Returns the mean IoU of each teacher's masks with those of all; 1 if all are empty.

    Args:
        probability: [T, C, H, W].
        thresholds: [T, C, 1, 1].
        counts: [C, 1, 1] bool, the classes that count.
    """
    masks = (probability > thresholds) & counts
    together = (probability.mean(0) > thresholds.mean(0)) & counts
    union = (masks | together).sum((2, 3)).double()
    shared = (masks & together).sum((2, 3)).double()
    iou = (shared / union)[union > 0]
    return float(iou.mean()) if len(iou) else 1.0
