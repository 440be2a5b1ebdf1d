"""What the entries of a config inherit: shared defaults, the study's seed, and a fixed order.

Works on the mappings of the YAML files before they are checked; other values are kept.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from chexseg.config.entries import KINDS, SECTIONS, model_of
from chexseg.config.settings import Settings

EXPERT = "expert"
"""The masks that every study has by itself: those that the data bring along."""


def inherited(config: Any) -> Any:
    """Fills in what entries inherit: `defaults`, the study's seed, and the masks `expert`."""
    if not isinstance(config, Mapping):
        return config
    config = dict(config)
    masks = config.get("masks", {})
    if isinstance(masks, Mapping):
        config["masks"] = {EXPERT: {"source": "drawn"}, **masks}
    config = _in_order(config)
    defaults = config.get("defaults")
    for section, shared in defaults.items() if isinstance(defaults, Mapping) else ():
        entries = config.get(section)
        if isinstance(entries, Mapping) and isinstance(shared, Mapping):
            config[section] = {
                name: {**shared, **entry} if isinstance(entry, Mapping) else entry
                for name, entry in entries.items()
            }
    return _seeded(config, config.get("seed", 0))


def _seeded(config: dict[str, Any], seed: Any) -> dict[str, Any]:
    """Gives the study's seed to every group of settings that has one and does not set it."""
    for section in SECTIONS:
        entries = config.get(section)
        if isinstance(entries, Mapping):
            config[section] = {
                name: _with_seed(entry, model_for(section, entry), seed)
                for name, entry in entries.items()
            }
    data = config.get("data", {})
    if isinstance(data, Mapping) and isinstance(data.get("index", {}), Mapping):
        config["data"] = {**data, "index": {"seed": seed, **data.get("index", {})}}
    for section in ("phantom", "evaluation"):
        if isinstance(config.get(section, {} if section == "evaluation" else None), Mapping):
            config[section] = {"seed": seed, **config.get(section, {})}
    return config


def model_for(section: str, entry: Any) -> type[Settings]:
    """Returns the model of an entry that has not been checked yet."""
    method = entry.get(KINDS[section][1]) if section in KINDS and isinstance(entry, Mapping) else ""
    return model_of(section, method if isinstance(method, str) else None)


def _with_seed(entry: Any, model: Any, seed: Any) -> Any:
    """Returns an entry with the seed in it, and in each group of settings inside that has one."""
    if not isinstance(entry, Mapping):
        return entry
    filled = {"seed": seed, **entry} if "seed" in model.model_fields else dict(entry)
    for name, field in model.model_fields.items():
        inner = field.annotation
        if hasattr(inner, "model_fields") and _has_seed(inner):
            filled[name] = _with_seed(entry.get(name, {}), inner, seed)
    return filled


def _has_seed(model: Any) -> bool:
    return "seed" in model.model_fields or any(
        _has_seed(field.annotation)
        for field in model.model_fields.values()
        if hasattr(field.annotation, "model_fields")
    )


def _in_order(config: Mapping) -> dict[str, Any]:
    """Returns the config with the entries of each section in a fixed order.

    By name, segmenters first by what they learn from: made masks, drawn masks, both. So the
    order of keys in the file changes neither the order of runs in tables nor any artifact.
    """
    sources = config.get("masks") if isinstance(config.get("masks"), Mapping) else {}
    drawn = {str(name) for name, entry in sources.items() if not model_for("masks", entry).made}

    def rank(item: tuple[Any, Any]) -> tuple[int, str]:
        masks = item[1].get("masks", ()) if isinstance(item[1], Mapping) else ()
        masks = masks if isinstance(masks, (list, tuple, dict)) else ()
        learns = {isinstance(name, str) and name in drawn for name in masks}
        return (True in learns) + (len(learns) > 1), str(item[0])

    ordered = {
        name: dict(sorted(config[name].items(), key=rank))
        for name in (*SECTIONS, "contrasts", "sweeps", "published")
        if isinstance(config.get(name), Mapping)
    }
    return {**config, **ordered}


def origin(location: tuple[str | int, ...], config: Any) -> tuple[str | int, ...]:
    """Returns where a value was written: at `location`, or where it was inherited from.

    A value of an entry that a sweep made is looked for where `Copies.written_at` says.
    """
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
