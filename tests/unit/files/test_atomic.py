import errno
import os
import tempfile
from pathlib import Path

import pytest

from chexseg.errors import InputError
from chexseg.files.atomic import atomic, clear_leftovers


def test_the_file_appears_whole_when_the_block_ends(tmp_path):
    target = tmp_path / "new" / "folder" / "table.csv"
    with atomic(target) as temporary:
        temporary.write_text("half")
        assert not target.exists()
        assert temporary.parent == target.parent
        assert temporary.suffix == ".csv"
        temporary.write_text("whole")
    assert target.read_text() == "whole"
    assert os.listdir(target.parent) == ["table.csv"]


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt])
def test_an_exception_leaves_the_old_file_and_nothing_else(tmp_path, error):
    target = tmp_path / "table.csv"
    target.write_text("old")

    def fail():
        with atomic(target) as temporary:
            temporary.write_text("half")
            raise error

    with pytest.raises(error):
        fail()
    assert target.read_text() == "old"
    assert os.listdir(tmp_path) == ["table.csv"]


def test_nothing_appears_where_there_was_nothing(tmp_path):
    with pytest.raises(ValueError, match="stop"), atomic(tmp_path / "table.csv"):
        raise ValueError("stop")
    assert os.listdir(tmp_path) == []


def test_two_writers_of_one_target_do_not_meet(tmp_path):
    target = tmp_path / "table.csv"
    with atomic(target) as first, atomic(target) as second:
        assert first != second
        first.write_text("first")
        second.write_text("second")
    assert target.read_text() == "first"  # the last to end


@pytest.mark.parametrize(("umask", "mode"), [(0o022, 0o644), (0o002, 0o664), (0o077, 0o600)])
def test_files_are_as_open_as_the_umask_says(tmp_path, umask, mode):
    before = os.umask(umask)
    try:
        with atomic(tmp_path / "table.csv") as temporary:
            temporary.write_text("x")
        assert (tmp_path / "table.csv").stat().st_mode & 0o777 == mode
        assert os.umask(umask) == umask
    finally:
        os.umask(before)


@pytest.mark.parametrize(
    ("number", "found", "remedy"),
    [
        (errno.ENOSPC, "No space left on device", "Free some space"),
        (errno.EDQUOT, "Disk quota exceeded", "Free some space"),
        (errno.EROFS, "Read-only file system", "Write somewhere else"),
        (errno.EACCES, "Permission denied", "Write somewhere else"),
    ],
)
def test_what_cannot_be_written_is_told(tmp_path, monkeypatch, number, found, remedy):
    def refuse(*, dir, **_):
        raise OSError(number, os.strerror(number), f"{dir}/.a.partial")

    monkeypatch.setattr(tempfile, "mkstemp", refuse)
    with pytest.raises(InputError) as caught, atomic(tmp_path / "a.csv"):
        pass
    (problem,) = caught.value.problems
    assert problem.where.startswith(str(tmp_path))
    assert (problem.found, problem.expected) == (found, "room to write a.csv")
    assert problem.remedy.startswith(remedy)
    assert list(tmp_path.iterdir()) == []


def test_a_disk_that_fills_while_writing_leaves_the_old_file(tmp_path):
    (tmp_path / "a.csv").write_text("old")

    def write():
        with atomic(tmp_path / "a.csv") as temporary:
            temporary.write_text("half")
            raise OSError(errno.ENOSPC, "No space left on device")

    with pytest.raises(InputError):
        write()
    assert (tmp_path / "a.csv").read_text() == "old"
    assert len(list(tmp_path.iterdir())) == 1


def test_errors_of_what_is_read_are_not_those_of_the_target(tmp_path):
    beside = f"{tmp_path}2/x"  # begins with the letters of the target's folder
    for error in (
        PermissionError(errno.EACCES, "no", "/elsewhere/x"),
        PermissionError(errno.EACCES, "no", beside),
        FileNotFoundError(2, "no"),
    ):
        with pytest.raises(type(error)), atomic(tmp_path / "a.csv"):
            raise error


def test_leftovers_of_a_target_are_cleared_and_no_others(tmp_path):
    target = tmp_path / "a[1].h5"
    others = {".a[1].csv", ".b.12345678.partial.h5", ".a[1].2.12345678.partial.h5", "a[1].h5"}
    for name in others:
        (tmp_path / name).touch()
    left = tempfile.mkstemp(prefix=".a[1].", suffix=".partial.h5", dir=tmp_path)[1]
    folder = tempfile.mkdtemp(prefix=".a[1].", suffix=".partial.h5", dir=tmp_path)
    (Path(folder) / "full").touch()
    assert {Path(left).name, Path(folder).name} <= set(os.listdir(tmp_path)) - others
    clear_leftovers(target)
    assert set(os.listdir(tmp_path)) == others


def test_a_folder_that_is_closed_while_writing_is_told(tmp_path, monkeypatch):
    """The temporary file cannot be removed then, which must not hide what happened."""

    def closed(*paths, **_):
        raise PermissionError(errno.EACCES, "Permission denied", str(paths[0]))

    monkeypatch.setattr(os, "replace", closed)
    monkeypatch.setattr(Path, "unlink", closed)
    with pytest.raises(InputError) as caught, atomic(tmp_path / "a.csv"):
        pass
    assert "ask the owner" in caught.value.problems[0].remedy
