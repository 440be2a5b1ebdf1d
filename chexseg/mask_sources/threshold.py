"""Masks straight from saliency maps."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, ClassVar, Literal

from pydantic import Discriminator, Field, StrictBool, Tag, model_validator

from chexseg.config.classes import classes_of_saliency
from chexseg.config.paths import Paths
from chexseg.config.settings import NUMBER, WORD, Fraction, Settings
from chexseg.mask_sources.gate import GateSettings, check_band, partly_known
from chexseg.mask_sources.source import Inputs, Masks, MaskSource, Saliency, Shard

if TYPE_CHECKING:
    from chexseg.config.study import Study

Cut = Annotated[
    Annotated[Fraction, Tag(NUMBER)] | Annotated[Literal["otsu"], Tag(WORD)],
    Discriminator(lambda value: WORD if isinstance(value, str) else NUMBER),
]


class Threshold(MaskSource, GateSettings):
    """Saliency maps, cut at a share of their maximum or by Otsu's method."""

    source: Literal["threshold"] = Field(description="The source of the masks.")
    saliency: Saliency = Field(description="Name of a saliency entry.")
    threshold: Cut = Field(
        0.5,
        description="Share of the map's maximum where a mask begins; otsu: the share that Otsu's "
        "method finds for each map.",
    )
    fill: StrictBool = Field(
        False, description="Fill the holes of masks, as CheXseg's public code does with Otsu's."
    )
    roles: ClassVar = {"saliency": "The same shard of the saliency store."}
    core_seconds: ClassVar = 0.007

    @model_validator(mode="after")
    def _has_a_band(self) -> Threshold:
        check_band(self.certain_background, self.threshold)
        return self

    @property
    def graded(self) -> bool:
        return partly_known(self)

    def classes_of(self, study: Study) -> tuple[str, ...]:
        return classes_of_saliency(study, self.saliency)

    def inputs(self, paths: Paths, name: str, shard: str) -> dict[str, list[str]]:
        return {"saliency": [paths.shard(f"saliency/{self.saliency}", shard)]}

    @staticmethod
    def make_masks(settings: Settings, inputs: Inputs, shard: Shard) -> Masks:
        from chexseg.files.store import Store
        from chexseg.inference.batching import batch_of
        from chexseg.saliency.masks import cut

        maps = Store(inputs["saliency"], "saliency")
        return shard.masks_by_label(
            tuple(maps.meta["classes"]),
            lambda ids, positive: cut(
                batch_of(maps, ids),
                positive,
                size=shard.size,
                threshold=settings.threshold,
                fill=settings.fill,
                certain_background=settings.certain_background,
            ),
            settings,
        )
