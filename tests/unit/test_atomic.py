import os

import pytest

from chexseg.atomic import atomic


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
