import pytest
import torch

from chexseg.errors import InputError
from chexseg.models.weights import Epoch, kind_of, load_checkpoint
from tests.unit.models.test_weights import TENSORS, save


def test_kept_epochs_come_back_with_what_belongs_to_them(tmp_path):
    epochs = {n: Epoch({"weight": torch.full((2,), float(n))}, {"best": n}) for n in (5, 10)}
    save(tmp_path / "model.pt", epochs=epochs)
    loaded = load_checkpoint(tmp_path / "model.pt", kind="classifier")
    assert {n: (each.state_dict["weight"].tolist(), each.extra) for n, each in loaded.epochs.items()} == {
        5: ([5.0, 5.0], {"best": 5}), 10: ([10.0, 10.0], {"best": 10}),
    }  # fmt: skip
    assert torch.equal(loaded.state_dict["weight"], TENSORS["weight"])


def test_kept_epochs_that_are_damaged(tmp_path):
    save(tmp_path / "model.pt", epochs={5: Epoch({"weight": torch.zeros(2)}, {})})
    content = torch.load(tmp_path / "model.pt", weights_only=True)
    for kept in ({}, {"6": {}}, {"5": {"weight": 3}}, None):
        torch.save({**content, "epochs": kept}, tmp_path / "torn.pt")
        with pytest.raises(InputError, match="a damaged description"):
            load_checkpoint(tmp_path / "torn.pt", kind="classifier")


def test_the_kind_of_a_file(tmp_path):
    save(tmp_path / "model.pt", kind="segmenter")
    torch.save(TENSORS, tmp_path / "plain.pt")
    assert kind_of(tmp_path / "model.pt") == "segmenter"
    assert kind_of(tmp_path / "plain.pt") == ""
    with pytest.raises(InputError, match="found no file"):
        kind_of(tmp_path / "none.pt")
