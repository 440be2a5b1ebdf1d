"""Studies that are killed, cut short of disk or damaged, and go on: they end as if nothing was.

`make test-faults` kills 50 times, in every stage in turn; without CHEXSEG_KILLS it is a sample.
"""

import json
import os
import random
import resource
import shlex
import shutil
import signal
import subprocess
import sys
import time
from functools import partial
from pathlib import Path

import pytest

from chexseg.provenance.record import read_record
from chexseg.scheduling.graph import read_graph

ROOT = Path(__file__).parents[2]
KILLS = int(os.environ.get("CHEXSEG_KILLS", "3"))
SAMPLE = ("compare_runs", "predict_masks", "train_segmenter")
"""Where the sample kills: late in the study, so that little has to be done again."""
pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("tiny")]


@pytest.fixture
def copy(tiny_study, new_workflow, tmp_path):
    """The finished tiny study, moved to a folder of its own: its workflow and its config."""
    workflow, config = tiny_study
    shutil.copytree(workflow.folder / "results", tmp_path / "results")
    shutil.copy(config, tmp_path / "config.yaml")
    return new_workflow(tmp_path), tmp_path / "config.yaml"


@pytest.fixture
def jobs(copy, monkeypatch):
    """The jobs of the copy, by rule, in the order of the pipeline."""
    workflow, config = copy
    monkeypatch.chdir(workflow.folder)
    found = {}
    for job in read_graph([config], snakefile=ROOT / "Snakefile"):
        assert not job.would_run, f"{job.name}: {[*map(str, job.changes)]}"
        found.setdefault(job.rule, []).append(job)
    return found


def start(workflow, config, *arguments, **popen):
    command = [sys.executable, "-m", "snakemake", *arguments, "--cores", "2"]
    command += ["--snakefile", str(ROOT / "Snakefile"), "--directory", str(workflow.folder)]
    return subprocess.Popen(
        [*command, "--configfile", str(config)], cwd=ROOT, env=workflow.environment,
        start_new_session=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, **popen,
    )  # fmt: skip


def kill_in(workflow, config, job, delay):
    """Makes a job run again, and kills everything `delay` seconds after it has begun.

    Returns whether there was anything to kill: a job of a second may be done before.
    """
    mark = workflow.folder / job.mark
    (workflow.folder / job.outputs[0]).unlink(missing_ok=True)
    mark.unlink(missing_ok=True)
    process = start(workflow, config, "--nolock", "--prioritize", job.outputs[0])
    while not mark.exists() and process.poll() is None:
        time.sleep(0.005)
    time.sleep(delay)
    if process.poll() is not None:
        assert process.returncode == 0, process.communicate()[0]
        return False
    os.killpg(process.pid, signal.SIGKILL)
    process.communicate()
    return True


def wait_for(path, process):
    """Waits until a path is there, which the process makes."""
    while not path.exists():
        assert process.poll() is None, process.communicate()[0]
        time.sleep(0.02)


def audited(workflow):
    return subprocess.run(
        [sys.executable, "-m", "chexseg", "audit", "results/tiny"],
        cwd=workflow.folder, env=workflow.environment, capture_output=True, text=True,
    )  # fmt: skip


def assert_whole(copy, tiny_study):
    """The study is finished, equals the undisturbed one, and nothing is left lying about."""
    workflow, config = copy
    workflow.run(config, "--nolock")
    assert workflow.contents() == tiny_study[0].contents()
    left = [path for path in workflow.folder.glob("results/**/*")
            if ".partial" in path.name or path.name.endswith(".running.json")
            or (".state" in path.parts and path.is_file())]  # fmt: skip
    assert left == []
    audit = audited(workflow)
    assert audit.returncode == 0, audit.stdout + audit.stderr


def test_killed_again_and_again(copy, jobs, tiny_study):
    """From the last stage to the first, so that a kill finds all that its job needs; then again."""
    rng = random.Random(KILLS)
    rules = [*reversed(jobs)] if len(SAMPLE) < KILLS else SAMPLE
    for number in range(1, KILLS + 1):
        job = rng.choice(jobs[rules[(number - 1) % len(rules)]])
        _, record = read_record(tiny_study[0].folder / job.outputs[0])
        tries = (kill_in(*copy, job, record["seconds"] * rng.random()) for _ in range(5))
        assert any(tries), f"{job.name} was done before it could be killed, five times"
        print(f"kill {number} of {KILLS}: {job.name}", flush=True)
        if number % len(rules) == 0 or number == KILLS:
            assert_whole(copy, tiny_study)


def test_same_config_same_bits_after_a_full_disk(workflow, tiny, tiny_study):
    """In a folder of its own, from nothing; at first, no file may grow beyond 50 kB."""
    config = workflow.write(tiny)
    limit = (50_000, 50_000)
    full = partial(resource.setrlimit, resource.RLIMIT_FSIZE, limit)
    process = start(workflow, config, preexec_fn=full)
    said = process.communicate()[0]
    assert process.returncode != 0
    results = workflow.folder / "results/tiny"
    logs = [path.read_text() for path in results.glob("logs/store_images/*.log")]
    assert logs, said
    assert all("1 problem" in log for log in logs), said
    assert not any("Traceback" in log for log in logs)
    assert not (results / "images").exists() or not [*(results / "images").glob("*.h5")]
    assert_whole((workflow, config), tiny_study)


def test_a_folder_that_is_closed(copy, jobs, tiny_study, obedient):
    """Before the study goes on, and while a job computes what shall lie in it."""
    workflow, config = copy
    job = jobs["predict_masks"][0]
    artifact, log = workflow.folder / job.outputs[0], workflow.folder / job.log
    artifact.unlink()
    artifact.parent.chmod(0o555)
    process = start(workflow, config, "--nolock", preexec_fn=obedient)
    said = process.communicate()[0]
    assert process.returncode != 0
    assert "found a read-only folder" in said
    assert "results/tiny/predictions: " in said
    assert "Traceback" not in said
    artifact.parent.chmod(0o755)
    process = start(workflow, config, "--nolock", preexec_fn=obedient)
    wait_for(workflow.folder / job.mark, process)
    artifact.parent.chmod(0o555)
    assert process.communicate()[0]
    assert process.returncode != 0
    assert "1 problem" in log.read_text()
    assert "Permission denied" in log.read_text()
    assert "Traceback" not in log.read_text()
    artifact.parent.chmod(0o755)
    assert_whole(copy, tiny_study)


def test_truncated_artifacts(copy, tiny_study):
    """The command that the audit's remedy names is pasted as it is."""
    workflow, _ = copy
    names = ("masks/cam/0000.h5", "segmenters/chexseg/checkpoint.pt")
    paths = [workflow.folder / "results/tiny" / name for name in names]
    for path in paths:
        os.truncate(path, path.stat().st_size // 2)
    told = [line for line in audited(workflow).stdout.splitlines() if "ERROR   edited:" in line]
    assert all(any(f"results/tiny/{name}" in line for line in told) for name in names), told
    for path in paths:
        path.unlink()
    paste = ["bash", "-c", told[0].partition(", run: ")[2]]
    subprocess.run(paste, cwd=workflow.folder, env=workflow.warm, check=True)
    for name, path in zip(names, paths, strict=True):
        assert path.stat().st_size == (tiny_study[0].folder / "results/tiny" / name).stat().st_size
    assert_whole(copy, tiny_study)


def test_two_workflows_in_one_folder(workflow, tiny):
    """The second is told that the first computes, which goes on undisturbed.

    The config's name is one that a shell would trip over: every job is told it, for its record.
    """
    name = "a b; $(touch pwned) 'q' \"r\" {x} & ü.yaml"
    config = workflow.write(tiny, name)
    mark = workflow.folder / "results/tiny/.phantom.running.json"
    first = start(workflow, config, "results/tiny/index.csv")
    wait_for(mark, first)
    os.killpg(first.pid, signal.SIGSTOP)  # it must not be done before the second has begun
    second = workflow.run(config, ok=False)
    os.killpg(first.pid, signal.SIGCONT)
    assert "Directory cannot be locked" in second
    assert "Traceback" not in second
    assert first.communicate()[0]
    assert first.returncode == 0
    assert not mark.exists()
    record = json.loads((workflow.folder / "results/tiny/index.csv.provenance.json").read_text())
    assert shlex.split(record["workflow"])[-2:] == ["--configfile", name]
    assert not list(workflow.folder.rglob("pwned"))
