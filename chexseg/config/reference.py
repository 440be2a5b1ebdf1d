"""The config reference and the config's schema, made from the settings themselves.

`python -m chexseg.config.reference` (or `make reference`) writes both; a test fails when they are old.
"""

from __future__ import annotations

import types
import typing
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml
from pydantic import BaseModel
from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined

from chexseg import catalog
from chexseg.config.entries import KINDS, SECTIONS, methods, model_of
from chexseg.config.settings import PhantomSettings
from chexseg.config.study import Study

SCHEMA = Path("workflow/schemas/config.schema.yaml")
REFERENCE = Path("config/README.md")
BEGIN, END = "<!-- reference: made by `make reference` -->", "<!-- end of reference -->"


def sections() -> Iterator[tuple[str, type[BaseModel]]]:
    """Yields the sections of the reference, each with its model; a method is a section too."""
    yield "", Study
    for name in catalog.METHODS["layout"]:
        yield f"data, layout: {name}", catalog.load("layout", name)
    yield "phantom", PhantomSettings
    for section in SECTIONS:
        if section in KINDS:
            key = KINDS[section][1]
            for name, model in methods(section).items():
                yield f"{section}.<name>, {key}: {name}", model
        else:
            yield f"{section}.<name>", model_of(section)
    yield "sweeps.<name>", model_of("sweeps")
    yield "contrasts.<name>", model_of("contrasts")
    yield "published.<name>", model_of("published")


def schema() -> dict[str, Any]:
    """Returns the JSON schema of a config, closed in what pydantic's own leaves open.

    Names of entries are checked, and so are the settings that `defaults` shares.
    """
    made = Study.model_json_schema()
    sections = made["properties"]
    for section in sections.values():
        if "patternProperties" in section:
            section["additionalProperties"] = False
    defaults = sections["defaults"]
    names = defaults.pop("propertyNames")["enum"]
    defaults["properties"] = {name: _shared(made, sections[name]) for name in names}
    defaults["additionalProperties"] = False
    return made


def _shared(made: dict[str, Any], section: dict[str, Any]) -> dict[str, Any]:
    """Returns the schema of settings that the entries of a section share: none is required."""
    (entry,) = section["patternProperties"].values()
    references = [each["$ref"] for each in entry.get("oneOf", [entry])]
    models = [made["$defs"][reference.rpartition("/")[2]] for reference in references]
    shared = [{key: model[key] for key in model if key != "required"} for model in models]
    return shared[0] if len(shared) == 1 else {"anyOf": shared}


def schema_text() -> str:
    """Returns the schema of a config as YAML, which editors read as they read JSON."""
    head = "# The schema of a study's config. Made by `make reference`; do not edit.\n"
    return head + yaml.safe_dump(schema(), sort_keys=False, width=100)


def reference_text() -> str:
    """Returns every key of the config with default, values and meaning, as Markdown tables."""
    parts = []
    for title, model in sections():
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
    if isinstance(value, bool):
        return f"`{str(value).lower()}`"
    if isinstance(value, tuple):
        return ", ".join(map(str, value)) if len(value) < 5 else "all"
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
        return ", ".join(f"`{value}`" for value in inner)
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
