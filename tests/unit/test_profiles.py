"""The profiles: what a site sets, and what it makes of the rules' needs."""

import re
from pathlib import Path

import pytest
import yte

from chexseg.gpus import count_gpus

ROOT = Path(__file__).parents[2]
TRAININGS = {"train_classifier", "train_irnet", "train_segmenter"}


def slurm_profile(**site):
    """The Slurm profile after a site has edited its lines."""
    text = (ROOT / "profiles" / "slurm" / "config.yaml").read_text()
    for name, value in site.items():
        text, n = re.subn(rf"(?m)^  {name}: \S+", f"  {name}: {value}", text)
        assert n == 1, name
    return yte.process_yaml(text, require_use_yte=True)


def gpu_rules():
    text = "\n".join(path.read_text() for path in (ROOT / "workflow" / "rules").glob("*.smk"))
    rules = re.split(r"(?m)^\s*rule (?=\w+:)", text)[1:]
    return {rule.partition(":")[0] for rule in rules if re.search(r"\bgpu=", rule)}


def test_profile_knows_all_gpu_rules():
    assert set(slurm_profile()["set-threads"]) == gpu_rules() > TRAININGS


def test_partition_per_kind_of_gpu():
    profile = slurm_profile(account="lab", cpu_partition="cpu", gpu_partition="a100,v100")
    assert profile["default-resources"]["slurm_account"] == "'lab'"
    assert profile["default-resources"]["slurm_partition"] == "'cpu'"
    assert {rule["slurm_partition"] for rule in profile["set-resources"].values()} == {
        "'a100,v100'"
    }


def test_one_partition_with_models_of_gpus():
    profile = slurm_profile(gpu_model="a100")
    assert "slurm_partition" not in profile["default-resources"]
    assert {rule["gpu_model"] for rule in profile["set-resources"].values()} == {"'a100'"}
    assert set(profile["set-resources"]) == gpu_rules()  # a job with a model gets a GPU


def test_preemptible_queue():
    profile = slurm_profile(preemptible="true", training_minutes="240")
    assert profile["slurm-requeue"] is True
    assert {
        r for r, needs in profile["set-resources"].items() if needs.get("runtime") == 240
    } == TRAININGS
    assert "slurm-requeue" not in slurm_profile()


def test_exceptions_for_single_rules():
    needs = {"train_irnet": {"runtime": 60, "gpu": 2}, "build_index": {"runtime": 600}}
    profile = slurm_profile(gpu_partition="gpu", exceptions=needs)["set-resources"]
    assert profile["build_index"] == {"runtime": 600}
    assert profile["train_irnet"] == {"slurm_partition": "'gpu'", "runtime": 60, "gpu": 2}
    assert profile["train_segmenter"]["runtime"] == 1440


def test_gpu_jobs_stop_without_gpu():
    assert "export CHEXSEG_REQUIRE_GPU=${CHEXSEG_REQUIRE_GPU:-1}" in slurm_profile()["precommand"]


def test_every_entry_is_explained():
    for name in ("slurm", "default"):
        lines = (ROOT / "profiles" / name / "config.yaml").read_text().splitlines()
        entries = [line for line in lines if re.match(r"[a-z]", line) and not line.endswith(":")]
        for line in entries:
            before = lines[lines.index(line) - 1]
            assert "# " in line or before.startswith("#"), line


@pytest.fixture
def driver(tmp_path, monkeypatch):
    """A machine with a driver and two GPUs."""
    program = tmp_path / "nvidia-smi"
    program.write_text("#!/bin/sh\necho 'GPU 0: A (UUID: x)'\necho 'GPU 1: A (UUID: y)'\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)


@pytest.mark.parametrize(("visible", "gpus"), [(None, 2), ("1", 1), ("0,1", 2), ("", 0), ("-1", 0)])
@pytest.mark.usefixtures("driver")
def test_gpus_of_a_machine_with_driver(monkeypatch, visible, gpus):
    if visible is not None:
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", visible)
    assert count_gpus() == gpus


def test_no_driver_no_gpus(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "0")
    assert count_gpus() == 0
