"""The learning rate and the momentum over a training."""

import pytest
import torch

from tests.unit.training.test_loop import Training


def rates_of(tmp_path, monkeypatch, groups=False, **changes):
    """The learning rates at each step, and the momentum of the last."""
    rates, momenta = [], []
    name = {"adam": "Adam", "sgd": "SGD"}[changes.get("optimizer", "adam")]
    base = getattr(torch.optim, name)

    class Watched(base):
        def step(self, *arguments, **options):
            rates.append(self.param_groups[0]["lr"])
            momenta.append(self.param_groups[0].get("momentum"))
            return super().step(*arguments, **options)

    monkeypatch.setattr(torch.optim, name, Watched)
    Training(tmp_path, learning_rate=0.1, **changes)
    assert len(rates) == 4 * changes.get("epochs", 3)
    return rates, momenta


@pytest.mark.parametrize("optimizer", ["adam", "sgd"])
def test_a_constant_rate(tmp_path, monkeypatch, optimizer):
    rates, _ = rates_of(tmp_path, monkeypatch, optimizer=optimizer)
    assert rates == [0.1] * 12


def test_a_polynomial_rate_falls_with_power_nine_tenths(tmp_path, monkeypatch):
    rates, _ = rates_of(tmp_path, monkeypatch, schedule="polynomial")
    assert rates[0] == pytest.approx(0.1)
    assert rates[6] == pytest.approx(0.1 * 0.5**0.9)
    assert rates[11] == pytest.approx(0.1 * (1 / 12) ** 0.9)


def test_one_cycle_rises_to_the_rate_and_falls_to_almost_nothing(tmp_path, monkeypatch):
    rates, _ = rates_of(tmp_path, monkeypatch, schedule="onecycle", epochs=5)
    assert rates[0] == pytest.approx(0.1 / 25)
    assert max(rates) == pytest.approx(0.1, rel=0.01)
    assert 4 <= rates.index(max(rates)) <= 6
    assert rates[-1] < 0.1 / 50


def test_one_cycle_of_a_single_step(tmp_path):
    training = Training(tmp_path, schedule="onecycle", epochs=1, number=4, scores=[1.0])
    assert training.epoch == 1


@pytest.mark.parametrize("schedule", ["constant", "onecycle", "polynomial"])
def test_sgd_has_the_momentum_that_is_set(tmp_path, monkeypatch, schedule):
    _, momenta = rates_of(tmp_path, monkeypatch, optimizer="sgd", schedule=schedule)
    assert set(momenta) == {0}
    _, momenta = rates_of(tmp_path, monkeypatch, optimizer="sgd", schedule=schedule, momentum=0.9)
    assert set(momenta) == {0.9}
