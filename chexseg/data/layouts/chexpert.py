"""The layout of CheXpert's label tables with the masks of CheXlocalize.

CheXpert's names of findings and pathologies appear here and nowhere else in the package: each
data set brings its own.
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

LABEL_COLUMNS = (
    "No Finding",
    "Enlarged Cardiomediastinum",
    "Cardiomegaly",
    "Lung Opacity",
    "Lung Lesion",
    "Edema",
    "Consolidation",
    "Pneumonia",
    "Atelectasis",
    "Pneumothorax",
    "Pleural Effusion",
    "Pleural Other",
    "Fracture",
    "Support Devices",
)
"""The 14 observations that CheXpert labels, named and ordered as in its tables."""

RENAMED = {"Lung Opacity": "Airspace Opacity"}
"""Label column -> its name in CheXlocalize's masks, where the two differ."""

FINDINGS = tuple(RENAMED.get(column, column) for column in LABEL_COLUMNS)
"""LABEL_COLUMNS under the names that masks use."""

PATHOLOGIES = (
    "Enlarged Cardiomediastinum",
    "Cardiomegaly",
    "Lung Lesion",
    "Airspace Opacity",
    "Edema",
    "Consolidation",
    "Atelectasis",
    "Pneumothorax",
    "Pleural Effusion",
    "Support Devices",
)
"""The ten pathologies that CheXlocalize outlines, in the order of its tables."""

COMPETITION = ("Atelectasis", "Cardiomegaly", "Consolidation", "Edema", "Pleural Effusion")
"""The five observations of the CheXpert competition; their mean AUROC selects classifiers."""

COMMON = ("Enlarged Cardiomediastinum", "Support Devices", "Cardiomegaly", "Atelectasis")
"""The four pathologies whose validation IoU selects segmenters (CheXseg, section 4)."""


def column_of(finding: str) -> str:
    """Returns the label column of a finding, such as `Lung Opacity` for `Airspace Opacity`."""
    return {name: column for column, name in RENAMED.items()}.get(finding, finding)


class CheXpert(Layout):
    """Reads CheXpert's tables (one per split) and CheXlocalize's masks (JSON).

    The X-rays are next to the table that lists them. Any column of the tables that holds 1, 0, -1
    or blanks can be a finding of the study. Every X-ray in a mask file has a mask of every
    pathology of the study.
    """

    train_csv: File = Field("CheXpert/train.csv", description="Labels of the train X-rays.")
    val_csv: File = Field("CheXpert/val_labels.csv", description="Labels of the validation X-rays.")
    test_csv: File = Field("CheXpert/test_labels.csv", description="Labels of the test X-rays.")
    val_masks: File = Field(
        "CheXlocalize/gt_segmentations_val.json", description="Expert masks, validation."
    )
    test_masks: File = Field(
        "CheXlocalize/gt_segmentations_test.json", description="Expert masks, test."
    )
    radiologist_masks: File | None = Field(
        None, description="A second reader's masks of the test X-rays: the human benchmark."
    )

    findings: ClassVar[tuple[str, ...]] = FINDINGS
    pathologies: ClassVar[tuple[str, ...]] = PATHOLOGIES
    selecting_findings: ClassVar[tuple[str, ...]] = COMPETITION
    selecting_pathologies: ClassVar[tuple[str, ...]] = COMMON
    renamed: ClassVar[Mapping[str, str]] = RENAMED
    tables: ClassVar[Mapping[str, str]] = {
        "train": "train_csv",
        "validation": "val_csv",
        "test": "test_csv",
    }
    masks: ClassVar[Mapping[str, tuple[str, ...]]] = {
        "validation": ("val_masks",),
        "test": ("test_masks", "radiologist_masks"),
    }

    def count(self, root: str | Path) -> dict[str, int]:
        """Counts the rows of each table, except those that mention a lateral view."""
        files = self.files(root)
        return {part: _rows(files[role][0]) for part, role in self.tables.items()}

    def read(
        self,
        root: Path,
        files: Mapping[str, Sequence[Path]],
        *,
        findings: tuple[str, ...],
        pathologies: tuple[str, ...],
    ) -> Release:
        """See `Layout.read`."""
        from chexseg.data.layouts.chexpert_tables import read_part
        from chexseg.data.layouts.release import assemble

        parts = {
            part: read_part(files[role][0], root, findings) for part, role in self.tables.items()
        }
        masks = {
            part: [path for role in roles for path in files.get(role, ())]
            for part, roles in self.masks.items()
        }
        return assemble(root, parts, masks, findings=findings, pathologies=pathologies)


def _rows(table: Path) -> int:
    try:
        with open(table, "rb") as file:
            next(file, None)
            return sum(b"ateral" not in line for line in file)
    except OSError:
        return 0
