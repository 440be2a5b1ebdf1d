"""The config reference and the config's schema, made from the settings themselves.

`python -m chexseg.config.reference` (or `make reference`) writes both; a test fails when they are old.
"""

from __future__ import annotations

import types
import typing
from pathlib import Path
from typing import Any

import yaml
from pydantic import BaseModel
from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined

from chexseg.config.settings import ClassifierSettings, PhantomSettings
from chexseg.config.study import (
    ContrastEntry,
    IRNetEntry,
    SaliencyEntry,
    SegmenterEntry,
    Study,
    ThresholdEntry,
)

SCHEMA = Path("workflow/schemas/config.schema.yaml")
REFERENCE = Path("config/README.md")
BEGIN, END = "<!-- reference: made by `make reference` -->", "<!-- end of reference -->"

SECTIONS: tuple[tuple[str, type[BaseModel]], ...] = (
    ("", Study),
    ("phantom", PhantomSettings),
    ("classifiers.<name>", ClassifierSettings),
    ("saliency.<name>", SaliencyEntry),
    ("pseudo_masks.<name>, method: threshold", ThresholdEntry),
    ("pseudo_masks.<name>, method: irnet", IRNetEntry),
    ("segmenters.<name>", SegmenterEntry),
    ("contrasts.<name>", ContrastEntry),
)


def schema_text() -> str:
    """Returns the closed JSON schema of a config, as YAML."""
    head = "# The schema of a study's config. Made by `make reference`; do not edit.\n"
    return head + yaml.safe_dump(Study.model_json_schema(), sort_keys=False, width=100)


def reference_text() -> str:
    """Returns every key of the config with default, values and meaning, as Markdown tables."""
    parts = []
    for title, model in SECTIONS:
        lines = [f"### `{title}`" if title else "### The study", "", *_docstring(model)]
        lines += ["| key | default | values | meaning |", "|---|---|---|---|", *_rows(model, "")]
        parts.append("\n".join(lines))
    return "\n\n".join(parts)


def with_reference(page: str) -> str:
    """Returns a page of Markdown with the reference, as it is now, between BEGIN and END."""
    before, _, rest = page.partition(BEGIN)
    _, _, after = rest.partition(END)
    return f"{before}{BEGIN}\n\n{reference_text()}\n\n{END}{after}"


def _docstring(model: type[BaseModel]) -> list[str]:
    return [model.__doc__.splitlines()[0], ""] if model.__doc__ else []


def _rows(model: type[BaseModel], prefix: str) -> list[str]:
    rows = []
    for name, field in model.model_fields.items():
        inner = field.annotation
        if isinstance(inner, type) and issubclass(inner, BaseModel):
            rows += _rows(inner, f"{prefix}{name}.")
        else:
            cells = (f"`{prefix}{name}`", _default(field), _values(field), field.description or "")
            rows.append("| " + " | ".join(cells) + " |")
    return rows


def _default(field: FieldInfo) -> str:
    value = field.default
    if value is PydanticUndefined:
        return "required"
    if value is None or value in ({}, ()):
        return "none"
    if isinstance(value, tuple):
        return ", ".join(value) if len(value) < 5 else "all"
    return f"`{value}`"


def _values(field: FieldInfo) -> str:
    return _type(field.annotation) + _bounds(field)


def _bounds(field: FieldInfo) -> str:
    signs = {"ge": "≥", "gt": ">", "le": "≤", "lt": "<"}
    bounds = [
        f"{sign} {getattr(item, key)}"
        for item in field.metadata
        for key, sign in signs.items()
        if getattr(item, key, None) is not None
    ]
    return " " + ", ".join(bounds) if bounds else ""


def _type(kind: Any) -> str:
    origin, inner = typing.get_origin(kind), typing.get_args(kind)
    if origin is typing.Annotated:
        field = FieldInfo.from_annotation(kind)
        return _type(inner[0]) + _bounds(field)
    if origin is typing.Literal:
        return ", ".join(f"`{value}`" for value in inner) if len(inner) < 8 else "pathologies"
    if origin is tuple:
        return f"list of {_type(inner[0])}"
    if origin is dict:
        return "named entries"
    if origin in (types.UnionType, typing.Union):
        return " or ".join(_type(entry) for entry in inner)
    names = {str: "text", int: "integer", float: "number", bool: "`true`, `false`"}
    if kind is type(None):
        return "none"
    return names.get(kind, "section" if isinstance(kind, type) else str(kind))


def main() -> None:
    """Writes schema and reference into the repository, from its root."""
    SCHEMA.write_text(schema_text(), encoding="utf-8")
    REFERENCE.write_text(with_reference(REFERENCE.read_text(encoding="utf-8")), encoding="utf-8")


if __name__ == "__main__":
    main()
