"""The workflow as others use it: from workflow/Snakefile, and as a module of their own workflow.

The checkout is copied to a folder with a space in its name, so that neither the installed package
nor the working directory can stand in for it.
"""

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from chexseg.provenance.record import read_record

ROOT = Path(__file__).parents[2]
pytestmark = pytest.mark.slow

DEPLOYED = """
configfile: "config/config.yaml"

module chexseg:
    snakefile: {snakefile!r}
    config: config

use rule * from chexseg
"""
"""What snakedeploy writes."""

IMPORTER = """
configfile: "config/config.yaml"

module chexseg:
    snakefile: {snakefile!r}
    config: config

use rule * from chexseg exclude all as chexseg_*

rule count_x_rays:
    default_target: True
    input: rules.chexseg_build_index.output
    output: "x rays.txt", "package.txt"
    shell:
        "wc -l < {{input:q}} > {{output[0]:q}};"
        "python -c 'import chexseg; print(chexseg.__file__)' > {{output[1]:q}}"
"""


@pytest.fixture
def checkout(tmp_path):
    """A copy of what the workflow needs, in a folder with a space in its name."""
    folder = tmp_path / "a checkout"
    without = shutil.ignore_patterns("__pycache__")
    for name in ("chexseg", "workflow", "profiles", "config"):
        shutil.copytree(ROOT / name, folder / name, ignore=without)
    shutil.copy(ROOT / "Snakefile", folder)
    return folder


@pytest.fixture
def deployment(new_workflow, tmp_path, checkout, tiny):
    """Makes a folder with a config and a Snakefile made from a template."""
    folder = tmp_path / "my studies"
    (folder / "config").mkdir(parents=True)
    (folder / "workflow").mkdir()
    deployed = Deployment(new_workflow(folder))
    deployed.workflow.write(tiny, "config/config.yaml")

    def deploy(template):
        text = template.format(snakefile=str(checkout / "workflow" / "Snakefile"))
        (folder / "workflow" / "Snakefile").write_text(text)
        return deployed

    return deploy


class Deployment:
    """A folder where `snakemake` is typed."""

    def __init__(self, workflow):
        self.workflow, self.folder = workflow, workflow.folder

    def run(self, *arguments, ok=True):
        own = self.workflow.environment if "--dry-run" in arguments else self.workflow.warm
        environment = {k: v for k, v in own.items() if k != "PYTHONPATH"}
        done = subprocess.run(
            [sys.executable, "-m", "snakemake", "--cores", "2", "--show-failed-logs", *arguments],
            cwd=self.folder, env=environment, text=True, capture_output=True,
        )  # fmt: skip
        assert (done.returncode == 0) == ok, done.stdout + done.stderr
        return done.stdout + done.stderr

    def jobs(self, *arguments):
        """Returns how many jobs of each rule a run would start."""
        table = self.run("--dry-run", *arguments).partition("Job stats:")[2].partition("total")[0]
        counts = re.findall(r"^(\w+) +(\d+)$", table, flags=re.MULTILINE)
        return {rule: int(count) for rule, count in counts}


def test_a_deployed_workflow_plans_what_the_workflow_itself_plans(deployment, workflow, tiny):
    jobs = deployment(DEPLOYED).jobs()
    assert jobs.pop("all") == 1
    assert jobs == workflow.jobs(workflow.write(tiny))


def test_the_snakefile_of_the_catalog_is_that_of_the_root(deployment, checkout, workflow, tiny):
    snakefile = ["--snakefile", str(checkout / "workflow" / "Snakefile")]
    jobs = deployment(DEPLOYED).jobs(*snakefile, "--configfile", "config/config.yaml")
    assert jobs.pop("all") == 1
    assert jobs == workflow.jobs(workflow.write(tiny))


def test_an_importer_uses_an_artifact(deployment, checkout):
    deployed = deployment(IMPORTER)
    rules = ["chexseg_make_phantom", "chexseg_build_index", "count_x_rays"]
    assert deployed.jobs() == dict.fromkeys(rules, 1)
    deployed.run()
    index = deployed.folder / "results" / "tiny" / "index.csv"
    rows = len(index.read_text().splitlines())
    assert (deployed.folder / "x rays.txt").read_text().strip() == str(rows)
    package = (deployed.folder / "package.txt").read_text().strip()
    assert Path(package) == checkout / "chexseg" / "__init__.py"
    assert read_record(index)[1]["workflow"] == "snakemake --snakefile workflow/Snakefile"
    assert deployed.jobs() == {}
    # The importer's own rule follows Snakemake's rules, ours follow the records.
    snakefile = deployed.folder / "workflow" / "Snakefile"
    snakefile.write_text(snakefile.read_text().replace("wc -l", "wc  -l"))
    assert deployed.jobs() == {"count_x_rays": 1}
    deployed.run()
    (index.parent / "phantom" / "CheXpert" / "train.csv").touch()
    assert deployed.jobs("--max-checksum-file-size", "1") == {}, "time made ours run"
    record = index.with_name("index.csv.provenance.json")
    changed = json.loads(record.read_text())
    changed["settings"]["seed"] = "4"
    record.write_text(json.dumps(changed))
    assert deployed.jobs() == {"chexseg_build_index": 1, "count_x_rays": 1}


def test_a_prefix_is_refused(deployment):
    template = DEPLOYED.replace("    config: config", '    config: config\n    prefix: "seg"')
    output = deployment(template).run("--dry-run", ok=False)
    assert "cannot have a prefix" in output


def test_a_typo_in_an_importers_config_is_placed(deployment):
    deployed = deployment(DEPLOYED)
    config = deployed.folder / "config" / "config.yaml"
    config.write_text(config.read_text().replace("seed: 3", "sead: 3"))
    output = deployed.run("--dry-run", ok=False)
    assert "config/config.yaml:2:1: found unknown key 'sead'" in output
