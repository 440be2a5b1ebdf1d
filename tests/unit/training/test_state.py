"""A training that is stopped anywhere and goes on gives the bits of one that was not."""

import csv
import itertools
import os
import signal
from multiprocessing import active_children

import pytest
import torch
from torch import nn

from chexseg.config.settings import TrainingSettings
from chexseg.inference.signals import Stopped
from chexseg.training import loop
from chexseg.training.loop import SCORE, fit, start
from chexseg.training.sampling import shuffled
from chexseg.training.state import FORMAT, StateFile
from chexseg.training.task import Task

STEPS, EPOCHS = 4, 3
SETTINGS = {"batch_size": 4, "epochs": EPOCHS, "learning_rate": 0.05}
SCORES = (0.2, 0.3, 0.1)


class Killed(BaseException):
    """Ends a training as SIGKILL would: nothing is saved any more."""


def train(folder, act=lambda moment: None, *, every=1e9, kept=True, **changes):
    """Trains a small network with BatchNorm, dropout and noise; returns what is published.

    `act` is called at each step of this process, counted from 1, with its number, and in each
    validation with "validation" and the number of the epoch.
    """
    settings = TrainingSettings(**(SETTINGS | changes))
    fabric = start(settings)
    layers = (nn.Linear(2, 8), nn.BatchNorm1d(8), nn.ReLU(), nn.Dropout(0.5), nn.Linear(8, 1))
    points = torch.randn(4 * STEPS + 1, 2, generator=torch.Generator().manual_seed(0))
    given = folder / "given"
    given.touch()
    path = folder / "state.pt" if kept else None
    file = StateFile(path, every, "train-classifier", settings, (given,))
    calls = itertools.count()

    class Toy(Task):
        def step(self, batch, noise):
            step, part = divmod(next(calls), settings.gradient_accumulation)
            if part == 0:
                act(step + 1)
            return {"input": self.model(batch["x"] + 0.1 * noise[:, :2]), "target": batch["y"]}

        def loss(self, **outputs):
            return nn.functional.binary_cross_entropy_with_logits(**outputs)

        def validate(self):
            seen = int(self.model.state_dict()["1.num_batches_tracked"])
            epoch = seen // STEPS // settings.gradient_accumulation
            act(f"validation {epoch}")
            return {SCORE: SCORES[epoch - 1]}, {"thresholds": [epoch / 10]}

    best = fit(
        fabric,
        Toy(nn.Sequential(*layers)),
        [{"x": point, "y": (point[:1] > 0).float()} for point in points],
        shuffled(len(points)),
        settings,
        metrics=folder / "metrics.csv",
        file=file,
    )
    file.discard()
    with (folder / "metrics.csv").open() as stream:
        rows = [{k: v for k, v in row.items() if k != "seconds"} for row in csv.DictReader(stream)]
    return best, rows


class Steps:
    """Counts the steps of a process."""

    def __init__(self):
        self.count = 0

    def __call__(self, moment):
        self.count += isinstance(moment, int)


def at(wanted, action):
    """Does `action` at one moment."""
    return lambda moment: action() if moment == wanted else None


def terminate(number=signal.SIGTERM):
    os.kill(os.getpid(), number)


def kill():
    raise Killed


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


# What is in the file


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
