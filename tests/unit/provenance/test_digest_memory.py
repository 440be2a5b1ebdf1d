"""What this machine remembers of files, and when it does not believe itself."""

import json
import os

import pytest

from chexseg.provenance.digests import Digests, sha256, sha256_of_files, stamp


@pytest.fixture
def places(tmp_path):
    """A file, and the memory that knows it."""
    file, memory = tmp_path / "x", tmp_path / "memory.json"
    file.write_text("one")
    digests = Digests(memory)
    digests.of(file)
    digests.save()
    return file, memory


def refuse(path):
    raise AssertionError(f"{path} was read")


def test_a_file_that_nobody_touched_is_not_read_again(places, monkeypatch):
    file, memory = places
    digest = sha256(file)
    monkeypatch.setattr("chexseg.provenance.digests.sha256", refuse)
    assert Digests(memory).of(file) == digest


def test_an_edit_that_keeps_size_and_time_is_seen(places):
    file, memory = places
    before = file.stat()
    file.write_text("two")
    os.utime(file, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert stamp(file) == (before.st_size, before.st_mtime_ns)
    assert Digests(memory).of(file) == sha256(file)


def test_a_memory_without_times_of_change_is_not_believed(places):
    file, memory = places
    memory.write_text(json.dumps({str(file): [stamp(file), "0" * 64]}))
    assert Digests(memory).of(file) == sha256(file)


@pytest.mark.parametrize("text", ["[broken", "[]", "[" * 200_000, '{"x": 1}', '{"x": [1]}', "7"])
def test_a_damaged_memory_is_empty(places, text):
    file, memory = places
    memory.write_text(text)
    assert Digests(memory).of(file) == sha256(file)


def test_a_record_is_believed_by_size_and_time(places, monkeypatch):
    file, _ = places
    assert Digests().of(file, (("no", "stamp"), "0" * 64)) == sha256(file)
    monkeypatch.setattr("chexseg.provenance.digests.sha256", refuse)
    assert Digests().of(file, (stamp(file), "0" * 64)) == "0" * 64


def test_a_folder_has_the_digest_of_all_its_files(tmp_path):
    for name in ("masks/a.png", "masks/Heart/b.png"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(name)
    before = Digests().of(tmp_path / "masks")
    contents = {
        "a.png": sha256(tmp_path / "masks/a.png"),
        "Heart/b.png": sha256(tmp_path / "masks/Heart/b.png"),
    }
    assert before == sha256_of_files(contents)
    (tmp_path / "masks/Heart/b.png").write_text("other")
    assert Digests().of(tmp_path / "masks") != before


def test_the_memory_forgets_what_was_used_longest_ago(tmp_path, monkeypatch):
    monkeypatch.setattr("chexseg.provenance.digests.MOST", 2)
    memory, files = tmp_path / "memory.json", [tmp_path / name for name in "abc"]
    for file in files:
        file.write_text(file.name)
    for used in (files[:2], [files[0], files[2]]):
        digests = Digests(memory)
        for file in used:
            digests.of(file)
        digests.save()
    assert list(json.loads(memory.read_text())) == [str(files[0]), str(files[2])]
