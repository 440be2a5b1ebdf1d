"""YAML files whose every key has a place: `file:row:column`."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import yaml

from chexseg.errors import InputError, Problems


def load_yaml(path: str | Path) -> dict[str, Any]:
    """Reads one YAML mapping; a key that stands twice is an error, as it would hide the first."""
    problems = Problems()
    try:
        text = Path(path).read_text(encoding="utf-8")
        root = yaml.compose(text, Loader=yaml.SafeLoader)
        content = yaml.safe_load(text)
    except (OSError, UnicodeDecodeError) as error:
        problems.add(path, str(error), "a readable YAML file", "Correct the path.")
        raise InputError(problems.found) from error
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        where = f"{path}:{mark.line + 1}:{mark.column + 1}" if mark else path
        found = getattr(error, "problem", None) or str(error)
        problems.add(where, found, "valid YAML", "Correct the syntax there.")
        raise InputError(problems.found) from error
    if not isinstance(content, dict):
        problems.add(path, type(content).__name__, "a mapping of sections", "See config/README.md.")
    add_doubled_keys(path, root, problems)
    problems.raise_if_any()
    return content


def add_doubled_keys(path: str | Path, root: yaml.Node | None, problems: Problems) -> None:
    """Adds a problem for each key that stands twice in one mapping below the node `root`."""
    for node in _walk(root) if root else ():
        if isinstance(node, yaml.MappingNode):
            seen: dict[str, int] = {}
            for key, _ in node.value:
                if key.value in seen:
                    where = f"{path}:{key.start_mark.line + 1}:{key.start_mark.column + 1}"
                    found = f"{key.value!r} again (first in row {seen[key.value]})"
                    problems.add(where, found, "each key once", "Delete one of the two.")
                seen.setdefault(key.value, key.start_mark.line + 1)


class Positions:
    """Where each key of a config stands, which may have come from several files.

    Args:
        files: the files; where a key stands in several, the last wins. Those that cannot be read
            have no keys.
    """

    def __init__(self, files: Sequence[str | Path]):
        self.files = list(files)
        self._roots = []
        for file in self.files:
            try:
                text = Path(file).read_text(encoding="utf-8")
                self._roots.append(yaml.compose(text, Loader=yaml.SafeLoader))
            except (OSError, UnicodeDecodeError, yaml.YAMLError):
                self._roots.append(None)

    def add_doubled_keys(self, problems: Problems) -> None:
        """Adds a problem for each key that stands twice in one mapping of a file."""
        for file, root in zip(self.files, self._roots, strict=True):
            add_doubled_keys(file, root, problems)

    def of(self, *location: str | int) -> str:
        """Returns the place of the key at `location`, or of its nearest parent in a file."""
        for depth in range(len(location), 0, -1):
            for file, root in reversed(list(zip(self.files, self._roots, strict=True))):
                mark = _find(root, location[:depth])
                if mark is not None:
                    return f"{file}:{mark.line + 1}:{mark.column + 1}"
        return str(self.files[-1]) if self.files else "config"


def _find(node: yaml.Node | None, location: tuple[str | int, ...]) -> yaml.Mark | None:
    mark = None
    for step in location:
        if isinstance(node, yaml.MappingNode):
            pairs = {key.value: (key, value) for key, value in node.value}
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
