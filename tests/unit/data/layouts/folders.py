"""A small release in the layout `folder`: ten X-rays of five patients with masks of two organs."""

import json
from pathlib import Path

import numpy as np
from PIL import Image

from chexseg.data.layouts.folder import Folder
from chexseg.data.layouts.release import read_release
from chexseg.data.masks import encode, write_masks

HEIGHT, WIDTH = 12, 10
ORGANS = ("Heart", "Left Lung")
BOXES = {"Heart": (4, 8, 3, 6), "Left Lung": (2, 10, 6, 9)}
"""Organ -> first row, row behind the last, first column, column behind the last."""


def mask_of(organ):
    mask = np.zeros((HEIGHT, WIDTH), bool)
    top, bottom, left, right = BOXES[organ]
    mask[top:bottom, left:right] = True
    return mask


def make_folders(root: Path) -> Path:
    """Writes `x_rays/<patient>/<number>.png`, masks as PNGs, COCO's JSON and CheXlocalize's."""
    coco = {"images": [], "annotations": [], "categories": [{"id": 7, "name": "Heart"}, {"id": 9, "name": "Left Lung"}]}  # fmt: skip
    masks = {}
    for number in range(10):
        name = f"person{number // 2}/{number}.png"
        cxr_id = f"person{number // 2}_{number}"
        save(root / "x_rays" / name, np.full((HEIGHT, WIDTH), 60 + 9 * number, np.uint8))
        masks[cxr_id] = {}
        coco["images"].append({"id": number, "file_name": name, "height": HEIGHT, "width": WIDTH})
        for category, organ in ((7, "Heart"), (9, "Left Lung")):
            mask = mask_of(organ)
            save(root / "masks" / organ / name, mask.astype(np.uint8) * 255)
            masks[cxr_id][organ] = encode(mask)
            top, bottom, left, right = BOXES[organ]
            polygon = [left, top, right, top, right, bottom, left, bottom]
            coco["annotations"].append(
                {"id": 2 * number + category, "image_id": number, "category_id": category,
                 "segmentation": [polygon], "iscrowd": 0}
            )  # fmt: skip
    write_masks(root / "masks.json", masks)
    (root / "coco.json").write_text(json.dumps(coco))
    return root


def save(path: Path, values: np.ndarray, mode: str | None = None) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    image = Image.fromarray(values)
    (image if mode is None else image.convert(mode)).save(path)


def read(root, findings=(), pathologies=ORGANS, **roles):
    return read_release(
        "folder",
        root,
        Folder(**roles).files(root),
        findings=findings,
        pathologies=pathologies,
    )


def problems(release):
    return [(p.where, p.found) for p in release.problems]
