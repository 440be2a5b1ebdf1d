"""Checks a config, and the tables, masks and X-rays that it names, before any job runs."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import tyro

from chexseg.config import load_study
from chexseg.data.images import open_image
from chexseg.data.pathologies import observation_of
from chexseg.data.splits import SPLITS
from chexseg.errors import InputError, Problems
from chexseg.progress import progress
from chexseg.stages.build_index import collect


def run(*, configs: Annotated[tuple[Path, ...], tyro.conf.Positional], decode: bool = True) -> None:
    """Check a study and its data, and report what the data hold.

    Args:
        configs: Config files; later ones override earlier ones, key by key.
        decode: Also decode every X-ray, which finds truncated files; takes a while.

    Raises:
        InputError: everything that is wrong, all at once.
    """
    study = load_study(*configs)
    print(f"config: study {study.study!r}, {len(study.segmenters)} segmenters")
    data = study.data
    if data.root is None:
        print("data: the phantom, generated when the workflow runs")
        return
    root = Path(data.root)
    files = [root / getattr(data, name) for name in ("train_csv", "val_csv", "test_csv")]
    second = [data.radiologist_masks] if data.radiologist_masks else []
    index = collect(
        root,
        *files,
        val_masks=[root / data.val_masks],
        test_masks=[root / name for name in (data.test_masks, *second)],
        pathologies=data.pathologies,
        settings=data.index,
    )
    problems = Problems()
    for path in progress(index["path"] if decode else (), "validate", len(index)):
        try:
            open_image(root / path, longest=data.images.image_size)
        except InputError as error:
            problems.found += error.problems
    problems.raise_if_any()

    for split in SPLITS:
        rows = index[index["split"] == split]
        print(f"{split:>10}: {len(rows):>6} X-rays of {rows['patient'].nunique():>6} patients")
    print(f"\n{'labels':<28}{'positive':>10}{'negative':>10}{'uncertain':>10}{'blank':>10}")
    for pathology in data.pathologies:
        labels = index[observation_of(pathology)]
        counts = [(labels == value).sum() for value in (1, 0, -1)] + [labels.isna().sum()]
        print(f"{pathology:<28}" + "".join(f"{count:>10}" for count in counts))
    print("\nNothing is wrong.")
