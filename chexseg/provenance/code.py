"""Digests of the code that computes an artifact: all definitions that its command can reach.

A definition is a function, class or constant at the top level of a module. Starting from `run` in
the stage's module and from the methods that the command names (`chexseg.catalog`), all names that a
definition mentions are followed, including through imports. An edit therefore counts only for
commands that may execute it. Comments, docstrings, formatting, the `description` of a setting and
annotations that are not evaluated do not count.

Methods may be in other packages; within each package, they are followed in the same way.
"""

from __future__ import annotations

import ast
import hashlib
from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from chexseg import catalog

PACKAGE = Path(__file__).parents[1]
SILENT = (
    *("chexseg.catalog", "chexseg.errors"),
    *("chexseg.files.artifacts", "chexseg.files.atomic", "chexseg.files.progress"),
    *("chexseg.inference.gpus", "chexseg.inference.signals"),
    *("chexseg.provenance.code", "chexseg.provenance.digests"),
    *("chexseg.provenance.form", "chexseg.provenance.machine", "chexseg.provenance.record"),
    *("chexseg.training.nodes", "chexseg.training.staging"),
)
"""Modules that only look up methods, print messages, write records or start the work: the content
of an artifact does not depend on them."""
LIBRARIES = ("torchvision",)
"""Packages whose methods are not followed: records name the versions instead."""
WHOLE = "*"
"""Stands for all definitions of a module, and for the code that it executes when imported."""

Place = tuple[str, str]
"""A module, and a name at its top level or WHOLE."""


@dataclass(frozen=True)
class Part:
    """Holds some statements of a module."""

    mentioned: frozenset[str]
    digest: str


@dataclass
class Module:
    """Holds the top level of a module: what it defines, imports and executes."""

    definitions: dict[str, Part] = field(default_factory=dict)
    imports: dict[str, set[Place]] = field(default_factory=lambda: defaultdict(set))
    """Name -> the places it may refer to; WHOLE -> the modules of `from module import *`."""
    executed: Part | None = None

    def imported(self, name: str) -> set[Place]:
        """Returns the places that a name not defined here may refer to."""
        starred = self.imports.get(WHOLE, ())
        return self.imports.get(name) or {(module, name) for module, _ in starred}


def code_of(stage: str, arguments: Mapping[str, Any], package: Path = PACKAGE) -> dict[str, str]:
    """Returns the digests of the code that a command can reach.

    Args:
        stage: the command, such as `train-segmenter`.
        arguments: name of a flag or setting, as in the stage's signature -> its value or values.
            Only the ones that name methods are used.
        package: folder of the package `chexseg`.

    Returns:
        `module:definition` -> 16 hexadecimal digits, sorted by name.

    Raises:
        KeyError: there is no method of that name.
        OSError: the module of the stage or of a method cannot be read.
    """
    start = [(f"chexseg.stages.{stage.replace('-', '_')}", "run")]
    kinds = next((each.methods for each in catalog.STAGES if each.name == stage), {})
    for flag, kind in kinds.items():
        named = arguments.get(flag) or ()
        for name in [named] if isinstance(named, str) else named:
            module, _, definition = catalog.place(kind, name).partition(":")
            if module.split(".")[0] not in LIBRARIES:
                start.append((module, definition))
    return dict(_reached(tuple(start), package))


@cache
def _reached(start: tuple[Place, ...], package: Path) -> dict[str, str]:
    reached: dict[str, str] = {}
    seen: set[Place] = set()
    queue = list(start)
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
        elif imported := module.imported(definition):
            queue += imported
            continue
        if module.executed is not None:
            parts.append(module.executed)
            reached[f"{name}:(import)"] = module.executed.digest
        for mentioned in {each for part in parts for each in part.mentioned}:
            if mentioned in module.definitions:
                queue.append((name, mentioned))
            else:
                queue += module.imported(mentioned)
    return dict(sorted(reached.items()))


@cache
def read_module(name: str, package: Path = PACKAGE) -> Module:
    """Parses a module. Imports inside functions are treated as imports of the module."""
    path = _path_of(name, package)
    if path is None:
        raise FileNotFoundError(f"no source of the module {name}")
    tree = ast.parse(path.read_text(encoding="utf-8"))
    _strip(tree)
    tree = _Unannotated().visit(tree)
    module = Module()
    definitions: dict[str, list[ast.stmt]] = {}
    executed = []
    inside = name if path.stem == "__init__" else name.rpartition(".")[0]
    for node in ast.walk(tree):
        for bound, target in _imports(node, inside, package):
            module.imports[bound].add(target)
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


@cache
def _path_of(name: str, package: Path) -> Path | None:
    """Finds the source of a module without importing anything; None if it has no Python source."""
    top, *inner = name.split(".")
    if top == "chexseg":
        roots = [package]
    elif (spec := find_spec(top)) is None:
        return None
    elif spec.submodule_search_locations is None:
        return Path(spec.origin) if spec.origin and not inner else None
    else:
        roots = [Path(place) for place in spec.submodule_search_locations]
    for place in (root.joinpath(*inner) for root in roots):
        for path in (place / "__init__.py", place.with_suffix(".py")):
            if path.is_file():
                return path
    return None


def _imports(node: ast.AST, inside: str, package: Path) -> Iterator[tuple[str, Place]]:
    """Yields the names that a statement of a module in the package `inside` binds, and to what.

    Imports from packages other than `chexseg` and the module's own are skipped, and so are modules
    without Python source.
    """
    tops = "chexseg", inside.split(".")[0]
    if isinstance(node, ast.ImportFrom):
        origin = node.module or ""
        if node.level:
            parents = inside.split(".")[: len(inside.split(".")) - node.level + 1]
            origin = ".".join([*parents, *([origin] if origin else [])])
        if origin.split(".")[0] not in tops:
            return
        for alias in node.names:
            inner = f"{origin}.{alias.name}"
            if _path_of(inner, package):
                yield alias.asname or alias.name, (inner, WHOLE)
            elif _path_of(origin, package) or origin.startswith("chexseg"):
                yield alias.asname or alias.name, (origin, alias.name)
    elif isinstance(node, ast.Import):
        for alias in node.names:
            top = alias.name.split(".")[0]
            if top in tops and (_path_of(alias.name, package) or top == "chexseg"):
                yield alias.asname or top, (alias.name, WHOLE)


def _defined(statement: ast.stmt) -> Iterator[str]:
    if isinstance(statement, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
        yield statement.name
    elif isinstance(statement, (ast.Assign, ast.AnnAssign, ast.AugAssign)):
        targets = statement.targets if isinstance(statement, ast.Assign) else [statement.target]
        for target in targets:
            yield from (n.id for n in ast.walk(target) if isinstance(n, ast.Name))


def _strip(tree: ast.AST) -> None:
    """Removes what only people read: docstrings and descriptions of settings."""
    for node in ast.walk(tree):
        if isinstance(node, (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)):
            body = [line for line in node.body if not _is_text(line)]
            node.body = body or [ast.Pass()]
        elif isinstance(node, ast.Call):
            node.keywords = [k for k in node.keywords if k.arg != "description"]


class _Unannotated(ast.NodeTransformer):
    """Removes annotations, except where they are evaluated: in classes and in a stage's `run`."""

    def visit_AnnAssign(self, node: ast.AnnAssign) -> ast.AST:
        if node.value is None:
            return ast.Pass()
        return ast.copy_location(ast.Assign([node.target], node.value), node)

    def visit_ClassDef(self, node: ast.ClassDef) -> ast.AST:
        node.body = [
            each if isinstance(each, ast.AnnAssign) else self.visit(each) for each in node.body
        ]
        return node

    def visit_FunctionDef(self, node: ast.FunctionDef) -> ast.AST:
        if node.name != "run":
            node.returns = None
            for each in ast.walk(node.args):
                if isinstance(each, ast.arg):
                    each.annotation = None
        return self.generic_visit(node)

    visit_AsyncFunctionDef = visit_FunctionDef


def _is_text(statement: ast.stmt) -> bool:
    return (
        isinstance(statement, ast.Expr)
        and isinstance(statement.value, ast.Constant)
        and isinstance(statement.value.value, str)
    )


class _PlainStrings(ast.NodeTransformer):
    """Converts f-strings to calls, since Python 3.11 and 3.12 unparse them differently."""

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
