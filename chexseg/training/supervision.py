"""Opens and checks the sources of masks that train a segmenter."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from chexseg.data.index import read_index, without
from chexseg.errors import Problems
from chexseg.files.sources import check_shards, open_sources
from chexseg.files.store import Store
from chexseg.training.datasets import Rows, Source
from chexseg.training.sampling import find_weight_fault
from chexseg.training.targets import Levels

RESERVED = ("validation", "test")
"""Splits for selecting and scoring segmenters, which must not be used for training."""


def supervision(
    index: Path,
    shards: Sequence[Path],
    names: Sequence[str],
    mixing: Sequence[float],
    classes: Sequence[str],
    leave_out: Sequence[str] = (),
    *,
    held_out: Sequence[str] = (),
    numbers: Sequence[str] = (),
) -> tuple[list[Source], list[Store]]:
    """Opens the sources of masks, and finds the X-rays of each that may train a segmenter.

    These are the X-rays of its store whose split is in the store's `splits`, in the order of the
    index.

    Args:
        index: the study's index.
        shards: shards of all sources, in the order of `names`; equally many per source.
        names: names of the sources.
        mixing: weight of each source; empty to concatenate them.
        classes: names of the mask channels, the same for all sources.
        leave_out: `source:class` for each class of which a source teaches nothing.
        held_out: findings; X-rays that may show one of them teach nothing.
        numbers: names of what the stores hold beside masks, such as `boxes`; they are targets too.

    Returns:
        The sources, with the target `masks` and one for each of `numbers`, and their stores. Masks
        are bool, or levels (see `chexseg.data.levels`) if any source is graded or leaves out a
        class.

    Raises:
        InputError: the shards cannot be divided among the sources; a name occurs twice; the
            weights are negative, do not sum to 1, or differ in number from the sources; a store
            has other classes, trains on RESERVED or lacks `numbers`; a source with a weight has no
            X-rays; or `leave_out` names an unknown source or class.
    """
    problems = Problems()
    if not names and not shards:
        problems.add("--sources", "no source", "at least one", "Name one.")
    check_shards(shards, names, "--sources", problems)
    if mixing:
        wrong = find_weight_fault(mixing)
        if len(mixing) != len(names):
            wrong = f"{len(mixing)} weights for {len(names)} sources"
        if wrong:
            expected = "one weight per source, each at least 0, with a sum of 1"
            problems.add("--mixing", wrong, expected, "Correct the weights.")
    pairs = {f"{name}:{each}": (name, n) for name in names for n, each in enumerate(classes)}
    for pair in leave_out:
        if pair not in pairs:
            expected, remedy = "SOURCE:CLASS of this training", "Correct it."
            problems.add("--leave-out", repr(pair), expected, remedy)
    problems.raise_if_any()

    rows = without(read_index(index), held_out)
    stores = open_sources(shards, names, classes, problems)
    graded = bool(leave_out) or any(store.kind == "mask_levels" for store in stores.values())
    sources = []
    for number, (name, store) in enumerate(stores.items()):
        where, splits = str(store.paths[0]), store.meta.get("splits", [])
        if held_out := [split for split in splits if split in RESERVED]:
            remedy = "Use masks of other X-rays: these are reserved for evaluating the segmenter."
            problems.add(where, f"training X-rays of {' and '.join(held_out)}", "none", remedy)
        ids = [cxr_id for cxr_id in rows.index[rows["split"].isin(splits)] if cxr_id in store]
        if not ids and (not mixing or mixing[number] > 0):
            found = f"no training X-ray in the masks {name!r}"
            expected = f"at least one of {' or '.join(splits) or 'a split'}"
            problems.add(where, found, expected, "Remove the source.")
        left_out = [pairs[pair][1] for pair in leave_out if pairs[pair][0] == name]
        masks = Levels(store, left_out) if graded else store.__getitem__
        there = store.measures() if numbers else {}
        for each in numbers:
            if each not in there:
                remedy = "Use masks by `source: boxes`, of one class."
                problems.add(where, f"masks without {each}", f"masks with {each}", remedy)
        beside = {each: Rows(store.ids, there[each]) for each in numbers if each in there}
        sources.append(Source(name, ids, {"masks": masks, **beside}))
    problems.raise_if_any()
    return sources, [*stores.values()]
