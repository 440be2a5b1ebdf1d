"""The form of a record: the one place that reads one, so that no reader meets a damaged one.

A record is sealed by a digest of its own content. One whose seal fits is what `recorded` wrote, so
the version in it says which keys it has; any other is damaged, and counts as no record.
"""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

SUFFIX = ".provenance.json"
VERSION = 2
"""To be raised when the keys of a record change, or what stands under one."""
KEYS = (
    *("version", "stage", "command", "workflow", "settings", "seed", "execution", "folders"),
    *("inputs", "outputs", "code", "git", "software", "machine", "started", "seconds"),
    *("peak_memory_mb", "seal"),
)

Record = dict[str, Any]


class EditedRecordError(ValueError):
    """A record whose seal does not fit."""


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
        seal = seal_of(record) if isinstance(record, dict) else ""
    except (ValueError, RecursionError):
        raise ValueError("it is no JSON") from None
    if not isinstance(record, dict):
        raise ValueError("it is no record")
    if record.get("version") != VERSION:
        raise ValueError(f"version {record.get('version')!r}, expected {VERSION}")
    if absent := [key for key in KEYS if key not in record]:
        raise ValueError(f"it has no {absent[0]}")
    if record["seal"] != seal:
        raise EditedRecordError("its seal does not fit: it was changed after its job")
    return record


def seal_of(record: Record) -> str:
    """Returns the digest of a record without its seal: it tells of an edit, not of a forger."""
    bare = {key: value for key, value in record.items() if key != "seal"}
    return hashlib.sha256(json.dumps(bare, sort_keys=True).encode()).hexdigest()
