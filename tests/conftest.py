"""What tests share: a small phantom release, and the rules of the workflow; each made once."""

import os
import shutil
from pathlib import Path

import pytest

from tests.permissions import obedient as obedient  # a fixture

os.environ.setdefault("OMP_NUM_THREADS", "1")
ROOT = Path(__file__).parents[1]


@pytest.fixture(scope="session")
def phantom(tmp_path_factory):
    """Folder of a release with 24 train, 10 val and 8 test X-rays. Do not change it."""
    from chexseg.config.settings import PhantomSettings
    from chexseg.data.phantom.release import make_release

    root = tmp_path_factory.mktemp("phantom") / "release"
    make_release(
        root,
        PhantomSettings(train_images=24, val_images=10, test_images=8, longest_side=72, seed=3),
    )
    return root


@pytest.fixture
def phantom_copy(phantom, tmp_path):
    """A copy of the release, to change."""
    return shutil.copytree(phantom, tmp_path / "release")


@pytest.fixture(scope="session")
def rules(tmp_path_factory):
    """The rules of config/demo.yaml that run a stage, by name, as Snakemake itself parses them."""
    from snakemake.api import SnakemakeApi
    from snakemake.settings.enums import Quietness
    from snakemake.settings.types import (
        ConfigSettings,
        OutputSettings,
        ResourceSettings,
        WorkflowSettings,
    )

    with SnakemakeApi(OutputSettings(quiet={Quietness.ALL}, dryrun=True)) as api:
        parsed = api.workflow(
            resource_settings=ResourceSettings(cores=1),
            config_settings=ConfigSettings(configfiles=[ROOT / "config" / "demo.yaml"]),
            workflow_settings=WorkflowSettings(),
            snakefile=ROOT / "Snakefile",
            workdir=tmp_path_factory.mktemp("rules"),
        )
        return {rule.name: rule for rule in parsed._workflow.rules if rule.shellcmd}
