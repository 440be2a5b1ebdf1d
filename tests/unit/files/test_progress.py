import sys

from chexseg.files.progress import progress


def test_items_pass_through_and_short_work_leaves_no_line(capfd):
    assert list(progress(iter("abc"), "letters", 3)) == ["a", "b", "c"]
    assert capfd.readouterr() == ("", "")


def test_long_work_leaves_lines_in_a_log(capfd):
    assert list(progress(iter("abc"), "letters", 3, seconds=0)) == ["a", "b", "c"]
    lines = capfd.readouterr().err.splitlines()
    assert [line.split(",")[0] for line in lines] == [
        "letters: 1 of 3", "letters: 2 of 3", "letters: 3 of 3",
    ]  # fmt: skip


def test_a_terminal_gets_a_bar(monkeypatch, capfd):
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    assert list(progress(iter("abc"), "letters", 3)) == ["a", "b", "c"]
    assert "letters" in capfd.readouterr().err
