"""Which code a stage can execute, told by Python itself: an oracle for `code_of`.

Every statement at the top of a module is compiled by itself. The names that its bytecode looks up
among the globals, and what they stand for in the modules as imported, lead from the `run` of a
stage, and from the methods that its command names, to all that they can call. Nothing is shared with chexseg/provenance/code.py, which reads
syntax trees and imports nothing.
"""

import __future__

import ast
import dis
import importlib
import importlib.util
import types
from collections import defaultdict
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

from chexseg import catalog

PACKAGE = Path(__file__).parents[3] / "chexseg"
SILENT = {f"chexseg.{name}" for name in (
    "catalog", "errors", "files.artifacts", "files.atomic", "files.progress", "inference.gpus",
    "inference.signals", "provenance.code", "provenance.digests", "provenance.form",
    "provenance.machine", "provenance.record", "training.nodes", "training.staging",
)}  # fmt: skip
"""They speak to people, keep the records, or see that work is done: docs/provenance.md."""
Place = tuple[str, str]
"""A module, and a name at its top."""


@dataclass
class Compiled:
    """A module: its names, the bytecode that binds each, and where imported names come from."""

    names: dict
    bound: dict[str, list[types.CodeType]] = field(default_factory=lambda: defaultdict(list))
    executed: list[types.CodeType] = field(default_factory=list)
    imported: dict[str, tuple[str, str | None]] = field(default_factory=dict)


@cache
def compiled(name: str) -> Compiled:
    module = importlib.import_module(name)
    found = Compiled(vars(module))
    for statement in ast.parse(Path(module.__file__).read_text()).body:
        code = compile(
            ast.Module([statement], []), name, "exec",
            flags=__future__.annotations.compiler_flag, dont_inherit=True,
        )  # fmt: skip
        origin, named, stores = None, None, False
        for step in dis.get_instructions(code):
            if step.opname == "IMPORT_NAME":
                origin, named = step.argval, None
            elif step.opname == "IMPORT_FROM":
                named = step.argval
            elif step.opname == "STORE_NAME" and origin:
                found.imported[step.argval] = (origin, named)
            elif step.opname == "STORE_NAME":
                found.bound[step.argval].append(code)
                stores = True
        if not stores and not origin:
            found.executed.append(code)
    return found


def is_module(name: str) -> bool:
    if not name.startswith("chexseg."):
        return False
    try:
        return importlib.util.find_spec(name) is not None
    except ModuleNotFoundError:  # what is before the last dot is no package
        return False


def places_in(code: types.CodeType, module: str):
    """Yields the places that code, and all code within it, looks up."""
    steps, origin = [*dis.get_instructions(code)], ""
    modules: dict[str, str] = {}  # that code within a function imports under a name
    for step, after in zip(steps, [*steps[1:], None], strict=True):
        if step.opname in ("LOAD_GLOBAL", "LOAD_NAME"):
            value = compiled(module).names.get(step.argval)
            if isinstance(value, types.ModuleType) and value.__name__.startswith("chexseg."):
                yield value.__name__, after.argval  # an attribute of the module
            else:
                yield module, step.argval
        elif step.opname == "IMPORT_NAME":
            origin = step.argval
        elif step.opname == "IMPORT_FROM":
            yield origin, step.argval
            if is_module(f"{origin}.{step.argval}"):
                modules[after.argval] = f"{origin}.{step.argval}"
        elif step.opname == "LOAD_FAST" and step.argval in modules:
            yield modules[step.argval], after.argval
    for inner in code.co_consts:
        if isinstance(inner, types.CodeType):
            yield from places_in(inner, module)


def methods_in(words: list[str]) -> list[Place]:
    """Returns the methods that a command names."""
    kinds = catalog.stage(words[0]).methods
    found, kind = [], None
    for word in words[1:]:
        if word.startswith("--"):
            kind = kinds.get(word[2:].replace("-", "_"))
        elif kind:
            found.append(tuple(catalog.place(kind, word).split(":")))
    return found


@cache
def reached_by(stage: str, *methods: Place) -> set[str]:
    """Returns `module:name` of every definition that a stage and these methods can execute."""
    start = f"chexseg.stages.{stage.replace('-', '_')}", "run"
    reached, queue = set(), [start, *methods]
    while queue:
        module, name = place = queue.pop()
        if f"{module}:{name}" in reached or not module.startswith("chexseg") or module in SILENT:
            continue
        top = compiled(module)
        if name not in top.bound:
            queue += [top.imported[name]] if name in top.imported else []
            continue
        reached.add(f"{module}:{name}")
        codes = [*top.bound[name], *top.executed]
        if isinstance(top.names[name], type) or place == start:  # pydantic and tyro read them
            notes = top.names[name].__annotations__.values()
            codes += [compile(note, module, "eval") for note in notes if isinstance(note, str)]
        for code in codes:
            queue += places_in(code, module)
    return reached


def modules() -> list[str]:
    """Returns the modules of the package that define something."""
    names = []
    for path in sorted(PACKAGE.rglob("*.py")):
        if any(isinstance(each, (ast.FunctionDef, ast.ClassDef, ast.Assign)) for each in
               ast.parse(path.read_text()).body):  # fmt: skip
            inner = path.relative_to(PACKAGE.parent).with_suffix("").parts
            names.append(".".join(inner).removesuffix(".__init__"))
    return names


def code_in(module: str) -> list[str]:
    """Returns the functions and classes that a module defines."""
    top = compiled(module)
    return [name for name in top.bound if getattr(top.names[name], "__module__", None) == module
            and hasattr(top.names[name], "__qualname__")]  # fmt: skip
