"""A layout as another package might bring it: one table, X-rays and classes with any names."""

from pathlib import Path
from typing import ClassVar

import numpy as np
from PIL import Image
from pydantic import Field

from chexseg.config.settings import File
from chexseg.data.layouts.layout import Layout
from chexseg.data.masks import encode, write_masks


class Scans(Layout):
    """One table of all X-rays, in columns image, person, part and one for each finding."""

    table: File = Field("scans.csv", description="All X-rays.")
    outlines: tuple[File, ...] = Field(("outlines.json",), description="Masks of test X-rays.")

    findings: ClassVar = ("Tuberculosis",)
    pathologies: ClassVar = ("Tuberculosis",)
    masks: ClassVar = {"test": ("outlines",)}

    def count(self, root):
        return {"train": 2, "validation": 2, "test": 1}

    def read(self, root, files, *, findings, pathologies):
        import pandas as pd

        from chexseg.data.layouts.release import Part, assemble
        from chexseg.errors import Problems

        (path,) = files["table"]
        rows = pd.read_csv(path, dtype={"person": str})
        rows["cxr_id"] = rows["image"].str.removesuffix(".png")
        rows["study"], rows["view"], rows["source"] = "1", "frontal", f"{path}:1:image"
        rows = rows.rename(columns={"image": "path", "person": "patient"})
        parts = {
            name: Part(path, some, Problems("tables"))
            for name, some in rows.groupby("part", sort=False)
        }
        masks = {"test": files["outlines"]}
        return assemble(root, parts, masks, findings=findings, pathologies=pathologies)


def make_scans(root: Path) -> Path:
    """Writes five X-rays of five persons, named as those of NIH are."""
    root.mkdir()
    lines = ["image,person,part,Tuberculosis"]
    parts = ("train", "train", "validation", "validation", "test")
    for number, part in enumerate(parts):
        image = f"0000000{number}_000.png"
        Image.fromarray(np.full((40, 32), 60 + 9 * number, np.uint8)).save(root / image)
        lines.append(f"{image},{number},{part},{number % 2}")
    (root / "scans.csv").write_text("\n".join(lines) + "\n")
    mask = np.zeros((40, 32), bool)
    mask[5:20, 4:12] = True
    write_masks(root / "outlines.json", {"00000004_000": {"Tuberculosis": encode(mask)}})
    return root
