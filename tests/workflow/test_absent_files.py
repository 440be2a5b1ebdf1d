"""A study whose data lie elsewhere: every file that the config names, and that no job makes."""

import os
import shutil
from pathlib import Path

import pytest

from chexseg import catalog
from chexseg.cli import main
from chexseg.errors import InputError
from tests.workflow.stand_in import ROOT, read, running, stand_in

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("absent")]

LAYOUT = catalog.load("layout", "chexpert")
FILES = {
    **{role: f"{role}.file" for role in LAYOUT.roles},
    "files": "organs.json",
    "classifiers": "weights/classifier.pt",
    "segmenters": "weights/segmenter.pt",
    "backbone": "weights/backbone.pt",
}
"""Key that names a file -> the file: each role of the data, and what entries take."""

CONFIG = {
    "study": "own",
    "data": {"root": "data", **{role: FILES[role] for role in LAYOUT.roles}},
    "classifiers": {
        "small": {"architecture": "densenet_small", "initial_weights": FILES["classifiers"]}
    },
    "saliency": {"cam": {"method": "gradcam", "classifiers": ["small"]}},
    "masks": {
        "organs": {"source": "drawn", "files": [FILES["files"]], "classes": ["Heart"]},
        "irnet": {
            "source": "irnet",
            "saliency": "cam",
            "backbone": FILES["backbone"],
            "backbone_architecture": "resnet18",
        },
    },
    "segmenters": {
        "full": {"masks": ["expert"], "initial_weights": "none"},
        "started": {"masks": ["irnet"], "initial_weights": FILES["segmenters"]},
    },
}
FIRST = {
    **dict.fromkeys(LAYOUT.roles, "build_index"),
    "files": "make_masks organs 0000",
    "classifiers": "train_classifier small",
    "segmenters": "train_segmenter started",
    "backbone": "train_irnet irnet",
}
"""Key -> a job that reads its file."""


def place(key):
    return Path(FILES[key] if FILES[key].startswith("weights/") else f"data/{FILES[key]}")


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """Folder of the finished study, in name only."""
    folder, before = tmp_path_factory.mktemp("own"), Path.cwd()
    os.chdir(folder)
    try:
        for key in FILES:
            place(key).parent.mkdir(exist_ok=True)
            place(key).write_text(key)
        for job in read(config=CONFIG):
            stand_in(job)
    finally:
        os.chdir(before)
    return folder


@pytest.fixture
def here(finished, tmp_path, monkeypatch):
    shutil.copytree(finished, tmp_path / "copy")
    monkeypatch.chdir(tmp_path / "copy")
    for name in ("Snakefile", "workflow", "chexseg", "profiles", "config"):
        Path(name).symlink_to(ROOT / name)


def told(capsys, *command):
    """Returns the exit code and the output of a command."""
    try:
        code = main([*command, "--configfile", "config.yaml"])
    except SystemExit as end:
        code = end.code
    return code, capsys.readouterr().out


@pytest.mark.parametrize("key", FILES)
def test_a_finished_study_without_a_file_is_not_up_to_date(here, capsys, key):
    jobs = read(config=CONFIG)
    assert running(jobs) == set()
    place(key).unlink()
    without = read(config=CONFIG)
    assert {job.name for job in without} == {job.name for job in jobs}  # no job has left the graph
    absent = {job.name for job in without if job.absent}
    assert FIRST[key] in absent
    assert {file for job in without for file in job.absent} == {str(place(key))}
    for command in ("why", "status"):
        code, output = told(capsys, command)
        text = f"{len(absent)} of {len(jobs)} jobs cannot be judged: {place(key)} is not there."
        assert text in output
        assert code == 1
        assert "up to date" not in output


@pytest.mark.parametrize("left", ["index.csv", "segmenters", "everything"])
def test_snakemake_stops_before_any_job(here, new_workflow, left):
    """In a finished study, a half-finished one, and one that has only begun."""
    if left != "index.csv":
        shutil.rmtree("results/own" + ("" if left == "everything" else f"/{left}"))
    place("val_masks").unlink()
    place("backbone").unlink()
    output = new_workflow(Path.cwd()).run(Path("config.yaml").absolute(), ok=False)
    assert "2 problem(s)" in output
    for key, rules in (("val_masks", "build_index"), ("backbone", "train_irnet")):
        assert f"{place(key)}: found no such file, expected an input of {rules}" in output
    assert "Traceback" not in output
    assert "rule make_masks" not in output


def test_the_report_of_an_unfinished_study_says_how_to_finish_it(here, new_workflow):
    config = Path("config.yaml").absolute()
    Path("results/own/runs.csv").unlink()
    output = new_workflow(Path.cwd()).run(config, "--report", "report.html", ok=False)
    number = len({file for job in read(config=CONFIG) for file in job.outputs})
    expected = (
        f"but 1 of its {number} files are missing, such as results/own/runs.csv. Finish it, then"
    )
    assert expected in output
    command = f"snakemake --snakefile {ROOT / 'Snakefile'} --configfile config.yaml"
    assert f"make the report: {command}" in output
    assert "Traceback" not in output


def test_the_report_of_a_finished_study_needs_no_data(here, new_workflow):
    place("val_masks").unlink()
    new_workflow(Path.cwd()).run(
        Path("config.yaml").absolute(), "--report", str(Path("report.html").absolute())
    )
    assert "runs.csv" in Path("report.html").read_text()


FOREIGN = """
from chexseg.scheduling.snakemake_questions import ask_records
ask_records()
rule all:
    input: "copied.txt", "overlaps.csv", "runs.csv"
rule copy:
    input: "gone.txt"
    output: "copied.txt"
    shell: "cp {input} {output}"
rule convert:
    input: "gone.txt"
    output: "masks.json"
    shell: "cp {input} {output}"
rule count_overlaps:
    input: "truth.json"
    output: "overlaps.csv"
    shell: "chexseg count-overlaps --gt {input} --out {output}"
rule list_runs:
    input: "masks.json"
    output: "runs.csv"
    shell: "chexseg list-runs --masks {input} --out {output}"
"""


def test_a_file_that_another_workflows_rule_cannot_make(tmp_path, monkeypatch):
    """Its own job is a source, as Snakemake says; ours would leave the graph behind it."""
    monkeypatch.chdir(tmp_path)
    Path("foreign.smk").write_text(FOREIGN)
    for name in ("copied.txt", "overlaps.csv", "runs.csv", "truth.json", "masks.json"):
        Path(name).touch()
    assert {job.rule for job in read(text="study: x\n", snakefile=Path("foreign.smk"))} == {
        "count_overlaps", "list_runs",
    }  # fmt: skip
    Path("masks.json").unlink()
    with pytest.raises(InputError, match=r"gone\.txt"):
        read(text="study: x\n", snakefile=Path("foreign.smk"))
