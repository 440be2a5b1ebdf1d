"""Writing files atomically."""

from __future__ import annotations

import errno
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from glob import escape
from pathlib import Path

from chexseg.errors import InputError, Problem, Problems

_FULL = "Free some space (or raise the quota), then run it again: no partial file was left behind."
_CLOSED = "Write somewhere else, or ask the owner of the folder for permission."
_REMEDIES = dict.fromkeys((errno.ENOSPC, errno.EDQUOT, errno.EFBIG), _FULL) | dict.fromkeys(
    (errno.EROFS, errno.EACCES, errno.EPERM, errno.ENOTDIR, errno.EEXIST), _CLOSED
)


@contextmanager
def atomic(target: str | Path) -> Iterator[Path]:
    """Yields a temporary path next to `target`, renamed to `target` when the block succeeds.

    The temporary name keeps the suffix of `target`, since some writers choose their format by it.
    After an exception the temporary file is removed and `target` is unchanged.

    Raises:
        InputError: the disk is full, or the folder is not writable.
    """
    target = Path(target)
    temporary = None
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(
            prefix=f".{target.stem}.", suffix=f".partial{target.suffix}", dir=target.parent
        )
        os.close(handle)
        temporary = Path(name)
        yield temporary
        umask = os.umask(0)
        os.umask(umask)
        temporary.chmod(0o666 & ~umask)  # mkstemp makes private files; artifacts are shared
        os.replace(temporary, target)
    except (OSError, RuntimeError) as error:
        problem = _unwritable(target, error)
        if problem is None:
            raise
        raise InputError([problem]) from error
    finally:
        if temporary is not None:
            with suppress(OSError):  # the folder became read-only: the error above reports it
                temporary.unlink(missing_ok=True)


def clear_leftovers(target: str | Path) -> None:
    """Removes the temporary files and folders that killed processes left next to `target`.

    Call it only while no other process is writing `target`.
    """
    target, random = Path(target), "?" * 8  # `*` would also match leftovers of full.2.csv
    name = f".{escape(target.stem)}.{random}.partial{escape(target.suffix)}"
    for leftover in target.parent.glob(name):
        if leftover.is_dir():
            shutil.rmtree(leftover)
        else:
            leftover.unlink(missing_ok=True)


def check_writable(*folders: str | Path) -> None:
    """Raises InputError if any of the folders is not writable, listing all of them.

    For a folder that does not exist, its nearest existing parent is checked.
    """
    problems = Problems()
    for folder in map(Path, folders):
        place = next(each for each in (folder, *folder.parents) if os.path.exists(each))
        if not (os.path.isdir(place) and os.access(place, os.W_OK | os.X_OK)):
            found = "a read-only folder" if os.path.isdir(place) else "a file"
            problems.add(str(place), found, "a writable folder", _CLOSED)
    problems.found = list(dict.fromkeys(problems.found))
    problems.raise_if_any()


def _unwritable(target: Path, error: BaseException) -> Problem | None:
    """Returns the problem if `error` means that `target` could not be written, else None."""
    if isinstance(error, RuntimeError):  # torch reports a full disk this way, and keeps the cause
        error = error.__context__
    if not isinstance(error, OSError) or error.errno not in _REMEDIES:
        return None
    remedy = _REMEDIES[error.errno]
    # "Disk full" names no file. "Permission denied" may be about a file that the block reads.
    denied = Path(os.path.abspath(error.filename or "/"))
    if remedy == _CLOSED and not denied.is_relative_to(os.path.abspath(target.parent)):
        return None
    where = target if remedy == _FULL else target.parent
    return Problem(str(where), error.strerror, f"room to write {target.name}", remedy)
