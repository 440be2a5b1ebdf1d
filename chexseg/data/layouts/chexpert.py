"""CheXpert's tables of labels, with the masks of CheXlocalize.

The names stand here, and nowhere else in the package: a data set brings its own.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from pydantic import Field

from chexseg.data.layouts.layout import File, Layout

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
"""The 14 observations that CheXpert labels, as its tables call them, in their order."""

RENAMED = {"Lung Opacity": "Airspace Opacity"}
"""Label column -> its name in CheXlocalize's masks, where it is another."""

FINDINGS = tuple(RENAMED.get(column, column) for column in LABEL_COLUMNS)
"""LABEL_COLUMNS by the names that masks use."""

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
"""The five observations of CheXpert's competition: their mean AUROC selects classifiers."""

COMMON = ("Enlarged Cardiomediastinum", "Support Devices", "Cardiomegaly", "Atelectasis")
"""The four pathologies whose validation IoU selects segmenters (CheXseg, section 4)."""


def column_of(finding: str) -> str:
    """Returns the label column of a finding: `Airspace Opacity` is `Lung Opacity` there."""
    return {name: column for column, name in RENAMED.items()}.get(finding, finding)


class CheXpert(Layout):
    """CheXpert's tables (one for each split) and CheXlocalize's masks (JSON).

    The X-rays lie beside the table that names them. A finding of the study is any column of the
    tables that holds 1, 0, -1 or blanks; every X-ray in a file of masks has a mask of every
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
        """Counts the rows of each table that do not speak of a lateral view."""
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
