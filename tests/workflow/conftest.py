import csv
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from chexseg.audit.study import Study
from chexseg.provenance.digests import sha256
from tests.workflow import warm

ROOT = Path(__file__).parents[2]

TINY = {
    "study": "tiny",
    "seed": 3,
    "phantom": {"train_images": 40, "val_images": 16, "test_images": 12, "longest_side": 72},
    "data": {
        "radiologist_masks": "CheXlocalize/hb_segmentations_test.json",
        "index": {"expert_fraction": 0.5, "shards": 2},
        "images": {"image_size": 64},
    },
    "defaults": {
        "classifiers": {"initial_weights": "none", "epochs": 1},
        "segmenters": {"initial_weights": "none", "epochs": 1, "decoder_channels": 16},
    },
    "classifiers": {
        "small": {"architecture": "densenet_small", "stride": 8},
        "resnet18": {"architecture": "resnet18"},
    },
    "saliency": {"gradcam": {"method": "gradcam", "classifiers": ["small"]}},
    "masks": {
        "cam": {"source": "threshold", "saliency": "gradcam"},
        "irnet": {
            "source": "irnet",
            "saliency": "gradcam",
            "backbone": "resnet18",
            "backbone_architecture": "resnet18",
            "training": {"epochs": 1, "radius": 4},
        },
    },
    "segmenters": {
        "weak_cam": {"masks": ["cam"]},
        "full": {"masks": ["expert"]},
        "chexseg": {
            "masks": {"expert": 0.5, "irnet": 0.5},
            "initial_weights": "resnet18",
        },
    },
}


MEASURED = ("seconds", "seconds_to_95", "peak_memory_mb")
"""Columns that are not the same each time."""


class Workflow:
    """Runs this repository's workflow in a folder of its own.

    Attributes:
        folder: the folder.
        environment: of its jobs, which are processes of their own.
        warm: the same, but for a `chexseg` that runs in forks, which is faster.
    """

    def __init__(self, folder: Path):
        self.folder = folder
        tools = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
        self.environment = {**os.environ, "PATH": tools, "OMP_NUM_THREADS": "1"}

    @property
    def warm(self) -> dict[str, str]:
        path = f"{warm.folder()}{os.pathsep}{self.environment['PATH']}"
        return {**self.environment, "PATH": path}

    def write(self, config: dict, name: str = "config.yaml") -> Path:
        path = self.folder / name
        path.write_text(yaml.safe_dump(config, sort_keys=False))
        return path

    def run(self, config: Path, *arguments: str, ok: bool = True) -> str:
        """Returns what snakemake printed; fails the test unless it ended as expected."""
        command = [sys.executable, "-m", "snakemake", "--snakefile", str(ROOT / "Snakefile")]
        command += ["--directory", str(self.folder), "--cores", "2", "--show-failed-logs"]
        environment = self.environment if "--dry-run" in arguments else self.warm
        done = subprocess.run(
            [*command, "--configfile", str(config), *arguments],
            cwd=ROOT, env=environment, text=True, capture_output=True,
        )  # fmt: skip
        output = done.stdout + done.stderr
        assert (done.returncode == 0) == ok, output
        return output

    def jobs(self, config: Path, *arguments: str) -> dict[str, int]:
        """Returns how many jobs of each rule a run would start."""
        output = self.run(config, "--dry-run", *arguments)
        table = output.partition("Job stats:")[2].partition("total")[0]
        counts = re.findall(r"^(\w+) +(\d+)$", table, flags=re.MULTILINE)
        return {rule: int(count) for rule, count in counts if rule != "all"}

    def contents(self) -> dict[str, object]:
        """Returns what every artifact of the tiny study holds, but for what trainings took."""
        results = self.folder / "results" / "tiny"
        found: dict[str, object] = {}
        for name in Study(results).made:
            if name.endswith(("metrics.csv", "trainings.csv")):
                rows = csv.DictReader((results / name).read_text().splitlines())
                found[name] = [{k: v for k, v in row.items() if k not in MEASURED} for row in rows]
            else:
                found[name] = sha256(results / name)
        return found


@pytest.fixture
def workflow(tmp_path):
    return Workflow(tmp_path)


@pytest.fixture(scope="session")
def new_workflow():
    """Makes the workflow of a folder."""
    return Workflow


@pytest.fixture(scope="session")
def tiny():
    """Config of a study with every kind of entry, as small as they get."""
    return TINY


@pytest.fixture(scope="session")
def tiny_study(tmp_path_factory):
    """The tiny study, computed: its workflow and its config file."""
    workflow = Workflow(tmp_path_factory.mktemp("tiny"))
    config = workflow.write(TINY)
    workflow.run(config)
    return workflow, config


@pytest.fixture(scope="session")
def stood_in(tmp_path_factory):
    """Folder with the stand-in of the finished demo, which is the working directory meanwhile."""
    from tests.workflow.stand_in import DEMO, read, stand_in

    folder = tmp_path_factory.mktemp("reruns")
    before = Path.cwd()
    os.chdir(folder)
    for job in read(config=DEMO):
        stand_in(job)
    os.chdir(before)
    return folder


@pytest.fixture
def in_stood_in(stood_in, monkeypatch):
    """The folder of `stood_in` as the working directory."""
    monkeypatch.chdir(stood_in)
    return stood_in
