"""Index: which X-rays take part, their labels, their split and their shard."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from chexseg.atomic import atomic
from chexseg.data.chexpert import find_images, read_labels
from chexseg.data.images import image_size
from chexseg.data.masks import read_masks
from chexseg.data.pathologies import OBSERVATIONS, PATHOLOGIES
from chexseg.data.splits import SPLITS, check_disjoint, choose_patients
from chexseg.errors import InputError, Problems
from chexseg.settings import IndexSettings

COLUMNS = (
    *("cxr_id", "path", "patient", "study", "split", "shard", "height", "width"),
    *OBSERVATIONS,
)
"""`path` is relative to the data's root. `height` and `width` are those of the file, for X-rays
that have masks to fit; train X-rays have none, since nobody needs to open them all."""


def run(
    *,
    root: Path,
    train_csv: Path,
    val_csv: Path,
    test_csv: Path,
    val_masks: Path,
    test_masks: Path,
    out: Path,
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
    problems = Problems()
    parts, named = [], {}
    for split, path in (("train", train_csv), ("validation", val_csv), ("test", test_csv)):
        table = read_labels(path, problems)
        named[split] = set(table["cxr_id"])  # with the lateral ones: CheXlocalize outlines both
        table = table[table["view"] == "frontal"].copy()
        table["path"] = find_images(table, path, root, problems)
        table["source"] = [f"{path}:{row}:Path" for row in table["row"]]
        table["split"] = split
        parts.append(table)
    problems.raise_if_any()
    train, validation, test = parts
    if settings.max_train_images and len(train) > settings.max_train_images:
        share = settings.max_train_images / len(train)
        train = train[choose_patients(train["patient"], share, settings.seed)]
    expert = choose_patients(validation["patient"], settings.expert_fraction, settings.seed)
    validation["split"] = expert.map({True: "expert", False: "validation"})
    index = pd.concat([train, validation, test], ignore_index=True)

    check_disjoint(index, problems)
    sizes = {}
    for split, table, paths in (("validation", validation, val_masks), ("test", test, test_masks)):
        of_table = _read_sizes(table, root, problems)
        for path in paths:
            _check_masks(path, of_table, named[split], pathologies, problems)
        sizes |= of_table
    problems.raise_if_any()
    for column, side in (("height", 0), ("width", 1)):
        known = {cxr_id: size[side] for cxr_id, size in sizes.items()}
        index[column] = index["cxr_id"].map(known).astype("Int64")

    index["shard"] = index.index * settings.shards // max(1, len(index))
    return index


def _read_sizes(table: pd.DataFrame, root: Path, problems: Problems) -> dict[str, tuple[int, int]]:
    """Returns height and width of the X-rays of a table, from their headers."""
    sizes = {}
    for cxr_id, image in zip(table["cxr_id"], table["path"], strict=True):
        try:
            sizes[cxr_id] = image_size(root / image)
        except InputError as error:
            problems.found += error.problems
    return sizes


def _check_masks(
    path: Path,
    sizes: dict[str, tuple[int, int]],
    named: set[str],
    pathologies: tuple[str, ...],
    problems: Problems,
) -> None:
    """Adds what is wrong with the masks of X-rays of the given sizes.

    `named` holds every X-ray of the table: masks of lateral ones are passed over.
    """
    try:
        masks = read_masks(path, pathologies=pathologies, sizes=sizes)
    except InputError as error:
        problems.found += error.problems
        return
    for cxr_id in sorted(set(masks) - named):
        problems.add(
            f"{path}:{cxr_id}", "masks of an X-ray that the table does not name",
            "an X-ray of the table", "Delete the entry, or add the X-ray to the table.",
        )  # fmt: skip
