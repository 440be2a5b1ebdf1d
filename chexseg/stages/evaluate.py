"""Scores predicted masks against expert masks, with confidence intervals."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

import pandas as pd

from chexseg.config.settings import MaskScoreSettings
from chexseg.data.layouts.chexpert import PATHOLOGIES
from chexseg.errors import Problems, printable
from chexseg.evaluation import chexlocalize
from chexseg.evaluation.given import check_pathologies, unmatched_ids
from chexseg.evaluation.overlaps import Masks, overlap_table
from chexseg.evaluation.patients import EACH, patients_of_ids, patients_of_index
from chexseg.evaluation.predicted import Predicted, read_predicted
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
    resample: Literal["patients", "x_rays"] = "patients",
    chexlocalize_out: Path | None = None,
    true_pos_only: bool = True,
    human: Path | None = None,
) -> None:
    """Score predicted masks against expert masks.

    Both files are CheXlocalize JSON: masks, or polygons as its radiologists drew them. Each metric is
    printed for each pathology, with a bootstrap interval over patients and the number of X-rays (n):
    iou_dataset, the sum of intersections over the sum of unions (as in CheXseg), and iou_image, the
    mean over X-rays for which both files have a nonempty mask (as in CheXlocalize). An X-ray without
    an entry has empty masks; '-' means that there is nothing to score.

    With --metrics hit_rate, the prediction may also be most representative points, or a folder of
    CheXlocalize's heat maps (pickles), of which the peaks are scored. With other metrics, heat maps
    are cut by Otsu's method.

    Without an index, patients are taken from the ids of the X-rays if all of them are named as in
    CheXpert; otherwise each X-ray counts as a patient. The output reports which.

    Args:
        gt: Expert masks.
        pred: Predicted masks, at the same size; or points, or heat maps.
        out: CSV for the scores.
        index: A study's index, or another CSV with the columns cxr_id, patient and split, which
            limits scoring to the X-rays of a split. By default, the X-rays of both files count.
        split: Split of the index.
        pathologies: Pathologies to score.
        run_name: Name of the run in the scores.
        resample: What the bootstrap draws. CheXlocalize draws X-rays, as if each were of another
            patient.
        chexlocalize_out: Folder for the tables of CheXlocalize's eval.py, with its names, columns and
            values: of hit or miss for points and peaks, and otherwise of IoU.
        true_pos_only: Whether the IoU in these tables counts only X-rays with a mask in both files;
            otherwise, those with one in either.
        human: What other radiologists drew of the same X-rays, in the form of the prediction. The
            percentage by which predictions score lower is printed, and added to these tables.

    Raises:
        InputError: lists everything wrong with the files; there is no pathology to score, or one
            that a file does not have; the expert masks are of no X-ray.
    """
    _check(gt, pred, human, pathologies)
    patients, sizes, how = {}, None, f"patients: taken from {index}"
    if index is not None:
        patients, sizes = patients_of_index(index, split)
    truth, given, benchmark = _read(
        gt, pred, human,
        pathologies=pathologies, metrics=settings.metrics, sizes=sizes, wanted=patients,
    )  # fmt: skip
    if index is None:
        patients, how = patients_of_ids(sorted({*truth, *given.masks}))
    if resample == "x_rays":
        patients, how = {cxr_id: cxr_id for cxr_id in patients}, EACH
    counting = {"patients": patients, "pathologies": pathologies, "sizes": sizes}
    table = overlap_table(truth, given.masks, **counting)
    scores = score(table, **settings.model_dump()).table()
    scores.insert(0, "run", run_name)
    if out is not None:
        with atomic(out) as temporary:
            scores.to_csv(temporary, index=False, lineterminator="\n")

    number = len(set(patients.values()))
    print(f"{run_name}: {len(patients)} X-rays of {number} patients", end=", ")
    print(f"{sum(x_ray not in given.masks for x_ray in patients)} without a prediction")
    print(how)
    fate = "They are not scored." if index else "What is predicted on them is a false positive."
    scored = truth if index is None else patients
    for warning in unmatched_ids(scored, given.masks, source=index or gt, fate=fate):
        print(printable(warning))
    print(f"intervals: {settings.confidence:.0%}, {settings.replicates} resamples of patients\n")
    print(_readable(scores))

    if chexlocalize_out is not None or benchmark is not None:
        options = {"true_pos_only": true_pos_only, "settings": settings, "folder": chexlocalize_out}
        replicates = _tables(given, truth, table, **options, human=False)
    if benchmark is not None:
        table = overlap_table(truth, benchmark.masks, **counting)
        of_human = _tables(benchmark, truth, table, **options, human=True)
        _tell_decrease(_metric(given), of_human, replicates, chexlocalize_out)


def _read(
    gt: Path, pred: Path, human: Path | None, **options: Any
) -> tuple[Masks, Predicted, Predicted | None]:
    """Reads the experts' masks, the prediction, and what other radiologists drew, if it is given.

    Args:
        gt, pred, human: see `run`.
        options: keyword arguments of `read_predicted`.

    Raises:
        InputError: see `run`.
    """
    predictions = (pred,) if human is None else (pred, human)
    truth, (given, *others) = read_predicted(gt, predictions, **options)
    problems = Problems()
    if not truth:
        found, remedy = "no X-ray, so there is nothing to score", "Provide the experts' masks."
        problems.add(gt, found, "masks of one or more", remedy)
    for benchmark in others:
        if benchmark.pointing != given.pointing:
            forms = {True: "points", False: "masks"}
            found, expected = forms[benchmark.pointing], f"{forms[given.pointing]}, as predicted"
            remedy = "Compare people and predictions in the same form."
            problems.add(human, found, expected, remedy)
    problems.raise_if_any()
    return truth, given, others[0] if others else None


def _check(gt: Path, pred: Path, human: Path | None, pathologies: tuple[str, ...]) -> None:
    """Checks that the files have the pathologies; a folder of heat maps may lack any.

    Raises:
        InputError: see `run`.
    """
    problems = Problems()
    files = [path for path in (gt, pred, human) if path is not None and not path.is_dir()]
    check_pathologies(pathologies, files, PATHOLOGIES, problems)
    problems.raise_if_any()


def _tell_decrease(
    metric: str, human: pd.DataFrame, predicted: pd.DataFrame, folder: Path | None
) -> None:
    """Prints the percentage decrease from people to predictions; writes it if there is a folder."""
    decrease = chexlocalize.percentage_decrease(human, predicted)
    print(f"\n{decrease.to_string()}")
    if folder is not None:
        chexlocalize.write_table(folder / f"{metric}_pct_decrease.csv", decrease, index=True)


def _metric(given: Predicted) -> str:
    return "hitmiss" if given.pointing else "iou"


def _tables(
    given: Predicted,
    truth: Masks,
    overlaps: pd.DataFrame,
    *,
    true_pos_only: bool,
    settings: MaskScoreSettings,
    folder: Path | None,
    human: bool,
) -> pd.DataFrame:
    """Returns CheXlocalize's resamples; writes its tables if there is a folder for them."""
    if given.pointing or true_pos_only:
        overlaps = overlaps[overlaps["cxr_id"].isin(truth)]
    results = chexlocalize.results_per_x_ray(
        overlaps,
        _metric(given),
        true_pos_only=true_pos_only,
        without_is_miss=given.by_people,
    )
    replicates = chexlocalize.bootstrap(
        results,
        tuple(overlaps["pathology"].unique()),
        replicates=settings.replicates,
        seed=settings.seed,
    )
    if folder is not None:
        chexlocalize.write_tables(folder, _metric(given), results, replicates, human=human)
    return replicates


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
