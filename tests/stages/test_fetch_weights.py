"""ImageNet weights, from a torch cache that holds made-up ones."""

from pathlib import Path

import pytest
import torch
from torchvision.models import get_model, get_model_weights

from chexseg.cli import main
from chexseg.models.classifier import build_classifier
from chexseg.models.weights import initialise


@pytest.fixture
def cached(tmp_path, monkeypatch):
    """Weights in torch's cache, under the name that torchvision looks for."""
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "torch"))
    folder = tmp_path / "torch" / "hub" / "checkpoints"
    folder.mkdir(parents=True)
    state = get_model("resnet18").state_dict()
    url = get_model_weights("resnet18")["IMAGENET1K_V1"].url
    torch.save(state, folder / Path(url).name)
    return state


def test_fetched_weights_initialise_a_network(cached, tmp_path):
    out = tmp_path / "weights" / "resnet18.pt"
    assert main(["fetch-weights", "--architecture", "resnet18", "--out", str(out)]) == 0
    classifier = build_classifier("resnet18", 14)
    report = initialise(classifier.backbone, str(out), architecture="resnet18")
    assert report.loaded == len(cached) - 2  # all but the head
    assert torch.equal(classifier.backbone.conv1.weight, cached["conv1.weight"])


def test_an_architecture_without_weights_is_refused(tmp_path, capsys):
    out = tmp_path / "x.pt"
    assert main(["fetch-weights", "--architecture", "densenet_small", "--out", str(out)]) == 2
    assert "an architecture of torchvision" in capsys.readouterr().err
    assert not out.exists()
