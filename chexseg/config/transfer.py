"""Settings of pre-training and transfer: what starts from trained weights, and what is trained."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, ValidationInfo, field_validator

from chexseg.catalog import names
from chexseg.config.base import Settings, misfit
from chexseg.config.methods import not_taken

FineTuning = Literal[names("fine_tuning")]


class TransferSettings(Settings):
    """What is taken from a trained segmenter, what of it is trained, and which epochs are kept."""

    parts: Literal["all", "encoder"] = Field(
        "all",
        description="What is taken from the segmenter that `initial_weights` names: encoder and "
        "decoder (all), or the encoder alone. The head is new.",
    )
    fine_tuning: FineTuning = Field(
        "full", description="What is trained: everything, the head, or adapters and the head."
    )
    adapter_rank: int = Field(
        8, ge=1, le=256, description="Channels of the bottleneck of an adapter."
    )
    encoder_learning_rate_factor: float = Field(
        1.0,
        gt=0,
        le=100,
        description="Multiplies the learning rate of the encoder; PSSL trains a pretrained one at "
        "0.1.",
    )
    scale_range: tuple[Annotated[float, Field(gt=0, le=10)], float] | None = Field(
        None,
        description="Smallest and largest random scale of an X-ray, instead of those of "
        "`augmentation`; PSSL: 0.5 and 2.",
    )
    keep_epochs: tuple[Annotated[int, Field(ge=1)], ...] = Field(
        (), description="Epochs whose weights are kept for others to start from."
    )

    def unused(self) -> set[str]:
        return super().unused() | not_taken("fine_tuning", self.fine_tuning)

    @field_validator("scale_range")
    @classmethod
    def _is_in_order(cls, scales: tuple[float, float] | None) -> tuple[float, float] | None:
        if scales is not None and not scales[0] <= scales[1] <= 10:
            found, expected = f"scales from {scales[0]:g} to {scales[1]:g}", "the smaller one first"
            raise misfit(found, f"{expected}, and at most 10", "Correct them.")
        return scales

    @field_validator("keep_epochs")
    @classmethod
    def _are_reached(cls, kept: tuple[int, ...], info: ValidationInfo) -> tuple[int, ...]:
        epochs = info.data.get("epochs", max(kept, default=0))
        if late := [epoch for epoch in kept if epoch > epochs]:
            found, expected = f"epoch {late[0]} of {epochs}", f"epochs from 1 to {epochs}"
            raise misfit(found, expected, "Raise `epochs`, or keep others.")
        return tuple(sorted(set(kept)))
