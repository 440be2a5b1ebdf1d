"""What the entries of a config inherit: shared defaults, the study's seed, and an order of their own.

Works on the mappings of the YAML files, before they are checked: what is no mapping stays as it is.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

EXPERT = "expert"
"""Among the masks of a segmenter: those of the experts."""


def inherited(config: Any) -> Any:
    """Fills in `defaults` and the study's seed, which every seeded settings inherits."""
    if not isinstance(config, Mapping):
        return config
    config = _in_order(config)
    defaults = config.get("defaults")
    for section, shared in defaults.items() if isinstance(defaults, Mapping) else ():
        entries = config.get(section)
        if isinstance(entries, Mapping) and isinstance(shared, Mapping):
            config[section] = {
                name: {**shared, **entry} if isinstance(entry, Mapping) else entry
                for name, entry in entries.items()
            }
    seed = config.get("seed", 0)
    data = config.get("data", {})
    if isinstance(data, Mapping) and isinstance(data.get("index", {}), Mapping):
        config["data"] = {**data, "index": {"seed": seed, **data.get("index", {})}}
    for section in ("classifiers", "segmenters"):
        entries = config.get(section)
        if isinstance(entries, Mapping):
            config[section] = {
                name: {"seed": seed, **entry} if isinstance(entry, Mapping) else entry
                for name, entry in entries.items()
            }
    masks = config.get("pseudo_masks")
    if isinstance(masks, Mapping):
        config["pseudo_masks"] = {name: _seed_irnet(e, seed) for name, e in masks.items()}
    for section in ("phantom", "evaluation"):
        if isinstance(config.get(section, {} if section == "evaluation" else None), Mapping):
            config[section] = {"seed": seed, **config.get(section, {})}
    return config


def _in_order(config: Mapping) -> dict[str, Any]:
    """Returns the config with the entries of its sections in an order of their own.

    By name, segmenters first by what they learn from: pseudo masks, expert masks, both. So the
    order of keys in the file changes neither the order of runs in tables nor any artifact.
    """

    def rank(item: tuple[Any, Any]) -> tuple[int, str]:
        masks = item[1].get("masks", ()) if isinstance(item[1], Mapping) else ()
        masks = masks if isinstance(masks, (list, tuple)) else ()
        return (EXPERT in masks) + (EXPERT in masks and len(masks) > 1), str(item[0])

    sections = ("classifiers", "saliency", "pseudo_masks", "segmenters", "contrasts")
    ordered = {
        name: dict(sorted(config[name].items(), key=rank))
        for name in sections
        if isinstance(config.get(name), Mapping)
    }
    return {**config, **ordered}


def _seed_irnet(entry: Any, seed: Any) -> Any:
    if not isinstance(entry, Mapping) or entry.get("method") != "irnet":
        return entry
    training = entry.get("training", {})
    if not isinstance(training, Mapping):
        return entry
    return {**entry, "training": {"seed": seed, **training}}


def origin(location: tuple[str | int, ...], config: Any) -> tuple[str | int, ...]:
    """Returns where a value was written: at `location`, or where it was inherited from."""
    if _holds(config, location):
        return location
    default = ("defaults", location[0], *location[2:])
    if len(location) > 2 and _holds(config, default):
        return default
    return ("seed",) if location[-1] == "seed" and "seed" in config else location


def _holds(config: Any, location: tuple[str | int, ...]) -> bool:
    for step in location:
        try:
            config = config[step]
        except (KeyError, IndexError, TypeError):
            return False
    return True
