"""Masks that experts drew: those of the data, or those of other files with classes of their own."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, Literal

from pydantic import Field, model_validator

from chexseg.config.data import ClassName
from chexseg.config.paths import Paths
from chexseg.config.settings import File, Seed, Settings, misfit
from chexseg.errors import InputError, Problem, Problems
from chexseg.mask_sources.source import Inputs, Masks, MaskSource, Shard

if TYPE_CHECKING:
    import numpy as np

    from chexseg.config.study import Study


class DrawnSettings(Settings):
    """Which masks to take from the files, and which X-rays teach."""

    classes: tuple[str, ...] = Field(min_length=1, description="Classes to take from the files.")
    complete: bool = Field(
        True,
        description="An X-ray without an entry in the files has empty masks, as in CheXlocalize; "
        "otherwise it has no masks.",
    )
    split: Literal["expert", "train"] = Field("expert", description="The X-rays that teach.")
    number: int | None = Field(None, ge=1, description="Only so many X-rays of the split teach.")
    share: float | None = Field(None, description="Only this share of the split's X-rays teaches.")
    seed: Seed = Field(0, description="Seed of the order from which they are taken.")

    def unused(self) -> set[str]:
        return {"seed"} if self.number is None and self.share in (None, 1) else set()


class Drawn(MaskSource):
    """Masks drawn by experts. Every study has the data's own, under the name 'expert'.

    With `images` or `share`, the first X-rays of the split in the order of a hash teach: 20 of
    them are among the first 50. Validation X-rays are never left out by them.
    """

    source: Literal["drawn"] = Field(description="The source of the masks.")
    files: tuple[File, ...] = Field(
        (),
        description="Files of masks below the root (CheXlocalize's or COCO's JSON, or folders of PNGs); "
        "none: the data's own.",
    )
    classes: tuple[ClassName, ...] = Field(
        (), description="Classes to take from the files; none: the study's pathologies."
    )
    split: Literal["expert", "train"] = Field("expert", description="The X-rays that teach.")
    images: int | None = Field(None, ge=1, description="Only so many X-rays of the split teach.")
    share: float | None = Field(
        None, gt=0, le=1, description="Only this share of the split's X-rays teaches."
    )
    seed: Seed = Field(0, description="Seed of the order from which `images` or `share` takes.")
    roles: ClassVar = {"masks": "Files of masks, or folders of PNGs."}
    made: ClassVar = False
    core_seconds: ClassVar = 0.04

    @model_validator(mode="after")
    def _fits_together(self) -> Drawn:
        if self.images is not None and self.share is not None:
            raise misfit("both images and share", "one of them", "Delete one.")
        if self.split == "train" and not self.files:
            found, remedy = "split: train, but no files", "Name the files of these masks."
            raise misfit(found, "files, since the data's own masks are of other X-rays", remedy)
        if len(set(self.classes)) < len(self.classes):
            raise misfit("a class twice", "each class once", "Delete one of the two.")
        return self

    @property
    def train_images(self) -> None:
        """None: `images` counts X-rays of the split, with an entry in the files."""
        return None

    def inputs(self, paths: Paths, name: str, shard: str) -> dict[str, list[str]]:
        return {"masks": [paths.data(file) for file in self.files] or paths.own_masks()}

    @classmethod
    def command_settings(cls) -> type[Settings]:
        return DrawnSettings

    def classes_of(self, study: Study) -> tuple[str, ...]:
        return self.classes or study.data.pathologies

    def teaching(self, study: Study, train: int, validation: int) -> int:
        expert = round(study.data.index.expert_fraction * validation)
        number = {"expert": expert, "train": train}[self.split]
        return (
            min(number, self.images or number) if self.share is None else round(self.share * number)
        )

    def scored_on(self, study: Study) -> tuple[str, ...]:
        # The data's own masks are the truth; those of other files are another reader's.
        return super().scored_on(study) if self.files else ()

    def settings(self, study: Study) -> DrawnSettings:
        return DrawnSettings(
            classes=self.classes_of(study),
            complete=not self.files,
            split=self.split,
            number=self.images,
            share=self.share,
            seed=self.seed,
        )

    @staticmethod
    def make_masks(settings: DrawnSettings, inputs: Inputs, shard: Shard) -> Masks:
        """Makes the masks of a shard.

        If the files are `complete`, an X-ray without an entry has empty masks, since CheXlocalize
        leaves out X-rays without any positive label. Otherwise nobody has looked at it.
        """
        import numpy as np

        from chexseg.data.images import Letterbox
        from chexseg.data.masks import decode

        classes = settings.classes
        drawn = _read(inputs["masks"], classes, shard)
        teaching = _teaching(settings, shard, drawn)

        def items() -> Iterator[tuple[str, np.ndarray]]:
            for cxr_id, split in shard.rows["split"].items():
                if cxr_id not in teaching and split != "validation":
                    continue
                if cxr_id not in drawn and not settings.complete:
                    continue
                if cxr_id not in drawn:
                    yield cxr_id, np.zeros((len(classes), shard.size, shard.size), bool)
                    continue
                native = np.stack([decode(drawn[cxr_id][name]) for name in classes])
                yield cxr_id, Letterbox(*native.shape[1:], shard.size).masks(native)

        return Masks(classes, (settings.split,), items())


def _read(files: Sequence[Path], classes: tuple[str, ...], shard: Shard) -> dict[str, dict]:
    """Reads all files of masks: cxr_id -> class -> mask.

    Raises:
        InputError: a file is damaged, has a mask of another size than its X-ray, has an X-ray that
            another file has too, or has no X-ray of the study.
    """
    from chexseg.data.masks import read_masks

    known = shard.index[["height", "width"]].dropna().astype(int)
    sizes = dict(zip(known.index, known.itertuples(index=False, name=None), strict=True))
    drawn, problems = {}, Problems("masks")
    for file in files:
        masks = read_masks(file, pathologies=classes, sizes=sizes)
        if not masks.keys() & set(shard.index.index):
            found = f"{len(masks)} X-rays, none of which is in the study"
            problems.add(file, found, "masks of X-rays of the index", "Give the right file.")
        for cxr_id in sorted(masks.keys() & drawn.keys()):
            problems.add(f"{file}:{cxr_id}", "an X-ray that another file has too", "each X-ray once",
                         "Delete one of the two.")  # fmt: skip
        drawn |= masks
    problems.raise_if_any()
    return drawn


def _teaching(settings: DrawnSettings, shard: Shard, drawn: dict[str, dict]) -> set[str]:
    """Returns the X-rays of the study that teach with these masks.

    Raises:
        InputError: the split has fewer X-rays than the settings ask for.
    """
    from chexseg.data.splits import first_by_hash

    ids = list(shard.index.index[shard.index["split"] == settings.split])
    ids = [cxr_id for cxr_id in ids if settings.complete or cxr_id in drawn]
    number = len(ids) if settings.number is None else settings.number
    if settings.share is not None:
        number = math.ceil(settings.share * len(ids))
    if number > len(ids):
        found, remedy = f"{len(ids)} X-rays with masks in the split", "Lower `images`."
        expected = f"{number}, as `images` asks for"
        raise InputError([Problem(f"split {settings.split}", found, expected, remedy, "masks")])
    return set(first_by_hash(ids, number, settings.seed))
