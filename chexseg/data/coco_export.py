"""Writes masks as a COCO data set, the form of many annotation tools."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

from pycocotools import mask as coco

from chexseg.data.masks import Rle, area
from chexseg.files.atomic import atomic


def write_coco(path: Path, masks: Mapping[str, Mapping[str, Rle]]) -> None:
    """Writes masks as COCO's JSON: images, categories, and an annotation for each mask.

    Empty masks have no annotation. Numbers of images, categories and annotations follow the order of
    the X-rays and the names of the pathologies, so equal masks give equal bytes. `file_name` is the
    id of the X-ray.

    Args:
        path: the file.
        masks: cxr_id -> pathology -> mask. X-rays without any mask are left out.
    """
    names = sorted({name for of_x_ray in masks.values() for name in of_x_ray})
    numbers = {name: number for number, name in enumerate(names, 1)}
    images, annotations = [], []
    for cxr_id, of_x_ray in masks.items():
        if not of_x_ray:
            continue
        height, width = next(iter(of_x_ray.values()))["size"]
        image = {"id": len(images) + 1, "file_name": cxr_id, "height": height, "width": width}
        images.append(image)
        for name, rle in of_x_ray.items():
            if pixels := area(rle):
                annotations.append({
                    "id": len(annotations) + 1,
                    "image_id": image["id"],
                    "category_id": numbers[name],
                    "segmentation": rle,
                    "area": pixels,
                    "bbox": coco.toBbox(rle).tolist(),
                    "iscrowd": 0,
                })  # fmt: skip
    categories = [{"id": number, "name": name} for name, number in numbers.items()]
    content = {"images": images, "categories": categories, "annotations": annotations}
    with atomic(path) as temporary:
        temporary.write_text(json.dumps(content) + "\n", encoding="utf-8")
