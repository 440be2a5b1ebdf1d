"""Index: which X-rays take part, their labels, their split and their shard."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from chexseg.config.settings import IndexSettings
from chexseg.data.layouts.release import read_release
from chexseg.data.pathologies import OBSERVATIONS, PATHOLOGIES
from chexseg.data.splits import SPLITS, choose_patients
from chexseg.errors import InputError
from chexseg.files.artifacts import Folder, Output
from chexseg.files.atomic import atomic
from chexseg.files.progress import progress
from chexseg.provenance.digests import MEMORY, Digests

COLUMNS = (
    *("cxr_id", "path", "patient", "study", "split", "shard", "height", "width"),
    *OBSERVATIONS,
    "sha256",
)
"""`sha256` is that of the X-ray's file, so that everything made from the index depends on its content.
`path` is relative to the data's root. `height` and `width` are those of the file, for X-rays
that have masks to fit; train X-rays have none, since nobody needs to open them all."""


def run(
    *,
    root: Folder,
    train_csv: Path,
    val_csv: Path,
    test_csv: Path,
    val_masks: Path,
    test_masks: Path,
    out: Output,
    settings: IndexSettings,
    radiologist_masks: tuple[Path, ...] = (),
    pathologies: tuple[str, ...] = PATHOLOGIES,
) -> None:
    """List the X-rays of a study, after checking tables, files and masks.

    Only frontal X-rays take part. Validation X-rays are divided by patient into `expert` and
    `validation`; the splits share no patient. X-rays without any expert mask stay in their
    split: the radiologists saw nothing there.

    Args:
        root: Folder of the data; no X-ray may lie outside it.
        train_csv: Labels of the train X-rays.
        val_csv: Labels of the validation X-rays.
        test_csv: Labels of the test X-rays.
        val_masks: Expert masks of the validation X-rays (CheXlocalize JSON).
        test_masks: Expert masks of the test X-rays (CheXlocalize JSON).
        out: The index, a CSV with one row per X-ray.
        radiologist_masks: A second reader's masks of the test X-rays, if there are any; they are
            only checked here.
        pathologies: Pathologies of the study; each must have a mask in every entry.

    Raises:
        InputError: everything that is wrong with tables, files and masks, all at once.
    """
    index = collect(
        root,
        train_csv,
        val_csv,
        test_csv,
        val_masks=[val_masks],
        test_masks=[test_masks, *radiologist_masks],
        pathologies=pathologies,
        settings=settings,
    )
    digests = Digests(MEMORY)
    files = progress(index["path"], "read X-rays", len(index))
    index["sha256"] = [digests.of(root / path) for path in files]
    digests.save()
    with atomic(out) as temporary:
        index[list(COLUMNS)].to_csv(temporary, index=False)
    for split in SPLITS:
        rows = index[index["split"] == split]
        print(f"{split:>10}: {len(rows):>6} X-rays of {rows['patient'].nunique():>6} patients")
    print("No patient is in two splits.")


def collect(
    root: Path,
    train_csv: Path,
    val_csv: Path,
    test_csv: Path,
    *,
    val_masks: Sequence[Path],
    test_masks: Sequence[Path],
    pathologies: tuple[str, ...],
    settings: IndexSettings,
) -> pd.DataFrame:
    """Reads and checks everything that an index is made of; see `run`.

    All files of `val_masks` and of `test_masks` are checked against the same X-rays.

    Returns:
        The index: one row per X-ray, with COLUMNS and what the checks needed.
    """
    release = read_release(
        root,
        {"train": train_csv, "validation": val_csv, "test": test_csv},
        {"validation": val_masks, "test": test_masks},
        pathologies,
    )
    if release.problems:
        raise InputError(release.problems)
    parts = {split: rows.copy() for split, rows in release.frontal.groupby("split", sort=False)}
    if "train" in parts and len(parts["train"]) > (settings.max_train_images or math.inf):
        share = settings.max_train_images / len(parts["train"])
        chosen = choose_patients(parts["train"]["patient"], share, settings.seed)
        parts["train"] = parts["train"][chosen]
    if "validation" in parts:
        patients = parts["validation"]["patient"]
        expert = choose_patients(patients, settings.expert_fraction, settings.seed)
        parts["validation"]["split"] = expert.map({True: "expert", False: "validation"})
    index = pd.concat([release.frontal[:0], *parts.values()], ignore_index=True)
    index["shard"] = index.index * settings.shards // max(1, len(index))
    return index
