"""Scores all runs of a study, with confidence intervals."""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from chexseg.config.settings import EvaluationSettings
from chexseg.errors import Problems
from chexseg.evaluation.false_positives import count_false_positives
from chexseg.evaluation.overlaps import ROW, read_overlaps
from chexseg.evaluation.scores import MEAN, score, write_scores
from chexseg.files.artifacts import Output
from chexseg.files.atomic import atomic
from chexseg.files.store import Store


def run(
    *,
    overlaps: tuple[Path, ...],
    names: tuple[str, ...],
    out: Output,
    replicates_out: Output,
    false_positives: Output,
    settings: EvaluationSettings,
    histograms: tuple[Path, ...] = (),
    histogram_names: tuple[str, ...] = (),
) -> None:
    """Score runs on the same X-rays.

    Metrics of probabilities are NaN for runs without histograms, such as human readers.

    Args:
        overlaps: Pixel counts of the runs, as written by `chexseg count-overlaps`.
        names: Names of the runs, in the order of `overlaps`.
        out: CSV with the scores of all runs.
        replicates_out: Scores and their bootstrap replicates (npz), for comparisons.
        false_positives: CSV with the predictions of runs where the truth is empty.
        histograms: Histograms of probabilities, as written by `chexseg compute-histograms`; read
            only for metrics that need them.
        histogram_names: Names of their runs, in the order of `histograms`.

    Raises:
        InputError: a file is not a table of overlaps, the runs have different X-rays, or histograms
            are of others.
    """
    tables = _read(overlaps, names)
    stores = _open_histograms(histograms, histogram_names, next(iter(tables.values())))
    scores = {
        name: score(table, **settings.model_dump(), histograms=stores.get(name))
        for name, table in tables.items()
    }
    summary = _stack({name: each.table() for name, each in scores.items()})
    drawn = _stack({name: count_false_positives(table) for name, table in tables.items()})
    for path, table in ((out, summary), (false_positives, drawn)):
        with atomic(path) as temporary:
            table.to_csv(temporary, index=False, lineterminator="\n")
    write_scores(replicates_out, scores)
    means = summary[summary["pathology"] == MEAN]
    means = means.pivot(index="run", columns="metric", values="value").loc[list(tables)]
    print(means.round(3).to_string())


def _stack(tables: dict[str, pd.DataFrame]) -> pd.DataFrame:
    """Concatenates the tables of runs, with the name of the run in the first column."""
    stacked = pd.concat(tables, names=["run", "row"]).reset_index("row", drop=True)
    return stacked.reset_index()


def _read(overlaps: tuple[Path, ...], names: tuple[str, ...]) -> dict[str, pd.DataFrame]:
    """Reads tables of overlaps, and checks that they are comparable."""
    problems, tables = Problems(), {}
    if not names or not len(overlaps) == len(names) == len(set(names)):
        problems.add(
            "names", f"{len(overlaps)} tables of overlaps and {len(set(names))} different names",
            "a different name for each table", "Pass one name per table.",
        )  # fmt: skip
    problems.raise_if_any()
    for name, path in zip(names, overlaps, strict=True):
        table = read_overlaps(path, problems)
        if table is None:
            continue
        tables[name] = table
        first = next(iter(tables.values()))
        if not table[list(ROW)].equals(first[list(ROW)]):
            problems.add(
                path, "different X-rays or pathologies", f"the same as in {overlaps[0]}",
                "Count the overlaps of all runs with the same --index and --pathologies.",
            )  # fmt: skip
    problems.raise_if_any()
    return tables


def _open_histograms(
    paths: tuple[Path, ...], names: tuple[str, ...], overlaps: pd.DataFrame
) -> dict[str, Store]:
    """Opens the histograms of runs, and checks that they are of the X-rays of a table of overlaps."""
    problems, stores = Problems(), {}
    if not len(paths) == len(names) == len(set(names)):
        problems.add(
            "histogram-names", f"{len(paths)} files and {len(set(names))} different names",
            "a different name for each file", "Pass one name per file.",
        )  # fmt: skip
    problems.raise_if_any()
    wanted, pathologies = overlaps["cxr_id"].unique(), overlaps["pathology"].unique().tolist()
    for name, path in zip(names, paths, strict=True):
        stores[name] = Store([path], "histograms")
        remedy = "Compute it with the --index of the overlaps, from a segmenter of this study."
        if (classes := stores[name].meta["classes"]) != pathologies:
            problems.add(path, ", ".join(classes), ", ".join(pathologies), remedy)
        absent = [cxr_id for cxr_id in wanted if cxr_id not in stores[name]]
        if absent:
            found = f"no histogram of {len(absent)} X-rays; the first is {absent[0]}"
            problems.add(path, found, "one of each X-ray", remedy)
    problems.raise_if_any()
    return stores
