"""`changes`: one job against its record. The whole graph is tried in tests/workflow."""

import json
import os
from pathlib import Path
from types import SimpleNamespace

import pytest

from chexseg.files.artifacts import Folder, Output
from chexseg.provenance.digests import Digests, sha256
from chexseg.provenance.record import record_path, recorded, running_path
from chexseg.scheduling import reruns

COMMAND = (
    "chexseg train-segmenter --index index.csv --images a.h5 b.h5 --root data --out x.pt"
    " --loss dice --learning-rate 0.1 --selection 'Lung Lesion' --threads 1 > log 2>&1"
)


def run(*, index: Path, images: tuple[Path, ...], root: Folder, out: Output) -> None:
    assert running_path(out).exists()
    out.write_text("weights")


@pytest.fixture
def job(tmp_path, monkeypatch):
    """A job that has run: its artifact and record are there."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("chexseg.provenance.record.count_images", lambda path: None)
    for name in ("index.csv", "a.h5", "b.h5"):
        Path(name).write_text(name)
    arguments = reruns.command_of(a_job())[1:]
    recorded("train-segmenter", run, arguments)(
        index=Path("index.csv"), images=(Path("a.h5"), Path("b.h5")), root=Path("data"),
        out=Path("x.pt"),
    )  # fmt: skip
    return a_job()


def a_job(command=COMMAND):
    empty = SimpleNamespace()
    return SimpleNamespace(
        is_shell=True, output=["x.pt"], rule=SimpleNamespace(shellcmd=command), input=[],
        params=empty, wildcards=empty, resources=empty, log=["log"],
    )  # fmt: skip


def said(job):
    return [str(change) for change in reruns.changes(job, Digests())]


def test_nothing_changed(job):
    assert said(job) == []
    assert not running_path("x.pt").exists()


def test_time_stamps_threads_and_places_do_not_count(job):
    for name in ("index.csv", "a.h5", "x.pt"):
        os.utime(name)
    Path("a.h5").rename("other.h5")
    command = COMMAND.replace("a.h5", "other.h5").replace("--threads 1", "--threads 8")
    assert said(a_job(command.replace("--root data", "--root elsewhere"))) == []


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        ("0.1", "0.2", ["learning_rate: 0.1 -> 0.2"]),
        ("'Lung Lesion'", "Edema", ["selection: 'Lung Lesion' -> Edema"]),
        ("--learning-rate 0.1", "", ["learning_rate: 0.1 -> not set"]),
        ("a.h5 b.h5", "b.h5 a.h5", ["b.h5 has other content", "a.h5 has other content"]),
        ("a.h5 b.h5", "a.h5", ["--images has 1 files, had 2"]),
        ("a.h5", "absent.h5", ["absent.h5 does not exist"]),
    ],
)
def test_a_changed_command(job, old, new, expected):
    assert said(a_job(COMMAND.replace(old, new))) == expected


def test_changed_content(job):
    Path("index.csv").write_text("other")
    Path("x.pt").write_text("weight")
    assert said(job) == ["index.csv has other content", "x.pt has other content"]


def test_a_file_that_cannot_be_read_is_a_reason_in_words(job, monkeypatch):
    def refuse(path):
        if path == "a.h5":
            raise PermissionError(13, "Permission denied", path)
        return sha256(path)

    monkeypatch.setattr("chexseg.provenance.digests.sha256", refuse)
    assert said(job) == ["a.h5 cannot be read: Permission denied"]


def test_an_absent_sibling_hides_nothing(job):
    both = a_job(COMMAND.replace("0.1", "0.2"))
    both.output = ["absent.csv", "x.pt"]
    assert said(both) == ["learning_rate: 0.1 -> 0.2"]
    both.output = ["absent.csv"]
    assert said(both) == []  # it is missing: Snakemake knows


def test_no_record(job):
    record_path("x.pt").unlink()
    assert said(job) == ["x.pt has no record"]


def test_changed_code(job, monkeypatch):
    record = json.loads(record_path("x.pt").read_text())
    code = dict(record["code"]["definitions"])
    code["chexseg.losses.dice:dice_loss"] = "0"
    code["chexseg.losses.dice:focal_loss"] = "1"
    del code["chexseg.training.sampling:mixed"]
    monkeypatch.setattr(reruns, "code_of", lambda *_: code)
    assert said(job) == [
        "dice_loss of chexseg/losses/dice.py changed",
        "focal_loss of chexseg/losses/dice.py is new",
        "mixed of chexseg/training/sampling.py is gone",
    ]


@pytest.mark.parametrize("command", [None, "", "chexseg", "chexseg status > x.pt", "touch x.pt"])
def test_jobs_that_run_no_stage_have_no_changes(job, command):
    record_path("x.pt").unlink()
    assert said(a_job(command)) == []
    assert said(a_job(f"\n    {COMMAND}")) == ["x.pt has no record"]
