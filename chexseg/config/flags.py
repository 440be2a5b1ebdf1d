"""Settings as flags of a command line."""

from __future__ import annotations

import shlex
import typing
from functools import cache
from typing import Any

from pydantic import create_model
from pydantic.fields import FieldInfo

from chexseg.config.settings import Reference, Settings


def flags(settings: Settings, *, without: tuple[str, ...] = ()) -> str:
    """Returns settings as flags for the shell, every value quoted.

    The fields are written in the order of their definition, so that two equal settings give the
    same string whatever the config file looked like. Left out are references, whose files a
    command gets by flags of their own, and fields that change nothing (`Settings.unused`).

    Args:
        settings: of a stage; none of its fields is itself a group of settings.
        without: further fields to leave out.
    """
    left_out = {*without, *settings.unused(), *references(type(settings))}
    words = []
    for name, value in settings.model_dump(exclude=left_out).items():
        words.append("--" + name.replace("_", "-"))
        values = value if isinstance(value, (tuple, list)) else [value]
        words.extend(shlex.quote(str(entry)) for entry in values)
    return " ".join(words)


@cache
def references(model: type[Settings]) -> dict[str, Reference]:
    """Returns the fields of a model that name other entries: field -> what it names."""
    found = {}
    for name, field in model.model_fields.items():
        for mark in _marks(field):
            if isinstance(mark, Reference):
                found[name] = mark
    return found


@cache
def command_settings(model: type[Settings], *without: str) -> type[Settings]:
    """Returns the model of what a command is told of an entry: its fields without references.

    Args:
        model: of an entry of the config.
        without: further fields to leave out.
    """
    left_out = {*without, *references(model)}
    fields: dict[str, Any] = {
        name: (field.annotation, field)
        for name, field in model.model_fields.items()
        if name not in left_out
    }
    made = create_model(model.__name__, __base__=Settings, __doc__=model.__doc__, **fields)
    made.unused = model.unused
    return made


def _marks(field: FieldInfo) -> list[Any]:
    """Returns what `Annotated` says of a field, and of the items that it holds."""
    marks, queue = list(field.metadata), [field.annotation]
    while queue:
        kind = queue.pop()
        marks += getattr(kind, "__metadata__", ())
        queue += [part for part in typing.get_args(kind) if part is not ...]
    return marks
