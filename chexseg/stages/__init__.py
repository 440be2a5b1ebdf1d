"""The stages: one module for each command, the only code that opens and writes artifacts.

A stage is a function `run`. Where its command names a method of the catalog (`--source irnet`), two
of its parameters are what this method makes of them: `settings` are the method's own, and `inputs`
are files with a flag for each of the method's roles.
"""

from __future__ import annotations

import functools
import importlib
import inspect
import re
import typing
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from chexseg import catalog
from chexseg.errors import InputError, Problem, nearest
from chexseg.files.artifacts import Inputs


def load(command: str, arguments: Sequence[str] = ()) -> Callable[..., None]:
    """Returns the function of a command, its parameters fitted to the method that it names.

    Args:
        command: such as `make-masks`.
        arguments: the words behind it.

    Raises:
        InputError: the catalog has no method of the name that a flag gives.
    """
    run = importlib.import_module(f"chexseg.stages.{command.replace('-', '_')}").run
    if command not in {stage.name for stage in catalog.STAGES}:
        return run
    defaults = inspect.signature(run).parameters
    methods = [
        catalog.load(kind, name)
        for flag, kind in catalog.stage(command).methods.items()
        for name in _named(flag, kind, arguments) or _default_of(defaults.get(flag))
    ]
    takes_files = Inputs in typing.get_type_hints(run).values()
    fitting = [m for m in methods if hasattr(m, "command_settings") or takes_files]
    return _fit(run, fitting[0]) if fitting else run


def _named(flag: str, kind: str, arguments: Sequence[str]) -> list[str]:
    """Returns the methods that a flag names on a command line."""
    values: list[str] = []
    written = f"--{flag.replace('_', '-')}"
    for number, word in enumerate(arguments):
        if word.startswith(f"{written}="):
            values = [word.removeprefix(f"{written}=")]
        elif word == written:
            following = arguments[number + 1 :]
            end = next((n for n, w in enumerate(following) if w.startswith("--")), len(following))
            values = list(following[:end])
    problems = [
        Problem(f"--{flag}", repr(name), f"one of {', '.join(catalog.names(kind))}",
                f"Did you mean {nearest(name, catalog.names(kind))!r}?")
        for name in values if name not in catalog.names(kind)
    ]  # fmt: skip
    if problems:
        raise InputError(problems)
    return values


def _default_of(parameter: inspect.Parameter | None) -> list[str]:
    """Returns the method that a command takes without its flag; none if it must be named."""
    has_default = parameter is not None and isinstance(parameter.default, str)
    return [parameter.default] if has_default else []


def _fit(run: Callable[..., None], method: Any) -> Callable[..., None]:
    """Gives `run` the settings of a method, and a parameter for each of its roles."""
    roles: Mapping[str, str] = getattr(method, "roles", {})
    hints = typing.get_type_hints(run, include_extras=True)
    parameters: list[inspect.Parameter] = []
    for name, parameter in inspect.signature(run).parameters.items():
        if name == "settings" and hasattr(method, "command_settings"):
            parameters.append(parameter.replace(annotation=method.command_settings()))
        elif hints[name] == Inputs:
            optional = getattr(method, "optional_roles", ())
            parameters += [
                inspect.Parameter(
                    role,
                    inspect.Parameter.KEYWORD_ONLY,
                    annotation=tuple[Path, ...],
                    default=() if role in optional else inspect.Parameter.empty,
                )
                for role in roles
            ]
        else:
            parameters.append(parameter.replace(annotation=hints[name]))
    inputs = next((name for name, hint in hints.items() if hint == Inputs), None)

    @functools.wraps(run)
    def fitted(**values: Any) -> None:
        if inputs is not None:
            values[inputs] = {role: values.pop(role) for role in roles}
        run(**values)

    del fitted.__wrapped__  # or its signature would be that of `run`
    fitted.__signature__ = inspect.Signature(parameters)
    fitted.__annotations__ = {p.name: p.annotation for p in parameters}
    help_of_roles = "".join(f"        {role}: {text}\n" for role, text in roles.items())
    fitted.__doc__ = re.sub(rf"(?m)^ +{inputs}: .*\n", help_of_roles, run.__doc__ or "")
    return fitted
