"""The format of a record. All records are read here, so no other code sees a damaged one.

A record is sealed by a digest of its own content. If the seal matches, the record is as `recorded`
wrote it, and its version determines which keys it has. Any other record counts as missing.
"""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

SUFFIX = ".provenance.json"
VERSION = 2
"""Increase this when the keys of a record or their meanings change."""
Record = dict[str, Any]


def load(path: Path) -> Record:
    """Reads a record.

    Raises:
        OSError: the file cannot be read.
        ValueError: the record is damaged or of another version; the message says why.
    """
    try:
        if not path.is_file():
            raise ValueError
        record = json.loads(path.read_text(encoding="utf-8"))
        seal = seal_of(record)
    except (ValueError, AttributeError, RecursionError):
        raise ValueError("it is not a record") from None
    if record.get("version") != VERSION:
        raise ValueError(f"version {record.get('version')!r}, expected {VERSION}")
    if record.get("seal") != seal:
        raise ValueError("its seal does not match: it was edited after its job")
    return record


def seal_of(record: Record) -> str:
    """Returns the digest of a record without its seal. It detects edits, but not forgeries."""
    bare = {key: value for key, value in record.items() if key != "seal"}
    return hashlib.sha256(json.dumps(bare, sort_keys=True).encode()).hexdigest()
