"""Pydantic's errors, said in the words of a config: what was found, what was expected, what to do."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any, get_args

from pydantic import BaseModel, ValidationError

from chexseg.config.base import MISFIT
from chexseg.config.data import DEFAULT_LAYOUT, section_of
from chexseg.config.entries import KINDS, MODELS, SECTIONS, methods, model_of
from chexseg.config.settings import NUMBER, WORD, Settings
from chexseg.config.yaml_marks import Positions
from chexseg.errors import Problems, nearest

_QUOTED = r"'([^']*)'"
ANY = "*"
"""In TAGS: any key of the section's entries."""


TAGS = {
    ("segmenters", "masks"): ("list", "weights"),
    ("contrasts", "run"): ("name", "list"),
    ("contrasts", "against"): ("name", "list"),
    ("sweeps", "of"): ("name", "list"),
    ("sweeps", ANY): ("values", "together"),
}
"""Section and key -> what pydantic puts behind the key: see `chexseg.config.entries`."""

KIND_OF_VALUE = {
    "(dict|model|mapping|dataclass)": "a section of keys",
    "(tuple|list|set)": "a list, such as [a, b]",
    "int": "a whole number",
    "float": "a number",
    "bool": "true or false",
    "string": "a text",
}
"""Beginning of pydantic's name of an error -> what was expected."""

WrittenAt = Callable[[tuple[str | int, ...]], tuple[str | int, ...]]
"""Location of a value -> where it was written: there, or where it comes from."""


def add_problems(
    problems: Problems,
    positions: Positions,
    written_at: WrittenAt,
    error: ValidationError,
    config: Mapping[str, Any],
    study: type[Settings],
    within: tuple[str, ...] = (),
) -> None:
    """Adds a problem for each of pydantic's errors.

    Args:
        problems: receives them.
        positions: where each key stands.
        written_at: where each value was written.
        error: of the study, or of the settings in `defaults` of a section.
        config: the mapping that was checked.
        study: the model of a study.
        within: for `defaults`: the section and "", which stands for any of its entries. An entry
            may set what is missing or does not fit here, and a key that is no text is reported with
            the study.
    """
    details = error.errors()
    lists = {detail["loc"][:-1] for detail in details}
    for detail in details:
        # Pydantic counts only the right items of a list.
        short = detail["type"] == "too_short" and detail["loc"] in lists
        if not short and not (within and detail["type"] in ("missing", "invalid_key", MISFIT)):
            detail["loc"] = (*within, *detail["loc"])
            _add_problem(problems, positions, written_at, detail, config, study)


def check_defaults(
    config: Mapping[str, Any],
    positions: Positions,
    written_at: WrittenAt,
    problems: Problems,
    study: type[Settings],
) -> None:
    """Checks the settings that entries share even if no entry inherits them."""
    defaults = config.get("defaults")
    for section, shared in defaults.items() if isinstance(defaults, Mapping) else ():
        if section in MODELS and isinstance(shared, Mapping):
            try:
                MODELS[section].model_validate(dict(shared))
            except ValidationError as error:
                add_problems(
                    problems, positions, written_at, error, config, study, within=(section, "")
                )


def _model_at(
    location: tuple[str | int, ...], method: str | None, study: type[Settings]
) -> type[BaseModel]:
    """Returns the model whose fields may stand behind `location`; `method` is that of its entry."""
    section, *steps = location or ("",)
    model: Any = study
    if location == ("data",):
        return section_of(method)
    if section in (*SECTIONS, *MODELS):
        model, steps = model_of(str(section), method), steps[1:]
    else:
        steps = list(location)
    for step in steps:
        annotation = model.model_fields[step].annotation
        model = next(part for part in (*get_args(annotation), annotation) if isinstance(part, type))
    return model


def _add_problem(
    problems: Problems,
    positions: Positions,
    written_at: WrittenAt,
    detail: Mapping[str, Any],
    config: Mapping[str, Any],
    study: type[Settings],
) -> None:
    kind, context = detail["type"], detail.get("ctx") or {}
    location, method = _without_tags(detail["loc"])
    if kind.startswith("union_tag"):
        location = (*location, KINDS[location[0]][1])
    written = written_at(location)
    where, key = positions.of(*written), ".".join(map(str, written))
    if kind == "extra_forbidden":
        if location[:1] == ("data",) and isinstance(config["data"], Mapping):
            method = config["data"].get("layout", DEFAULT_LAYOUT)
        fields = tuple(_model_at(location[:-1], method, study).model_fields)
        near = nearest(str(location[-1]), fields)
        problems.add(where, f"unknown key {key!r}", "a known key", f"Did you mean {near!r}?")
    elif kind in ("missing", "union_tag_not_found"):
        problems.add(where, f"no {key!r}", "this key", f"Add {location[-1]!r}.")
    elif kind == "string_pattern_mismatch":
        expected = "a name of letters, digits, '_', '-' and '.', starting with a letter or digit"
        if location[0] == "data" or "files" in location:
            expected = "a path without braces that begins with no '-'; all but root, with no '/'"
        problems.add(where, repr(detail["input"]), expected, "Rename it.")
    elif kind == MISFIT:
        problems.add(where, context["found"], context["expected"], context["remedy"])
    else:
        found, remedy = detail["input"], f"Correct {key!r}."
        expected = _expected(detail)
        if kind == "union_tag_invalid":
            found, expected = context["tag"], context["expected_tags"]
        if kind in ("union_tag_invalid", "literal_error") and isinstance(found, str):
            remedy = f"Did you mean {nearest(found, tuple(re.findall(_QUOTED, expected)))!r}?"
        problems.add(where, f"{found!r} for {key!r}", expected, remedy)


def _expected(detail: Mapping[str, Any]) -> str:
    """Returns what pydantic expected, in our own words."""
    kind, context = detail["type"], detail.get("ctx") or {}
    if kind.endswith(("too_long", "too_short")):
        most = "at most" if kind.endswith("long") else "at least"
        bound = context.get("max_length", context.get("min_length"))
        if kind.startswith("string"):
            return f"a text of {most} {bound} character{'s' * (bound != 1)}"
        return f"{most} {bound} item{'s' * (bound != 1)}"
    for word, said in KIND_OF_VALUE.items():
        if re.fullmatch(rf"{word}_(type|parsing|from_float|parsing_size|attributes_type)", kind):
            return said
    return re.sub(r"^(Input should be|Value error,) ", "", detail["msg"])


def _without_tags(location: tuple[str | int, ...]) -> tuple[tuple[str | int, ...], str | None]:
    """Splits pydantic's location into the steps of the config, and the method of the entry.

    Pydantic puts the method behind the name of an entry that may be of several, the form behind
    a key that takes several (TAGS) and a value of several forms, and "[key]" behind a key that is
    itself wrong.
    """
    steps = tuple(step for step in location if step not in ("[key]", NUMBER, WORD))
    if len(steps) > 3:
        tags = TAGS.get((steps[0], steps[2])) or TAGS.get((steps[0], ANY), ())
        if steps[3] in tags:
            return (*steps[:3], *steps[4:]), None
    if steps and steps[0] in KINDS and len(steps) > 2 and steps[2] in methods(str(steps[0])):
        return (*steps[:2], *steps[3:]), str(steps[2])
    return steps, None
