"""Unfolds the sweeps of a config into ordinary entries, when it is read.

A sweep names a segmenter, or several, and factors; each combination of their values is a run. A run differs from
the segmenter by what its values change, and is called so: `chexseg-expert_0.5-seed_1`. A value that
the segmenter has anyway changes nothing, so that the run with only such values is the segmenter
itself. Names do not depend on other values, factors and sweeps: adding one only adds runs.

Works on the mappings of the YAML files before they are checked. What it makes is checked with all
other entries; what it cannot make sense of is among `Unfolded.mistakes`, or left to those checks.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from itertools import product
from typing import Any

from pydantic import ValidationError

from chexseg.config.copies import Copies, Location, Refused, Setting, key_at
from chexseg.config.defaults import inherited
from chexseg.config.entries import SweepEntry
from chexseg.config.factors import Factors, Level
from chexseg.errors import nearest

MOST_POINTS = 500
"""Combinations of values in all sweeps of a study."""


@dataclass
class Unfolded:
    """A config whose sweeps are unfolded.

    Attributes:
        config: the config with the entries of all runs, and what entries inherit filled in.
        copies: the entries that sweeps made, and where they come from.
        points: sweep -> run -> factor -> the text of its value. A value on which the run does not
            depend is left out.
        mistakes: place in the config, found, expected and remedy of what is wrong with sweeps.
    """

    config: Any = field(compare=False)
    copies: Copies = field(compare=False)
    points: dict[str, dict[str, dict[str, str]]] = field(default_factory=dict)
    mistakes: list[tuple[Location, str, str, str]] = field(default_factory=list)


def unfold(config: Any) -> Unfolded:
    """Makes the entries of all sweeps of a config, and fills in what entries inherit."""
    config = inherited(config)
    unfolded = Unfolded(config, Copies(config))
    sweeps = config.get("sweeps") if isinstance(config, Mapping) else None
    for name, sweep in sweeps.items() if isinstance(sweeps, Mapping) else ():
        try:
            valid = SweepEntry.model_validate(sweep)
            for segmenter, where in _segmenters(name, valid.of):
                of_one = {**sweep, "of": segmenter, "seeds": valid.seeds}
                _unfold(name, where, of_one, unfolded)
        except ValidationError:
            continue  # reported with the study
        except Refused as refused:
            unfolded.mistakes.append(refused.args)
    if isinstance(config, Mapping):
        unfolded.config = config | unfolded.copies.sections()
    return unfolded


def _segmenters(sweep: str, of: str | tuple[str, ...]) -> Iterator[tuple[str, Location]]:
    """Yields the segmenters of a sweep, each with the place of its name.

    Raises:
        Refused: one is named twice.
    """
    if isinstance(of, str):
        yield of, ("sweeps", sweep, "of")
        return
    for number, segmenter in enumerate(of):
        where = ("sweeps", sweep, "of", number)
        if segmenter in of[:number]:
            raise Refused(where, f"{segmenter!r} twice", "each once", "Delete one of the two.")
        yield segmenter, where


def _unfold(name: str, where: Location, sweep: Mapping[str, Any], unfolded: Unfolded) -> None:
    """Adds the entries and points of one segmenter of a sweep, and what is wrong with them.

    Args:
        name: of the sweep.
        where: the place of the segmenter's name in the config.
        sweep: its factors, and the segmenter.
        unfolded: receives them.

    Raises:
        Refused: something is so wrong that nothing more can be said of the sweep.
    """
    here, copies = ("sweeps", name), unfolded.copies
    names = copies.names("segmenters")
    if sweep["of"] not in names:
        expected = f"one of segmenters: {', '.join(names) or 'there is none'}"
        remedy = f"Did you mean {nearest(sweep['of'], names)!r}?" if names else "Define it first."
        raise Refused(where, repr(sweep["of"]), expected, remedy)
    node = ("segmenters", sweep["of"])
    if not isinstance(copies.original(node), Mapping):
        return  # reported with the study
    written = [key for key, value in sweep.items() if key != "of" and value is not None]
    if not written and where == (*here, "of"):
        raise Refused(here, "no factors", "a factor with its values", "See config/README.md.")
    factors = Factors(here, sweep, copies, unfolded.mistakes).read()
    if written and not factors:
        return
    counts = [len(levels) for levels in factors.values()]
    before = sum(len(runs) for runs in unfolded.points.values())
    if before + math.prod(counts) > MOST_POINTS:
        others = f" and {before} of other sweeps" if before else ""
        found, expected = f"{' x '.join(map(str, counts))} runs{others}", f"at most {MOST_POINTS}"
        raise Refused(here, found, expected, "Take fewer values.")
    points = unfolded.points.setdefault(name, {})
    reached: set[Setting] = set()
    for levels in product(*factors.values()):
        settings = tuple(setting for level in levels for setting in level.settings)
        copy = copies.copy(node, settings, _groups(sweep, factors, levels), here)
        reached |= copy.reached.keys()
        values = {
            factor: text
            for factor, level in zip(factors, levels, strict=True)
            if (text := level.said(copy))
        }
        same = points.setdefault(copy.name, values)
        points[copy.name] = {key: text for key, text in same.items() if values.get(key) == text}
    firsts = [setting for levels in factors.values() for setting in levels[0].settings]
    unfolded.mistakes += _without_effect(firsts, reached, node[1])


def _without_effect(
    settings: list[Setting], reached: set[Setting], segmenter: str
) -> Iterator[tuple[Location, str, str, str]]:
    """Yields a mistake for each key on which no run depends.

    Args:
        settings: one of each key.
        reached: the settings on which runs depend.
        segmenter: the name of the one that is swept.
    """
    entries = {("segmenters", segmenter), *(setting.entry for setting in reached)}
    keys = {(setting.entry, setting.path) for setting in reached}
    for setting in settings:
        entry, place = ".".join(setting.entry), key_at(setting.where)
        if setting.entry not in entries:
            found = f"{entry!r}, on which {segmenter!r} does not depend"
            remedy = f"Let {segmenter!r} use it, or delete this factor."
            yield place, found, "an entry on which it depends", remedy
        elif (setting.entry, setting.path) not in keys:
            found = f"{'.'.join((entry, *setting.path))!r}, which changes nothing in any run"
            remedy = "Change the settings that switch it off, or delete this factor."
            yield place, found, "a setting that changes something", remedy


def _groups(
    sweep: Mapping[str, Any], factors: Mapping[str, list[Level]], levels: tuple[Level, ...]
) -> dict[str, Level]:
    """Returns the values of a point that set keys together, by the name of their factor."""
    return {
        name: level
        for name, level in zip(factors, levels, strict=True)
        if isinstance(sweep[name], Mapping)
    }
