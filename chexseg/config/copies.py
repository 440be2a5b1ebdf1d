"""Copies of entries in which some settings differ, with copies of all entries in between.

Works on the mappings of a config before they are checked. Which fields of an entry name others is
said by marks in its model (`chexseg.config.settings.Reference`, `InitialWeights`).
"""

from __future__ import annotations

import copy
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Protocol

from chexseg.config.defaults import model_for
from chexseg.config.entries import SECTIONS
from chexseg.config.flags import references
from chexseg.config.settings import InitialWeights
from chexseg.config.values import ABSENT, Values, text_of, value_at, values_of
from chexseg.errors import nearest

Location = tuple[str | int, ...]
"""Steps of a place in the config."""
Node = tuple[str, str]
"""Section and name of an entry."""

LONGEST_NAME = 64
"""Characters, as in `chexseg.config.settings.Name`."""


class Refused(Exception):
    """Something that cannot be: its place, what was found, what was expected, and the remedy."""


def key_at(where: Location) -> Location:
    """Returns the place of a key, given that of a value in the list behind it, or its own."""
    return where[:-1] if isinstance(where[-1], int) else where


@dataclass(frozen=True, eq=False)
class Setting:
    """A value of a key of an entry.

    Attributes:
        entry: whose key it is.
        path: steps of the key in the entry.
        value: the value.
        where: where the value is written in the config.
        label: the key, as it stands in names.
        text: the value, as it stands in names.
    """

    entry: Node
    path: tuple[str, ...]
    value: Any
    where: Location
    label: str
    text: str

    def part_of_name(self, node: Node, text: str) -> str:
        """Returns what the name of an entry says of this setting."""
        owner = "" if node == self.entry else f"{self.entry[1]}."
        return f"{owner}{self.label}_{text}"


@dataclass(frozen=True)
class Copy:
    """An entry with other settings.

    Attributes:
        of: the entry that it was copied from.
        name: its name; that of the entry itself if nothing differs.
        reached: the given settings on which it depends, each with the text of its value. Those
            whose value the original has too are among them.
        changes: those whose value the original does not have, each with its value.
    """

    of: Node
    name: str
    reached: Mapping[Setting, str] = field(default_factory=dict)
    changes: Mapping[Setting, str] = field(default_factory=dict)

    @property
    def content(self) -> frozenset[Any]:
        """What makes copies of an entry equal."""
        return frozenset((s.entry, s.path, value) for s, value in self.changes.items())

    def text(self, settings: Iterable[Setting]) -> str:
        """Returns the values of settings that are set together; empty if none is reached."""
        return "_".join(dict.fromkeys(self.reached[s] for s in settings if s in self.reached))


class Group(Protocol):
    """Settings that are set together, and what names say of them."""

    settings: tuple[Setting, ...]

    def said(self, copy: Copy) -> str: ...


@dataclass
class Copies:
    """The entries of a config, and copies of them.

    Attributes:
        config: the config, with what entries inherit filled in.
        made: the copies by section and name.
    """

    config: Any
    made: dict[Node, Copy] = field(default_factory=dict)
    _entries: dict[Node, dict[str, Any]] = field(default_factory=dict)
    _values: dict[Node, Values | None] = field(default_factory=dict)

    def names(self, section: str) -> tuple[str, ...]:
        """Returns the names of the entries of a section that are written in the config."""
        entries = self.config.get(section) if isinstance(self.config, Mapping) else None
        return (
            tuple(n for n in entries if isinstance(n, str)) if isinstance(entries, Mapping) else ()
        )

    def original(self, node: Node) -> Any:
        """Returns an entry that is written in the config."""
        return self.config[node[0]][node[1]]

    def sections(self) -> dict[str, Any]:
        """Returns the sections that have copies, each with all its entries."""
        return {
            section: self.config[section]
            | {name: entry for (own, name), entry in self._entries.items() if own == section}
            for section in SECTIONS
            if any(own == section for own, _ in self._entries)
        }

    def written_at(self, location: Location) -> Location:
        """Returns where a value of a copy was written: in the sweep, or in what was copied."""
        made = self.made.get(location[:2])
        if made is None:
            return location
        steps = location[2:]
        for setting in sorted(made.changes, key=lambda setting: setting.where):
            if setting.entry == made.of and steps[: len(setting.path)] == setting.path:
                return setting.where
        return (*made.of, *steps)

    def check_path(self, node: Node, path: tuple[str, ...], where: Location) -> None:
        """Raises Refused if an entry can have no key at a path."""
        model = model_for(node[0], self.original(node))
        for number, step in enumerate(path):
            fields = getattr(model, "model_fields", {})
            if step not in fields:
                key = ".".join((*node, *path[: number + 1]))
                known = tuple(fields)
                remedy = f"Did you mean {nearest(step, known)!r}?" if known else "Shorten it."
                raise Refused(where, f"unknown key {key!r}", "a known key", remedy)
            model = fields[step].annotation

    def copy(
        self,
        node: Node,
        settings: tuple[Setting, ...],
        groups: Mapping[str, Group],
        where: Location,
    ) -> Copy:
        """Makes an entry with other settings of its own, and of entries that it depends on.

        Args:
            node: the entry.
            settings: the settings; those that it does not depend on change nothing.
            groups: settings that are set together, by the name that stands for their keys.
            where: of the sweep in the config.

        Raises:
            Refused: the name of the copy is too long, or means another entry already.
        """
        return self._copy(node, settings, groups, where, way=())

    def _copy(self, node, settings, groups, where, way: tuple[Node, ...]) -> Copy:
        original = self.original(node)
        if not isinstance(original, Mapping) or node in way:
            return Copy(node, node[1])
        own = [setting for setting in settings if setting.entry == node]
        entry, said, reached, changes = self._with(node, own)
        renamed: dict[str, dict[str, str]] = {}
        for name, needed in self._needs(node[0], said):
            other = self._copy(needed, settings, {}, where, (*way, node))
            reached |= other.reached
            changes |= other.changes
            if other.name != needed[1]:
                renamed.setdefault(name, {})[needed[1]] = other.name
        for name, new in renamed.items():
            entry[name] = _renamed(entry.get(name, said[name]), new)
        reached = {setting: reached[setting] for setting in settings if setting in reached}
        made = self._named(Copy(node, node[1], reached, changes), groups, where)
        if made.name != node[1]:
            self.made[node[0], made.name], self._entries[node[0], made.name] = made, entry
        return made

    def _with(self, node: Node, settings: list[Setting]) -> tuple[dict, Mapping, dict, dict]:
        """Gives an entry other settings of its own.

        Returns:
            The entry with those that change something; what it says, without what changes
            nothing; the settings on which it depends, with their texts; and those that change
            something, with their values. If the entry is not valid, values are compared as they
            are written.
        """
        original = self.original(node)
        if node not in self._values:
            self._values[node] = values_of(node[0], original)
        before = self._values[node]
        entry = _with_settings(original, settings)
        after = values_of(node[0], entry) if settings and before else before
        if not after:
            reached = {setting: setting.text for setting in settings}
            changes = {s: repr(s.value) for s in settings if value_at(original, s.path) != s.value}
            return entry, entry, reached, changes
        reached, changes = {}, {}
        for setting in settings:
            value = value_at(after.used, setting.path)
            if value is not ABSENT:
                own = setting.label == ".".join(setting.path)
                reached[setting] = (own and text_of(value)) or setting.text
                if value != value_at(before.all, setting.path):
                    changes[setting] = repr(value)
        return _with_settings(original, changes), after.used, reached, changes

    def _named(self, made: Copy, groups: Mapping[str, Group], where: Location) -> Copy:
        """Returns a copy with its name: the original's, and what differs, the seed last."""
        names = {setting: name for name, group in groups.items() for setting in group.settings}
        parts = {
            f"{names[s]}_{groups[names[s]].said(made)}"
            if s in names
            else s.part_of_name(made.of, made.reached[s])
            for s in made.changes
        }
        ordered = sorted(parts, key=lambda part: (part.startswith("seed_"), part))
        name = "-".join([made.of[1], *ordered])
        if made.changes and len(name) > LONGEST_NAME:
            found = f"a run or entry named {name!r}, of {len(name)} characters"
            remedy = "Shorten the names of entries, or set keys together under a short name."
            raise Refused(where, found, f"at most {LONGEST_NAME} characters", remedy)
        section = made.of[0]
        known = self.made.get((section, name))
        written = name != made.of[1] and name in self.config[section]
        if written or (known and (known.of, known.content) != (made.of, made.content)):
            found = f"two different entries {name!r} in {section}"
            raise Refused(where, found, "another name", "Rename the entry, or the factor.")
        return replace(made, name=name)

    def _needs(self, section: str, entry: Mapping[str, Any]) -> Iterator[tuple[str, Node]]:
        """Yields the entries that an entry names, each with the field that names it."""
        model = model_for(section, entry)
        for name, mark in references(model).items():
            value, others = entry.get(name), self.names(mark.section)
            named = [value] if isinstance(value, str) else value
            if mark.swept and isinstance(named, (Mapping, list, tuple)):
                yield from ((name, (mark.section, other)) for other in others if other in named)
        for name, info in model.model_fields.items():
            for mark in info.metadata:
                for other in mark.sections if isinstance(mark, InitialWeights) else ():
                    if entry.get(name) in self.names(other):
                        yield name, (other, entry[name])


def _with_settings(entry: Mapping[str, Any], settings: Iterable[Setting]) -> dict[str, Any]:
    """Returns a copy of an entry with other settings of its own."""
    made = copy.deepcopy(dict(entry))
    for setting in settings:
        *groups, last = setting.path
        group = made
        for step in groups:
            inner = group.get(step)
            group[step] = dict(inner) if isinstance(inner, Mapping) else {}
            group = group[step]
        group[last] = copy.deepcopy(setting.value)
    return made


def _renamed(value: Any, names: Mapping[str, str]) -> Any:
    """Returns what names entries with other names: a name, a list, or names with weights."""
    if isinstance(value, Mapping):
        return {names.get(name, name): each for name, each in value.items()}
    if isinstance(value, (list, tuple)):
        return [names.get(each, each) if isinstance(each, str) else each for each in value]
    return names.get(value, value)
