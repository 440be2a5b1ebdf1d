"""What the entries of a config say, whichever way it is written: 1 or 1.0, a list or a tuple."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pydantic import ValidationError

from chexseg.config.defaults import model_for
from chexseg.config.entries import SegmenterEntry
from chexseg.config.settings import Settings

ABSENT = object()
"""The value at a path that an entry does not have."""


@dataclass(frozen=True)
class Values:
    """The settings of a valid entry.

    The masks of a segmenter are those that teach: names, or names with weights that sum to 1.

    Attributes:
        all: key -> value, defaults included.
        used: the same without what changes nothing (`Settings.unused`).
    """

    all: Mapping[str, Any]
    used: Mapping[str, Any]


def values_of(section: str, entry: Any) -> Values | None:
    """Returns the settings of an entry that has not been checked yet; None if it is not valid."""
    try:
        settings = model_for(section, entry).model_validate(entry)
    except ValidationError:
        return None
    return Values(_said(settings, unused=True), used_values(settings))


def used_values(settings: Settings) -> dict[str, Any]:
    """Returns the settings of a checked entry, as in `Values.used`."""
    return _said(settings, unused=False)


def _said(settings: Settings, *, unused: bool) -> dict[str, Any]:
    left_out = set() if unused else settings.unused()
    said = {
        name: _said(value, unused=unused) if isinstance(value, Settings) else value
        for name, value in settings
        if name not in left_out
    }
    if isinstance(settings, SegmenterEntry):
        names, weights = settings.mixture()
        # Decimals and floats divide weights by their sum with other last digits.
        rounded = {name: round(each, 12) for name, each in zip(names, weights, strict=False)}
        said["masks"] = rounded or names
        said["leave_out"] = {n: each for n, each in settings.leave_out.items() if n in names}
    return said


def value_at(values: Any, path: Sequence[str]) -> Any:
    """Returns the value at a path of keys, or ABSENT."""
    for step in path:
        if not isinstance(values, Mapping) or step not in values:
            return ABSENT
        values = values[step]
    return values


def text_of(value: Any) -> str | None:
    """Returns a value as a part of a name; None if it cannot be one.

    >>> text_of(0.5), text_of(None), text_of("weights/moco.pt"), text_of([1, 2])
    ('0.5', 'none', 'weights_moco.pt', '1_2')
    """
    if value is None:
        return "none"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, float):
        return f"{value:.12g}"
    if isinstance(value, (list, tuple)):
        texts = [text_of(each) for each in value]
        return None if None in texts else "_".join(texts) or "none"
    if isinstance(value, (int, str)):
        return re.sub(r"[^A-Za-z0-9_.-]+", "_", str(value)).strip("_") or None
    return None
