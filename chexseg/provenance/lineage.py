"""Where an artifact came from: the chain of jobs behind it, back to the X-rays."""

from __future__ import annotations

import csv
import difflib
import shlex
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

from chexseg.errors import InputError, Problem
from chexseg.provenance.digests import sha256_of_files
from chexseg.provenance.study import INDEX, Recorded, Study, store_of

KEY_SETTINGS = (
    *("architecture", "encoder", "backbone", "initial_weights", "uncertain", "method", "expert"),
    *("expert_probability", "epochs", "image_size", "expert_fraction", "threshold", "foreground"),
    *("background", "radius", "beta", "steps_log2", "replicates", "train_images"),
)
"""Settings that are told in a lineage; the records have them all."""


@dataclass
class Node:
    """Artifacts that are one thing to a person: a file, or the shards of a store.

    Attributes:
        name: path relative to the study, shards as `*`; a raw datum's as it was given.
        makers: the records of the artifacts; none for a raw datum.
        contents: file -> digest.
        inputs: what it was made from.
    """

    name: str
    makers: dict[str, Recorded] = field(default_factory=dict)
    contents: dict[str, str] = field(default_factory=dict)
    inputs: list[Node] = field(default_factory=list)

    @property
    def digest(self) -> str:
        """Of the content; of several files, of their digests."""
        if len(self.contents) == 1:
            return next(iter(self.contents.values()))
        return sha256_of_files(self.contents)


def lineage_of(study: Study, artifact: str, only: Iterable[str] | None = None) -> Node:
    """Returns an artifact as a node, and behind it all that it was made from.

    Args:
        study: its records.
        artifact: path relative to the study.
        only: of its direct inputs, those to follow; None: all.
    """
    nodes: dict[str, Node] = {}

    def add(path: str, digest: str | None) -> Node:
        maker = study.recorded.get(study.maker.get(path, path))
        name = store_of(maker.artifact) if maker else path
        node = nodes.setdefault(name, Node(name))
        if maker is None:
            node.contents.setdefault(path, digest or "")
        elif maker.artifact not in node.makers:
            node.makers[maker.artifact] = maker
            node.contents |= maker.own
            for read in maker.inputs:
                if artifact == path and only is not None and read.path not in only:
                    continue
                source = add(read.path, read.sha256)
                if source is not node and source not in node.inputs:
                    node.inputs.append(source)
        return node

    return add(artifact, None)


def walk(node: Node) -> list[Node]:
    """Returns a node and all behind it, each once, each before what it was made from."""
    seen: list[Node] = []

    def visit(each: Node) -> None:
        if each not in seen:
            for source in each.inputs:
                visit(source)
            seen.append(each)

    visit(node)
    return seen[::-1]


def told(study: Study, node: Node) -> str:
    """Returns a lineage as an indented tree; what was told above is only named again."""
    lines, seen = [], set()

    def tell(each: Node, branch: str, indent: str) -> None:
        if each.name in seen:
            lines.append(f"{branch}{each.name} (above)")
            return
        seen.add(each.name)
        lines.append(branch + _line(each))
        leaves = [n for n in each.inputs if not n.makers]
        sources = [n for n in each.inputs if n.makers]
        texts = [_line(leaf) for leaf in leaves]
        if each.name == INDEX and (x_rays := study.x_rays()):
            digest = sha256_of_files({i.path: i.sha256 for i in x_rays})
            texts.append(f"{len(x_rays)} X-rays, digest of their digests {digest[:12]}")
        last = len(texts) + len(sources)
        for number, text in enumerate(texts, 1):
            lines.append(indent + ("└─ " if number == last else "├─ ") + text)
        for number, source in enumerate(sources, len(texts) + 1):
            is_last = number == last
            tell(
                source,
                indent + ("└─ " if is_last else "├─ "),
                indent + ("   " if is_last else "│  "),
            )

    tell(node, "", "")
    return "\n".join(lines)


def _line(node: Node) -> str:
    parts = [node.name]
    if not node.makers:
        return f"{node.name}  raw, content {node.digest[:12]}"
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
        InputError: there is none; the nearest are told.
    """
    words = [word.strip() for word in key.split(",")]
    with open(table, newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    found = [row for row in rows if list(row.values())[: len(words)] == words]
    if not found:
        keys = dict.fromkeys(",".join(list(row.values())[: len(words)]) for row in rows)
        near = difflib.get_close_matches(",".join(words), keys, n=5, cutoff=0) or ["no row at all"]
        remedy = "Did you mean one of these? " + "; ".join(near)
        columns = ",".join(list(rows[0])[: len(words)]) if rows else "a row"
        problem = Problem(str(table), f"no row {key!r}", f"a row by its {columns}", remedy)
        raise InputError([problem])
    return found


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
