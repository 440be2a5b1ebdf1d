"""Scores the masks of every source, and every saliency map, against the experts' masks."""

from __future__ import annotations

from collections.abc import Container, Mapping, Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from chexseg.config.links import BLIND
from chexseg.config.settings import MaskMetric, MaskScoreSettings
from chexseg.data.channels import Channels
from chexseg.data.index import findings_of, positives_of, read_index
from chexseg.errors import Problems
from chexseg.evaluation.mask_quality import BlindMean, count_stored, score_masks
from chexseg.evaluation.peaks import BlindPeak, Peaks
from chexseg.evaluation.scores import MEAN
from chexseg.files.artifacts import Output
from chexseg.files.atomic import atomic
from chexseg.files.sources import check_shards, open_sources
from chexseg.files.store import Store

SPLITS = ("expert", "validation")
"""Splits whose X-rays have masks of experts that may be looked at; never test."""

Job = tuple[str, str, Mapping[str, np.ndarray], Container[str], tuple[str, ...]]
"""Name, split, masks, the X-rays that have masks, and the classes that the experts drew, too."""

COLUMNS = ("split", "pathology", "metric", "value", "ci_low", "ci_high", "n_images")
"""Of both tables, behind the name of the source or the map."""


def run(
    *,
    index: Path,
    truth: tuple[Path, ...],
    out: Output,
    maps_out: Output,
    settings: MaskScoreSettings,
    masks: tuple[Path, ...] = (),
    names: tuple[str, ...] = (),
    splits: tuple[str, ...] = (),
    maps: tuple[Path, ...] = (),
    map_names: tuple[str, ...] = (),
    map_metrics: tuple[MaskMetric, ...] = ("hit_rate",),
) -> None:
    """Score the masks that teach on the X-rays for which experts have drawn masks.

    Each split is scored by itself. An X-ray counts if both the experts and the source have masks
    of it, empty ones included. Soft masks are cut at one half, and pixels that are not known count
    as not drawn. The row blind_mean is a mask that does not look at the X-ray: the mean of the
    experts' masks of the split expert, cut at its best threshold there and scored on validation,
    where the X-ray has the label. A pathology without a column of labels in the index gates nothing.
    Of a source with other classes, those that the experts drew are scored, and their mean only if
    they are all.

    Of a saliency map, the peak is scored, whatever the label: the centre of the cell with the highest
    value. Here, blind_mean is the pixel that most of the experts' masks of the split expert share.

    Args:
        index: The study's index.
        truth: The shards of the experts' masks.
        out: CSV with the scores of all sources.
        maps_out: CSV with the scores of all saliency maps.
        masks: The shards of the sources, in the order of `names`.
        names: Names of the sources, with equally many shards each.
        splits: The splits on which each source is scored, in the order of `names`, such as
            "expert,validation". A source that learnt from experts must not be scored on theirs.
        maps: The shards of the saliency maps, in the order of `map_names`.
        map_names: Names of the saliency maps, with equally many shards each.
        map_metrics: What is computed of the peaks of maps.

    Raises:
        InputError: names, shards and splits do not fit together, or a source and the experts have no
            class in common.
    """
    drawn = Store(truth, "masks")
    classes = tuple(drawn.meta["classes"])
    sources = _sources(masks, names, splits, classes)
    saliency = _saliency(maps, map_names, classes)
    rows = read_index(index, *SPLITS)
    rows = rows[rows.index.isin(drawn.ids)]
    patients = {
        split: dict(rows.loc[rows["split"] == split, "patient"].astype(str)) for split in SPLITS
    }
    blind_mean = BlindMean(drawn, _labels(rows, classes), patients["expert"])
    made = [
        (name, split, Channels(store, shared), store, shared)
        for name, (store, scored) in sources.items()
        for shared in [_common(classes, store)]
        for split in scored
    ]
    made.append((BLIND, "validation", blind_mean, drawn, classes))
    size = drawn.meta["columns"]
    blind_peak = BlindPeak(drawn, patients["expert"], (len(classes), size, size))
    peaks = [
        (name, split, Peaks(Channels(store, shared), size), store, shared)
        for name, store in saliency.items()
        for shared in [_common(classes, store)]
        for split in SPLITS
    ]
    peaks.append((BLIND, "validation", blind_peak, drawn, classes))
    of_maps = settings.model_copy(update={"metrics": map_metrics})
    _write(out, "masks", _scored(made, drawn, patients, settings))
    _write(maps_out, "saliency", _scored(peaks, drawn, patients, of_maps))


def _scored(
    jobs: Sequence[Job],
    drawn: Store,
    patients: Mapping[str, Mapping[str, str]],
    settings: MaskScoreSettings,
) -> pd.DataFrame:
    """Scores masks against the experts'; `patients` are those of each split, by X-ray."""
    parts = []
    for name, split, made, ids, classes in jobs:
        if of_split := {i: p for i, p in patients[split].items() if i in ids}:
            true = Channels(drawn, classes)
            overlaps = count_stored(true, made, patients=of_split, pathologies=classes)
            scores = score_masks(overlaps, **settings.model_dump())
            if len(classes) < len(drawn.meta["classes"]):
                scores = scores[scores["pathology"] != MEAN]
            parts.append(scores.assign(name=name, split=split)[["name", *COLUMNS]])
    return (
        pd.concat(parts, ignore_index=True) if parts else pd.DataFrame(columns=["name", *COLUMNS])
    )


def _write(path: Path, of: str, table: pd.DataFrame) -> None:
    """Writes a table of scores and prints its means; `of` is what has the names."""
    table = table.rename(columns={"name": of})
    with atomic(path) as temporary:
        table.to_csv(temporary, index=False, lineterminator="\n")
    means = table[table["pathology"] == MEAN]
    means = means.pivot(index=[of, "split"], columns="metric", values="value")
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
    _check_classes(stores, classes, "masks", problems)
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


def _saliency(
    shards: tuple[Path, ...], names: tuple[str, ...], classes: tuple[str, ...]
) -> dict[str, Store]:
    """Opens the stores of saliency maps: name -> store."""
    problems = Problems()
    check_shards(shards, names, "--map-names", problems, flag_of_shards="--maps")
    problems.raise_if_any()
    stores = open_sources(shards, names, None, problems, kinds=("saliency",))
    _check_classes(stores, classes, "saliency", problems)
    problems.raise_if_any()
    return stores


def _check_classes(
    stores: Mapping[str, Store], classes: tuple[str, ...], kind: str, problems: Problems
) -> None:
    """Adds a problem for each store that has none of the classes."""
    for name, store in stores.items():
        if not _common(classes, store):
            found, expected = ", ".join(store.meta["classes"]), f"a class of {', '.join(classes)}"
            remedy = f"Leave {name!r} out."
            problems.add(store.paths[0], f"{kind} of {found}", expected, remedy)
