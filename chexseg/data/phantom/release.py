"""Writes a phantom release: synthetic files in the layout of CheXpert and CheXlocalize."""

from __future__ import annotations

import csv
import json
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image
from pycocotools import mask as coco

from chexseg.config.flags import flags
from chexseg.config.settings import PhantomSettings
from chexseg.data.layouts.chexpert import LABEL_COLUMNS, PATHOLOGIES
from chexseg.data.phantom.geometry import Mask
from chexseg.data.phantom.labels import (
    draw_findings,
    pathologies_of,
    report_labels,
    true_labels,
)
from chexseg.data.phantom.radiograph import render
from chexseg.data.phantom.reader import second_reading
from chexseg.errors import InputError, Problem
from chexseg.files.progress import progress

_COLUMNS = ("Path", "Sex", "Age", "Frontal/Lateral", "AP/PA", *LABEL_COLUMNS)
_FIRST_PATIENT = {"train": 1, "val": 70001, "test": 85001}
_MARKER = "PHANTOM.txt"
_STUDIES = 3  # maximum per patient


@dataclass(frozen=True)
class _Study:
    """Describes one study; `index` counts the studies of a split, each with one frontal X-ray."""

    index: int
    patient: int
    study: int
    sex: str
    age: int
    findings: frozenset[str]
    lateral: bool

    def image_path(self, view: str) -> str:
        return f"patient{self.patient:05d}/study{self.study}/{view}.jpg"

    def cxr_id(self, view: str) -> str:
        return f"patient{self.patient:05d}_study{self.study}_{view}"


def make_release(root: Path, settings: PhantomSettings) -> None:
    """Writes a whole release to `root` atomically.

    An image depends only on the seed, its split and its number there, not on how many there are.
    An older phantom at `root` is replaced, and so are empty folders. Nothing else is overwritten.

    Args:
        root: folder for `CheXpert/`, `CheXlocalize/` and `anatomy/`.
        settings: counts, sizes and label noise.

    Raises:
        InputError: `root` contains files that do not belong to a phantom.
    """
    _check_replaceable(Path(root))
    counts = {
        "train": settings.train_images,
        "val": settings.val_images,
        "test": settings.test_images,
    }
    with _atomic_folder(Path(root)) as folder:
        for split, count in counts.items():
            _write_split(folder, split, count, settings)
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
    studies = _studies(split, count, settings)
    for study in progress(studies, f"phantom {split}", count):
        rng = _rng(settings, split, study.index, "image")
        positives = pathologies_of(study.findings)
        labels = true_labels(study.findings)
        if split == "train":
            labels = report_labels(
                _rng(settings, split, study.index, "labels"), study.findings, settings
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
                anatomy[cxr_id] = _encode(radiograph.anatomy, tuple(radiograph.anatomy), size)
                if radiograph.masks:
                    truth[cxr_id] = _encode(radiograph.masks, PATHOLOGIES, size)
                if radiograph.masks and split == "test":
                    reading = second_reading(
                        _rng(settings, split, study.index, "reader"), radiograph.masks
                    )
                    second[cxr_id] = _encode(reading, PATHOLOGIES, size)
    _write_tables(folder / "CheXpert", split, rows)
    if split != "train":
        _write_json(folder / "CheXlocalize" / f"gt_segmentations_{split}.json", truth)
        _write_json(folder / "anatomy" / f"segmentations_{split}.json", anatomy)
    if split == "test":
        _write_json(folder / "CheXlocalize" / "hb_segmentations_test.json", second)


def _rng(settings: PhantomSettings, split: str, index: int, use: str) -> np.random.Generator:
    """Returns a separate generator for each use of each image, so that no draw affects another."""
    place = [settings.seed, tuple(_FIRST_PATIENT).index(split), index]
    number = ("image", "study", "labels", "reader").index(use)
    return np.random.default_rng(np.random.SeedSequence(place, spawn_key=(number,)))


def _studies(split: str, count: int, settings: PhantomSettings) -> Iterator[_Study]:
    """Yields `count` studies; about one in five is of the same patient as the previous one."""
    patient, study, sex, age = _FIRST_PATIENT[split] - 1, _STUDIES, "", 0
    for index in range(count):
        rng = _rng(settings, split, index, "study")
        again, lateral = rng.random() < 0.22, rng.random() < settings.lateral
        new_sex = "Female" if rng.random() < 0.45 else "Male"
        new_age = int(np.clip(rng.normal(62, 17), 18, 90))
        if again and study < _STUDIES:
            study += 1
        else:
            patient, study, sex, age = patient + 1, 1, new_sex, new_age
        findings = draw_findings(rng)
        yield _Study(index, patient, study, sex, age, findings, lateral and split == "train")


def _encode(
    masks: dict[str, Mask], names: tuple[str, ...], size: tuple[int, int]
) -> dict[str, dict[str, object]]:
    """Returns COCO run-length encodings of all `names`; a missing mask is all zero."""
    codes = {}
    for name in names:
        mask = masks.get(name, np.zeros(size, dtype=bool))
        code = coco.encode(np.asfortranarray(mask, dtype=np.uint8))
        codes[name] = {"size": list(size), "counts": code["counts"].decode("ascii")}
    return codes


def _write_tables(folder: Path, split: str, rows: list[tuple[object, ...]]) -> None:
    """Writes the CSVs of a split, with the names and quirks of the real releases."""
    if split == "test":  # no sex, age or view, and its own prefix
        table = [(f"test/{row[0]}", *row[5:]) for row in rows]
        _write_csv(folder / "test_labels.csv", ("Path", *LABEL_COLUMNS), table)
        return
    prefix = {"train": "CheXpert-v1.0/train", "val": "CheXpert-v1.0/valid"}[split]
    table = [(f"{prefix}/{row[0]}", *row[1:]) for row in rows]
    for name in {"train": ("train.csv",), "val": ("val.csv", "val_labels.csv")}[split]:
        _write_csv(folder / name, _COLUMNS, table)


def _write_csv(path: Path, columns: tuple[str, ...], rows: list[tuple[object, ...]]) -> None:
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(columns)
        writer.writerows(rows)


def _write_json(path: Path, entries: dict[str, object]) -> None:
    path.parent.mkdir(exist_ok=True)
    path.write_text(json.dumps(entries), encoding="utf-8")


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
