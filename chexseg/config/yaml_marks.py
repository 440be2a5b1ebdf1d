"""YAML files whose every key has a place: `file:row:column`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import islice
from pathlib import Path
from typing import Any

import yaml

from chexseg.errors import Problems

MOST_NODES = 20_000
"""Keys and values of a config, those of an alias counted each time that it stands there."""


def load_yaml(path: str | Path) -> dict[str, Any]:
    """Reads one YAML mapping; a key that stands twice is an error, as it would hide the first."""
    problems = Problems("config")
    root = _compose_file(path, problems)
    problems.raise_if_any()
    content = _value_of(path, root, problems)
    if not problems.found and not isinstance(content, dict):
        kind = type(content).__name__
        problems.add(path, kind, "a mapping of sections", "See config/README.md.")
    problems.raise_if_any()
    return content


def value_of_yaml(where: str, text: str, problems: Problems) -> Any:
    """Returns the value of a text in YAML; None after adding a problem, and for an empty text."""
    return _value_of(where, _compose(where, text, problems), problems)


def _value_of(where: str | Path, root: yaml.Node | None, problems: Problems) -> Any:
    """Returns the value of a node; adds a problem if it has none, and for keys that stand twice."""
    value = None
    try:
        value = yaml.SafeLoader("").construct_document(root) if root else None
    except yaml.YAMLError as error:
        _add_yaml_error(where, error, problems)
    except (ValueError, OverflowError, RecursionError, TypeError) as error:
        # A date of month 13, for one.
        problems.add(where, f"an invalid value ({error})", "valid YAML", "Correct it.")
    _add_doubled_keys(where, root, problems)
    return value


def _compose_file(path: str | Path, problems: Problems) -> yaml.Node | None:
    """Returns the root node of a file; None after adding a problem, and for an empty file."""
    try:
        return _compose(path, Path(path).read_text(encoding="utf-8"), problems)
    except OSError as error:
        found = "no such file" if isinstance(error, FileNotFoundError) else str(error.strerror)
        problems.add(path, found, "a readable YAML file", "Correct the path.")
    except UnicodeDecodeError as error:
        problems.add(path, str(error), "a readable YAML file", "Save it as UTF-8.")
    return None


def _compose(where: str | Path, text: str, problems: Problems) -> yaml.Node | None:
    """Returns the root node of a text; None after adding a problem, and for an empty text."""
    try:
        root = yaml.compose(text, Loader=yaml.SafeLoader)
        if root is None or sum(1 for _ in islice(_walk(root), MOST_NODES + 1)) <= MOST_NODES:
            return root
        found = f"more than {MOST_NODES} values, once its aliases are written out"
        problems.add(where, found, "a config", "Write it without aliases.")
    except yaml.YAMLError as error:
        _add_yaml_error(where, error, problems)
    except (RecursionError, ValueError) as error:
        found = f"values within values without end ({type(error).__name__})"
        problems.add(where, found, "a config", "Correct it.")
    return None


def _add_yaml_error(where: str | Path, error: yaml.YAMLError, problems: Problems) -> None:
    """Adds a problem for YAML that cannot be read, with its row and column."""
    mark = getattr(error, "problem_mark", None)
    where = f"{where}:{mark.line + 1}:{mark.column + 1}" if mark else where
    found = getattr(error, "problem", None) or str(error)
    problems.add(where, found, "valid YAML", "Correct the syntax there.")


def _add_doubled_keys(where: str | Path, root: yaml.Node | None, problems: Problems) -> None:
    """Adds a problem for each key that stands twice in one mapping below the node `root`."""
    for node in _walk(root) if root else ():
        if isinstance(node, yaml.MappingNode):
            seen: dict[str, int] = {}
            for key, _ in node.value:
                if not isinstance(key, yaml.ScalarNode):
                    continue
                if key.value in seen:
                    place = f"{where}:{key.start_mark.line + 1}:{key.start_mark.column + 1}"
                    found = f"{key.value!r} again (first in row {seen[key.value]})"
                    problems.add(place, found, "each key once", "Delete one of the two.")
                seen.setdefault(key.value, key.start_mark.line + 1)


class Positions:
    """Where each key of a config stands, which may have come from several files.

    Args:
        files: the files; where a key stands in several, the last wins. Those that cannot be read
            have no keys.
        overrides: what the command line says; it wins over all files.

    Attributes:
        problems: files that cannot be read, and keys that stand twice in one mapping.
    """

    def __init__(self, files: Sequence[str | Path], overrides: Mapping[str, Any] | None = None):
        self.files, self.overrides = list(files), overrides or {}
        self.problems = Problems("config")
        self._roots = [_compose_file(file, self.problems) for file in self.files]
        for file, root in zip(self.files, self._roots, strict=True):
            _add_doubled_keys(file, root, self.problems)
            if mark := _find(root, ("__use_yte__",)):  # Snakemake hides the key, and has obeyed it
                self.problems.add(
                    f"{file}:{mark.line + 1}:{mark.column + 1}", "a template, which runs code",
                    "plain YAML", "Delete '__use_yte__' and what it was for.",
                )  # fmt: skip

    def of(self, *location: str | int) -> str:
        """Returns the place of the key at `location`, or of its nearest parent in a file."""
        for depth in range(len(location), 0, -1):
            if _is_set(self.overrides, location[:depth]):
                return "--config"
            for file, root in reversed(list(zip(self.files, self._roots, strict=True))):
                mark = _find(root, location[:depth])
                if mark is not None:
                    return f"{file}:{mark.line + 1}:{mark.column + 1}"
        return str(self.files[-1]) if self.files else "config"

    def count(self, *location: str | int) -> int:
        """Returns in how many files, and on the command line, the key at `location` stands."""
        return sum(_find(root, location) is not None for root in self._roots) + _is_set(
            self.overrides, location
        )


def _is_set(overrides: Any, location: tuple[str | int, ...]) -> bool:
    """Returns whether overrides have a value at a location, and no further keys in it."""
    for step in location:
        if not isinstance(overrides, Mapping) or step not in overrides:
            return isinstance(overrides, list)
        overrides = overrides[step]
    return not isinstance(overrides, Mapping)


def _find(node: yaml.Node | None, location: tuple[str | int, ...]) -> yaml.Mark | None:
    mark = None
    for step in location:
        if isinstance(node, yaml.MappingNode):
            scalars = [pair for pair in node.value if isinstance(pair[0], yaml.ScalarNode)]
            pairs = {key.value: (key, value) for key, value in scalars}
            if str(step) not in pairs:
                return None
            key, node = pairs[str(step)]
            mark = key.start_mark
        elif isinstance(node, yaml.SequenceNode) and isinstance(step, int):
            if step >= len(node.value):
                return None
            node = node.value[step]
            mark = node.start_mark
        else:
            return None
    return mark


def _walk(node: yaml.Node) -> Iterator[yaml.Node]:
    yield node
    if isinstance(node, yaml.MappingNode):
        for key, value in node.value:
            yield from _walk(key)
            yield from _walk(value)
    elif isinstance(node, yaml.SequenceNode):
        for value in node.value:
            yield from _walk(value)
