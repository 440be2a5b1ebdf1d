"""What makes artifacts stale, beside settings: code of every module, damage, and nothing else."""

import functools
import os
import re
import shutil
from functools import cache
from pathlib import Path

import pytest
import yaml

from chexseg.provenance import code
from chexseg.provenance.code import PACKAGE, read_module
from chexseg.scheduling import reruns
from tests.unit.provenance.reach import code_in, compiled, methods_in, modules, reached_by
from tests.workflow.stand_in import DEMO, TEXT, downstream, read, running, stand_in

ROOT = Path(__file__).parents[2]
pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("reruns")]


@pytest.fixture(scope="module")
def demo():
    return TEXT


def test_nothing_runs_when_nothing_changed(in_stood_in, demo):
    jobs = read(text=demo)
    assert running(jobs) == set(), [str(change) for job in jobs for change in job.changes]


@pytest.mark.parametrize("module", modules())
def test_code_reruns_the_stages_that_can_execute_it(
    in_stood_in, demo, module, tmp_path, monkeypatch
):
    """A definition of every module: the one that the fewest jobs reach, if any does.

    What is expected is told by Python's own compiler and interpreter (`reached_by`), not by the
    code under test.
    """
    jobs, file = read(text=demo), Path(compiled(module).names["__file__"])
    text = file.read_text()
    names = code_in(module) or re.findall(r"^(\w+) = ", text, flags=re.M)
    reached = {job.name: reached_by(job.arguments[0], *methods_in(job.arguments)) for job in jobs}
    direct = {n: [job for job in reached if f"{module}:{n}" in reached[job]] for n in names}
    name = min(direct, key=lambda name: len(direct[name]) or len(jobs))
    changed = re.sub(rf"^(?=(def|class) {name}\b)", "@staticmethod\n", text, flags=re.M)
    changed = re.sub(rf"^(?={name} = )", f"{name} = None\n", changed, flags=re.M)
    assert changed != text
    package = shutil.copytree(PACKAGE, tmp_path / "chexseg")
    (package / file.relative_to(PACKAGE)).write_text(changed)
    edited = read_module.__wrapped__(module, package)  # the others need not be read again
    monkeypatch.setattr(code, "read_module", lambda m, _: edited if m == module else read_module(m))
    monkeypatch.setattr(code, "_reached", cache(code._reached.__wrapped__))
    jobs = read(text=demo)
    assert running(jobs) == downstream(jobs, direct[name])


def test_comments_order_and_formatting_change_nothing(in_stood_in, demo):
    config = yaml.safe_load(demo)
    assert running(read({key: config[key] for key in reversed(config)})) == set()
    assert running(read(text="# another comment\n" + demo.replace("2.0e-3", "0.002"))) == set()


def test_triggers_cannot_be_switched_off(in_stood_in, new_workflow, demo):
    config = in_stood_in / "triggers.yaml"
    config.write_text(demo)
    off = ("--dry-run", "--rerun-triggers", "mtime")
    assert "omit it" in new_workflow(in_stood_in).run(config, *off, ok=False)


def test_how_to_compute_reruns_nothing_and_reaches_the_command(in_stood_in, new_workflow, demo):
    config, rules = (
        in_stood_in / "execution.yaml",
        ("train_classifier", "train_irnet", "train_segmenter"),
    )
    config.write_text(demo)
    needs = {"staged": 1, "gpu": 16, "nodes": 2, "tmpdir": "'/scratch'"}
    words = [f"{rule}:{need}={amount}" for rule in rules for need, amount in needs.items()]
    execution = (
        "--cores",
        "16",
        "--set-resources",
        *words,
        "--set-threads",
        *(f"{rule}=16" for rule in rules),
    )
    assert new_workflow(in_stood_in).jobs(config, *execution) == {}
    output = new_workflow(in_stood_in).run(config, "-n", "-p", *execution, "--forcerun", *rules)
    commands = re.findall(r"(?m)^Shell command: (chexseg train-.*)$", output)
    trainings = len(DEMO["classifiers"]) + 1 + len(DEMO["segmenters"])
    assert len(commands) == trainings
    for command in commands:
        assert " --devices 8 --nodes 2 --threads 2 --scratch /scratch " in command


def test_time_stamps_change_nothing(in_stood_in, demo):
    for path in sorted(in_stood_in.joinpath("results").rglob("*"), reverse=True):
        os.utime(path)
    assert running(read(text=demo)) == set()


def test_a_fresh_clone_and_a_moved_study_are_up_to_date(in_stood_in, demo, tmp_path, monkeypatch):
    """New time stamps of results and of every source file, another folder, no .snakemake."""
    fresh = functools.partial(shutil.copytree, copy_function=shutil.copyfile)
    fresh(in_stood_in / "results", tmp_path / "results")
    package = fresh(PACKAGE, tmp_path / "clone/chexseg")
    fresh(ROOT / "workflow", tmp_path / "clone/workflow")
    snakefile = shutil.copyfile(ROOT / "Snakefile", tmp_path / "clone/Snakefile")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(reruns, "code_of", functools.partial(code.code_of, package=package))
    assert running(read(text=demo, snakefile=snakefile)) == set()


@pytest.mark.parametrize(
    ("damage", "runs"),
    [
        ("images/0000.h5", "store_images 0000"),
        ("segmenters/full/checkpoint.pt", "train_segmenter full"),
        ("summary.csv", "score_runs"),
        ("phantom/CheXpert/train.csv", "make_phantom"),
        ("index.csv.provenance.json", "build_index"),
    ],
)
def test_a_damaged_artifact_is_made_again(in_stood_in, demo, tmp_path, monkeypatch, damage, runs):
    shutil.copytree(in_stood_in / "results", tmp_path / "results")
    monkeypatch.chdir(tmp_path)
    path = Path("results/demo") / damage
    path.write_bytes(path.read_bytes()[:-2])
    jobs = read(text=demo)
    assert running(jobs) == downstream(jobs, [runs])


def test_a_job_done_again_alone_makes_what_follows_stale(in_stood_in, demo, tmp_path, monkeypatch):
    """As after a run that was cut off between a job and those behind it."""
    shutil.copytree(in_stood_in / "results", tmp_path / "results")
    monkeypatch.chdir(tmp_path)
    job = next(job for job in read(text=demo) if job.name == "make_masks expert 0000")
    stand_in(job, content="other")
    jobs = read(text=demo)
    assert running(jobs) == downstream(jobs, ["train_segmenter", "draw_figure explanations"])


def test_deleting_all_outputs_deletes_all_that_jobs_wrote(
    in_stood_in, new_workflow, demo, tmp_path
):
    """Records, and the phantom's files that no rule declares; not what others put there."""
    folder = tmp_path / "copy"
    shutil.copytree(in_stood_in / "results", folder / "results")
    (folder / "results/demo/notes.txt").write_text("mine")
    config = folder / "demo.yaml"
    config.write_text(demo)
    new_workflow(folder).run(config, "--delete-all-output", "--dry-run")
    assert (folder / "results/demo/index.csv.provenance.json").exists()
    new_workflow(folder).run(config, "--delete-all-output")
    left = {str(p.relative_to(folder / "results/demo")) for p in folder.glob("results/**/*.*")
            if p.is_file()}  # fmt: skip
    assert left == {"notes.txt"}
