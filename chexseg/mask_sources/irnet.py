"""Masks by IRNet: saliency maps, spread by a random walk up to the edges that an IRNet sees.

Source: Ahn, Cho, Kwak, "Weakly supervised learning of instance segmentation with inter-pixel
relations", CVPR 2019; CheXseg (Gadgil et al., MIDL 2021, section 3.2) makes its masks so.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal

from pydantic import Field, model_validator

from chexseg.config.classes import classes_of_saliency
from chexseg.config.paths import Paths
from chexseg.config.settings import (
    Backbone,
    Fraction,
    InitialWeights,
    Settings,
    TrainingSettings,
    misfit,
)
from chexseg.config.values import used_values
from chexseg.mask_sources.gate import GateSettings, check_band, partly_known
from chexseg.mask_sources.source import Inputs, Masks, MaskSource, Saliency, Shard

if TYPE_CHECKING:
    from chexseg.config.study import Study


class AffinityLabelSettings(Settings):
    """Which pixels surely (do not) belong to a pathology: two dense CRF runs on its CAM."""

    foreground: Fraction = Field(0.25, description="CAM above which the CRF starts as foreground.")
    background: Fraction = Field(0.10, description="CAM below which the CRF starts as background.")
    iterations: int = Field(10, ge=0, description="Mean-field iterations of the CRF.")
    ground_truth_probability: float = Field(
        0.7, gt=0, lt=1, description="Trust in the CAM's label of a pixel."
    )
    gaussian_sigma: float = Field(3, gt=0, description="Reach of the smoothing, in pixels.")
    gaussian_compatibility: float = Field(3, ge=0, description="Weight of the smoothing.")
    bilateral_sigma: float = Field(
        50, gt=0, description="Reach between pixels alike, in pixels; shrink it with image_size."
    )
    intensity_sigma: float = Field(5, gt=0, description="How alike, in grey levels of 255.")
    bilateral_compatibility: float = Field(10, ge=0, description="Weight of pixels alike.")

    def unused(self) -> set[str]:
        gaussian, bilateral = {"gaussian_sigma"}, {"bilateral_sigma", "intensity_sigma"}
        if self.iterations == 0:
            return gaussian | bilateral | {"gaussian_compatibility", "bilateral_compatibility"}
        unused = gaussian if self.gaussian_compatibility == 0 else set()
        return unused | (bilateral if self.bilateral_compatibility == 0 else set())

    @model_validator(mode="after")
    def _background_is_at_most_foreground(self) -> AffinityLabelSettings:
        if self.background > self.foreground:
            found = f"background {self.background:g}, foreground {self.foreground:g}"
            raise misfit(found, "background at most foreground", "Correct one of them.")
        return self


class IRNetSettings(TrainingSettings):
    """Training of IRNet's edge and displacement branches (Ahn et al., CVPR 2019)."""

    learning_rate: float = Field(0.1, gt=0, description="Rate of the edge branch; other: x 10.")
    optimizer: Literal["adam", "sgd"] = Field("sgd", description="Adam or SGD.")
    schedule: Literal["constant", "onecycle", "polynomial"] = Field(
        "polynomial", description="Course of the learning rate over the whole training."
    )
    weight_decay: float = Field(1e-4, ge=0, description="L2 penalty of the optimizer.")
    radius: int = Field(10, ge=2, le=20, description="Reach of a pair, in cells of 4 pixels.")


class AffinitySettings(Settings):
    """Inference of IRNet: the edge map of every X-ray."""

    batch_size: int = Field(32, ge=1, description="X-rays in a forward pass.")


class WalkSettings(Settings):
    """The random walk that spreads a CAM up to the edges, and what counts as foreground."""

    radius: int = Field(3, ge=2, le=20, description="Reach of a step, in cells of 4 pixels.")
    beta: float = Field(5.0, gt=0, description="Power of the affinities.")
    steps_log2: int = Field(3, ge=0, le=12, description="The walk takes 2 to this many steps.")
    background: Fraction = Field(0.6, description="Share of the maximum where a mask begins.")


class IRNetMaskSettings(WalkSettings, GateSettings):
    """The random walk, and what is known of its masks."""


class IRNet(MaskSource, GateSettings):
    """Saliency maps, spread up to the edges that an IRNet sees."""

    source: Literal["irnet"] = Field(description="The source of the masks.")
    saliency: Saliency = Field(description="Name of a saliency entry.")
    backbone: Annotated[str, InitialWeights("backbone_architecture")] = Field(
        "imagenet", description="'none', 'imagenet', a path, or a ResNet classifier by name."
    )
    backbone_architecture: Backbone = Field("resnet50", description="The backbone.")
    labels: AffinityLabelSettings = Field(
        AffinityLabelSettings(), description="Dense CRF labels that train the IRNet."
    )
    training: IRNetSettings = Field(IRNetSettings(), description="Training of the IRNet.")
    affinity: AffinitySettings = Field(AffinitySettings(), description="Its edge maps.")
    walk: WalkSettings = Field(WalkSettings(), description="The random walk to masks.")
    roles: ClassVar = {
        "saliency": "The same shard of the saliency store.",
        "affinity": "The same shard of the store of edge maps.",
    }
    gpu: ClassVar = True
    core_seconds: ClassVar = 0.008

    def classes_of(self, study: Study) -> tuple[str, ...]:
        return classes_of_saliency(study, self.saliency)

    def inputs(self, paths: Paths, name: str, shard: str) -> dict[str, list[str]]:
        return {
            "saliency": [paths.shard(f"saliency/{self.saliency}", shard)],
            "affinity": [paths.shard(f"affinity/{paths.owners[name]}/edges", shard)],
        }

    def before_masks(self) -> dict[str, Any]:
        """Returns what the edge maps depend on: all settings but those of the masks."""
        of_masks = {"walk", *GateSettings.model_fields}
        return {name: value for name, value in used_values(self).items() if name not in of_masks}

    @classmethod
    def command_settings(cls) -> type[Settings]:
        return IRNetMaskSettings

    def settings(self, study: Study) -> Settings:
        known = {name: getattr(self, name) for name in GateSettings.model_fields}
        return IRNetMaskSettings(**self.walk.model_dump(), **known)

    @model_validator(mode="after")
    def _has_a_band(self) -> IRNet:
        check_band(self.certain_background, self.walk.background)
        return self

    @property
    def graded(self) -> bool:
        return partly_known(self)

    @staticmethod
    def make_masks(settings: IRNetMaskSettings, inputs: Inputs, shard: Shard) -> Masks:
        import torch

        from chexseg.affinity.random_walk import random_walk
        from chexseg.files.store import Store
        from chexseg.inference.batching import batch_of
        from chexseg.saliency.masks import cut

        device = shard.device
        maps, edges = Store(inputs["saliency"], "saliency"), Store(inputs["affinity"], "affinity")

        def masks_of(ids: list[str], positive: torch.Tensor) -> torch.Tensor:
            edge = batch_of(edges, ids).to(device)
            cam = torch.nn.functional.interpolate(
                batch_of(maps, ids).to(device),
                size=edge.shape[-2:],
                mode="bilinear",
                align_corners=False,
            )
            cam = cam / cam.amax((2, 3), keepdim=True).clamp(min=1e-12)
            walked = random_walk(
                cam,
                edge,
                radius=settings.radius,
                beta=settings.beta,
                steps_log2=settings.steps_log2,
            )
            return cut(
                walked,
                positive.to(device),
                size=shard.size,
                threshold=settings.background,
                certain_background=settings.certain_background,
            )

        return shard.masks_by_label(tuple(maps.meta["classes"]), masks_of, settings)
