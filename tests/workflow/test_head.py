"""The head of a run plans a full study and imports nothing heavy; benchmarks/head.py times it."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks.head import full_study, make_empty_data

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
    """A folder with empty files under the names of CheXpert's and CheXlocalize's."""
    make_empty_data(workflow.folder)
    return workflow


def plan(workflow, config, *arguments):
    """Returns how many jobs of each rule a dry run plans."""
    words = ["--snakefile", ROOT / "Snakefile", "--directory", workflow.folder, "--dry-run"]
    done = subprocess.run(
        [sys.executable, "-c", PLAN, *map(str, words), "--configfile", str(config), *arguments],
        cwd=ROOT, env=workflow.environment, text=True, capture_output=True,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    assert _heavy(done.stdout.partition("imported: ")[2].split()) == []
    return {r: int(n) for r, n in re.findall(r"^(\w+) +(\d+)$", done.stdout, flags=re.MULTILINE)}


def _heavy(modules):
    """Returns which heavy libraries these modules import; Slurm's plugin itself imports pandas."""
    assert "chexseg.config.study" in modules
    done = subprocess.run([sys.executable, "-c", HEAVY, *modules], text=True, capture_output=True)
    assert done.returncode == 0, done.stderr
    return done.stdout.split()


@pytest.mark.slow
def test_a_full_study_is_planned(release):
    study = full_study()
    jobs = plan(release, release.write(study))
    assert jobs["train_segmenter"] == len(study["segmenters"]) == 34
    assert jobs["train_classifier"] == len(study["classifiers"]) == 11


@pytest.mark.slow
@pytest.mark.parametrize("profile", ["slurm", "profiles/slurm"])
def test_slurm_profile_is_read_in_the_root(release, profile):
    """The link `slurm` makes the literal `snakemake --profile slurm` work."""
    assert plan(release, ROOT / "config" / "chexpert.yaml", "--profile", profile)["all"] == 1
