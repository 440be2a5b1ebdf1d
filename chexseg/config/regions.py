"""Settings of models that find abnormalities: what boxes weigh, contrast, and findings never seen."""

from __future__ import annotations

from pydantic import Field

from chexseg.config.base import Settings


class HeldOutSettings(Settings):
    """Findings that a training never sees."""

    held_out: tuple[str, ...] = Field(
        (),
        description="Findings that are never seen: X-rays labelled 1 or -1 (uncertain) for one of them "
        "neither train nor validate. They stay in the test set.",
    )

    def unused(self) -> set[str]:
        return super().unused() | (set() if self.held_out else {"held_out"})


class RegionSettings(HeldOutSettings):
    """What boxes weigh in their loss, and the contrast of abnormal and normal regions."""

    outside_weight: float = Field(
        1.0, ge=0, description="Weight in the loss `boxes`: nothing is abnormal outside boxes."
    )
    projection_weight: float = Field(
        1.0, ge=0, description="Likewise: each row and column of a box holds something abnormal."
    )
    size_weight: float = Field(
        1.0, ge=0, description="Likewise: a lesion fills some of its box, and not all."
    )
    edge_weight: float = Field(
        1.0, ge=0, description="Likewise: evidence falls towards the edge of a box."
    )
    contrast: float = Field(
        0.0,
        ge=0,
        description="Weight of the contrast of abnormal with normal regions, for masks that have "
        "boxes; 0: none.",
    )
    contrast_temperature: float = Field(
        0.1, gt=0, description="Divides the similarities of regions in the contrast."
    )
    contrast_memory: int = Field(
        1024,
        ge=0,
        description="Normal regions of earlier batches that abnormal ones are contrasted with.",
    )
    mask_weight: float = Field(
        1.0,
        ge=0,
        description="Weight of the loss of masks or boxes beside the contrast; 0: contrast alone, as "
        "pre-training, of which `keep_epochs` keeps the last epoch.",
    )

    def unused(self) -> set[str]:
        contrast = {"contrast", "contrast_temperature", "contrast_memory", "mask_weight"}
        return super().unused() | (set() if self.contrast else contrast)
