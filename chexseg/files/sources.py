"""Shards of several stores of masks or maps, given to a command as one list in the order of names."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from chexseg.errors import Problems
from chexseg.files.store import Store
from chexseg.files.store_format import MASK_KINDS


def check_shards(
    shards: Sequence[Path],
    names: Sequence[str],
    flag: str,
    problems: Problems,
    *,
    flag_of_shards: str = "--masks",
) -> None:
    """Adds a problem if shards cannot be divided among sources, or a name occurs twice.

    Args:
        shards: shards of all sources, in the order of `names`; equally many per source.
        names: names of the sources.
        flag: the flag of the names.
        problems: gets what is wrong.
        flag_of_shards: the flag of the shards.
    """
    if bool(shards) != bool(names) or len(shards) % max(1, len(names)):
        found, expected = f"{len(shards)} shards", f"equally many for each of {len(names)} sources"
        problems.add(flag_of_shards, found, expected, "Pass the same shards of every source.")
    if len(set(names)) < len(names):
        problems.add(flag, ", ".join(names), "each source once", "Remove the second one.")


def open_sources(
    shards: Sequence[Path],
    names: Sequence[str],
    classes: Sequence[str] | None,
    problems: Problems,
    *,
    kinds: Sequence[str] = MASK_KINDS,
) -> dict[str, Store]:
    """Opens the stores of sources, and adds a problem for each with other classes.

    Args:
        shards: shards of all sources that `check_shards` has found no fault with.
        names: names of the sources.
        classes: names of the mask channels, the same for all sources; None: each has its own.
        problems: gets what is wrong.
        kinds: kinds that the stores may be of.

    Returns:
        Name of the source -> its store.

    Raises:
        InputError: a shard is damaged, or of another kind.
    """
    each, stores = len(shards) // max(1, len(names)), {}
    for number, name in enumerate(names):
        store = Store(shards[number * each : (number + 1) * each], *kinds)
        stores[name] = store
        if classes is not None and tuple(store.meta["classes"]) != tuple(classes):
            found, expected = ", ".join(store.meta["classes"]), ", ".join(classes)
            remedy = "Use sources with the same classes, in the same order."
            problems.add(
                store.paths[0], f"{kinds[0]} of {found}", f"{kinds[0]} of {expected}", remedy
            )
    return stores
