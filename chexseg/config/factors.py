"""The factors of a sweep: which settings each of their values stands for."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from pydantic import TypeAdapter, ValidationError

from chexseg.config.copies import Copies, Copy, Location, Refused, Setting, key_at
from chexseg.config.defaults import model_for
from chexseg.config.entries import FACTOR_KEY, SECTIONS
from chexseg.config.mixing import with_share
from chexseg.config.runs import COLUMNS
from chexseg.config.settings import Seed
from chexseg.config.values import text_of
from chexseg.errors import nearest

OF_THE_STUDY = ("study", "seed", "data", "phantom", "prediction", "evaluation", "figures")
"""Sections that hold for all runs of a study alike."""

SEEDS = "seeds"
_SEED = TypeAdapter(Seed)


@dataclass(frozen=True)
class Level:
    """A value of a factor.

    Attributes:
        text: the value, as it stands in names.
        settings: the keys that it sets.
        naming: those whose values stand in names. Of keys that are set together, it is the first
            if its values differ, or else all.
    """

    text: str
    settings: tuple[Setting, ...]
    naming: tuple[Setting, ...]

    def said(self, copy: Copy) -> str:
        """Returns the value for an entry; empty if the entry depends on none of the keys."""
        return copy.text(self.naming) or copy.text(self.settings)


def _level(settings: tuple[Setting, ...], naming: int = 1) -> Level:
    """Returns a value that sets keys, the first `naming` of which stand in names."""
    said = settings[:naming]
    return Level("_".join(dict.fromkeys(setting.text for setting in said)), settings, said)


class Factors:
    """Reads the factors of a sweep.

    Args:
        here: the place of the sweep in the config.
        sweep: its mapping; it is a valid `SweepEntry`, and names a segmenter.
        copies: the entries of the config.
        mistakes: receives what is wrong: place, found, expected and remedy.
    """

    def __init__(
        self, here: Location, sweep: Mapping[str, Any], copies: Copies, mistakes: list[Any]
    ):
        self.here, self.sweep, self.copies, self.mistakes = here, sweep, copies, mistakes
        self.of = ("segmenters", sweep["of"])
        self.entry = copies.original(self.of)
        self.fields = tuple(model_for("segmenters", self.entry).model_fields)
        masks = self.entry.get("masks")
        masks = masks if isinstance(masks, (Mapping, list)) else ()
        self.sources = tuple(name for name in masks if isinstance(name, str))

    def read(self) -> dict[str, list[Level]]:
        """Returns the values of each factor; those in which something is wrong are left out."""
        factors = {}
        for name, values in sorted(self.sweep.items(), key=lambda item: str(item[0])):
            if name != "of" and not (name == SEEDS and values is None):
                mistakes = len(self.mistakes)
                levels = self._collected(self._levels(name, values, (*self.here, name)))
                self._check_texts(levels)
                if levels and len(self.mistakes) == mistakes:
                    factors[name] = levels
        self._check_keys(factors)
        return factors

    def _collected(self, levels: Iterator[Level]) -> list[Level]:
        """Returns the values, and adds the mistake where there is one."""
        try:
            return list(levels)
        except Refused as refused:
            self.mistakes.append(refused.args)
            return []

    def _levels(self, name: Any, values: Any, here: Location) -> Iterator[Level]:
        """Yields the values of a factor.

        Raises:
            Refused: something is wrong with them.
        """
        if not isinstance(name, str) or not re.fullmatch(FACTOR_KEY, name):
            raise Refused(here, repr(name), "the name of a setting or a source", "Rename it.")
        if name == SEEDS:
            if "seed" in self.sweep:
                raise Refused(here, "both 'seeds' and 'seed'", "one of them", "Delete one.")
            for seed in self._seeds(values):
                yield _level((self._setting("seed", seed, here),))
        elif isinstance(values, list):
            for number, value in enumerate(values):
                try:
                    setting = self._setting(name, value, (*here, number))
                except Refused as refused:
                    self.mistakes.append(refused.args)
                else:
                    yield _level((setting,))
        else:
            self._check_group(name, here)
            lengths = {len(each) for each in values.values()}
            if len(lengths) > 1:
                found = f"lists of {' and '.join(map(str, sorted(lengths)))} values"
                raise Refused(here, found, "as many values for each key", "Complete them.")
            first = [text_of(value) for value in next(iter(values.values()))]
            naming = 1 if len({*first}) == len(first) else len(values)
            for number in range(*lengths):
                settings = tuple(
                    self._setting(key, each[number], (*here, key, number))
                    for key, each in values.items()
                )
                yield _level(settings, naming)

    def _check_group(self, name: str, here: Location) -> None:
        """Raises Refused if keys that are set together have a name that means something else."""
        first, dot, _ = name.partition(".")
        meanings = {
            "a setting of another entry": first in SECTIONS and bool(dot),
            f"a setting of {self.of[1]!r}": first in self.fields,
            "a source of masks": name in (*self.sources, *self.copies.names("masks")),
            "a column of runs.csv": name in COLUMNS,
        }
        for meaning, means in meanings.items():
            if means:
                found = f"keys that are set together as {name!r}, which is {meaning}"
                raise Refused(here, found, "a name that means nothing else", "Rename the factor.")

    def _seeds(self, number: int) -> range:
        """Returns the segmenter's seed and those that follow; no seeds if its own is invalid."""
        try:
            first = _SEED.validate_python(self.entry.get("seed", 0))
        except ValidationError:
            return range(0)  # reported with the segmenter
        return range(first, first + number)

    def _check_texts(self, levels: list[Level]) -> None:
        """Adds a mistake for a value that is given twice."""
        texts = [level.text for level in levels]
        for number, level in enumerate(levels):
            if level.text in texts[:number]:
                found, remedy = f"{level.text} twice", "Delete one of the two."
                self.mistakes.append((level.settings[0].where, found, "each value once", remedy))

    def _check_keys(self, factors: dict[str, list[Level]]) -> None:
        """Adds a mistake for a key that is set twice; the weights of all sources are one key."""
        seen: dict[Any, str] = {}
        for name, levels in factors.items():
            for setting in levels[0].settings:
                node, path = setting.entry, setting.path
                if (node, path) in seen:
                    found = f"{'.'.join((*node, *path))!r}, which {seen[node, path]!r} sets too"
                    where, expected = key_at(setting.where), "each key once"
                    self.mistakes.append((where, found, expected, "Delete one of the two."))
                seen[node, path] = name

    def _setting(self, key: str, value: Any, where: Location) -> Setting:
        """Returns what a value sets.

        Raises:
            Refused: the key is no setting, or the value cannot be one, or no part of a name.
        """
        text = text_of(value)
        if text is None:
            found, remedy = "a value without a name", "Write an entry with it in its section."
            raise Refused(where, found, "a number, a word, or a list of them", remedy)
        section, _, rest = key.partition(".")
        if section in SECTIONS and rest:
            return self._of_another(section, rest, value, text, where)
        if section in self.fields:
            return self._of(self.of, tuple(key.split(".")), value, text, where)
        if key in self.sources:
            mixed = with_share(self.entry["masks"], key, value, self.of[1], where)
            return Setting(self.of, ("masks",), mixed, where, key, text)
        raise self._unknown(key, section, key_at(where))

    def _of(
        self, node: tuple[str, str], path: tuple[str, ...], value: Any, text: str, where: Location
    ) -> Setting:
        self.copies.check_path(node, path, key_at(where))
        return Setting(node, path, value, where, ".".join(path), text)

    def _of_another(
        self, section: str, rest: str, value: Any, text: str, where: Location
    ) -> Setting:
        """Returns what a value of `section.name.key` sets; names may have dots too."""
        names = self.copies.names(section)
        fitting = [name for name in names if rest.startswith(f"{name}.")]
        if not fitting:
            wanted = rest.partition(".")[0]
            expected = f"one of {section}: {', '.join(names) or 'there is none'}, and a key of it"
            remedy = f"Did you mean {nearest(wanted, names)!r}?" if names else "Define it first."
            raise Refused(key_at(where), repr(rest), expected, remedy)
        name = max(fitting, key=len)
        path = tuple(rest.removeprefix(f"{name}.").split("."))
        return self._of((section, name), path, value, text, where)

    def _unknown(self, key: str, section: str, where: Location) -> Refused:
        """Returns the error of a key that is no setting of an entry."""
        if section in OF_THE_STUDY:
            steps = key.split(".")[1:]
            value = "".join(f"{{{step}: " for step in steps) + "VALUE" + "}" * len(steps)
            expected = "settings of entries, since the runs of a study share its data"
            remedy = f"Run another study: snakemake --config study=NAME '{section}={value}'"
            return Refused(where, f"{key!r}, a setting of the whole study", expected, remedy)
        near = nearest(key, (*self.fields, *self.sources, SEEDS))
        expected = (
            f"a setting or a source of masks of {self.of[1]!r}, or the like of masks.NAME.KEY"
        )
        return Refused(where, f"unknown factor {key!r}", expected, f"Did you mean {near!r}?")
