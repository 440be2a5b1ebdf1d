"""Scores predicted masks against expert masks, with confidence intervals."""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from chexseg.config.settings import MaskScoreSettings
from chexseg.data.layouts.chexpert import PATHOLOGIES
from chexseg.errors import InputError, Problem, Problems, printable
from chexseg.evaluation.given import check_pathologies, unmatched_ids
from chexseg.evaluation.overlaps import overlap_table, read_both
from chexseg.evaluation.patients import patients_of_ids, patients_of_index
from chexseg.evaluation.scores import score
from chexseg.files.artifacts import Output
from chexseg.files.atomic import atomic


def run(
    *,
    gt: Path,
    pred: Path,
    settings: MaskScoreSettings,
    out: Output | None = None,
    index: Path | None = None,
    split: str = "test",
    pathologies: tuple[str, ...] = PATHOLOGIES,
    run_name: str = "prediction",
) -> None:
    """Score predicted masks against expert masks.

    Both files are CheXlocalize JSON. Each metric is printed for each pathology, with a bootstrap
    interval over patients and the number of X-rays (n): iou_dataset, the sum of intersections over
    the sum of unions (as in CheXseg), and iou_image, the mean over X-rays for which both files
    have a nonempty mask (as in CheXlocalize). An X-ray without an entry has empty masks; '-' means
    that there is nothing to score.

    Without an index, patients are taken from the ids of the X-rays if all of them are named as in
    CheXpert; otherwise each X-ray counts as a patient. The output reports which.

    Args:
        gt: Expert masks.
        pred: Predicted masks, at the same size.
        out: CSV for the scores.
        index: A study's index, or another CSV with the columns cxr_id, patient and split, which
            limits scoring to the X-rays of a split. By default, the X-rays of both files count.
        split: Split of the index.
        pathologies: Pathologies to score.
        run_name: Name of the run in the scores.

    Raises:
        InputError: lists everything wrong with the files; there is no pathology to score, or one
            that a file does not have; the expert masks are of no X-ray.
    """
    problems = Problems()
    check_pathologies(pathologies, (gt, pred), PATHOLOGIES, problems)
    problems.raise_if_any()
    patients, sizes, how = {}, None, f"patients: taken from {index}"
    if index is not None:
        patients, sizes = patients_of_index(index, split)
    masks = read_both(gt, pred, pathologies=pathologies, sizes=sizes, wanted=patients)
    if not masks[0]:
        found, remedy = "no X-ray, so there is nothing to score", "Provide the experts' masks."
        raise InputError([Problem(str(gt), found, "masks of one or more", remedy)])
    if index is None:
        patients, how = patients_of_ids(sorted({*masks[0], *masks[1]}))
    table = overlap_table(*masks, patients=patients, pathologies=pathologies, sizes=sizes)
    scores = score(table, **settings.model_dump()).table()
    scores.insert(0, "run", run_name)
    if out is not None:
        with atomic(out) as temporary:
            scores.to_csv(temporary, index=False, lineterminator="\n")

    number = len(set(patients.values()))
    print(f"{run_name}: {len(patients)} X-rays of {number} patients", end=", ")
    print(f"{sum(x_ray not in masks[1] for x_ray in patients)} without a prediction")
    print(how)
    fate = "They are not scored." if index else "What is predicted on them is a false positive."
    scored = masks[0] if index is None else patients
    for warning in unmatched_ids(scored, masks[1], source=index or gt, fate=fate):
        print(printable(warning))
    print(f"intervals: {settings.confidence:.0%}, {settings.replicates} resamples of patients\n")
    print(_readable(scores))


def _readable(scores: pd.DataFrame) -> str:
    """Formats scores as a table with a row per pathology and a column per metric."""
    metrics = list(dict.fromkeys(scores["metric"]))
    head = "".join(f"{metric:>23}{'n':>7}" for metric in metrics)
    lines = [" " * 28 + head]
    for pathology, rows in scores.groupby("pathology", sort=False):
        cells = rows.set_index("metric").loc[metrics].itertuples()
        lines.append(f"{pathology:<28}" + "".join(map(_cell, cells)))
    return "\n".join(lines)


def _cell(score) -> str:
    value = "-"
    if not pd.isna(score.value):
        value = f"{score.value:.3f} [{score.ci_low:.3f}, {score.ci_high:.3f}]"
    return f"{value:>23}{score.n_images:>7}"
