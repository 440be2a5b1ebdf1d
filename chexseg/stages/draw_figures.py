"""Figures of the report: gallery, scores, training curves, and the table as a page."""

from __future__ import annotations

import html
from collections import defaultdict
from pathlib import Path

import numpy as np
import pandas as pd

from chexseg.config.settings import FigureSettings
from chexseg.data.images import Letterbox
from chexseg.data.index import read_index
from chexseg.data.masks import decode, read_masks
from chexseg.files.artifacts import Output
from chexseg.files.atomic import atomic
from chexseg.files.store import Store
from chexseg.report.pictures import bars, curves, gallery


def run(
    *,
    index: Path,
    images: tuple[Path, ...],
    truth: Path,
    summary: Path,
    runs: tuple[str, ...],
    predictions: tuple[Path, ...],
    overlaps: tuple[Path, ...],
    trainings: tuple[str, ...],
    metrics: tuple[Path, ...],
    gallery_out: Output,
    bars_out: Output,
    curves_out: Output,
    table_out: Output,
    settings: FigureSettings,
    saliency: tuple[Path, ...] = (),
    mask_names: tuple[str, ...] = (),
    masks: tuple[Path, ...] = (),
    human: str = "radiologists",
) -> None:
    """Draw the figures of a study.

    The gallery shows one test X-ray for each pathology: that whose mean IoU over the segmenters
    is the median, so it flatters nobody.

    Args:
        index: The study's index.
        images: The shards of the image store.
        truth: Expert masks of the test X-rays (CheXlocalize JSON).
        summary: The study's summary.csv.
        runs: Names of the segmenters.
        predictions: Their masks, in the order of `runs`.
        overlaps: Their tables of overlaps, in the order of `runs`.
        trainings: Names of the trainings.
        metrics: Their metrics CSVs, in the order of `trainings`.
        gallery_out: PNG of the gallery.
        bars_out: PNG of the scores.
        curves_out: PNG of the training curves.
        table_out: HTML page of the scores.
        saliency: The shards of a saliency store, for the gallery.
        mask_names: Name of the pseudo masks to which each file of `masks` belongs.
        masks: The shards of stores of pseudo masks, for the gallery.
        human: Run of the human benchmark in the summary.
    """
    scores = pd.read_csv(summary)
    bars(scores, human, bars_out)
    curves({n: pd.read_csv(m) for n, m in zip(trainings, metrics, strict=True)}, curves_out)
    with atomic(table_out) as temporary:
        temporary.write_text(_table(scores, human), encoding="utf-8")

    stores = defaultdict(list)
    for name, path in zip(mask_names, masks, strict=True):
        stores[name].append(path)
    pseudo = {name: Store(paths, "masks") for name, paths in stores.items()}
    maps = Store(saliency, "saliency") if saliency else None
    pictures = Store(images, "images")
    size = pictures.meta["image_size"]
    pathologies = tuple(dict.fromkeys(scores["pathology"]))[:-1]  # the last is their mean
    expert, *predicted = [read_masks(p, pathologies=pathologies) for p in (truth, *predictions)]
    test = read_index(index, "test")
    rows = []
    for pathology, cxr_id in _median_images(overlaps, settings.gallery_rows):
        letterbox = Letterbox(test["height"][cxr_id], test["width"][cxr_id], size)
        image = pictures[cxr_id]

        def small(masks: dict, letterbox=letterbox, cxr_id=cxr_id, pathology=pathology):
            return letterbox.masks(decode(masks[cxr_id][pathology])[None])[0]

        cells = {"X-ray": (image, None), "expert": (image, small(expert))}
        if maps is not None:
            cam = maps[cxr_id][maps.meta["classes"].index(pathology)].astype(np.float64)
            cells["CAM"] = (cam / max(cam.max(), 1e-12), None)
        for name, store in pseudo.items():
            mask = store[cxr_id][store.meta["classes"].index(pathology)]
            cells[f"{name} mask"] = (image, mask)
        for name, masks_of_run in zip(runs, predicted, strict=True):
            cells[name] = (image, small(masks_of_run))
        rows.append((pathology, cells))
    gallery(rows, gallery_out)


def _median_images(overlaps: tuple[Path, ...], most: int) -> list[tuple[str, str]]:
    """Chooses (pathology, cxr_id): the X-ray of median IoU, for as many pathologies as fit."""
    tables = pd.concat([pd.read_csv(path) for path in overlaps])
    drawn = tables[tables["truth_pixels"] > 0].copy()
    drawn["iou"] = drawn["intersection"] / drawn["union"]
    mean = drawn.groupby(["pathology", "cxr_id"], sort=False)["iou"].mean()
    chosen = []
    for pathology in dict.fromkeys(tables["pathology"]):
        if pathology in mean.index.get_level_values(0):
            ranked = mean[pathology].sort_index().sort_values(kind="stable")
            chosen.append((pathology, ranked.index[len(ranked) // 2]))
    if len(chosen) > most:
        chosen = [chosen[i] for i in np.linspace(0, len(chosen) - 1, most).round().astype(int)]
    return chosen


def _table(scores: pd.DataFrame, human: str) -> str:
    """Returns a page with one table per metric: runs across, pathologies down, best model bold."""
    titles = {
        "iou_dataset": "IoU over the test set (intersections / unions)",
        "iou_image": "Mean IoU of the X-rays with a drawn and a predicted mask",
    }
    parts = []
    for metric, rows in scores.groupby("metric", sort=False):
        runs = list(dict.fromkeys(rows["run"]))
        head = "".join(f"<th>{html.escape(run)}</th>" for run in runs)
        lines = []
        for pathology, of_pathology in rows.groupby("pathology", sort=False):
            cells = of_pathology.set_index("run").reindex(runs)
            best = cells["value"].drop(human, errors="ignore").max()
            cells = "".join(_cell(row, row["value"] == best) for _, row in cells.iterrows())
            kind = ' class="mean"' if pathology == "mean" else ""
            lines.append(f"<tr{kind}><th>{html.escape(pathology)}</th>{cells}</tr>")
        parts.append(
            f"<h2>{titles.get(metric, metric)}</h2>"
            f"<table><tr><th></th>{head}</tr>{''.join(lines)}</table>"
        )
    return (
        '<!doctype html><html lang="en"><meta charset="utf-8"><title>Scores</title><style>'
        "body{font:15px/1.4 system-ui,sans-serif;margin:2em;color:#222}"
        "table{border-collapse:collapse}td,th{padding:.35em .8em;text-align:right}"
        "th:first-child{text-align:left}tr+tr{border-top:1px solid #ddd}"
        "small{color:#777;display:block;font-weight:400;white-space:nowrap}.mean{border-top:2px solid #444!important}"
        ".best{font-weight:700}</style>"
        + "".join(parts)
        + "<p>Below each value its interval (bootstrap over patients) and the number of X-rays"
        " behind it. – : nothing to score.</p></html>"
    )


def _cell(row: pd.Series, best: bool) -> str:
    if pd.isna(row["value"]):
        return "<td>–</td>"
    kind = ' class="best"' if best else ""
    interval = f"{row['ci_low']:.3f} – {row['ci_high']:.3f}, n = {row['n_images']:.0f}"
    return f"<td{kind}>{row['value']:.3f}<small>{interval}</small></td>"
