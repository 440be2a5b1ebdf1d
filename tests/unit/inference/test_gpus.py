"""Jobs at the same time on one machine: each takes GPUs that no other has."""

import os
import subprocess
import sys

import pytest

from chexseg.errors import InputError
from chexseg.inference.gpus import VISIBLE, claim_gpus

JOB = """
import sys
from pathlib import Path
from chexseg.inference.gpus import VISIBLE, claim_gpus
import os
claim_gpus(int(sys.argv[1]), Path(sys.argv[2]))
print(os.environ.get(VISIBLE, "all"), flush=True)
sys.stdin.read()
"""


@pytest.fixture(autouse=True)
def _driver(tmp_path, monkeypatch):
    """A machine with three GPUs."""
    program = tmp_path / "nvidia-smi"
    lines = [f"GPU {i}: NVIDIA X (UUID: GPU-{name})" for i, name in enumerate("abc")]
    program.write_text("#!/bin/sh\n" + "".join(f"echo '{line}'\n" for line in lines))
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")
    monkeypatch.setenv(VISIBLE, "")  # so that it is put back at the end
    monkeypatch.delenv(VISIBLE)


@pytest.fixture
def start(tmp_path):
    """Starts a job that takes some GPUs; returns it and the GPUs that it sees."""
    jobs = []

    def start(gpus):
        words = [sys.executable, "-c", JOB, str(gpus), str(tmp_path / "locks")]
        job = subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        jobs.append(job)
        return job, job.stdout.readline().strip()

    yield start
    for job in jobs:
        job.kill()
        job.communicate()


def test_each_job_has_its_own_gpus_up_to_its_end(start):
    one, seen = start(1)
    assert seen == "GPU-a"
    assert start(2)[1] == "GPU-b,GPU-c"
    assert start(1)[1] == "all"  # Snakemake would not have started it
    one.kill()
    one.wait()
    assert start(1)[1] == "GPU-a"


def test_a_job_that_finds_too_few_keeps_none(start):
    start(1)
    assert start(3)[1] == "all"
    start(1)
    assert start(2)[1] == "all"
    assert start(1)[1] == "GPU-c"


def test_locks_of_another_user(tmp_path, monkeypatch):
    (tmp_path / "locks").mkdir()
    monkeypatch.setattr(os, "getuid", lambda: os.geteuid() + 1)
    with pytest.raises(InputError, match="locks: found a folder of another user"):
        claim_gpus(1, tmp_path / "locks")
    assert not list((tmp_path / "locks").iterdir())


def test_a_link_in_the_place_of_a_lock(tmp_path):
    (tmp_path / "locks").mkdir()
    (tmp_path / "locks" / "GPU-a").symlink_to(tmp_path / "planted")
    with pytest.raises(OSError, match="symbolic links"):
        claim_gpus(1, tmp_path / "locks")
    assert not (tmp_path / "planted").exists()


@pytest.mark.parametrize("visible", ["2", "0,1", ""])
def test_what_somebody_else_gave_out_stays(tmp_path, monkeypatch, visible):
    """Slurm, a person, or the job that started this one."""
    monkeypatch.setenv(VISIBLE, visible)
    claim_gpus(2, tmp_path)
    assert os.environ[VISIBLE] == visible


def test_some_of_those_that_a_person_gave_out(tmp_path, monkeypatch):
    monkeypatch.setenv(VISIBLE, "1,2")
    claim_gpus(1, tmp_path)
    assert os.environ[VISIBLE] == "GPU-b"


def test_a_number_and_a_name_are_the_same_gpu(start, monkeypatch):
    monkeypatch.setenv(VISIBLE, "0,1")
    assert start(1)[1] == "GPU-a"
    monkeypatch.delenv(VISIBLE)
    assert start(1)[1] == "GPU-b"
