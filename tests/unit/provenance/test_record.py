import json
import os
import shlex
import tempfile
from pathlib import Path

import pytest

from chexseg.files.artifacts import Execution, Folder, Output
from chexseg.provenance.digests import sha256
from chexseg.provenance.record import (
    flags_of,
    known_content,
    read_record,
    record_path,
    recorded,
)


def run(
    *,
    index: Path,
    images: tuple[Path, ...],
    root: Folder,
    out: Output,
    settings: int = 0,
    expert: bool = True,
    metrics: Output | None = None,
    threads: int = 1,
) -> None:
    """Toy stage."""
    out.write_text("weights")
    if metrics:
        metrics.write_text("loss")


WORDS = ("--index i.csv --images 0.h5 1.h5 --root data --out a/x.pt --seed 3"
         " --selection 'Pleural Effusion' Edema --threads 2")  # fmt: skip


@pytest.fixture
def job(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name, text in (("i.csv", "a,b\n1,2\n"), ("0.h5", "zero"), ("1.h5", "one")):
        Path(name).write_text(text)
    # Stores are counted; these are none.
    monkeypatch.setattr("chexseg.provenance.record.count_images", lambda path: None)
    values = {
        "index": Path("i.csv"), "images": (Path("0.h5"), Path("1.h5")), "root": Path("data"),
        "out": Path("a/x.pt"), "threads": 2,
    }  # fmt: skip
    Path("a").mkdir()

    def go(stage="train-segmenter", function=run, words=WORDS, **other):
        recorded(stage, function, shlex.split(words))(**{**values, **other})
        return json.loads(record_path("a/x.pt").read_text())

    return go


def test_what_a_record_says(job):
    record = job()
    assert record["stage"] == "train-segmenter"
    assert record["seed"] == 3
    assert record["settings"] == {"seed": "3", "selection": "'Pleural Effusion' Edema"}
    assert record["folders"] == {"root": "data"}
    assert [entry["path"] for entry in record["inputs"]["images"]] == ["../0.h5", "../1.h5"]
    assert record["inputs"]["images"][1]["sha256"] == sha256("1.h5")
    assert record["outputs"]["out"][0]["path"] == "x.pt"
    assert record["outputs"]["out"][0]["sha256"] == sha256("a/x.pt")
    assert set(record["outputs"]) == {"out"}
    assert "chexseg.stages.train_segmenter:run" in record["code"]["definitions"]
    assert record["command"].startswith("chexseg train-segmenter --index i.csv")
    assert record["software"]["python"]
    assert record["peak_memory_mb"] > 10
    assert read_record("a/x.pt") == (record_path(Path("a/x.pt")), record)


def test_how_a_training_is_computed_is_told_apart_from_its_settings(job):
    def train(*, images: tuple[Path, ...], out: Output, execution: Execution) -> None:
        out.write_text("weights")

    images, out = (Path("0.h5"),), Path("a/x.pt")
    words = "--images 0.h5 --out a/x.pt --seed 3 --threads 2 --state s.pt --save-every 9"
    run = recorded("train-segmenter", train, words.split())
    run(images=images, out=out, execution=Execution(threads=2, state=Path("s.pt"), save_every=9))
    record = json.loads(record_path(out).read_text())
    assert record["settings"] == {"seed": "3"}
    assert set(record["inputs"]) == {"images"}
    assert record["execution"] == {
        "threads": "2", "devices": "1", "nodes": "1", "state": "s.pt", "save_every": "9",
        "scratch": "None",
    }  # fmt: skip


def test_what_was_typed_is_recorded(job, monkeypatch):
    assert job()["workflow"] is None
    monkeypatch.setenv("CHEXSEG_WORKFLOW", "snakemake --configfile 'my config.yaml'")
    assert job()["workflow"] == "snakemake --configfile 'my config.yaml'"


def test_what_a_killed_job_left_is_cleared_by_the_next(job):
    for name in ("x.pt", "x.pt.provenance.json", ".x.pt.running.json"):
        stem, suffix = os.path.splitext(name)
        tempfile.mkstemp(prefix=f".{stem}.", suffix=f".partial{suffix}", dir="a")
    other = tempfile.mkstemp(prefix=".x.2.", suffix=".partial.pt", dir="a")[1]  # of x.2.pt
    job()
    assert {path.name for path in Path("a").iterdir()} == {
        "x.pt", "x.pt.provenance.json", Path(other).name,
    }  # fmt: skip


def test_every_output_has_the_record(job):
    job(metrics=Path("a/m.csv"))
    one, two = (json.loads(record_path(name).read_text()) for name in ("a/x.pt", "a/m.csv"))
    assert one == two
    assert set(one["outputs"]) == {"out", "metrics"}


def test_a_failure_leaves_the_artifact_and_its_record(job):
    before = job()

    def fails(**values):
        raise RuntimeError

    fails.__annotations__, fails.__wrapped__ = run.__annotations__, run
    with pytest.raises(RuntimeError):
        job(function=fails)
    assert read_record("a/x.pt")[1] == before


@pytest.mark.parametrize("rank", ["LOCAL_RANK", "SLURM_PROCID"])
def test_only_the_first_of_several_processes_writes(job, monkeypatch, rank):
    monkeypatch.setenv(rank, "1")
    with pytest.raises(FileNotFoundError):
        job()


def test_a_folder_is_recorded_file_by_file(job):
    def fills(*, out: Output) -> None:
        (out / "CheXpert").mkdir(parents=True)
        (out / "CheXpert" / "train.csv").write_text("Path")

    recorded("make-phantom", fills, ["--out", "phantom"])(out=Path("phantom"))
    table = Path("phantom/CheXpert/train.csv")
    assert read_record(table)[0] == Path("phantom.provenance.json")
    assert known_content(table)[1] == sha256(table)
    assert known_content(Path("phantom/other.csv")) is None


def test_a_damaged_record_is_none(job):
    job()
    for text in ("{", "[]", '{"version": 1}', '{"version": 99}'):
        record_path("a/x.pt").write_text(text)
        assert read_record("a/x.pt") is None


def test_flags():
    words = ["--a", "1", "2", "--long-name", "--b=3", "-4"]
    assert flags_of(words) == {"a": ["1", "2"], "long_name": [], "b": ["3", "-4"]}
