"""The one table of stages, and of the methods of each kind.

A new method is a file of its own and a line here. A package that lies elsewhere adds one by an
entry point of the group `chexseg.<kind>`, and needs no line. Nothing heavy is imported: the
command line, the Snakefile and the profiles read this module.
"""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from importlib.metadata import entry_points
from typing import Any


@dataclass(frozen=True)
class Stage:
    """A command that makes artifacts.

    Attributes:
        name: the command, as in `chexseg NAME`; the module in `chexseg/stages/` has the same name.
        methods: flags of its command that name methods, with their kinds: the code of a method
            counts for the artifacts whose command names it.
        gpu: whether it computes on a GPU where there is one.
        training: whether it trains a network.
        cpu_too: whether some of its methods need no GPU; they have a rule without one.
    """

    name: str
    methods: Mapping[str, str] = field(default_factory=dict)
    gpu: bool = False
    training: bool = False
    cpu_too: bool = False

    @property
    def gpu_rule(self) -> str:
        """The rule whose jobs ask for a GPU."""
        return self.name.replace("-", "_") + "_on_gpu" * self.cpu_too


STAGES = (
    Stage("make-phantom"),
    Stage("check-data", methods={"layout": "layout"}),
    Stage("build-index", methods={"layout": "layout"}),
    Stage("store-images"),
    Stage("fetch-weights"),
    Stage("train-classifier", methods={"architecture": "architecture"}, gpu=True, training=True),
    Stage("compute-saliency", methods={"method": "saliency"}, gpu=True),
    Stage("label-affinity", gpu=True),
    Stage(
        "train-irnet", methods={"backbone_architecture": "architecture"}, gpu=True, training=True
    ),
    Stage("compute-affinity", gpu=True),
    Stage("make-masks", methods={"source": "mask_source"}, gpu=True, cpu_too=True),
    Stage("list-agreement"),
    Stage("score-masks", methods={"metrics": "metric", "map_metrics": "metric"}),
    Stage(
        "train-segmenter",
        methods={
            "architecture": "decoder",
            "loss": "loss",
            "fine_tuning": "fine_tuning",
            "selection_metric": "metric",
        },
        gpu=True,
        training=True,
    ),
    Stage("extract-epoch"),
    Stage("predict-masks", gpu=True),
    Stage("compute-histograms", gpu=True),
    Stage("count-overlaps"),
    Stage("list-runs"),
    Stage("list-trainings"),
    Stage("score-runs", methods={"metrics": "metric"}),
    Stage("average-seeds"),
    Stage("compare-runs"),
    Stage("draw-figure", methods={"figure": "figure"}),
)
"""In the order of the pipeline."""

COMMANDS = ("validate", "status", "why", "audit", "evaluate", "predict", "export")
"""What people type."""

METHODS: dict[str, dict[str, str]] = {
    "layout": {
        "chexpert": "chexseg.data.layouts.chexpert:CheXpert",
        "folder": "chexseg.data.layouts.folder:Folder",
    },
    "architecture": {
        "densenet121": "torchvision.models:densenet121",
        "densenet169": "torchvision.models:densenet169",
        "densenet_small": "chexseg.models.classifier:densenet_small",
        "resnet18": "torchvision.models:resnet18",
        "resnet34": "torchvision.models:resnet34",
        "resnet50": "torchvision.models:resnet50",
        "resnet101": "torchvision.models:resnet101",
    },
    "decoder": {
        "deeplabv3plus": "chexseg.models.decoders.deeplabv3plus:deeplabv3plus",
        "unet": "chexseg.models.decoders.unet:unet",
        "unetplusplus": "chexseg.models.decoders.unetplusplus:unetplusplus",
        "fpn": "chexseg.models.decoders.fpn:fpn",
    },
    "loss": {
        "dice": "chexseg.losses.dice:dice_loss",
        "cross_entropy": "chexseg.losses.cross_entropy:cross_entropy_loss",
        "focal": "chexseg.losses.focal:focal_loss",
    },
    "fine_tuning": {
        "full": "chexseg.models.fine_tuning.full:full",
        "head": "chexseg.models.fine_tuning.head:head",
        "adapters": "chexseg.models.fine_tuning.adapters:adapters",
    },
    "saliency": {
        "gradcam": "chexseg.saliency.methods.gradcam:GradCAM",
        "layercam": "chexseg.saliency.methods.layercam:LayerCAM",
        "integrated_gradients": "chexseg.saliency.methods.integrated_gradients:IntegratedGradients",
    },
    "mask_source": {
        "drawn": "chexseg.mask_sources.drawn:Drawn",
        "threshold": "chexseg.mask_sources.threshold:Threshold",
        "irnet": "chexseg.mask_sources.irnet:IRNet",
        "segmenter": "chexseg.mask_sources.segmenter:Segmenter",
        "consensus": "chexseg.mask_sources.consensus:Consensus",
    },
    "metric": {
        "iou_dataset": "chexseg.evaluation.metrics.iou_dataset:iou_dataset",
        "iou_image": "chexseg.evaluation.metrics.iou_image:iou_image",
        "iou_image_all": "chexseg.evaluation.metrics.iou_image_all:iou_image_all",
        "dice": "chexseg.evaluation.metrics.dice:dice",
        "precision": "chexseg.evaluation.metrics.precision:precision",
        "recall": "chexseg.evaluation.metrics.recall:recall",
        "specificity": "chexseg.evaluation.metrics.specificity:specificity",
        "false_positives": "chexseg.evaluation.metrics.false_positives:false_positives",
        "hit_rate": "chexseg.evaluation.metrics.hit_rate:hit_rate",
        "iou_oracle": "chexseg.evaluation.metrics.iou_oracle:iou_oracle",
        "average_precision": "chexseg.evaluation.metrics.average_precision:average_precision",
    },
    "figure": {
        "result": "chexseg.report.result:RESULT",
        "human": "chexseg.report.human:HUMAN_FIGURE",
        "sweep": "chexseg.report.sweep:SWEEP",
        "sweep_table": "chexseg.report.sweep:SWEEP_TABLE",
        "gallery": "chexseg.report.gallery:GALLERY",
        "gallery_best": "chexseg.report.gallery:GALLERY_BEST",
        "gallery_worst": "chexseg.report.gallery:GALLERY_WORST",
        "explanations": "chexseg.report.explanations:EXPLANATIONS",
        "bars": "chexseg.report.bars:BARS",
        "mask_quality": "chexseg.report.mask_quality:MASK_QUALITY",
        "curves": "chexseg.report.curves:CURVES",
        "table": "chexseg.report.table:TABLE",
        "comparisons": "chexseg.report.comparisons:COMPARISONS",
        "lineage": "chexseg.report.lineage:LINEAGE",
    },
}
"""Kind -> name of a method -> `module:object`."""


SELECTING = ("iou_dataset", "iou_image_all", "dice")
"""Metrics that may select thresholds and epochs: each weighs misses against false positives. Others
are best where everything is drawn, or next to nothing."""

OF_PROBABILITIES = ("iou_oracle", "average_precision")
"""Metrics of histograms of probabilities; all others are metrics of overlaps. Only a study that names
one of them computes histograms."""


def gpu_rules(*, training: bool = False) -> tuple[str, ...]:
    """Returns the rules whose jobs ask for a GPU; with `training`, only those that train."""
    return tuple(s.gpu_rule for s in STAGES if s.gpu and (s.training or not training))


def stage(name: str) -> Stage:
    """Returns the stage of a command.

    Raises:
        KeyError: no stage has that name.
    """
    return {each.name: each for each in STAGES}[name]


def names(kind: str) -> tuple[str, ...]:
    """Returns the methods of a kind: those of this table, then those of other packages."""
    return tuple(_places(kind))


def place(kind: str, name: str) -> str:
    """Returns where a method is defined, as `module:object`.

    Raises:
        KeyError: no method of the kind has that name.
    """
    return _places(kind)[name]


def load(kind: str, name: str) -> Any:
    """Returns a method, importing its module.

    Raises:
        KeyError: no method of the kind has that name.
    """
    module, _, definition = place(kind, name).partition(":")
    return getattr(importlib.import_module(module), definition)


@cache
def _places(kind: str) -> dict[str, str]:
    others = {point.name: point.value for point in entry_points(group=f"chexseg.{kind}")}
    return {**METHODS[kind], **others}
