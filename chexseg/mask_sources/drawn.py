"""Masks that experts drew: those of the data, or those of other files with classes of their own."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import TYPE_CHECKING, ClassVar, Literal

from pydantic import Field, model_validator

from chexseg.config.paths import Paths
from chexseg.config.settings import File, Seed, Settings, misfit
from chexseg.mask_sources.source import Inputs, Masks, MaskSource, Shard

if TYPE_CHECKING:
    import numpy as np

    from chexseg.config.study import Study


class DrawnSettings(Settings):
    """Which masks to take from the files, and which X-rays teach."""

    classes: tuple[str, ...] = Field(min_length=1, description="Classes to take from the files.")
    split: Literal["expert", "train"] = Field("expert", description="The X-rays that teach.")
    number: int | None = Field(None, ge=1, description="Only so many X-rays of the split teach.")
    share: float | None = Field(None, description="Only this share of the split's X-rays teaches.")
    seed: Seed = Field(0, description="Seed of the order from which they are taken.")

    def unused(self) -> set[str]:
        return {"seed"} if self.number is None and self.share is None else set()


class Drawn(MaskSource):
    """Masks drawn by experts. Every study has the data's own, under the name 'expert'.

    With `images` or `share`, the first X-rays of the split in the order of a hash teach: 20 of
    them are among the first 50. The X-rays of the split `validation` always have their masks.
    """

    source: Literal["drawn"] = Field(description="The source of the masks.")
    files: tuple[File, ...] = Field(
        (), description="Files of masks (CheXlocalize JSON) below the root; none: the data's own."
    )
    classes: tuple[str, ...] = Field(
        (), description="Classes to take from the files; none: the study's pathologies."
    )
    split: Literal["expert", "train"] = Field("expert", description="The X-rays that teach.")
    images: int | None = Field(None, ge=1, description="Only so many X-rays of the split teach.")
    share: float | None = Field(
        None, gt=0, le=1, description="Only this share of the split's X-rays teaches."
    )
    seed: Seed = Field(0, description="Seed of the order from which `images` or `share` takes.")
    roles: ClassVar = {"masks": "Files of masks (CheXlocalize JSON)."}
    made: ClassVar = False
    core_seconds: ClassVar = 0.04

    @model_validator(mode="after")
    def _one_way_to_take_fewer(self) -> Drawn:
        if self.images is not None and self.share is not None:
            raise misfit("both images and share", "one of them", "Delete one.")
        return self

    def inputs(self, paths: Paths, name: str, shard: str) -> dict[str, list[str]]:
        return {"masks": [paths.data(file) for file in self.files] or paths.own_masks()}

    @classmethod
    def command_settings(cls) -> type[Settings]:
        return DrawnSettings

    def settings(self, study: Study) -> DrawnSettings:
        return DrawnSettings(
            classes=self.classes or study.data.pathologies,
            split=self.split,
            number=self.images,
            share=self.share,
            seed=self.seed,
        )

    @staticmethod
    def make_masks(settings: DrawnSettings, inputs: Inputs, shard: Shard) -> Masks:
        """Makes the masks of a shard; an X-ray without an entry in the files has empty masks.

        CheXlocalize leaves out X-rays without any positive label.
        """
        import numpy as np

        from chexseg.data.images import Letterbox
        from chexseg.data.masks import decode, read_masks

        classes = settings.classes
        teaching = _teaching(settings, shard)
        drawn = {}
        for file in inputs["masks"]:
            drawn |= read_masks(file, pathologies=classes)

        def items() -> Iterator[tuple[str, np.ndarray]]:
            for cxr_id, split in shard.rows["split"].items():
                if cxr_id not in teaching and split != "validation":
                    continue
                if cxr_id not in drawn:
                    yield cxr_id, np.zeros((len(classes), shard.size, shard.size), bool)
                    continue
                native = np.stack([decode(drawn[cxr_id][name]) for name in classes])
                yield cxr_id, Letterbox(*native.shape[1:], shard.size).masks(native)

        return Masks(classes, (settings.split,), items())


def _teaching(settings: DrawnSettings, shard: Shard) -> set[str]:
    """Returns the X-rays of the study that teach with these masks."""
    from chexseg.data.splits import first_by_hash

    ids = list(shard.index.index[shard.index["split"] == settings.split])
    number = len(ids) if settings.number is None else settings.number
    if settings.share is not None:
        number = math.ceil(settings.share * len(ids))
    return set(first_by_hash(ids, number, settings.seed))
