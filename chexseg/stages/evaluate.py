"""Scores of predicted masks against expert masks, with confidence intervals."""

from __future__ import annotations

import gzip
from collections.abc import Iterable, Mapping
from pathlib import Path

import pandas as pd

from chexseg.config.settings import EvaluationSettings
from chexseg.data.index import read_index
from chexseg.data.layouts.chexpert import PATHOLOGIES
from chexseg.data.masks import read_masks
from chexseg.errors import InputError, Problem, Problems
from chexseg.evaluation.overlaps import overlap_table
from chexseg.evaluation.scores import METRICS, score_run
from chexseg.files.artifacts import Output
from chexseg.files.atomic import atomic


def run(
    *,
    gt: Path,
    pred: Path,
    settings: EvaluationSettings,
    out: Output | None = None,
    overlaps: Output | None = None,
    index: Path | None = None,
    split: str = "test",
    pathologies: tuple[str, ...] = PATHOLOGIES,
    run_name: str = "prediction",
) -> None:
    """Score predicted masks against expert masks.

    Both files are CheXlocalize JSON. Two metrics are printed for each pathology, with a bootstrap
    interval over patients and the number of X-rays (n) behind each: iou_dataset, the sum of
    intersections over the sum of unions (how CheXseg scores), and iou_image, the mean over X-rays
    where both files have a non-empty mask (how CheXlocalize scores). An X-ray without an entry
    has empty masks; '-' means that there is nothing to score.

    Args:
        gt: Expert masks.
        pred: Predicted masks, at the same size.
        out: CSV for the scores.
        overlaps: CSV (or .csv.gz) for the pixel counts of every X-ray and pathology.
        index: A study's index: only the X-rays of its split count. Without it, those of either
            file do.
        split: Split of the index.
        pathologies: Pathologies to score.
        run_name: Name of the run in the scores.

    Raises:
        InputError: everything that is wrong with the files, all at once.
    """
    cxr_ids, sizes = _x_rays(index, split)
    problems, files = Problems(), {}
    for path in (gt, pred):
        try:
            files[path] = read_masks(path, pathologies=pathologies, sizes=sizes)
        except InputError as error:
            problems.found += error.problems
    problems.raise_if_any()
    truth, prediction = files[gt], files[pred]
    for path, masks in files.items():
        _check_ids(path, masks, cxr_ids or truth, problems)
    if not (cxr_ids or truth or prediction):
        problems.add(
            gt, "no X-ray, nor in the prediction", "one or more", "Give masks, or --index."
        )
    problems.raise_if_any()

    table = overlap_table(truth, prediction, cxr_ids=cxr_ids, pathologies=pathologies)
    scores = score_run(table, **settings.model_dump())
    scores.insert(0, "run", run_name)
    if overlaps is not None:
        content = table.to_csv(index=False, lineterminator="\n").encode()
        if overlaps.suffix == ".gz":
            content = gzip.compress(content, mtime=0)  # equal tables, equal bytes
        with atomic(overlaps) as temporary:
            temporary.write_bytes(content)
    if out is not None:
        with atomic(out) as temporary:
            scores.to_csv(temporary, index=False, lineterminator="\n")

    images, patients = table["cxr_id"].nunique(), table["patient"].nunique()
    print(f"{run_name}: {images} X-rays of {patients} patients", end=", ")
    print(f"{sum(x_ray not in prediction for x_ray in table['cxr_id'].unique())} not predicted")
    print(f"intervals: {settings.confidence:.0%}, {settings.replicates} resamples of patients\n")
    print(_readable(scores))


def _x_rays(
    index: Path | None, split: str
) -> tuple[list[str] | None, dict[str, tuple[int, int]] | None]:
    """Returns the X-rays of the split, and their sizes if the index has them."""
    if index is None:
        return None, None
    try:
        rows = read_index(index, split)
    except (OSError, ValueError, KeyError) as error:
        found = f"no index ({error})"
        remedy = "Make it with `chexseg build-index`."
        raise InputError([Problem(str(index), found, "an index", remedy)]) from error
    if rows.empty:
        found = f"no X-ray of split {split!r}"
        raise InputError([Problem(str(index), found, "one or more", "Correct --split.")])
    if not {"height", "width"} <= set(rows.columns) or rows["height"].isna().any():
        return list(rows.index), None
    sizes = rows[["height", "width"]].dropna().astype(int)
    return list(rows.index), dict(zip(sizes.index, sizes.itertuples(index=False), strict=True))


def _check_ids(path: Path, masks: Mapping, wanted: Iterable[str], problems: Problems) -> None:
    """Adds a file that has masks, but none of a wanted X-ray: their names must differ."""
    if masks and wanted and not set(wanted) & set(masks):
        problems.add(
            path, f"no X-ray to score; the first is {next(iter(masks))!r}",
            f"X-rays such as {next(iter(wanted))!r}", "Name X-rays alike in all files.",
        )  # fmt: skip


def _readable(scores: pd.DataFrame) -> str:
    """Returns a table for people: pathologies down, metrics across."""
    head = "".join(f"{metric:>23}{'n':>7}" for metric in METRICS)
    lines = [" " * 28 + head]
    for pathology, rows in scores.groupby("pathology", sort=False):
        cells = rows.set_index("metric").loc[list(METRICS)].itertuples()
        lines.append(f"{pathology:<28}" + "".join(map(_cell, cells)))
    return "\n".join(lines)


def _cell(score) -> str:
    value = "-"
    if not pd.isna(score.value):
        value = f"{score.value:.3f} [{score.ci_low:.3f}, {score.ci_high:.3f}]"
    return f"{value:>23}{score.n_images:>7}"
