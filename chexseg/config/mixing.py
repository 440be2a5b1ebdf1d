"""The weight of one source in the masks of a segmenter, as a factor of a sweep."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any

from chexseg.config.copies import Location, Refused, key_at

UNWEIGHTED = "unweighted"
"""The weight of a source whose X-rays are laid end to end with those of the others."""

Masks = Mapping[str, Any] | Sequence[str]


def with_share(masks: Masks, source: str, share: Any, segmenter: str, where: Location) -> Any:
    """Returns the masks of a segmenter with another weight of one source.

    The other sources share what is left of 1 as they did before.

    Args:
        masks: names with weights, or a list of names.
        source: one of them.
        share: 0 to 1, or UNWEIGHTED.
        segmenter: its name.
        where: the place of the share in the config.

    Raises:
        Refused: a share is not from 0 to 1, there is no other source, or it is not known how several others
            divide the rest.
    """
    is_number = isinstance(share, (int, float)) and not isinstance(share, bool)
    if share != UNWEIGHTED and not (is_number and 0 <= share <= 1):
        expected = f"a weight from 0 to 1, or {UNWEIGHTED!r}"
        raise Refused(where, repr(share), expected, "Correct it: the other sources get the rest.")
    others = [name for name in masks if name != source]
    if not others:
        found, remedy = f"{source!r}, the only source of {segmenter!r}", "Give it a second source."
        raise Refused(key_at(where), found, "a segmenter with several sources of masks", remedy)
    if share == UNWEIGHTED:
        return sorted(map(str, masks))
    weights = _weights(masks) if isinstance(masks, Mapping) else dict.fromkeys(masks, Decimal(0))
    total, rest = sum(weights[name] for name in others), 1 - Decimal(str(share))
    if len(others) == 1:
        return {source: share, others[0]: float(rest)}
    if not total:
        found = f"no weights of the {len(others)} other sources of {segmenter!r}"
        remedy = f"Write its masks as names with weights: they divide what {source!r} leaves."
        raise Refused(key_at(where), found, "weights, by which they divide the rest", remedy)
    return {source: share} | {name: float(rest * weights[name] / total) for name in others}


def _weights(masks: Mapping[str, Any]) -> dict[str, Decimal]:
    """Returns weights as they are written in decimals, so that 1 - 0.9 is 0.1; 0 for no number."""
    return {
        name: Decimal(str(weight))
        if isinstance(weight, (int, float)) and 0 <= weight < math.inf
        else Decimal(0)
        for name, weight in masks.items()
    }
