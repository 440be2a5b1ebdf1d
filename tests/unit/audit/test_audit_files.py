"""What lies in a study's folder: links, companions, and what this account may not read."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from chexseg.audit.audit import audit
from chexseg.audit.study import Study
from chexseg.errors import InputError
from chexseg.provenance.record import running_path

ROOT = Path(__file__).parents[3]


def found(folder):
    return {(f.kind, file) for f in audit(Study(folder)).findings for file in f.files}


def outside(home, *names):
    """A folder beside the studies, with files."""
    folder = home / "outside"
    folder.mkdir()
    for name in names:
        (folder / name).write_text("x")
    return folder


def test_a_study_that_is_a_link_is_followed(study, home):
    shutil.move(study, home / "scratch")
    study.symlink_to(home / "scratch")
    assert found(study) == set()


@pytest.mark.parametrize("linked", ["images", "phantom/CheXpert", "segmenters/full"])
def test_a_linked_folder_was_not_checked(study, home, linked):
    """It is no missing artifact, and nobody is told to remove what is behind the link."""
    shutil.move(study / linked, home / "scratch")
    (study / linked).symlink_to(home / "scratch")
    (finding,) = audit(Study(study)).findings
    assert (finding.kind, finding.files) == ("cannot be read", (linked,))
    assert finding.found == "it is a link to a folder"
    assert "delete" not in finding.remedy


def test_a_linked_folder_of_logs_is_fine(study, home):
    shutil.move(study / "logs", home / "scratch")
    (study / "logs").symlink_to(home / "scratch")
    assert found(study) == set()


def test_a_folder_of_studies_is_no_study(study):
    """Else all files of all studies were foreign, and to be removed."""
    with pytest.raises(InputError, match="found no valid record at the top level, expected"):
        Study(study.parent)


def test_what_a_job_is_making_is_not_foreign(study):
    new = study / "segmenters/new/metrics.csv"
    new.parent.mkdir()
    new.write_text("epoch\n")
    running_path(new).write_text("{}")
    assert found(study) == {("running", "segmenters/new/metrics.csv")}
    running_path(new).unlink()
    assert found(study) == {("foreign", "segmenters/new/metrics.csv")}


def test_an_artifact_that_is_a_link_is_its_content(study, home):
    shutil.move(study / "summary.csv", home / "summary.csv")
    (study / "summary.csv").symlink_to(home / "summary.csv")
    assert found(study) == set()
    (home / "summary.csv").write_text("edited")
    assert found(study) == {("edited", "summary.csv")}


@pytest.mark.parametrize("place", ["images/more.h5", "more.h5", "segmenters/more.h5"])
def test_links_to_a_file_or_to_nothing_are_foreign(study, home, place):
    (study / place).symlink_to(outside(home, "a.h5") / "a.h5")
    assert found(study) == {("foreign", place)}
    (home / "outside/a.h5").unlink()
    assert found(study) == {("foreign", place)}


def test_a_loop_of_links_ends(study):
    (study / "images/up").symlink_to(study.absolute())
    (study / "root").symlink_to("/")
    assert found(study) == {("cannot be read", name) for name in ("images/up", "root")}


def test_a_pipe_is_foreign_and_nobody_waits_for_it(study):
    os.mkfifo(study / "images/pipe")
    (study / "summary.csv").unlink()
    os.mkfifo(study / "summary.csv")
    assert found(study) == {("foreign", "images/pipe"), ("missing", "summary.csv")}


@pytest.mark.parametrize(
    "place", ["images/logs/0002.h5", "images/report.html", "segmenters/ro-crate-metadata.json",
              "images/x.state/0002.h5", "images/._x/0002.h5"],
)  # fmt: skip
def test_what_is_free_at_the_top_is_not_below(study, place):
    (study / place).parent.mkdir(exist_ok=True)
    (study / place).write_text("x")
    assert found(study) == {("foreign", place)}


@pytest.mark.parametrize("place", ["logs/a/b.log", "report.zip", "images/.0000.abc.partial.h5",
                                   "images/.a.partial/b.h5", "segmenters/full/a.state"])  # fmt: skip
def test_companions(study, place):
    (study / place).parent.mkdir(parents=True, exist_ok=True)
    (study / place).write_text("x")
    assert found(study) == set()


def audited(obedient, folder):
    """What an account that obeys permissions is told."""
    done = subprocess.run(
        [sys.executable, "-m", "chexseg", "audit", str(folder), "--json"],
        text=True, capture_output=True, env={**os.environ, "PYTHONPATH": str(ROOT)},
        preexec_fn=obedient,
    )  # fmt: skip
    assert "Traceback" not in done.stderr
    return done


@pytest.mark.slow
def test_closed_files_folders_and_records_are_told_and_never_removed(study, obedient):
    closed = {
        "summary.csv": 0, "images": 0, "predictions/full.json.provenance.json": 0,
        "phantom/CheXpert/val": 0, "phantom/CheXpert/train.csv": 0, "saliency/gradcam": 0o444,
    }  # fmt: skip
    for name, mode in closed.items():
        (study / name).chmod(mode)
    try:
        done = audited(obedient, study)
    finally:
        for name in closed:
            (study / name).chmod(0o755)
    findings = json.loads(done.stdout)["findings"]
    assert {finding["kind"] for finding in findings} == {"cannot be read"}
    assert {finding["found"] for finding in findings} == {"permission denied"}
    assert not any("delete" in finding["remedy"] for finding in findings)
    named = {file for finding in findings for file in finding["files"]}
    maps = {f"saliency/gradcam/{shard}" for shard in ("0000.h5", "0001.h5")}
    maps |= {f"{name}.provenance.json" for name in maps}
    names = set(closed) - {"images", "phantom/CheXpert/val", "saliency/gradcam"}
    assert named - maps == names | {"images", "phantom/CheXpert/val"}
    assert named & maps


@pytest.mark.slow
@pytest.mark.parametrize("name", [".", "*.provenance.json"])
def test_a_study_that_is_closed_is_no_wrong_path(study, obedient, name):
    closed = list(study.rglob(name)) if "*" in name else [study]
    for path in closed:
        path.chmod(0)
    done = audited(obedient, study)
    for path in closed:
        path.chmod(0o755)
    assert done.returncode == 2
    assert "no valid record at the top level (permission denied)" in done.stderr
    assert "permit reading its records" in done.stderr


@pytest.mark.slow
def test_a_closed_raw_datum_is_told(home, obedient):
    Path("data/CheXpert/val/p3.jpg").chmod(0)
    (finding,) = json.loads(audited(obedient, "results/real").stdout)["findings"]
    assert (finding["kind"], finding["files"]) == ("cannot be read", ["data/CheXpert/val/p3.jpg"])
