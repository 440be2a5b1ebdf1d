"""Which code computes an artifact: digests of all definitions that a stage can reach.

A definition is a function, class or constant at the top of a module of `chexseg`. From `run` of a
stage's module the names that a definition mentions are followed, through imports too, so that an
edit counts for those stages alone that may execute it. Comments, docstrings, layout and the
`description` of a setting do not count.
"""

from __future__ import annotations

import ast
import hashlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

PACKAGE = Path(__file__).parents[1]
SILENT = (
    *(
        "chexseg.errors",
        "chexseg.files.artifacts",
        "chexseg.files.atomic",
        "chexseg.files.progress",
    ),
    *("chexseg.inference.gpus", "chexseg.inference.signals"),
    *("chexseg.provenance.code", "chexseg.provenance.digests"),
    *("chexseg.provenance.form", "chexseg.provenance.record"),
    *("chexseg.training.nodes", "chexseg.training.staging"),
)
"""Modules that only speak to people, keep records, or see to it that work is done at all: no
content of an artifact depends on them."""
WHOLE = "*"
"""Stands for all definitions of a module, and for what it executes when imported."""


@dataclass(frozen=True)
class Part:
    """Some statements of a module."""

    mentioned: frozenset[str]
    digest: str


@dataclass
class Module:
    """The top of a module: what it defines, imports and executes."""

    definitions: dict[str, Part] = field(default_factory=dict)
    imports: dict[str, tuple[str, str]] = field(default_factory=dict)
    """Name -> (module, name there, or WHOLE for the module itself)."""
    executed: Part | None = None


def code_of(stage: str, package: Path = PACKAGE) -> dict[str, str]:
    """Returns the digests of the code behind a stage.

    Args:
        stage: its command, `train-segmenter`.
        package: folder of the package `chexseg`.

    Returns:
        `module:definition` -> 16 hexadecimal digits, sorted by name.
    """
    reached: dict[str, str] = {}
    seen: set[tuple[str, str]] = set()
    queue = [(f"chexseg.stages.{stage.replace('-', '_')}", "run")]
    while queue:
        place = queue.pop()
        if place in seen or place[0] in SILENT:
            continue
        seen.add(place)
        name, definition = place
        module, parts = read_module(name, package), []
        if definition == WHOLE:
            queue += [(name, each) for each in module.definitions]
        elif definition in module.definitions:
            parts = [module.definitions[definition]]
            reached[f"{name}:{definition}"] = parts[0].digest
        elif definition in module.imports:
            queue.append(module.imports[definition])
            continue
        if module.executed is not None:
            parts.append(module.executed)
            reached[f"{name}:(import)"] = module.executed.digest
        for mentioned in {each for part in parts for each in part.mentioned}:
            if mentioned in module.definitions:
                queue.append((name, mentioned))
            elif mentioned in module.imports:
                queue.append(module.imports[mentioned])
    return dict(sorted(reached.items()))


@cache
def read_module(name: str, package: Path = PACKAGE) -> Module:
    """Parses a module of the package. Imports inside functions are taken for the module's."""
    tree = ast.parse(_path_of(name, package).read_text(encoding="utf-8"))
    _strip(tree)
    module = Module()
    definitions: dict[str, list[ast.stmt]] = {}
    executed = []
    for node in ast.walk(tree):
        for bound, target in _imports(node, package):
            module.imports[bound] = target
    for statement in tree.body:
        names = list(_defined(statement))
        for defined in names:
            definitions.setdefault(defined, []).append(statement)
        imported = isinstance(statement, (ast.Import, ast.ImportFrom))
        if not names and not imported and not isinstance(statement, ast.Pass):
            executed.append(statement)
    module.definitions = {defined: _part(nodes) for defined, nodes in definitions.items()}
    module.executed = _part(executed) if executed else None
    return module


def _path_of(name: str, package: Path) -> Path:
    path = package.joinpath(*name.split(".")[1:])
    return path / "__init__.py" if path.is_dir() else path.with_suffix(".py")


def _imports(node: ast.AST, package: Path) -> Iterator[tuple[str, tuple[str, str]]]:
    if isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] == "chexseg":
        for alias in node.names:
            inner = f"{node.module}.{alias.name}"
            is_module = _path_of(inner, package).exists()
            yield (
                alias.asname or alias.name,
                (inner, WHOLE)
                if is_module
                else (
                    node.module,
                    alias.name,
                ),
            )
    elif isinstance(node, ast.Import):
        for alias in node.names:
            if alias.name.split(".")[0] == "chexseg":
                yield alias.asname or "chexseg", (alias.name, WHOLE)


def _defined(statement: ast.stmt) -> Iterator[str]:
    if isinstance(statement, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
        yield statement.name
    elif isinstance(statement, (ast.Assign, ast.AnnAssign, ast.AugAssign)):
        targets = statement.targets if isinstance(statement, ast.Assign) else [statement.target]
        for target in targets:
            yield from (n.id for n in ast.walk(target) if isinstance(n, ast.Name))


def _strip(tree: ast.AST) -> None:
    """Takes out what only people read: strings that stand alone, descriptions of settings."""
    for node in ast.walk(tree):
        if isinstance(node, (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)):
            body = [line for line in node.body if not _is_text(line)]
            node.body = body or [ast.Pass()]
        elif isinstance(node, ast.Call):
            node.keywords = [k for k in node.keywords if k.arg != "description"]


def _is_text(statement: ast.stmt) -> bool:
    return (
        isinstance(statement, ast.Expr)
        and isinstance(statement.value, ast.Constant)
        and isinstance(statement.value.value, str)
    )


class _PlainStrings(ast.NodeTransformer):
    """Turns f-strings into calls: Python 3.11 and 3.12 write them differently."""

    def visit_JoinedStr(self, node: ast.JoinedStr) -> ast.AST:
        parts: list[ast.expr] = []
        for part in node.values:
            if isinstance(part, ast.FormattedValue):
                spec = [self.visit(part.format_spec)] if part.format_spec else []
                value = [self.visit(part.value), ast.Constant(part.conversion), *spec]
                parts.append(ast.Call(ast.Name("format"), value, []))
            elif part.value and parts and isinstance(parts[-1], ast.Constant):
                parts[-1] = ast.Constant(parts[-1].value + part.value)
            elif part.value:
                parts.append(part)
        return ast.Call(ast.Name("joined"), parts, [])


def _part(nodes: list[ast.stmt]) -> Part:
    mentioned = {n.id for node in nodes for n in ast.walk(node) if isinstance(n, ast.Name)}
    text = "\n".join(ast.unparse(_PlainStrings().visit(node)) for node in nodes)
    return Part(frozenset(mentioned), hashlib.sha256(text.encode()).hexdigest()[:16])
