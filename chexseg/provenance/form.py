"""The form of a record: one check for all who read one, so that damage is told and never met.

A record that has another form is damaged, and counts as no record.
"""

from __future__ import annotations

import json
import re
from datetime import datetime, timedelta
from pathlib import Path
from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError, model_validator

SUFFIX = ".provenance.json"
VERSION = 1
LONGEST = 1e9
"""Seconds that a job may have taken: 31 years."""

_WORDS = re.compile(r"""(?:[^'"\\\0]|'[^'\0]*'|"'")*+""")
"""What `shlex.join` writes."""

Record = dict[str, Any]


def _path(text: str) -> str:
    if not text or "\0" in text:
        raise ValueError("no path")
    text.encode("utf-8", "surrogateescape")  # a ValueError, if no file can have this name
    return text


def _words(text: str) -> str:
    if not _WORDS.fullmatch(text):
        raise ValueError("not the words of a command")
    return text


def _time(text: str) -> str:
    try:
        datetime.fromisoformat(text) + timedelta(seconds=LONGEST)
    except OverflowError:
        raise ValueError("not a time") from None
    return text


PathText = Annotated[str, AfterValidator(_path)]
Words = Annotated[str, AfterValidator(_words)]
Time = Annotated[str, AfterValidator(_time)]
Digest = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
Count = Annotated[int, Field(ge=0)]


class _Part(BaseModel):
    model_config = ConfigDict(strict=True, extra="forbid")


class _Entry(_Part):
    """A file with its stamp, or a folder with its files."""

    path: PathText
    sha256: Digest
    stamp: Annotated[list[int], Field(min_length=2, max_length=2)] | None = None
    images: Count | None = None
    files: dict[PathText, Annotated[tuple[Digest, int, int], Field(strict=False)]] | None = None

    @model_validator(mode="after")
    def _is_one(self) -> _Entry:
        if (self.stamp is None) == (self.files is None):
            raise ValueError("neither a file nor a folder")
        return self


class _Code(_Part):
    digest: str
    definitions: dict[str, str]


class _Git(_Part):
    commit: str
    dirty: bool
    changes: str | None

    @model_validator(mode="after")
    def _fits(self) -> _Git:
        if self.dirty == (self.changes is None):
            raise ValueError("changes, or none, but not both")
        return self


class _Machine(_Part):
    host: str
    system: str
    gpu: str = ""
    slurm: dict[str, str] = {}


class _Form(_Part):
    """The keys of a record; docs/provenance.md says what they are."""

    version: int
    stage: Annotated[str, Field(pattern=r"^[a-z0-9_-]+$")]
    command: Words
    workflow: str | None
    settings: dict[str, Words]
    seed: int | None
    execution: dict[str, str]
    folders: dict[str, PathText]
    inputs: dict[str, list[_Entry]]
    outputs: Annotated[dict[str, Annotated[list[_Entry], Field(min_length=1)]], Field(min_length=1)]
    code: _Code
    git: _Git | None
    software: dict[str, str]
    machine: _Machine
    started: Time
    seconds: Annotated[float, Field(ge=0, le=LONGEST)]
    peak_memory_mb: Count
    seal: str


def load(path: Path) -> Record:
    """Reads a record.

    Raises:
        OSError: it cannot be read.
        ValueError: it is damaged, or of another version; the text says why.
    """
    if not path.is_file():
        raise ValueError("it is no file")
    try:
        record = json.loads(path.read_text(encoding="utf-8"))
    except (ValueError, RecursionError):
        raise ValueError("it is no JSON") from None
    if not isinstance(record, dict):
        raise ValueError("it is no record")
    if record.get("version") != VERSION:
        raise ValueError(f"version {record.get('version')!r}, expected {VERSION}")
    try:
        _Form.model_validate(record)
    except ValidationError as error:
        raise ValueError(_told(error)) from None
    return record


def _told(error: ValidationError) -> str:
    first = error.errors(include_url=False, include_context=False, include_input=False)[0]
    where = ".".join(map(str, first["loc"]))
    if first["type"] == "missing":
        return f"it has no {where}"
    found = first["msg"].removeprefix("Value error, ")
    return f"its {where}: {found[0].lower()}{found[1:]}"
