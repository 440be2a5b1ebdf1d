"""Commands that the audit and the readers propose: they work as they are pasted."""

import os
import shlex
from pathlib import Path
from types import SimpleNamespace

import pytest

from chexseg.audit.audit import audit
from chexseg.audit.study import Study, study_of
from chexseg.errors import InputError
from chexseg.files.store import Store
from chexseg.provenance.record import record_path
from chexseg.scheduling.profiles import command_of_workflow
from tests.unit.audit.tampering import reseal

CONFIG = "my studies/a; $(touch pwned) {x} 'q' ü.yaml"


@pytest.fixture
def study(study):
    """The miniature, as jobs of a workflow make it."""
    command = shlex.join(["snakemake", "--configfile", CONFIG])
    for path in study.rglob("*.provenance.json"):
        artifact = path.with_name(path.name.removesuffix(".provenance.json"))
        reseal(artifact, lambda record: record.update(workflow=command))
    return study


def test_what_has_no_record_leads_to_the_audit_of_its_study(study):
    folder = study.rename(study.with_name("my study; $(x)"))
    with pytest.raises(InputError) as caught:
        study_of(folder / "logs/build_index.log")
    (problem,) = caught.value.problems
    command = problem.remedy.partition("run: ")[2]
    assert shlex.split(command) == ["chexseg", "audit", str(folder)]


def remedy_of(folder):
    (finding,) = audit(Study(folder)).findings
    return finding.remedy


@pytest.mark.parametrize(
    ("damage", "what"),
    [
        (lambda s: (s / "images/0000.h5").write_text("edited"), "it"),
        (lambda s: (s / "images/0000.h5").unlink(), "it"),
        (lambda s: record_path(s / "predictions/full.json").write_text("{"), "the record"),
        (lambda s: record_path(s / "predictions/full.json").unlink(), "the record"),
    ],
)
def test_what_a_job_made_is_made_again_with_the_config(study, damage, what):
    damage(study)
    first, _, command = remedy_of(study).partition(", run: ")
    assert first == f"Restore {what}, or delete it and, where the study was computed"
    assert shlex.split(command) == ["snakemake", "--configfile", CONFIG]


def test_without_a_workflow_the_config_is_left_to_the_reader(study):
    for path in study.rglob("*.provenance.json"):
        artifact = path.with_name(path.name.removesuffix(".provenance.json"))
        reseal(artifact, lambda record: record.update(workflow=None))
    (study / "summary.csv").unlink()
    assert remedy_of(study).endswith(": snakemake --configfile CONFIG")


def test_what_no_job_wrote_is_not_made_again(study):
    (study / "new.txt").touch()
    assert remedy_of(study) == "Move it out of the study, or delete it."


def test_the_last_job_that_knows_its_workflow_tells_it(study):
    newer = "snakemake --configfile newer.yaml"
    started = "2090-01-01T00:00:00+00:00"
    reseal(study / "index.csv", lambda record: record.update(workflow=newer, started=started))
    (study / "summary.csv").unlink()
    assert remedy_of(study).endswith(f": {newer}")


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


def a_workflow(files=(), words=None, snakefile="Snakefile"):
    configs = [Path(f).absolute() for f in files]
    chosen = SimpleNamespace(configfiles=configs, config_args=words)
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


def test_overrides_are_told_as_they_were_typed():
    typed = ["study=other", "data={root: 'my data; $(x)', radiologist_masks: null}", "seed="]
    words = shlex.split(command_of_workflow(a_workflow(words=typed)))
    assert words == ["snakemake", "--config", *typed]
