"""Files that appear whole or not at all."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def atomic(target: str | Path) -> Iterator[Path]:
    """Yields a temporary path beside `target`, renamed to `target` when the block succeeds.

    The temporary name keeps the suffix of `target`, since some writers choose their format by it.
    After an exception the temporary file is removed and `target` is what it was before.
    """
    target = Path(target)
    target.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(
        prefix=f".{target.stem}.", suffix=f".partial{target.suffix}", dir=target.parent
    )
    os.close(handle)
    temporary = Path(name)
    try:
        yield temporary
        umask = os.umask(0)
        os.umask(umask)
        temporary.chmod(0o666 & ~umask)  # mkstemp makes private files; artifacts are shared
        os.replace(temporary, target)
    finally:
        temporary.unlink(missing_ok=True)
