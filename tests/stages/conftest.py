"""What tests of stages share."""

import pytest

from tests.stages.methods import make
from tests.stages.spoilt import Data
from tests.stages.trained import classify, prepare, saliency_of


@pytest.fixture
def data(phantom_copy, monkeypatch, tmp_path):
    """A release to spoil."""
    monkeypatch.chdir(tmp_path)  # where digests are remembered
    return Data(phantom_copy)


@pytest.fixture(scope="session")
def files(phantom, tmp_path_factory):
    """The phantom in one shard, with a classifier, its maps and their masks. Add files, change none."""
    files = prepare(phantom, tmp_path_factory.mktemp("study"), 1)
    files.classifier = classify(files, "classifier")
    files.saliency = saliency_of(files, "saliency", (files.classifier,))
    files.pseudo = (files.folder / "pseudo.h5",)
    maps = {"saliency": files.saliency[0]}
    make("threshold", files.index, files.images[0], files.pseudo[0], maps, threshold=0.5)
    return files


@pytest.fixture(scope="session")
def sharded(phantom, tmp_path_factory):
    """The phantom in three shards."""
    return prepare(phantom, tmp_path_factory.mktemp("sharded"), 3)
