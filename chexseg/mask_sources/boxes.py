"""Masks that stand for the boxes of several readers."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, ClassVar, Literal

from pydantic import Field, StrictBool

from chexseg.config.data import ClassName
from chexseg.config.paths import Paths
from chexseg.config.settings import Settings
from chexseg.errors import near
from chexseg.mask_sources.source import Inputs, Masks, MaskSource, Misfit, Shard

if TYPE_CHECKING:
    import numpy as np

    from chexseg.config.study import Study


class FusionSettings(Settings):
    """How the boxes of several readers become masks."""

    fusion: Literal["majority", "union", "weighted"] = Field(
        "majority",
        description="What is abnormal: what most readers enclose, what any does (union), or the mean "
        "of their boxes (weighted box fusion).",
    )
    same: float = Field(
        0.4,
        ge=0,
        lt=1,
        description="Boxes of a finding are of one lesion if their IoU is above this.",
    )
    ignore_rim: StrictBool = Field(
        False, description="What some readers enclose and others do not is not known."
    )
    findings: tuple[ClassName, ...] = Field(
        (), description="Findings whose boxes count; none: all of them."
    )


class BoxSettings(FusionSettings):
    """How boxes become masks of some classes."""

    classes: tuple[str, ...] = Field(
        min_length=1, description="Classes of the masks: findings, or Abnormality for all of them."
    )


class Boxes(FusionSettings, MaskSource):
    """Boxes of several readers, fused. Data with boxes have them under the name 'expert'.

    Train and validation X-rays have masks: they are empty where the readers drew nothing. With a
    single class, the boxes themselves are stored too, for losses that take boxes.
    """

    source: Literal["boxes"] = Field(description="The source of the masks.")
    roles: ClassVar = {"boxes": "Table of the boxes of all readers."}
    made: ClassVar = False
    boxes: ClassVar = True

    def inputs(self, paths: Paths, name: str, shard: str) -> dict[str, list[str]]:
        return {"boxes": [paths.boxes]}

    @classmethod
    def command_settings(cls) -> type[Settings]:
        return BoxSettings

    def settings(self, study: Study) -> BoxSettings:
        own = {name: getattr(self, name) for name in FusionSettings.model_fields}
        return BoxSettings(classes=self.classes_of(study), **own)

    def find_misfits(self, study: Study) -> Iterator[Misfit]:
        layout = study.data.layout_settings
        if not layout.boxes:
            found = f"boxes, which data of the layout {study.data.layout!r} do not have"
            yield ("source",), found, "a layout with boxes", "Name another source of masks."
        for number, name in enumerate(self.findings if layout.boxes else ()):
            if name not in layout.findings:
                meant = near(name, layout.findings)
                remedy = f"Did you mean {meant!r}?" if meant else "Delete it."
                yield ("findings", number), repr(name), "a finding that has boxes", remedy

    def scored_on(self, study: Study) -> tuple[str, ...]:
        return ("validation",)

    @property
    def graded(self) -> bool:
        return self.ignore_rim

    @staticmethod
    def make_masks(settings: BoxSettings, inputs: Inputs, shard: Shard) -> Masks:
        """Makes the masks of a shard; see `chexseg.data.box_fusion`."""
        import numpy as np

        from chexseg.data.box_fusion import FUSIONS, box_target, fuse, padded_boxes
        from chexseg.data.boxes import Box
        from chexseg.data.images import Letterbox
        from chexseg.data.levels import levels_of
        from chexseg.data.readings import read_readings

        readings = read_readings(inputs["boxes"][0])
        most = max([1, *(len(each.boxes) for each in readings.values())])
        rows = shard.rows[shard.rows["split"] != "test"]
        fusion = FUSIONS[settings.fusion]

        def fused_of(cxr_id: str, name: str) -> tuple[list, tuple[Box, ...]]:
            reading = readings[cxr_id]
            reading = reading.of(settings.findings) if settings.findings else reading
            boxes = reading.showing(name)
            return fuse(boxes, reading.readers, fusion, same=settings.same), boxes

        def letterbox_of(cxr_id: str) -> Letterbox:
            return Letterbox(*map(int, rows.loc[cxr_id, ["height", "width"]]), shard.size)

        def items() -> Iterator[tuple[str, np.ndarray]]:
            for cxr_id in rows.index:
                letterbox, readers = letterbox_of(cxr_id), len(readings[cxr_id].readers)
                each = [fused_of(cxr_id, name) for name in settings.classes]
                targets = np.stack([box_target(*one, readers, letterbox) for one in each], 1)
                inside, rim = targets
                yield cxr_id, levels_of(inside, ~rim) if settings.ignore_rim else inside

        def numbers(cxr_id: str) -> Mapping[str, np.ndarray]:
            if len(settings.classes) > 1:
                return {}
            fused, _ = fused_of(cxr_id, settings.classes[0])
            agreement = np.zeros(most, np.float32)
            agreement[: len(fused)] = [one.agreement for one in fused]
            boxes = padded_boxes(fused, letterbox_of(cxr_id), most).reshape(-1)
            normal = np.array([not readings[cxr_id].boxes], np.float32)
            return {"boxes": boxes, "agreement": agreement, "normal": normal}

        graded = settings.ignore_rim
        return Masks(settings.classes, ("train",), items(), graded=graded, numbers=numbers)
