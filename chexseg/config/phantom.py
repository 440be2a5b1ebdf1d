"""What can be set of the phantom."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from chexseg.config.settings import Fraction, Seed, Settings


class PhantomSettings(Settings):
    """The phantom data set: synthetic chest X-rays in the layout of a real data set.

    To segment its organs, set `data.val_masks` and `data.test_masks` to
    `anatomy/segmentations_val.json` and `anatomy/segmentations_test.json`, and `data.pathologies` to
    some of Left Lung, Right Lung, Heart, Ribs, Spine, Clavicles and Diaphragm.
    """

    layout: Literal["chexpert", "vindr"] = Field(
        "chexpert",
        description="What is written: JPEG files, labels and masks of CheXpert and CheXlocalize; or "
        "DICOM files and boxes of three readers, as of VinDr-CXR.",
    )
    train_images: int = Field(700, ge=1, le=60_000, description="Frontal X-rays with labels only.")
    # Of one person there are up to three, and it takes two persons to divide them.
    val_images: int = Field(
        60, ge=4, le=10_000, description="Frontal validation X-rays, with masks."
    )
    test_images: int = Field(
        120, ge=1, le=10_000, description="Frontal test X-rays, with masks of two readers."
    )
    longest_side: int = Field(160, ge=48, le=4096, description="Mean longest side in pixels.")
    lesion_scale: float = Field(
        1.0, ge=0.5, le=3, description="Enlarges lesions, for studies at low resolution."
    )
    label_noise: Fraction = Field(0.03, description="Chance that a train label is wrong.")
    uncertain: Fraction = Field(0.05, description="Chance that a train label is -1.")
    blank: Fraction = Field(0.5, description="Chance that a negative train label is blank.")
    lateral: Fraction = Field(0.1, description="Chance that a train study has a lateral view too.")
    normal: Fraction = Field(0.13, description="Share of the X-rays without any disease.")
    seed: Seed = Field(0, description="Seed of the whole data set.")

    def unused(self) -> set[str]:
        others = {"val_images", "label_noise", "uncertain", "blank", "lateral"}
        return super().unused() | (others if self.layout == "vindr" else set())
