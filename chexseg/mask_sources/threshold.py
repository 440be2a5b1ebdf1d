"""Masks straight from saliency maps."""

from __future__ import annotations

from typing import ClassVar, Literal

from pydantic import Field

from chexseg.config.paths import Paths
from chexseg.config.settings import Fraction, Settings
from chexseg.mask_sources.source import Inputs, Masks, MaskSource, Saliency, Shard


class Threshold(MaskSource):
    """Saliency maps, cut at a share of their maximum."""

    source: Literal["threshold"] = Field(description="The source of the masks.")
    saliency: Saliency = Field(description="Name of a saliency entry.")
    threshold: Fraction = Field(0.5, description="Share of the map's maximum where a mask begins.")
    roles: ClassVar = {"saliency": "The same shard of the saliency store."}
    core_seconds: ClassVar = 0.007

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
                batch_of(maps, ids), positive, size=shard.size, threshold=settings.threshold
            ),
        )
