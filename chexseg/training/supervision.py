"""What a segmenter learns from: sources of masks, checked before they train."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from chexseg.data.index import read_index
from chexseg.errors import Problems
from chexseg.files.store import Store
from chexseg.training.datasets import Source
from chexseg.training.sampling import wrong_weights

HELD_OUT = ("validation", "test")
"""Splits that select and score segmenters, so none may train on them."""


def supervision(
    index: Path,
    shards: Sequence[Path],
    names: Sequence[str],
    mixing: Sequence[float],
    classes: Sequence[str],
) -> tuple[list[Source], list[Store]]:
    """Opens the sources of masks, and finds the X-rays of each that may train a segmenter.

    These are the X-rays of its store whose split is in the store's `splits`, in the order of the
    index.

    Args:
        index: the study's index.
        shards: of all sources, those of the first source first; equally many of each.
        names: of the sources.
        mixing: weight of each source; empty if they are laid end to end.
        classes: names of the masks' channels, the same for all sources.

    Returns:
        The sources, with the target `masks`, and their stores.

    Raises:
        InputError: the shards cannot be divided among the sources, a name stands twice, weights
            are not as many as the sources, negative, or of another sum than 1; a store has other
            classes, or trains on HELD_OUT; or a source that is to be drawn has no X-rays.
    """
    problems = Problems()
    each = len(shards) // max(1, len(names))
    if not names or not each or each * len(names) != len(shards):
        found, expected = f"{len(shards)} shards", f"equally many of the {len(names)} sources"
        problems.add("--masks", found, expected, "Give the same shards of every source.")
    if len(set(names)) < len(names):
        problems.add("--sources", ", ".join(names), "each source once", "Remove the second one.")
    if mixing:
        wrong = wrong_weights(mixing)
        if len(mixing) != len(names):
            wrong = f"{len(mixing)} weights for {len(names)} sources"
        if wrong:
            expected = "a weight of each source, 0 or more, with the sum 1"
            problems.add("--mixing", wrong, expected, "Correct the weights.")
    problems.raise_if_any()

    stores = [Store(shards[n * each : (n + 1) * each], "masks") for n in range(len(names))]
    sources = []
    for number, (name, store) in enumerate(zip(names, stores, strict=True)):
        where, splits = str(store.paths[0]), store.meta.get("splits", [])
        if tuple(store.meta["classes"]) != tuple(classes):
            found, expected = ", ".join(store.meta["classes"]), ", ".join(classes)
            remedy = "Take sources of the same classes, in the same order."
            problems.add(where, f"masks of {found}", f"masks of {expected}", remedy)
        if held_out := [split for split in splits if split in HELD_OUT]:
            remedy = "Take masks of other X-rays: these are kept apart to judge the segmenter."
            problems.add(where, f"training X-rays of {' and '.join(held_out)}", "none", remedy)
        rows = read_index(index)
        ids = [cxr_id for cxr_id in rows.index[rows["split"].isin(splits)] if cxr_id in store]
        if not ids and (not mixing or mixing[number] > 0):
            found = f"no X-ray that may train, in the masks {name!r}"
            expected = f"at least one of {' or '.join(splits) or 'a split'}"
            problems.add(where, found, expected, "Leave the source out.")
        sources.append(Source(name, ids, {"masks": store.__getitem__}))
    problems.raise_if_any()
    return sources, stores
