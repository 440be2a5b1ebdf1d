"""What is empty in a config: a section without content means none, an entry set to null is removed."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, get_args, get_origin

from pydantic import BaseModel

from chexseg.config.defaults import model_for
from chexseg.config.entries import MODELS, SECTIONS

NAMED = tuple(dict.fromkeys((*SECTIONS, *MODELS)))
"""Sections of named entries."""


def without_empty(config: Any, study: type[BaseModel]) -> Any:
    """Returns a config without empty sections and without entries that are null.

    Args:
        config: the mapping of the YAML files.
        study: the model of a study.
    """
    if not isinstance(config, Mapping):
        return config
    config = _without_sections(config, study)
    if isinstance(shared := config.get("defaults"), Mapping):
        config["defaults"] = {section: own for section, own in shared.items() if own is not None}
    for section in NAMED:
        if isinstance(entries := config.get(section), Mapping):
            config[section] = {
                name: _without_sections(entry, model_for(section, entry))
                if isinstance(entry, Mapping)
                else entry
                for name, entry in entries.items()
                if entry is not None
            }
    return config


def removed_entries(config: Any) -> list[tuple[str, Any]]:
    """Returns section and name of each entry that is null."""
    sections = config if isinstance(config, Mapping) else {}
    return [
        (section, name)
        for section in NAMED
        if isinstance(sections.get(section), Mapping)
        for name, entry in sections[section].items()
        if entry is None
    ]


def _without_sections(values: Mapping[Any, Any], model: type[BaseModel]) -> dict[Any, Any]:
    """Drops the keys that are null and should be sections, here and in the sections inside."""
    kept = {}
    for key, value in values.items():
        annotation = model.model_fields[key].annotation if key in model.model_fields else None
        kinds = (annotation, *get_args(annotation))
        inner = next((k for k in kinds if isinstance(k, type) and issubclass(k, BaseModel)), None)
        if value is None and (inner is not None or get_origin(annotation) is dict):
            continue
        inside = inner is not None and isinstance(value, Mapping)
        kept[key] = _without_sections(value, inner) if inside else value
    return kept
