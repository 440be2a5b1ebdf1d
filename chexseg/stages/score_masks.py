"""Scores the masks of every source against the experts' masks."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd

from chexseg.config.links import BLIND
from chexseg.config.settings import EvaluationSettings
from chexseg.data.channels import Channels
from chexseg.data.index import findings_of, positives_of, read_index
from chexseg.errors import Problems
from chexseg.evaluation.mask_quality import BlindMean, count_stored, score_masks
from chexseg.evaluation.scores import MEAN
from chexseg.files.artifacts import Output
from chexseg.files.atomic import atomic
from chexseg.files.sources import check_shards, open_sources
from chexseg.files.store import Store

SPLITS = ("expert", "validation")
"""Splits whose X-rays have masks of experts that may be looked at; never test."""

COLUMNS = ("masks", "split", "pathology", "metric", "value", "ci_low", "ci_high", "n_images")


def run(
    *,
    index: Path,
    truth: tuple[Path, ...],
    out: Output,
    settings: EvaluationSettings,
    masks: tuple[Path, ...] = (),
    names: tuple[str, ...] = (),
    splits: tuple[str, ...] = (),
) -> None:
    """Score the masks that teach on the X-rays for which experts have drawn masks.

    Each split is scored by itself. An X-ray counts if both the experts and the source have masks
    of it, empty ones included. Soft masks are cut at one half, and pixels that are not known count
    as not drawn. The row blind_mean is a mask that does not look at the X-ray: the mean of the
    experts' masks of the split expert, cut at its best threshold there and scored on validation,
    where the X-ray has the label. A pathology without a column of labels in the index gates nothing.
    Of a source with other classes, those that the experts drew are scored, and their mean only if
    they are all.

    Args:
        index: The study's index.
        truth: The shards of the experts' masks.
        out: CSV with the scores of all sources.
        masks: The shards of the sources, in the order of `names`.
        names: Names of the sources, with equally many shards each.
        splits: The splits on which each source is scored, in the order of `names`, such as
            "expert,validation". A source that learnt from experts must not be scored on theirs.

    Raises:
        InputError: names, shards and splits do not fit together, or a source and the experts have no
            class in common.
    """
    drawn = Store(truth, "masks")
    classes = tuple(drawn.meta["classes"])
    sources = _sources(masks, names, splits, classes)
    rows = read_index(index, *SPLITS)
    rows = rows[rows.index.isin(drawn.ids)]
    patients = {
        split: dict(rows.loc[rows["split"] == split, "patient"].astype(str)) for split in SPLITS
    }
    blind = BlindMean(drawn, _labels(rows, classes), patients["expert"])
    common = {name: _common(classes, store) for name, (store, _) in sources.items()}
    jobs = [
        (
            name,
            split,
            Channels(store, common[name]),
            {i: p for i, p in patients[split].items() if i in store},
        )
        for name, (store, scored) in sources.items()
        for split in scored
    ]
    jobs.append((BLIND, "validation", blind, patients["validation"]))
    parts = []
    for name, split, made, of_split in jobs:
        if of_split:
            these = common.get(name, classes)
            true = Channels(drawn, these)
            overlaps = count_stored(true, made, patients=of_split, pathologies=these)
            scores = score_masks(overlaps, **settings.model_dump())
            if these != classes:
                scores = scores[scores["pathology"] != MEAN]
            parts.append(scores.assign(masks=name, split=split)[list(COLUMNS)])
    scored = pd.concat(parts, ignore_index=True) if parts else pd.DataFrame(columns=COLUMNS)
    with atomic(out) as temporary:
        scored.to_csv(temporary, index=False, lineterminator="\n")
    means = scored[scored["pathology"] == MEAN]
    means = means.pivot(index=["masks", "split"], columns="metric", values="value")
    print(means.astype(float).round(3).to_string())


def _labels(rows: pd.DataFrame, classes: tuple[str, ...]) -> dict[str, np.ndarray]:
    """Returns X-ray -> whether it has the label of each class; True without such a column."""
    known = [name in findings_of(rows) for name in classes]
    positive = np.ones((len(rows), len(classes)), bool)
    labelled = tuple(name for name, there in zip(classes, known, strict=True) if there)
    positive[:, known] = positives_of(rows, labelled)
    return dict(zip(rows.index, positive, strict=True))


def _common(classes: tuple[str, ...], store: Store) -> tuple[str, ...]:
    return tuple(name for name in classes if name in store.meta["classes"])


def _sources(
    shards: tuple[Path, ...],
    names: tuple[str, ...],
    splits: tuple[str, ...],
    classes: tuple[str, ...],
) -> dict[str, tuple[Store, tuple[str, ...]]]:
    """Opens the stores of the sources: name -> store, and the splits on which it is scored."""
    problems = Problems()
    check_shards(shards, names, "--names", problems)
    if len(splits) != len(names):
        found, expected = f"{len(splits)} lists of splits", f"one for each of {len(names)} sources"
        problems.add("--splits", found, expected, "Correct --names or --splits.")
    problems.raise_if_any()
    stores = open_sources(shards, names, None, problems)
    for name, store in stores.items():
        if not _common(classes, store):
            found, expected = ", ".join(store.meta["classes"]), f"a class of {', '.join(classes)}"
            remedy = f"Leave {name!r} out."
            problems.add(store.paths[0], f"masks of {found}", expected, remedy)
    sources = {
        name: (stores[name], tuple(scored.split(",")))
        for name, scored in zip(names, splits, strict=True)
    }
    for name, (_, scored) in sources.items():
        for split in scored:
            if split not in SPLITS:
                remedy = f"Correct the splits of {name!r}."
                problems.add("--splits", repr(split), f"one of {', '.join(SPLITS)}", remedy)
    problems.raise_if_any()
    return sources
