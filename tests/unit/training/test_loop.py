import csv

import pytest
import torch
from torch import nn

from chexseg.config.settings import TrainingSettings
from chexseg.training import loop
from chexseg.training.loop import SCORE, fit, start
from chexseg.training.sampling import shuffled
from chexseg.training.state import StateFile
from chexseg.training.task import Task

NOT_KEPT = StateFile(None, 0, "train-classifier", TrainingSettings(), ())
SETTINGS = {"epochs": 3, "batch_size": 4, "learning_rate": 0.05, "augmentation": 0}


def data(number=16):
    """Points and which side of a line they lie on."""
    points = torch.randn(number, 2, generator=torch.Generator().manual_seed(0))
    return points, (points[:, :1] - points[:, 1:] > 0).float()


def items(number=16):
    """The same as items of a data set."""
    return [{"point": point, "side": side} for point, side in zip(*data(number), strict=True)]


def forward(model, batch, noise):
    return model(batch["point"]), batch["side"]


loss_of = nn.functional.binary_cross_entropy_with_logits


class Points(Task):
    """Which side of the line a point lies on."""

    def step(self, batch, noise):
        logits, labels = forward(self.model, batch, noise)
        return {"logits": logits, "labels": labels}

    def loss(self, logits, labels):
        return loss_of(logits, labels)


class Training:
    """One training of a small network, and what came of it."""

    def __init__(
        self,
        folder,
        scores=None,
        number=16,
        forward=forward,
        loss=loss_of,
        dropout=0.0,
        keep=(),
        **changes,
    ):
        settings = TrainingSettings(**(SETTINGS | changes))
        fabric = start(settings)
        self.model = nn.Sequential(nn.Linear(2, 8), nn.ReLU(), nn.Dropout(dropout), nn.Linear(8, 1))
        self.states, self.modes, self.batches = [], [], []
        training = self

        class Watched(Points):
            def step(self, batch, noise):
                training.modes.append(self.model.training)
                training.batches.append(len(batch["point"]))
                logits, labels = forward(self.model, batch, noise)
                return {"logits": logits, "labels": labels}

            def loss(self, logits, labels):
                return loss(logits, labels)

            def validate(self):
                training.modes.append(self.model.training or torch.is_grad_enabled())
                state = self.model.state_dict()
                training.states.append({name: value.clone() for name, value in state.items()})
                epoch = len(training.states)
                score = 0.0 if scores is None else scores[epoch - 1]
                return {"accuracy": epoch / 10, SCORE: score}, {"validated": epoch}

        self.metrics = folder / "metrics.csv"
        self.task = Watched(self.model)
        draw, options = shuffled(number), {"metrics": self.metrics, "file": NOT_KEPT, "keep": keep}
        best, self.kept = fit(fabric, self.task, items(number), draw, settings, **options)
        self.state, self.epoch, self.extra = best.state_dict, best.epoch, best.extra

    def rows(self):
        with self.metrics.open() as file:
            return list(csv.DictReader(file))


def equal(one, other):
    return one.keys() == other.keys() and all(torch.equal(one[name], other[name]) for name in one)


def test_a_toy_problem_is_overfitted(tmp_path):
    training = Training(tmp_path, epochs=60, scores=[float(epoch) for epoch in range(60)])
    losses = [float(row["loss"]) for row in training.rows()]
    assert losses[0] > 0.5
    assert losses[-1] < 0.05
    training.model.load_state_dict(training.state)
    points, labels = data()
    assert torch.equal(training.model.eval()(points) > 0, labels == 1)


@pytest.mark.parametrize(
    ("scores", "best"),
    [
        ([0.1, 0.3, 0.2], 2),
        ([0.3, 0.3, 0.3], 1),
        ([0.1, 0.4, 0.4], 2),
        ([-3.0, -2.0, -5.0], 2),
        ([float("nan")] * 3, 3),
        ([float("nan"), 0.0, float("nan")], 2),
        ([0.2, float("nan"), 0.1], 1),
        ([0.5, float("inf"), 0.1], 1),
        ([float("-inf"), 0.1, 0.0], 2),
    ],
)
def test_the_first_epoch_with_the_highest_finite_score_wins(tmp_path, scores, best):
    training = Training(tmp_path, scores=scores)
    assert training.epoch == best
    assert training.extra == {"validated": best}
    assert equal(training.state, training.states[best - 1])
    assert not equal(training.states[0], training.states[1])


def test_epochs_are_kept_beside_the_best(tmp_path):
    training = Training(tmp_path, scores=[0.1, 0.3, float("nan")], keep=(1, 3))
    assert [(n, each.epoch) for n, each in training.kept.items()] == [(1, 1), (3, 3)]
    for number, each in training.kept.items():
        assert equal(each.state_dict, training.states[number - 1])
        assert each.extra == {"validated": number}
    assert training.epoch == 2


def test_metrics_tell_what_an_epoch_took(tmp_path):
    training = Training(tmp_path, scores=[0.25, 0.5, 0.125])
    rows = training.rows()
    assert {row["steps"] for row in rows} == {"4"}
    assert {row["trainable_parameters"] for row in rows} == {str(3 * 8 + 9)}
    memory = [int(row["peak_memory_mb"]) for row in rows]
    assert 50 < memory[0] <= memory[1] <= memory[2] < 50_000


def test_metrics_have_a_row_per_epoch(tmp_path):
    rows = Training(tmp_path, scores=[0.25, 0.5, 0.125]).rows()
    assert [row["epoch"] for row in rows] == ["1", "2", "3"]
    assert [row["score"] for row in rows] == ["0.25", "0.5", "0.125"]
    assert [row["accuracy"] for row in rows] == ["0.1", "0.2", "0.3"]
    assert {"loss", "learning_rate", "seconds"} < rows[0].keys()
    assert [path.name for path in tmp_path.iterdir()] == ["metrics.csv"]


def test_metrics_are_written_after_every_epoch(tmp_path):
    scores = [0.1, 0.2]  # the third epoch fails
    with pytest.raises(IndexError):
        Training(tmp_path, scores=scores)
    assert len((tmp_path / "metrics.csv").read_text().splitlines()) == 3


def test_the_loss_of_a_row_is_the_mean_over_its_batches(tmp_path):
    values = iter(range(1, 13))

    def loss(logits, labels):
        return logits.sum() * 0 + next(values)

    rows = Training(tmp_path, loss=loss).rows()
    assert [float(row["loss"]) for row in rows] == [2.5, 6.5, 10.5]


def noisy(model, batch, noise):
    """Moves points by noise, as augmentation moves X-rays."""
    return model(batch["point"] + noise[:, :2]), batch["side"]


def test_same_seed_same_bits(tmp_path):
    options = {"forward": noisy, "dropout": 0.5, "seed": 5}
    first, again = Training(tmp_path, **options), Training(tmp_path, **options)
    assert equal(first.state, again.state)
    other = Training(tmp_path, **(options | {"seed": 6}))
    assert not equal(first.state, other.state)


def test_noise_differs_between_epochs(tmp_path):
    drawn = []

    def watched(model, batch, noise):
        drawn.extend(noise.flatten().tolist())
        return forward(model, batch, noise)

    Training(tmp_path, forward=watched)
    assert len(set(drawn)) == len(drawn) == 12 * 4 * 6


def test_every_epoch_has_its_own_order(tmp_path):
    shown = []

    def watched(model, batch, noise):
        shown.append(batch["point"][:, 0].tolist())
        return forward(model, batch, noise)

    Training(tmp_path, forward=watched)
    epochs = [sum(shown[start : start + 4], []) for start in (0, 4, 8)]
    assert epochs[0] != epochs[1] != epochs[2]
    assert sorted(epochs[0]) == sorted(epochs[1]) == sorted(data()[0][:, 0].tolist())


def test_a_task_has_its_own_model_back_when_the_training_is_over(tmp_path):
    training = Training(tmp_path)
    assert training.task.model is training.model


def test_training_and_evaluation_modes_alternate(tmp_path):
    training = Training(tmp_path)
    assert training.modes == ([True] * 4 + [False]) * 3


# Parts of batches


@pytest.mark.parametrize("parts", [2, 4])
def test_parts_of_a_batch_give_the_gradients_of_the_whole(tmp_path, parts):
    options = {"forward": noisy, "optimizer": "sgd", "schedule": "polynomial"}
    whole = Training(tmp_path, **options)
    split = Training(tmp_path, gradient_accumulation=parts, **options)
    assert whole.batches == [4] * 12
    assert split.batches == [4 // parts] * 12 * parts
    for name, value in whole.state.items():
        torch.testing.assert_close(split.state[name], value, rtol=1e-5, atol=1e-6)
    for row, other in zip(whole.rows(), split.rows(), strict=True):
        assert float(row["loss"]) == pytest.approx(float(other["loss"]), rel=1e-5)
        assert row["learning_rate"] == other["learning_rate"]


def test_the_number_of_loader_processes_changes_no_bit(tmp_path, monkeypatch):
    options = {"forward": noisy, "dropout": 0.5}
    alone = Training(tmp_path, **options)
    monkeypatch.setattr(loop, "workers", lambda threads: 2)
    assert equal(Training(tmp_path, **options).state, alone.state)


def test_bf16_trains(tmp_path):
    training = Training(tmp_path, epochs=30, precision="bf16-mixed")
    losses = [float(row["loss"]) for row in training.rows()]
    assert losses[-1] < 0.3 < losses[0]
    assert {value.dtype for value in training.state.values()} == {torch.float32}


def test_only_given_parameters_are_trained(tmp_path):
    settings = TrainingSettings(**SETTINGS)
    model = nn.Sequential(nn.Linear(2, 3), nn.Linear(3, 1))
    before = {name: value.clone() for name, value in model.state_dict().items()}

    class Last(Points):
        def parameters(self):
            return [{"params": list(model[1].parameters())}]

    options = {"metrics": tmp_path / "metrics.csv", "file": NOT_KEPT}
    best, _ = fit(start(settings), Last(model), items(), shuffled(16), settings, **options)
    state = best.state_dict
    assert torch.equal(state["0.weight"], before["0.weight"])
    assert not torch.equal(state["1.weight"], before["1.weight"])
