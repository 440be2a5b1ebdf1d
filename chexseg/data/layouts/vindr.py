"""The layout of VinDr-CXR: boxes of several readers, as on PhysioNet or as in Kaggle's challenge.

VinDr's names of findings appear here and nowhere else in the package.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from pydantic import Field

from chexseg.config.settings import File
from chexseg.data.layouts.layout import Layout

if TYPE_CHECKING:
    from chexseg.data.layouts.release import Release

CHALLENGE = (
    "Aortic enlargement",
    "Atelectasis",
    "Calcification",
    "Cardiomegaly",
    "Consolidation",
    "ILD",
    "Infiltration",
    "Lung Opacity",
    "Nodule/Mass",
    "Other lesion",
    "Pleural effusion",
    "Pleural thickening",
    "Pneumothorax",
    "Pulmonary fibrosis",
)
"""The 14 findings of the challenge, in the order of its numbers."""

RARE = (
    "Clavicle fracture",
    "Edema",
    "Emphysema",
    "Enlarged PA",
    "Lung cavity",
    "Lung cyst",
    "Mediastinal shift",
    "Rib fracture",
)
"""Findings that only PhysioNet's tables have; the challenge calls them OTHER."""

OTHER, NOTHING = "Other lesion", "No finding"


class VinDr(Layout):
    """Reads VinDr-CXR's boxes and labels; X-rays are in the folders `train` and `test`.

    X-rays are DICOM, PNG or JPEG, named by their image_id. Each counts as a patient. Boxes are in
    pixels of the file, or of the original if `sizes` gives its size. Without `test_boxes`, test
    X-rays are taken from the others. What is segmented is `Abnormality`, whatever its finding.
    """

    train_boxes: File = Field(
        "annotations/annotations_train.csv", description="Boxes of the train X-rays' readers."
    )
    test_boxes: File | None = Field(
        "annotations/annotations_test.csv", description="Boxes of the test X-rays: a consensus."
    )
    train_labels: File | None = Field(
        None, description="Labels of the train X-rays by reader (image_labels_train.csv)."
    )
    test_labels: File | None = Field(
        None, description="Labels of the test X-rays (image_labels_test.csv)."
    )
    sizes: File | None = Field(
        None, description="Size of each original (image_id, dim0, dim1), if X-rays were resized."
    )
    test_masks: File | None = Field(
        None, description="Expert masks, test; none: boxes are the truth."
    )

    findings: ClassVar[tuple[str, ...]] = (*CHALLENGE, "Abnormality")
    pathologies: ClassVar[tuple[str, ...]] = ("Abnormality",)
    masks: ClassVar[Mapping[str, tuple[str, ...]]] = {"test": ("test_masks",)}
    boxes: ClassVar[bool] = True

    @property
    def divided(self) -> tuple[str, ...]:
        return ("validation",) if self.test_boxes else ("test", "validation")

    def count(self, root: str | Path) -> dict[str, int]:
        """Counts the X-rays of each table of boxes."""
        files, counts = self.files(root), super().count(root)
        for part in ("train", "test"):
            counts[part] = sum(map(_x_rays, files[f"{part}_boxes"]))
        return counts

    def read(
        self,
        root: Path,
        files: Mapping[str, Sequence[Path]],
        *,
        findings: tuple[str, ...],
        pathologies: tuple[str, ...],
    ) -> Release:
        """See `Layout.read`."""
        from chexseg.data.layouts.vindr_tables import read_vindr

        return read_vindr(root, files, findings=findings, pathologies=pathologies)


def _x_rays(table: Path) -> int:
    """Counts the different ids of a table; 0 if it has none or cannot be read."""
    try:
        with open(table, encoding="utf-8-sig") as file:
            column = next(file, "").rstrip().split(",").index("image_id")
            return len({line.split(",")[column] for line in file if line.strip()})
    except (OSError, ValueError, IndexError):
        return 0
