"""The file of a training's state: one that does not fit, or is damaged, is left alone."""

import os

import pytest
import torch

from chexseg.config.settings import TrainingSettings
from chexseg.inference.signals import Stopped
from chexseg.training.state import FORMAT, StateFile
from tests.unit.training.toy_training import (
    EPOCHS,
    SETTINGS,
    STEPS,
    Steps,
    at,
    terminate,
    train,
)


@pytest.fixture
def state(tmp_path, capsys):
    """The state of a training that was stopped behind the second step of its second epoch."""
    with pytest.raises(Stopped):
        train(tmp_path, at(6, terminate))
    capsys.readouterr()
    return tmp_path / "state.pt"


def assert_begins_anew(state, capsys, reason, **changes):
    """The training starts over, and one line says why."""
    steps = Steps()
    train(state.parent, steps, **changes)
    assert steps.count == EPOCHS * STEPS
    told = [line for line in capsys.readouterr().out.splitlines() if str(state) in line]
    assert len(told) == 1
    assert reason in told[0]
    assert "the training starts over" in told[0]
    assert not state.exists()


@pytest.mark.parametrize("changes", [{"seed": 1}, {"learning_rate": 0.04}, {"epochs": 2}])
def test_a_state_of_other_settings_is_left_alone(state, capsys, changes):
    steps = Steps()
    train(state.parent, steps, **changes)
    assert steps.count == changes.get("epochs", EPOCHS) * STEPS
    assert "belongs to other inputs, settings or code" in capsys.readouterr().out


def test_a_state_of_other_inputs_is_left_alone(state, capsys):
    (state.parent / "given").write_text("another content")
    assert_begins_anew(state, capsys, "belongs to other inputs, settings or code")


def test_a_state_of_other_code_is_left_alone(state, capsys, monkeypatch):
    monkeypatch.setattr("chexseg.training.state.code_of", lambda *_: {"run": "edited"})
    assert_begins_anew(state, capsys, "belongs to other inputs, settings or code")


def test_the_key_is_that_of_content_not_of_places(tmp_path):
    one, other = tmp_path / "one", tmp_path / "other"
    one.write_text("content")
    other.write_text("content")

    def key(*inputs, settings=SETTINGS, **others):
        settings = TrainingSettings(**settings)
        return StateFile(tmp_path, 1, "train-irnet", settings, inputs, **others).key

    assert key(one) == key(other)
    assert len({key(one), key(), key(one, one), key(one, backbone="none"), key(settings={})}) == 5


def cut_off(path):
    path.write_bytes(path.read_bytes()[:-2000])


def flip_a_bit(path):
    tensor = torch.load(path, weights_only=True)["content"]["noise"].numpy().tobytes()
    content = bytearray(path.read_bytes())
    content[content.index(tensor) + 200] ^= 1
    path.write_bytes(content)


def empty(path):
    path.write_bytes(b"")


def not_a_state(path):
    torch.save({"weight": torch.zeros(2)}, path)


@pytest.mark.parametrize(
    ("damage", "reason"),
    [
        (cut_off, "damaged"),
        (flip_a_bit, "damaged"),
        (empty, "damaged"),
        (not_a_state, "is not the state of a training"),
    ],
)
def test_a_damaged_state_is_left_alone(state, capsys, damage, reason):
    damage(state)
    assert_begins_anew(state, capsys, reason)


class Trap:
    """Code that runs when it is unpickled."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return os.mkdir, (str(self.path),)


def test_code_in_a_state_is_not_run(state, capsys):
    key = torch.load(state, weights_only=True)["key"]
    sprung = state.parent / "sprung"
    torch.save({"format": FORMAT, "key": key, "content": Trap(sprung)}, state)
    assert_begins_anew(state, capsys, "no plain tensors")
    assert not sprung.exists()


def test_leftovers_of_cut_off_saves_are_cleared_away(tmp_path):
    leftover, other = tmp_path / ".state.abcdefgh.partial.pt", tmp_path / ".other.abc.partial.pt"
    leftover.touch()
    other.touch()
    train(tmp_path)
    assert not leftover.exists()
    assert other.exists()
