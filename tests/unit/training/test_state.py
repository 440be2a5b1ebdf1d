"""A training that is stopped anywhere and goes on gives the bits of one that was not."""

import os
import signal
from multiprocessing import active_children

import pytest
import torch

from chexseg.inference.signals import Stopped
from chexseg.training import loop
from chexseg.training.state import StateFile
from tests.unit.training.toy_training import (
    EPOCHS,
    STEPS,
    Killed,
    Steps,
    at,
    kill,
    terminate,
    train,
)


def assert_same(one, other):
    (best, rows), (expected, expected_rows) = one, other
    assert rows == expected_rows
    assert best.epoch == expected.epoch
    assert best.score == expected.score
    assert best.extra == expected.extra
    assert best.state_dict.keys() == expected.state_dict.keys()
    for name, value in best.state_dict.items():
        assert torch.equal(value, expected.state_dict[name]), name


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory):
    """What comes of the training if nothing happens."""
    best, rows = train(tmp_path_factory.mktemp("undisturbed"))
    assert (best.epoch, len(rows), best.extra) == (2, EPOCHS, {"thresholds": [0.2]})
    return best, rows


# A signal


@pytest.mark.parametrize(
    ("moment", "number", "saved"),
    [
        (1, signal.SIGTERM, (1, 1)),
        (2, signal.SIGUSR1, (1, 2)),
        (4, signal.SIGTERM, (1, 4)),
        ("validation 1", signal.SIGTERM, (1, 4)),
        (5, signal.SIGTERM, (2, 1)),
        (10, signal.SIGTERM, (3, 2)),
        ("validation 3", signal.SIGUSR1, (3, 4)),
    ],
)
def test_a_signal_saves_the_state_and_the_training_goes_on(
    tmp_path, undisturbed, capsys, moment, number, saved
):
    with pytest.raises(Stopped) as stopped:
        train(tmp_path, at(moment, lambda: terminate(number)))
    assert stopped.value.code == 128 + number
    content = torch.load(tmp_path / "state.pt", weights_only=True)["content"]
    assert (content["epoch"], content["step"]) == saved
    assert (
        f"{number.name}: saved epoch {saved[0]}, after step {saved[1]}" in capsys.readouterr().out
    )

    steps = Steps()
    (tmp_path / "metrics.csv").unlink(missing_ok=True)  # Snakemake deletes the outputs
    assert_same(train(tmp_path, steps), undisturbed)
    done = (saved[0] - 1) * STEPS + saved[1]
    assert steps.count == EPOCHS * STEPS - done
    assert f"resumed at epoch {saved[0]}, after step {saved[1]} of 4" in capsys.readouterr().out
    assert {path.name for path in tmp_path.iterdir()} == {"given", "metrics.csv"}


def test_a_training_may_be_stopped_again_and_again(tmp_path, undisturbed):
    for _ in range(EPOCHS * STEPS):
        with pytest.raises(Stopped):
            train(tmp_path, at(1, terminate))
    assert_same(train(tmp_path), undisturbed)


def test_a_training_that_is_not_kept_is_ended_by_the_signal_itself(tmp_path):
    before, seen = signal.getsignal(signal.SIGTERM), []
    train(tmp_path, lambda moment: seen.append(signal.getsignal(signal.SIGTERM)), kept=False)
    assert set(seen) == {before}
    assert not (tmp_path / "state.pt").exists()


def test_loader_processes_live_on_when_the_whole_job_is_signalled(
    tmp_path, undisturbed, monkeypatch
):
    monkeypatch.setattr(loop, "workers", lambda threads: 2)

    def terminate_all():
        children = active_children()
        assert len(children) == 2
        for child in children:
            os.kill(child.pid, signal.SIGTERM)
        terminate()

    with pytest.raises(Stopped):
        train(tmp_path, at(6, terminate_all))
    assert_same(train(tmp_path), undisturbed)


# A sudden end


@pytest.mark.parametrize(
    ("moment", "saved"), [(2, 1), (5, 4), (6, 5), ("validation 2", 8), (12, 11)]
)
def test_a_killed_training_goes_on_from_the_last_save(tmp_path, undisturbed, moment, saved):
    with pytest.raises(Killed):
        train(tmp_path, at(moment, kill), every=0)
    steps = Steps()
    assert_same(train(tmp_path, steps), undisturbed)
    assert steps.count == EPOCHS * STEPS - saved


def test_what_follows_the_last_epoch_may_be_cut_off(tmp_path, undisturbed, monkeypatch):
    """Such as the mean displacement of an IRNet: the training itself is not done again."""
    monkeypatch.setattr(StateFile, "discard", lambda self: None)
    train(tmp_path)
    (tmp_path / "metrics.csv").unlink()  # as Snakemake does before a job
    steps = Steps()
    assert_same(train(tmp_path, steps), undisturbed)
    assert steps.count == 0


def test_nothing_is_saved_before_it_is_due(tmp_path):
    with pytest.raises(Killed):
        train(tmp_path, at(7, kill), every=3600)
    assert not (tmp_path / "state.pt").exists()


@pytest.mark.parametrize(
    "changes",
    [
        {"gradient_accumulation": 2},
        {"precision": "bf16-mixed"},
        {"optimizer": "sgd", "schedule": "polynomial"},
        {"schedule": "onecycle"},
        {"schedule": "onecycle", "optimizer": "sgd", "seed": 3},
    ],
)
def test_every_kind_of_training_goes_on(tmp_path, changes):
    whole, cut = tmp_path / "whole", tmp_path / "cut"
    whole.mkdir()
    cut.mkdir()
    with pytest.raises(Killed):
        train(cut, at(6, kill), every=0, **changes)
    steps = Steps()
    assert_same(train(cut, steps, **changes), train(whole, **changes))
    assert steps.count == EPOCHS * STEPS - 5
