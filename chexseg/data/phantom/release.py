"""Writes a phantom release: synthetic files in the layout of CheXpert and CheXlocalize."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from PIL import Image

from chexseg.config.flags import flags
from chexseg.config.phantom import PhantomSettings
from chexseg.data.layouts.chexpert import LABEL_COLUMNS, PATHOLOGIES
from chexseg.data.phantom.labels import pathologies_of, report_labels, true_labels
from chexseg.data.phantom.radiograph import render
from chexseg.data.phantom.reader import second_reading
from chexseg.data.phantom.studies import random_of, studies_of
from chexseg.data.phantom.vindr import write_vindr_split
from chexseg.data.phantom.written import encode_masks, write_csv, write_json
from chexseg.errors import InputError, Problem
from chexseg.files.progress import progress

_COLUMNS = ("Path", "Sex", "Age", "Frontal/Lateral", "AP/PA", *LABEL_COLUMNS)
_MARKER = "PHANTOM.txt"


def make_release(root: Path, settings: PhantomSettings) -> None:
    """Writes a whole release to `root` atomically.

    An image depends only on the seed, its split and its number there, not on how many there are.
    An older phantom at `root` is replaced, and so are empty folders. Nothing else is overwritten.

    Args:
        root: folder for `CheXpert/`, `CheXlocalize/` and `anatomy/`; or for `train/`, `test/`,
            `annotations/` and `masks/`, in the layout of VinDr-CXR.
        settings: counts, sizes and label noise.

    Raises:
        InputError: `root` contains files that do not belong to a phantom.
    """
    _check_replaceable(Path(root))
    with _atomic_folder(Path(root)) as folder:
        for split, write in SPLITS[settings.layout].items():
            write(folder, split, getattr(settings, f"{split}_images"), settings)
        (folder / _MARKER).write_text(
            "A synthetic data set: none of these X-rays shows a real person.\n"
            f"Made by chexseg make-phantom {flags(settings)}\n",
            encoding="utf-8",
        )


def _check_replaceable(root: Path) -> None:
    if (root / _MARKER).is_file():
        return
    foreign = next((path for path in root.rglob("*") if not path.is_dir()), None)
    if root.is_file() or foreign:
        remedy = "Name another folder, or empty this one."
        raise InputError([Problem(str(root), str(foreign or root), "an empty folder", remedy)])


def _write_split(folder: Path, split: str, count: int, settings: PhantomSettings) -> None:
    rows, truth, second, anatomy = [], {}, {}, {}
    studies = studies_of(split, count, settings)
    for study in progress(studies, f"phantom {split}", count):
        rng = random_of(settings, split, study.index, "image")
        positives = pathologies_of(study.findings)
        labels = true_labels(study.findings)
        if split == "train":
            labels = report_labels(
                random_of(settings, split, study.index, "labels"), study.findings, settings
            )
        for view, lateral in (("view1_frontal", False), ("view2_lateral", True)):
            if lateral and not study.lateral:
                continue
            radiograph = render(
                rng,
                positives,
                longest_side=settings.longest_side,
                lesion_scale=settings.lesion_scale,
                lateral=lateral,
            )
            target = folder / "CheXpert" / split / study.image_path(view)
            target.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(radiograph.image).save(target, quality=92)
            projection = "" if lateral else ("PA" if study.index % 3 == 0 else "AP")
            person = (study.sex, study.age, "Lateral" if lateral else "Frontal", projection)
            rows.append((study.image_path(view), *person, *labels))
            if split != "train":
                cxr_id = study.cxr_id(view)
                size = radiograph.image.shape
                anatomy[cxr_id] = encode_masks(radiograph.anatomy, tuple(radiograph.anatomy), size)
                if radiograph.masks:
                    truth[cxr_id] = encode_masks(radiograph.masks, PATHOLOGIES, size)
                if radiograph.masks and split == "test":
                    reading = second_reading(
                        random_of(settings, split, study.index, "reader"), radiograph.masks
                    )
                    second[cxr_id] = encode_masks(reading, PATHOLOGIES, size)
    _write_tables(folder / "CheXpert", split, rows)
    if split != "train":
        write_json(folder / "CheXlocalize" / f"gt_segmentations_{split}.json", truth)
        write_json(folder / "anatomy" / f"segmentations_{split}.json", anatomy)
    if split == "test":
        write_json(folder / "CheXlocalize" / "hb_segmentations_test.json", second)


SPLITS: dict[str, dict[str, Callable[[Path, str, int, PhantomSettings], None]]] = {
    "chexpert": dict.fromkeys(("train", "val", "test"), _write_split),
    "vindr": dict.fromkeys(("train", "test"), write_vindr_split),
}
"""Layout -> split -> what writes it."""


def _write_tables(folder: Path, split: str, rows: list[tuple[object, ...]]) -> None:
    """Writes the CSVs of a split, with the names and quirks of the real releases."""
    if split == "test":  # no sex, age or view, and its own prefix
        table = [(f"test/{row[0]}", *row[5:]) for row in rows]
        write_csv(folder / "test_labels.csv", ("Path", *LABEL_COLUMNS), table)
        return
    prefix = {"train": "CheXpert-v1.0/train", "val": "CheXpert-v1.0/valid"}[split]
    table = [(f"{prefix}/{row[0]}", *row[1:]) for row in rows]
    for name in {"train": ("train.csv",), "val": ("val.csv", "val_labels.csv")}[split]:
        write_csv(folder / name, _COLUMNS, table)


@contextmanager
def _atomic_folder(target: Path) -> Iterator[Path]:
    """Yields a temporary folder next to `target`, which replaces it when the block succeeds."""
    target.parent.mkdir(parents=True, exist_ok=True)
    hidden = Path(tempfile.mkdtemp(prefix=f".{target.name}.", suffix=".partial", dir=target.parent))
    try:
        fresh, old = hidden / "fresh", hidden / "old"
        fresh.mkdir()
        yield fresh
        if target.exists():
            os.replace(target, old)
        os.replace(fresh, target)
    finally:
        shutil.rmtree(hidden, ignore_errors=True)
