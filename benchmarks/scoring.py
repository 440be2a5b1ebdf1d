"""Scoring of a whole test set: ours against the loop of CheXlocalize's evaluation.

The peer decodes every mask with pycocotools, combines the pixels with numpy, and draws bootstrap
samples of X-rays from a pandas table. Both read the same JSON, in one process on one CPU thread,
and are timed in core seconds, which do not count what else the machine does.
The peer's decoding is timed on every eighth X-ray, its resampling in full.
"""

from __future__ import annotations

import json
import tempfile
import warnings
from pathlib import Path

import numpy as np
import pandas as pd
from comparison import comparison
from pycocotools import mask as coco
from small_study import core_seconds

from chexseg.config.settings import EvaluationSettings
from chexseg.data.layouts.chexpert import PATHOLOGIES
from chexseg.data.masks import encode, write_masks
from chexseg.evaluation.overlaps import overlap_table, read_both
from chexseg.evaluation.patients import patients_of_ids
from chexseg.evaluation.scores import score

IMAGES = 668
EVERY = 8
REPLICATES = 1000
BAR = 50.0
TOLERANCE = 1e-12


def blob(rng: np.random.Generator, height: int, width: int) -> np.ndarray:
    """Returns a random blob with a wavy outline: bool [height, width]."""
    y = np.linspace(-1, 1, height)[:, None] - rng.uniform(-0.4, 0.4)
    x = np.linspace(-1, 1, width)[None] - rng.uniform(-0.4, 0.4)
    a, b = rng.uniform(0.2, 0.5, 2)
    waves = 0.2 * np.sin(rng.uniform(5, 30) * y) + 0.2 * np.sin(rng.uniform(5, 30) * x)
    return (y / a) ** 2 + (x / b) ** 2 + waves < 1


def make_masks(rng: np.random.Generator) -> tuple[dict, dict]:
    """Returns truth and prediction; truth has a mask for 30 % of the pathologies."""
    truth, prediction = {}, {}
    for number in range(IMAGES):
        height, width = rng.integers(2000, 3001, 2).tolist()
        blank = encode(np.zeros((height, width), bool))
        # A few blobs serve all pathologies of an X-ray: making them would take longest.
        blobs = [encode(blob(rng, height, width)) for _ in range(2)]
        cxr_id = f"patient{number * 3 // 4:05d}_study{number}_view1_frontal"
        truth[cxr_id], prediction[cxr_id] = {}, {}
        for pathology in PATHOLOGIES:
            drawn = rng.random() < 0.3
            predicted = rng.random() < (0.8 if drawn else 0.2)
            truth[cxr_id][pathology] = blobs[rng.integers(2)] if drawn else blank
            prediction[cxr_id][pathology] = blobs[rng.integers(2)] if predicted else blank
    return truth, prediction


def our_scores(truth: Path, prediction: Path) -> pd.DataFrame:
    """Reads, checks, counts and scores with both metrics."""
    masks = read_both(truth, prediction, pathologies=PATHOLOGIES)
    patients, _ = patients_of_ids(sorted({*masks[0], *masks[1]}))
    table = overlap_table(*masks, patients=patients, pathologies=PATHOLOGIES)
    settings = EvaluationSettings(replicates=REPLICATES)
    return score(table, **settings.model_dump()).table()


def peer_ious(truth: dict, prediction: dict, cxr_ids: list[str]) -> pd.DataFrame:
    """Decodes masks and returns the IoU of each X-ray and pathology, NaN if a mask is empty."""
    rows = []
    for cxr_id in cxr_ids:
        row = {}
        for pathology in PATHOLOGIES:
            drawn = coco.decode(truth[cxr_id][pathology])
            predicted = coco.decode(prediction[cxr_id][pathology])
            shared, either = np.logical_and(drawn, predicted), np.logical_or(drawn, predicted)
            counted = np.sum(drawn) > 0 and np.sum(predicted) > 0
            row[pathology] = np.sum(shared) / np.sum(either) if counted else np.nan
        rows.append(row)
    return pd.DataFrame(rows)


def peer_bootstrap(ious: pd.DataFrame) -> pd.DataFrame:
    """Draws samples of the X-rays and returns the mean IoU of each."""
    rng = np.random.default_rng(0)
    means = [ious.iloc[rng.choice(len(ious), len(ious))].mean() for _ in range(REPLICATES)]
    return pd.DataFrame(means).quantile([0.025, 0.975])


def rows() -> list[dict]:
    """Returns the one row of this benchmark."""
    masks = make_masks(np.random.default_rng(0))
    with tempfile.TemporaryDirectory() as folder:
        paths = [Path(folder) / name for name in ("truth.json", "prediction.json")]
        for path, content in zip(paths, masks, strict=True):
            write_masks(path, content)
        start = core_seconds()
        ours = our_scores(*paths)
        ours_seconds = core_seconds() - start

        start = core_seconds()
        truth, prediction = (json.loads(path.read_text()) for path in paths)
        peer_seconds = core_seconds() - start
    sampled = sorted(truth)[::EVERY]
    start = core_seconds()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # pycocotools with numpy 2
        ious = peer_ious(truth, prediction, sampled)
    peer_seconds += (core_seconds() - start) * IMAGES / len(sampled)
    full = pd.DataFrame(np.resize(ious.to_numpy(), (IMAGES, len(PATHOLOGIES))), columns=PATHOLOGIES)
    start = core_seconds()
    peer_bootstrap(full)
    peer_seconds += core_seconds() - start

    patients, _ = patients_of_ids(sampled)
    table = overlap_table(*masks, patients=patients, pathologies=PATHOLOGIES)
    both = (table["truth_pixels"] > 0) & (table["predicted_pixels"] > 0)
    theirs = ious.to_numpy().ravel()
    if not (np.isnan(theirs) == ~both).all() or len(ours) != 2 * (len(PATHOLOGIES) + 1):
        raise RuntimeError("the two did not score the same masks")
    differences = (table["intersection"] / table["union"] - theirs)[both].abs()
    return [
        comparison(
            f"scoring {IMAGES} X-rays of 2000-3000 px, {len(PATHOLOGIES)} pathologies, "
            f"{REPLICATES} resamples, from JSON to intervals, core seconds",
            "pycocotools decode + pandas resampling as in CheXlocalize's eval.py "
            f"(decoding timed on every {EVERY}th X-ray and scaled; one metric, ours two)",
            ours_seconds=ours_seconds,
            peer_seconds=peer_seconds,
            difference=float(differences.max()),
            most_difference=TOLERANCE,
            least_ratio=BAR,
        )
    ]


if __name__ == "__main__":
    for row in rows():
        print(row)
