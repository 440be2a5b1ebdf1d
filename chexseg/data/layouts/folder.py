"""The layout of X-rays in folders, with masks of any classes."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from pydantic import Field

from chexseg.config.settings import File
from chexseg.data.layouts.layout import Layout
from chexseg.data.x_ray_files import SUFFIXES

if TYPE_CHECKING:
    from chexseg.data.layouts.release import Release


class Folder(Layout):
    """Reads X-rays from folders or tables, and masks of classes that the study names.

    The X-rays of a part are those in a folder, or those of a CSV with the columns `path` (below the
    root), and optionally `cxr_id`, `patient` and one for each finding. Without `test_x_rays`, a fifth
    of the validation X-rays are for test: whole patients, in the order of a hash. Every validation and
    test X-ray has masks, empty ones where it shows nothing: in a folder of PNGs for each class, COCO's
    JSON or CheXlocalize's.
    """

    train_x_rays: File | None = Field(
        None, description="Folder or table of train X-rays, which have labels or nothing."
    )
    val_x_rays: File = Field(
        "x_rays", description="Folder or table of X-rays with masks, to train and to select."
    )
    test_x_rays: File | None = Field(
        None,
        description="Folder or table of test X-rays; none: a fifth of the others', by patient.",
    )
    val_masks: File = Field(
        "masks",
        description="Expert masks, validation: a folder of PNGs, COCO's or CheXlocalize's JSON.",
    )
    test_masks: File = Field("masks", description="Expert masks, test; likewise.")
    radiologist_masks: File | None = Field(
        None, description="A second reader's masks of the test X-rays; likewise."
    )

    masks: ClassVar[Mapping[str, tuple[str, ...]]] = {
        "validation": ("val_masks",),
        "test": ("test_masks", "radiologist_masks"),
    }
    x_rays: ClassVar[Mapping[str, str]] = {
        "train": "train_x_rays",
        "validation": "val_x_rays",
        "test": "test_x_rays",
    }

    def count(self, root: str | Path) -> dict[str, int]:
        """Counts files of folders and rows of tables; a fifth of those for validation, if need be."""
        numbers = {
            part: sum(map(_number, self.files(root)[role])) for part, role in self.x_rays.items()
        }
        if self.test_x_rays is None:
            numbers["test"] = numbers["validation"] // 5
            numbers["validation"] -= numbers["test"]
        return numbers

    def read(
        self,
        root: Path,
        files: Mapping[str, Sequence[Path]],
        *,
        findings: tuple[str, ...],
        pathologies: tuple[str, ...],
    ) -> Release:
        """See `Layout.read`."""
        from chexseg.data.layouts.folder_parts import read_part, with_test
        from chexseg.data.layouts.release import assemble

        listed = {part: files.get(role, ()) for part, role in self.x_rays.items()}
        parts = {
            part: read_part(paths[0], root, findings) for part, paths in listed.items() if paths
        }
        if "test" not in parts:
            parts = with_test(parts)
        masks = {
            part: [path for role in roles for path in files.get(role, ())]
            for part, roles in self.masks.items()
        }
        return assemble(root, parts, masks, findings=findings, pathologies=pathologies, every=True)


def _number(place: Path) -> int:
    try:
        if place.is_dir():
            names = (name for _, _, names in os.walk(place) for name in names)
            return sum(name.lower().endswith(SUFFIXES) for name in names)
        with open(place, "rb") as file:
            return max(0, sum(bool(line.strip()) for line in file) - 1)
    except OSError:
        return 0
