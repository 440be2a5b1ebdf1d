"""Where an artifact came from: the chain of jobs behind it, back to the X-rays."""

from __future__ import annotations

import csv
import difflib
import shlex
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from chexseg.audit.recorded import Input, Recorded
from chexseg.audit.study import INDEX, Study, store_of
from chexseg.errors import InputError, Problem, one_line
from chexseg.files.progress import progress
from chexseg.provenance.digests import Digests, sha256_of_files

KEY_SETTINGS = (
    *("architecture", "encoder", "backbone", "initial_weights", "uncertain", "method", "sources"),
    *("mixing", "epochs", "image_size", "expert_fraction", "threshold", "foreground"),
    *("background", "radius", "beta", "steps_log2", "replicates", "train_images"),
)
"""Settings that a lineage shows; the records have them all."""


_MOST = 5
"""Errors of an artifact that a tree shows."""


@dataclass(eq=False)
class Node:
    """Artifacts that are one thing to a person: a file, or the shards of a store.

    Attributes:
        name: path relative to the study, shards as `*`; a raw datum's as it was given.
        makers: the records of the artifacts; none for a raw datum.
        contents: file -> digest, as its record says; of a raw datum, as its first reader's does.
        inputs: what it was made from.
        inside: whether it lies in the study.
        wrong: what does not fit, in words, each once.
    """

    name: str
    makers: dict[str, Recorded] = field(default_factory=dict)
    contents: dict[str, str] = field(default_factory=dict)
    inputs: list[Node] = field(default_factory=list)
    inside: bool = True
    wrong: dict[str, None] = field(default_factory=dict)

    @property
    def digest(self) -> str:
        """Of the content; of several files, of their digests."""
        if len(self.contents) == 1:
            return next(iter(self.contents.values()))
        return sha256_of_files(self.contents)

    def as_dict(self) -> dict[str, Any]:
        """Returns the node as JSON has it, its inputs by their names."""
        return {
            "name": self.name,
            "jobs": {artifact: r.record["command"] for artifact, r in self.makers.items()},
            "files": self.contents,
            "inputs": [source.name for source in self.inputs],
            "errors": list(self.wrong),
        }


def lineage_of(study: Study, artifact: str, only: Iterable[str] | None = None) -> Node:
    """Returns an artifact as a node, and behind it all that it was made from.

    A node of which a job read another version than there is now says so; see `check` for the files.

    Args:
        study: its records.
        artifact: path relative to the study.
        only: of its direct inputs, those to follow; None: all.
    """
    nodes: dict[str, Node] = {}

    def add(path: str, read: Input | None = None, reader: str = "") -> Node:
        maker = study.recorded.get(study.maker.get(path, path))
        if maker is not None and maker.misplaced:
            maker = None  # it is about another artifact
        name = store_of(maker.artifact) if maker else path
        node = nodes.setdefault(name, Node(name, inside=read is None or read.inside))
        if maker is None:
            node.contents.setdefault(path, read.sha256 if read else "")
            if node.inside:
                node.wrong[f"no record says how {path} was made"] = None
        now = (maker.own if maker else node.contents).get(path)
        if read is not None and now is not None and now != read.sha256:
            text = f"{reader} was made from another {path}, of content {read.sha256[:12]}"
            node.wrong[text] = None
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
    """Hashes the files of a lineage, and notes in its nodes which are not what is recorded.

    X-rays outside of the study are left to its audit.

    Args:
        study: its records.
        target: the artifact, with all behind it.
        root: where the raw data are now, if not where they were.

    Returns:
        How many files were hashed, and how many raw data are not there.
    """
    digests, hashed, absent = Digests(), 0, 0
    files = [(node, *item) for node in walk(target) for item in node.contents.items()]
    for node, file, recorded in progress(files, f"check {target.name}", len(files)):
        place = study.folder / file if node.inside else study.find(file, root)
        if place is None:
            absent += 1
        elif not place.is_file():
            node.wrong[f"{file} is not there"] = None
        else:
            hashed += 1
            try:
                now = digests.of(place)
            except OSError as error:
                node.wrong[f"{file} cannot be read: {error.strerror}"] = None
                continue
            if recorded and now != recorded:
                text = f"{file} was changed: its content is {now[:12]}, recorded is {recorded[:12]}"
                node.wrong[text] = None
    return hashed, absent


def walk(node: Node) -> list[Node]:
    """Returns a node and all behind it, each once, each before what it was made from."""
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
    """Returns a lineage as an indented tree; an artifact that stands above is only named again.

    What is wrong with an artifact stands first below it.
    """
    lines, seen = [], set()

    def show(each: Node | str, branch: str, indent: str) -> None:
        if isinstance(each, str):
            lines.append(branch + one_line(each))
            return
        if each.name in seen:
            text = "above, with errors" if each.wrong else "above"
            lines.append(f"{branch}{one_line(each.name)} ({text})")
            return
        seen.add(each.name)
        lines.append(branch + one_line(_line(each)))
        wrong = list(each.wrong)
        below: list[Node | str] = [f"ERROR  {text}" for text in wrong[:_MOST]]
        if len(wrong) > _MOST:
            below.append(f"ERROR  and {len(wrong) - _MOST} more")
        below += [source for source in each.inputs if not source.makers]
        if each.name == INDEX and not wrong and (x_rays := study.x_rays()):
            digest = sha256_of_files({i.path: i.sha256 for i in x_rays})
            left = "" if x_rays[0].inside else "; not hashed here, they lie outside of the study"
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
    """Returns the rows of a CSV whose first cells are the words of `key`: `chexseg,Edema`.

    Raises:
        InputError: there is none (the problem names the nearest), or it is no CSV.
    """
    words = [word.strip() for word in key.split(",")]
    try:
        if table.suffix != ".csv":
            raise csv.Error
        with open(table, newline="", encoding="utf-8") as file:
            columns, *rows = list(csv.reader(file)) or [[]]
    except (csv.Error, UnicodeDecodeError):
        remedy = "Name a table, such as summary.csv, or leave out --row."
        raise InputError([Problem(str(table), "no CSV", "a table with rows", remedy)]) from None
    found = [row for row in rows if row[: len(words)] == words]
    if not found:
        keys = dict.fromkeys(",".join(row[: len(words)]) for row in rows)
        near = difflib.get_close_matches(",".join(words), keys, n=5, cutoff=0) or ["no row at all"]
        remedy = "Did you mean one of these? " + "; ".join(near)
        expected = f"a row by its {','.join(columns[: len(words)]) or 'first cells'}"
        raise InputError([Problem(str(table), f"no row {key!r}", expected, remedy)])
    return [dict(zip(columns, row, strict=False)) for row in found]


def inputs_of_rows(maker: Recorded, rows: list[dict[str, str]]) -> list[str] | None:
    """Returns the inputs that a summary's rows were computed from; None: all.

    A job that gets `--names` of runs, and one file for each, names in its rows those that it used.
    """
    names = shlex.split(maker.record["settings"].get("names", ""))
    files = [i.path for i in maker.inputs if i.role == "overlaps"]
    cells = {cell for row in rows for cell in row.values()}
    if not (set(names) & cells) or len(files) != len(names):
        return None
    return [file for name, file in zip(names, files, strict=True) if name in cells]
