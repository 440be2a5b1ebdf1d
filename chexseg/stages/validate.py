"""Checks a config, and the tables, masks, X-rays and weights that it names, before any job runs."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Annotated

import tyro

from chexseg.atomic import atomic
from chexseg.config import UNNAMED_WEIGHTS, IRNetEntry, Study, load_study
from chexseg.errors import GROUPS, InputError, Problem, told
from chexseg.models.trained import check_weights
from chexseg.stages.check_data import examine


def run(
    *,
    configs: Annotated[tuple[Path, ...], tyro.conf.Positional],
    decode: bool = True,
    threads: int = 2,
    report: Path | None = None,
) -> None:
    """Check a study, its data and its weights, and report what the data hold.

    Args:
        configs: Config files; later ones override earlier ones, key by key.
        decode: Also decode every X-ray, which finds truncated files; takes a while.
        threads: X-rays decoded at once.
        report: Text file for the report, with every problem if there are any.

    Raises:
        InputError: everything that is wrong, all at once.
    """
    study = load_study(*configs)
    text, problems = "data: the phantom, generated when the workflow runs\n", []
    if study.data.root is not None:
        text, problems = _examine_data(study, decode, threads)
    for weights, architecture in _weights(study):
        try:
            check_weights(weights, architecture)
        except InputError as error:
            problems += error.problems
    lines = [f"study {study.study!r}: {len(study.segmenters)} segmenters", ""]
    for group in GROUPS:
        number = sum(problem.group == group for problem in problems)
        lines.append(f"{group:<10}{number or 'no'} problem{'s' * (number != 1)}")
    text = "\n".join(lines) + "\n\n" + text
    if report is not None:
        with atomic(report) as temporary:
            told_too = f"\n{told(problems)}\n" if problems else ""
            temporary.write_text(text + told_too, encoding="utf-8")
    print(text, end="")
    if problems:
        raise InputError(problems)


def _examine_data(study: Study, decode: bool, threads: int) -> tuple[str, list[Problem]]:
    data, root = study.data, Path(study.data.root)
    second = [data.radiologist_masks] if data.radiologist_masks else []
    return examine(
        root,
        {
            "train": root / data.train_csv,
            "validation": root / data.val_csv,
            "test": root / data.test_csv,
        },
        {
            "validation": [root / data.val_masks],
            "test": [root / name for name in (data.test_masks, *second)],
        },
        data.pathologies,
        decode=decode,
        threads=threads,
    )


def _weights(study: Study) -> Iterator[tuple[str, str]]:
    """Yields each file of weights that a study names, with the architecture that it is for."""
    named = {(e.initial_weights, e.architecture): None for e in study.classifiers.values()}
    named |= {(e.initial_weights, e.encoder): None for e in study.segmenters.values()}
    for entry in study.pseudo_masks.values():
        if isinstance(entry, IRNetEntry):
            named[entry.backbone, entry.backbone_architecture] = None
    for weights, architecture in named:
        if weights not in UNNAMED_WEIGHTS and weights not in study.classifiers:
            yield weights, architecture
