"""The lineage of an artifact: the jobs that led to it, back to the X-rays."""

from __future__ import annotations

import csv
import shlex
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from chexseg.audit.files import Hashed
from chexseg.audit.recorded import Input, Recorded
from chexseg.audit.study import INDEX, Study, store_of
from chexseg.errors import InputError, Problem, nearest, one_line
from chexseg.provenance.digests import sha256_of_files

KEY_SETTINGS = (
    *("architecture", "encoder", "backbone", "initial_weights", "uncertain", "method", "source"),
    *("sources", "mixing", "epochs", "image_size", "expert_fraction", "threshold", "foreground"),
    *("background", "radius", "beta", "steps_log2", "replicates", "train_images"),
)
"""Settings that a lineage shows; the records have all of them."""

_MOST = 5
"""Maximum number of errors per artifact that a tree shows."""


@dataclass(eq=False)
class Node:
    """A node of the lineage: a file, or all shards of a store.

    Attributes:
        name: path relative to the study, with `*` for shards; the original path of raw data.
        makers: the records of the artifacts; empty for raw data.
        contents: file -> digest from its record; for raw data, from the record of its first reader.
        inputs: the nodes that it was made from.
        inside: whether it is inside the study.
        errors: everything wrong with it, as the keys of a dict, which keeps order without repeats.
    """

    name: str
    makers: dict[str, Recorded] = field(default_factory=dict)
    contents: dict[str, str] = field(default_factory=dict)
    inputs: list[Node] = field(default_factory=list)
    inside: bool = True
    errors: dict[str, None] = field(default_factory=dict)

    @property
    def digest(self) -> str:
        """Digest of the content; for several files, the digest of their digests."""
        if len(self.contents) == 1:
            return next(iter(self.contents.values()))
        return sha256_of_files(self.contents)

    def as_dict(self) -> dict[str, Any]:
        """Returns the node for JSON output, with its inputs by name."""
        return {
            "name": self.name,
            "jobs": {artifact: r.record["command"] for artifact, r in self.makers.items()},
            "files": self.contents,
            "inputs": [source.name for source in self.inputs],
            "errors": list(self.errors),
        }


def lineage_of(study: Study, artifact: str, only: Iterable[str] | None = None) -> Node:
    """Returns the node of an artifact, linked to everything that it was made from.

    A node has an error if a job read a different version of it than exists now. Use `check` to
    check the files themselves.

    Args:
        study: the records of the study.
        artifact: path relative to the study.
        only: the direct inputs to follow; None follows all.
    """
    nodes: dict[str, Node] = {}

    def add(path: str, read: Input | None = None, reader: str = "") -> Node:
        maker = study.recorded.get(study.maker.get(path, path))
        if maker is not None and maker.misplaced:
            maker = None  # the record belongs to another artifact
        name = store_of(maker.artifact) if maker else path
        node = nodes.setdefault(name, Node(name, inside=read is None or read.inside))
        if maker is None:
            node.contents.setdefault(path, read.sha256 if read else "")
            if node.inside:
                node.errors[f"no record says how {path} was made"] = None
        now = (maker.own if maker else node.contents).get(path)
        if read is not None and now is not None and now != read.sha256:
            text = f"{reader} was made from a different {path}, with content {read.sha256[:12]}"
            node.errors[text] = None
        if maker is not None and maker.artifact not in node.makers:
            node.makers[maker.artifact] = maker
            node.contents |= maker.own
            for read in maker.inputs:
                if artifact == path and only is not None and read.path not in only:
                    continue
                source = add(read.path, read, maker.artifact)
                if source is not node and source not in node.inputs:
                    node.inputs.append(source)
        return node

    return add(artifact)


def check(study: Study, target: Node, root: Path | None = None) -> tuple[int, int]:
    """Hashes the files of a lineage, and adds an error to each node that differs from its record.

    X-rays outside the study are left to an audit of the whole study.

    Args:
        study: the records of the study.
        target: the node of the artifact.
        root: current folder of the raw data, if they have moved.

    Returns:
        The number of files hashed, and the number of raw data files that were not found.
    """
    nodes, hashed = walk(target), Hashed()
    places = {
        file: study.folder / file if node.inside else study.find(file, root)
        for node in nodes
        for file in node.contents
    }
    hashed.add(places, f"check {target.name}")
    for node in nodes:
        for file, recorded in node.contents.items():
            now, text = hashed.contents.get(file), ""
            if file in hashed.unread:
                text = f"{file} cannot be read: {hashed.unread[file]}"
            elif now is None and places[file] is not None:
                text = f"{file} does not exist"
            elif now is not None and recorded not in ("", now):
                text = f"{file} was changed: its content is {now[:12]}, recorded is {recorded[:12]}"
            if text:
                node.errors[text] = None
    return len(hashed.contents), sum(place is None for place in places.values())


def walk(node: Node) -> list[Node]:
    """Returns a node and all its ancestors, each once and before the nodes that it was made from."""
    found: list[Node] = []
    seen: set[str] = set()

    def visit(each: Node) -> None:
        if each.name not in seen:
            seen.add(each.name)
            for source in each.inputs:
                visit(source)
            found.append(each)

    visit(node)
    return found[::-1]


def as_text(study: Study, node: Node) -> str:
    """Formats a lineage as an indented tree; a repeated artifact is only mentioned by name.

    The errors of an artifact come first below it.
    """
    lines, seen = [], set()

    def show(each: Node | str, branch: str, indent: str) -> None:
        if isinstance(each, str):
            lines.append(branch + one_line(each))
            return
        if each.name in seen:
            text = "above, with errors" if each.errors else "above"
            lines.append(f"{branch}{one_line(each.name)} ({text})")
            return
        seen.add(each.name)
        lines.append(branch + one_line(_line(each)))
        errors = list(each.errors)
        below: list[Node | str] = [f"ERROR  {text}" for text in errors[:_MOST]]
        if len(errors) > _MOST:
            below.append(f"ERROR  and {len(errors) - _MOST} more")
        below += [source for source in each.inputs if not source.makers]
        if each.name == INDEX and not errors and (x_rays := study.x_rays()):
            digest = sha256_of_files({i.path: i.sha256 for i in x_rays})
            left = "" if x_rays[0].inside else "; outside the study, so not hashed here"
            below.append(f"{len(x_rays)} X-rays, digest of their digests {digest[:12]}{left}")
        below += [source for source in each.inputs if source.makers]
        for number, one in enumerate(below, 1):
            fork, rail = ("└─ ", "   ") if number == len(below) else ("├─ ", "│  ")
            show(one, indent + fork, indent + rail)

    show(node, "", "")
    return "\n".join(lines)


def _line(node: Node) -> str:
    parts = [node.name]
    if not node.makers:
        return f"{node.name}  {'' if node.inside else 'raw, '}content {node.digest[:12]}"
    makers = list(node.makers.values())
    if len(makers) > 1:
        parts[0] += f" ({len(makers)} files)"
    elif len(node.contents) > 1:
        parts[0] += f"/ ({len(node.contents)} files)"
    parts.append(makers[0].stage)
    settings = makers[0].record["settings"]
    chosen = [f"{name} {settings[name]}" for name in KEY_SETTINGS if name in settings]
    seeds = {m.record["seed"] for m in makers} - {None}
    chosen += [f"seed {seed}" for seed in sorted(seeds)]
    if chosen:
        parts.append(", ".join(chosen))
    codes = sorted({m.record["code"]["digest"][:8] for m in makers})
    parts.append(f"code {' and '.join(codes)}, content {node.digest[:12]}")
    return "  ".join(parts)


def rows_of(table: Path, key: str) -> list[dict[str, str]]:
    """Returns the rows of a CSV whose first cells equal the words of `key`, as `chexseg,Edema`.

    Raises:
        InputError: there is no such row (the problem names the nearest), or the file is not a CSV.
    """
    words = [word.strip() for word in key.split(",")]
    try:
        if table.suffix != ".csv":
            raise csv.Error
        with open(table, newline="", encoding="utf-8") as file:
            columns, *rows = list(csv.reader(file)) or [[]]
    except (csv.Error, UnicodeDecodeError):
        remedy = "Choose a table, such as summary.csv, or omit --row."
        raise InputError([Problem(str(table), "not a CSV", "a table with rows", remedy)]) from None
    found = [row for row in rows if row[: len(words)] == words]
    if not found:
        near = nearest(
            key, tuple(",".join(row[: len(words)]) for row in rows) or ("another table",)
        )
        expected = f"a row given by {','.join(columns[: len(words)]) or 'its first cells'}"
        raise InputError(
            [Problem(str(table), f"no row {key!r}", expected, f"Did you mean {near}?")]
        )
    return [dict(zip(columns, row, strict=False)) for row in found]


def inputs_of_rows(maker: Recorded, rows: list[dict[str, str]]) -> list[str] | None:
    """Returns the inputs from which rows of a summary were computed; None for all inputs.

    If a job takes `--names` of runs and one file for each, its rows show which ones they depend on.
    """
    names = shlex.split(maker.record["settings"].get("names", ""))
    files = [i.path for i in maker.inputs if i.role == "overlaps"]
    cells = {cell for row in rows for cell in row.values()}
    if not (set(names) & cells) or len(files) != len(names):
        return None
    return [file for name, file in zip(names, files, strict=True) if name in cells]
