import json
import os
import re
import urllib.error

import pytest
import torch
from torch import nn

from chexseg.errors import InputError
from chexseg.models.classifier import build_classifier
from chexseg.models.matching import load_matching
from chexseg.models.weights import (
    initialise,
    load_checkpoint,
    save_checkpoint,
)

TENSORS = {"weight": torch.tensor([[1.0, 2.0]]), "bias": torch.tensor([3.0])}


def save(path, **changes):
    values = {
        "state_dict": TENSORS,
        "kind": "classifier",
        "settings": {"architecture": "resnet18", "stride": 32},
        "classes": ["Edema", "Atelectasis"],
        "extra": {"auroc": [0.5, None]},
    }
    save_checkpoint(path, **(values | changes))


def small_network() -> nn.Module:
    """Two convolutions with a BatchNorm each, and a head, under torchvision-like names."""
    network = nn.Module()
    for level in (1, 2):
        network.add_module(f"conv{level}", nn.Conv2d(2, 2, 1))
        network.add_module(f"bn{level}", nn.BatchNorm2d(2))
    network.fc = nn.Linear(2, 3)
    return network


# Checkpoints


def test_checkpoint_round_trip(tmp_path):
    save(tmp_path / "model.pt")
    checkpoint = load_checkpoint(tmp_path / "model.pt", kind="classifier")
    assert checkpoint.kind == "classifier"
    assert checkpoint.settings == {"architecture": "resnet18", "stride": 32}
    assert checkpoint.classes == ("Edema", "Atelectasis")
    assert checkpoint.extra == {"auroc": [0.5, None]}
    assert list(checkpoint.state_dict) == ["weight", "bias"]
    assert torch.equal(checkpoint.state_dict["weight"], TENSORS["weight"])


def test_same_content_same_bytes(tmp_path):
    save(tmp_path / "first.pt")
    again = {name: tensor.clone() for name, tensor in TENSORS.items()}
    save(
        tmp_path / "second.pt",
        state_dict=again,
        settings=json.loads('{"stride": 32, "architecture": "resnet18"}'),
    )
    assert (tmp_path / "first.pt").read_bytes() == (tmp_path / "second.pt").read_bytes()
    save(tmp_path / "third.pt", extra={"auroc": [0.5, 0.5]})
    assert (tmp_path / "first.pt").read_bytes() != (tmp_path / "third.pt").read_bytes()


def test_a_view_is_saved_without_its_storage(tmp_path):
    save(tmp_path / "view.pt", state_dict={"weight": torch.zeros(1000, 1000)[0]})
    assert (tmp_path / "view.pt").stat().st_size < 20_000


def test_settings_that_json_cannot_hold_leave_no_file(tmp_path):
    with pytest.raises(TypeError):
        save(tmp_path / "model.pt", settings={"size": {1, 2}})
    assert list(tmp_path.iterdir()) == []


def test_another_kind(tmp_path):
    save(tmp_path / "model.pt")
    with pytest.raises(InputError, match="found a classifier, expected a segmenter"):
        load_checkpoint(tmp_path / "model.pt", kind="segmenter")


def test_no_file_and_no_checkpoint(tmp_path):
    with pytest.raises(InputError, match="found no file"):
        load_checkpoint(tmp_path / "none.pt", kind="classifier")
    torch.save(TENSORS, tmp_path / "plain.pt")
    with pytest.raises(InputError, match="found another format"):
        load_checkpoint(tmp_path / "plain.pt", kind="classifier")
    (tmp_path / "text.pt").write_text("hello, this is no checkpoint")
    with pytest.raises(InputError, match="text.pt"):
        load_checkpoint(tmp_path / "text.pt", kind="classifier")
    (tmp_path / "empty.pt").touch()
    with pytest.raises(InputError, match="empty.pt"):
        load_checkpoint(tmp_path / "empty.pt", kind="classifier")


def test_another_version(tmp_path, monkeypatch):
    monkeypatch.setattr("chexseg.models.weights.VERSION", 99)
    save(tmp_path / "model.pt")
    monkeypatch.undo()
    with pytest.raises(InputError, match="found format version 99, expected version 2"):
        load_checkpoint(tmp_path / "model.pt", kind="classifier")


def test_truncated_and_corrupted_files(tmp_path):
    weight = torch.arange(1000.0)
    save(tmp_path / "model.pt", state_dict={"weight": weight})
    content = (tmp_path / "model.pt").read_bytes()
    (tmp_path / "truncated.pt").write_bytes(content[:-300])
    with pytest.raises(InputError, match="damaged"):
        load_checkpoint(tmp_path / "truncated.pt", kind="classifier")
    at = content.index(weight[100:200].numpy().tobytes())
    corrupted = content[:at] + b"\xff" + content[at + 1 :]
    (tmp_path / "corrupted.pt").write_bytes(corrupted)
    with pytest.raises(InputError, match="checksum"):
        load_checkpoint(tmp_path / "corrupted.pt", kind="classifier")


class Command:
    """Pickles as a call of os.system."""

    def __init__(self, command: str):
        self.command = command

    def __reduce__(self):
        return os.system, (self.command,)


def test_code_in_a_file_is_refused_and_never_run(tmp_path):
    witness = tmp_path / "witness"
    torch.save({"state_dict": {}, "code": Command(f"touch {witness}")}, tmp_path / "bad.pt")
    with pytest.raises(InputError, match="never runs code"):
        load_checkpoint(tmp_path / "bad.pt", kind="classifier")
    with pytest.raises(InputError, match="never runs code"):
        initialise(small_network(), str(tmp_path / "bad.pt"), architecture="resnet18")
    assert not witness.exists()


# Matching


@pytest.mark.parametrize("prefix", ["", "module.", "model.encoder.", "features.backbone."])
def test_prefix_is_found_and_head_ignored(prefix):
    source, target = small_network(), small_network()
    head = target.fc.weight.clone()
    state = {prefix + name: tensor for name, tensor in source.state_dict().items()}
    state["decoder.conv1.weight"] = torch.zeros(9)
    report = load_matching(target, state, source="here")
    assert (report.source, report.prefix, report.missing) == ("here", prefix, ())
    assert report.loaded == 14
    assert torch.equal(target.conv2.weight, source.conv2.weight)
    assert torch.equal(target.fc.weight, head)


def test_first_of_two_equal_prefixes():
    query, key, target = small_network(), small_network(), small_network()
    state = {f"encoder_q.{name}": tensor for name, tensor in query.state_dict().items()}
    state |= {f"encoder_k.{name}": tensor for name, tensor in key.state_dict().items()}
    assert load_matching(target, state, source="MoCo").prefix == "encoder_q."
    assert torch.equal(target.conv1.weight, query.conv1.weight)


def test_counters_of_old_files_are_not_missed():
    state = {k: v for k, v in small_network().state_dict().items() if "num_batches" not in k}
    report = load_matching(small_network(), state, source="old")
    assert report.loaded == 12
    assert report.missing == ("bn1.num_batches_tracked", "bn2.num_batches_tracked")


def test_too_few_tensors_leave_the_module_unchanged():
    target = small_network()
    before = target.conv1.weight.clone()
    state = {k: v for k, v in small_network().state_dict().items() if not k.startswith("bn2")}
    with pytest.raises(InputError, match="8 of the network's 12 tensors.*another architecture"):
        load_matching(target, state, source="partial")
    assert torch.equal(target.conv1.weight, before)
    with pytest.raises(InputError, match="0 of the network's 12 tensors"):
        load_matching(target, {}, source="nothing")


def test_another_shape_is_another_architecture():
    state = small_network().state_dict() | {"conv2.weight": torch.zeros(2, 1, 1, 1)}
    with pytest.raises(InputError, match=r"shape \(2, 1, 1, 1\).*shape \(2, 2, 1, 1\)"):
        load_matching(small_network(), state, source="other")


def test_resnets_and_densenets_do_not_mix():
    densenet = build_classifier("densenet_small", 3)
    resnet = build_classifier("resnet18", 3)
    with pytest.raises(InputError, match="another architecture"):
        load_matching(resnet.backbone, densenet.state_dict(), source="densenet")
    with pytest.raises(InputError, match="another architecture"):
        load_matching(densenet.backbone, resnet.state_dict(), source="resnet")


# Initialisation


def test_none_keeps_the_random_weights():
    network = small_network()
    before = network.conv1.weight.clone()
    assert initialise(network, "none", architecture="resnet18") is None
    assert torch.equal(network.conv1.weight, before)


@pytest.mark.parametrize("wrapped", [False, True])
def test_weights_of_a_file(tmp_path, wrapped):
    source, target = small_network(), small_network()
    state = source.state_dict()
    path = tmp_path / "weights.pt"
    torch.save({"epoch": 3, "state_dict": state} if wrapped else state, path)
    assert initialise(target, str(path), architecture="resnet18").loaded == 14
    assert torch.equal(target.bn2.weight, source.bn2.weight)


def test_weights_of_a_checkpoint(tmp_path):
    source, target = build_classifier("densenet_small", 14), build_classifier("densenet_small", 3)
    save(tmp_path / "model.pt", state_dict=source.state_dict())
    report = initialise(target.backbone, str(tmp_path / "model.pt"), architecture="densenet_small")
    assert report.missing == ()
    image = torch.rand(1, 1, 64, 64)
    assert torch.equal(source.eval().features(image), target.eval().features(image))


def test_a_file_without_tensors(tmp_path):
    torch.save({"epoch": 3}, tmp_path / "empty.pt")
    with pytest.raises(InputError, match="found no tensors"):
        initialise(small_network(), str(tmp_path / "empty.pt"), architecture="resnet18")


def old_densenet_names(state: dict) -> dict:
    """What torchvision's file of 2017 looks like: other names, no counters."""
    return {
        re.sub(r"(denselayer\d+\.(?:norm|conv))([12]\.)", r"\1.\2", name): tensor
        for name, tensor in state.items()
        if not name.endswith("num_batches_tracked")
    }


@pytest.mark.parametrize("architecture", ["resnet18", "densenet121"])
def test_imagenet_weights_come_through_torchvisions_cache(architecture, tmp_path, monkeypatch):
    models = pytest.importorskip("torchvision.models")
    source = models.get_model(architecture, weights=None)
    url = models.get_model_weights(architecture)["IMAGENET1K_V1"].url
    cached = tmp_path / "hub" / "checkpoints" / url.rsplit("/", 1)[1]
    cached.parent.mkdir(parents=True)
    torch.save(old_densenet_names(source.state_dict()), cached)
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))

    target = build_classifier(architecture, 14).backbone
    report = initialise(target, "imagenet", architecture=architecture)
    assert report.source == f"imagenet {architecture}"
    assert all(name.endswith("num_batches_tracked") for name in report.missing)
    state = source.state_dict()
    for name, tensor in target.state_dict().items():
        if name.split(".")[0] not in ("fc", "classifier"):
            assert torch.equal(tensor, state[name]), name
    assert (
        target.get_submodule("fc" if "resnet" in architecture else "classifier").out_features == 14
    )


def test_imagenet_without_a_connection_says_where_to_put_the_file(tmp_path, monkeypatch):
    def fail(*arguments, **options):
        raise urllib.error.URLError("offline")

    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    monkeypatch.setattr("torch.hub.download_url_to_file", fail)
    with pytest.raises(InputError, match=f"Put the file into {tmp_path}"):
        initialise(small_network(), "imagenet", architecture="resnet18")


def test_no_imagenet_weights_for_our_own_architecture():
    with pytest.raises(InputError, match="imagenet for densenet_small"):
        initialise(small_network(), "imagenet", architecture="densenet_small")
