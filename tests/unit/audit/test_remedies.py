"""Commands that the audit and the readers propose: they work as they are pasted."""

import json
import os
import shlex
import shutil
from pathlib import Path
from types import SimpleNamespace

import pytest

from chexseg.audit.audit import audit
from chexseg.audit.study import Study
from chexseg.errors import InputError
from chexseg.files.store import Store
from chexseg.provenance.form import seal_of
from chexseg.provenance.record import record_path
from chexseg.scheduling.profiles import command_of_workflow

CONFIG = "my studies/a; $(touch pwned) {x} 'q' ü.yaml"


@pytest.fixture
def study(study):
    """The miniature, as jobs of a workflow make it."""
    for path in study.rglob("*.provenance.json"):
        record = json.loads(path.read_text())
        record["workflow"] = shlex.join(["snakemake", "--configfile", CONFIG])
        record["seal"] = seal_of(record)
        path.write_text(json.dumps(record))
    return study


def remedy_of(folder):
    (finding,) = audit(Study(folder)).findings
    return finding.remedy


def test_an_edited_file_is_removed_and_made_again_with_the_config(study):
    (study / "images/0000.h5").write_text("edited")
    first, _, command = remedy_of(study).partition(", or rebuild it: ")
    assert first == "Restore it"
    removal, _, run = command.partition(" && ")
    assert shlex.split(removal) == ["rm", "-r", "results/mini/images/0000.h5"]
    assert shlex.split(run) == ["snakemake", "--configfile", CONFIG]


def test_a_missing_file_needs_no_removal(study):
    (study / "images/0000.h5").unlink()
    assert remedy_of(study).startswith("Restore it, or rebuild it: snakemake --configfile '")


def test_elsewhere_the_command_goes_where_the_study_was_made(study, home, monkeypatch):
    (study / "images/0000.h5").unlink()
    monkeypatch.chdir(home.parent)
    command = remedy_of(Path("home") / study).partition("rebuild it: ")[2]
    assert shlex.split(command)[:4] == ["(cd", f"{home}/", "&&", "snakemake"]


def test_no_command_makes_a_copy_in_another_folder(study, home):
    (study / "images/0000.h5").write_text("edited")
    shutil.move(study, home / "handed over")
    assert remedy_of(Path("handed over")) == "Restore it."


def test_without_a_workflow_the_config_is_left_to_the_reader(study):
    for path in study.rglob("*.provenance.json"):
        record = json.loads(path.read_text())
        record["workflow"] = None
        record["seal"] = seal_of(record)
        path.write_text(json.dumps(record))
    (study / "summary.csv").unlink()
    assert remedy_of(study).endswith(": snakemake --configfile CONFIG")


@pytest.mark.parametrize("name", ["-rf", "a b; $(touch pwned) 'q'", "x\n\x1b[2J"])
def test_a_foreign_file_of_any_name_is_one_word_of_the_command(study, name):
    (study / name).touch()
    command = remedy_of(study).partition(", or: ")[2]
    assert shlex.split(command) == ["rm", "-r", f"results/mini/{name}"]


def test_a_folder_that_begins_with_a_dash_is_no_flag(study, home):
    shutil.move(study, home / "-mini")
    (home / "-mini/new.txt").touch()
    command = remedy_of(Path("-mini")).partition(", or: ")[2]
    assert shlex.split(command) == ["rm", "-r", "./-mini/new.txt"]


def test_the_first_job_that_knows_its_workflow_tells_it(study):
    path = record_path(study / "index.csv")
    record = json.loads(path.read_text())
    record["workflow"] = "snakemake --configfile newer.yaml"
    record["started"] = "2090-01-01T00:00:00+00:00"
    record["seal"] = seal_of(record)
    path.write_text(json.dumps(record))
    (study / "summary.csv").unlink()
    assert remedy_of(study).endswith(": snakemake --configfile newer.yaml")


def test_a_damaged_store_names_the_command_of_its_workflow(tmp_path, monkeypatch):
    monkeypatch.setenv("CHEXSEG_WORKFLOW", "snakemake --configfile x.yaml")
    path = tmp_path / "a b.h5"
    path.write_bytes(b"no HDF5")
    with pytest.raises(InputError) as caught:
        Store([path], "images")
    command = caught.value.problems[0].remedy.partition("Rebuild it: ")[2]
    assert shlex.split(command) == [
        "snakemake", "--configfile", "x.yaml", "--force", str(path),
    ]  # fmt: skip


def a_workflow(files=(), config=None, snakefile="Snakefile"):
    chosen = SimpleNamespace(configfiles=[Path(f).absolute() for f in files], config=config or {})
    return SimpleNamespace(config_settings=chosen, main_snakefile=os.path.abspath(snakefile))


@pytest.mark.parametrize(
    ("workflow", "words"),
    [
        (a_workflow, []),
        (lambda: a_workflow([CONFIG, "b.yaml"]), ["--configfile", CONFIG, "b.yaml"]),
        (lambda: a_workflow(["/elsewhere/c.yaml"]), ["--configfile", "/elsewhere/c.yaml"]),
        (lambda: a_workflow(["c.yaml"], snakefile="/repo/Snakefile"),
         ["--snakefile", "/repo/Snakefile", "--configfile", "c.yaml"]),
    ],
)  # fmt: skip
def test_what_was_typed_is_told_from_the_working_directory(tmp_path, monkeypatch, workflow, words):
    monkeypatch.chdir(tmp_path)
    assert shlex.split(command_of_workflow(workflow())) == ["snakemake", *words]


@pytest.mark.parametrize(
    "config",
    [{"study": "other", "seed": 3}, {"data": {"root": "my data; $(x)", "index": {"shards": "2"}}},
     {"one": True, "two": 0.5, "a_b": None, "text": "two words", "list": ["x", "y"]}],
)  # fmt: skip
def test_overrides_are_told_as_snakemake_reads_them(config):
    from snakemake.cli import parse_config

    words = shlex.split(command_of_workflow(a_workflow(config=config)))
    assert words[:2] == ["snakemake", "--config"]
    assert parse_config(words[2:]) == config
