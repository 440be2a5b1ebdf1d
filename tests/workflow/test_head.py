"""What the head of a run costs: it plans a full study in seconds, and imports nothing heavy."""

import re
import resource
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parents[2]

PLAN = """
import sys
from snakemake.cli import main
try:
    main(sys.argv[1:])
finally:
    print("imported:", *(name for name in sys.modules if name.startswith("chexseg")))
"""
HEAVY = """
import importlib, sys
for name in sys.argv[1:]:
    importlib.import_module(name)
print(*{"h5py", "lightning", "numpy", "pandas", "PIL", "torch"} & set(sys.modules))
"""


@pytest.fixture
def release(workflow):
    """Empty files under the names of CheXpert's and CheXlocalize's."""
    for name in (
        "CheXpert/train.csv", "CheXpert/val_labels.csv", "CheXpert/test_labels.csv",
        "CheXlocalize/gt_segmentations_val.json", "CheXlocalize/gt_segmentations_test.json",
    ):  # fmt: skip
        path = workflow.folder / "data" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    return workflow


def full_study():
    """config/chexpert.yaml with three seeds of the classifiers and of a sweep of ten mixtures."""
    study = yaml.safe_load((ROOT / "config" / "chexpert.yaml").read_text())
    for seed in range(3):
        for name in ("densenet121", "resnet18", "resnet50"):
            study["classifiers"][f"{name}_{seed}"] = {"architecture": name, "seed": seed}
        for tenth in range(1, 11):
            study["segmenters"][f"chexseg_{tenth}_{seed}"] = {
                "masks": ["expert", "irnet"],
                "expert_probability": tenth / 10,
                "seed": seed,
            }
    return study


def plan(workflow, config, *arguments):
    """Returns what a dry run printed, and its seconds on a CPU."""
    words = ["--snakefile", ROOT / "Snakefile", "--directory", workflow.folder, "--dry-run"]
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    done = subprocess.run(
        [sys.executable, "-c", PLAN, *map(str, words), "--configfile", str(config), *arguments],
        cwd=ROOT, env=workflow.environment, text=True, capture_output=True,
    )  # fmt: skip
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    assert done.returncode == 0, done.stdout + done.stderr
    assert _heavy(done.stdout.partition("imported: ")[2].split()) == []
    return done.stdout, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def _heavy(modules):
    """Returns which heavy libraries these modules import; Slurm's plugin itself imports pandas."""
    assert "chexseg.config.study" in modules
    done = subprocess.run([sys.executable, "-c", HEAVY, *modules], text=True, capture_output=True)
    assert done.returncode == 0, done.stderr
    return done.stdout.split()


def test_shipped_study_is_planned_in_seconds(release):
    _, seconds = plan(release, ROOT / "config" / "chexpert.yaml", "--quiet")
    assert seconds < 10


@pytest.mark.slow
def test_full_study_is_planned_in_seconds(release):
    config = release.write(full_study())
    output, seconds = plan(release, config)
    assert seconds < 10
    assert re.search(r"^train_segmenter +34$", output, flags=re.MULTILINE)


@pytest.mark.parametrize("profile", ["slurm", "profiles/slurm"])
def test_slurm_profile_is_read_in_the_root(release, profile):
    """The link `slurm` makes the literal `snakemake --profile slurm` work."""
    config = ROOT / "config" / "chexpert.yaml"
    plan(release, config, "--quiet", "--profile", profile)
