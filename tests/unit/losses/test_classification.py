import math

import pytest
import torch

from chexseg.errors import InputError
from chexseg.losses.classification import (
    classification_loss,
    n_outputs_of,
    positive_outputs,
    positive_probability,
    targets_of,
)

NAN = math.nan
LABELS = torch.tensor([[1.0, 0.0, -1.0, NAN]])


@pytest.mark.parametrize(
    ("uncertain", "blank", "targets", "weights"),
    [
        ("ones", "zeros", [1.0, 0.0, 1.0, 0.0], [1.0, 1.0, 1.0, 1.0]),
        ("ones", "ignore", [1.0, 0.0, 1.0, None], [1.0, 1.0, 1.0, 0.0]),
        ("zeros", "zeros", [1.0, 0.0, 0.0, 0.0], [1.0, 1.0, 1.0, 1.0]),
        ("ignore", "zeros", [1.0, 0.0, None, 0.0], [1.0, 1.0, 0.0, 1.0]),
        ("ignore", "ignore", [1.0, 0.0, None, None], [1.0, 1.0, 0.0, 0.0]),
        ("multiclass", "zeros", [1.0, 0.0, 2.0, 0.0], [1.0, 1.0, 1.0, 1.0]),
        ("multiclass", "ignore", [1.0, 0.0, 2.0, None], [1.0, 1.0, 1.0, 0.0]),
    ],
)
def test_targets_and_weights(uncertain, blank, targets, weights):
    found_targets, found_weights = targets_of(LABELS, uncertain=uncertain, blank=blank)
    assert found_weights.tolist() == [weights]
    counted = [value for value in targets if value is not None]
    assert found_targets[found_weights > 0].tolist() == counted


RIGHT = math.log1p(math.exp(-1))  # cross entropy of logit 1 with target 1: 0.3133
WRONG = 1 + RIGHT  # and with target 0: 1.3133


@pytest.mark.parametrize(
    ("uncertain", "blank", "loss"),
    [
        ("ones", "zeros", (2 * RIGHT + 2 * WRONG) / 4),
        ("ones", "ignore", (2 * RIGHT + WRONG) / 3),
        ("zeros", "zeros", (RIGHT + 3 * WRONG) / 4),
        ("ignore", "ignore", (RIGHT + WRONG) / 2),
    ],
)
def test_binary_loss_is_the_mean_over_counted_labels(uncertain, blank, loss):
    found = classification_loss(torch.ones(1, 4), LABELS, uncertain=uncertain, blank=blank)
    torch.testing.assert_close(found, torch.tensor(loss))


def test_multiclass_loss():
    probabilities = torch.tensor([[0.5, 0.25, 0.25], [0.5, 0.25, 0.25], [0.7, 0.2, 0.1]])
    logits = probabilities.log().reshape(1, 9)
    labels = torch.tensor([[0.0, 1.0, -1.0]])  # negative, positive, uncertain
    found = classification_loss(logits, labels, uncertain="multiclass", blank="zeros")
    expected = -(math.log(0.5) + math.log(0.25) + math.log(0.1)) / 3
    torch.testing.assert_close(found, torch.tensor(expected))


@pytest.mark.parametrize(("uncertain", "n_outputs"), [("ignore", 2), ("multiclass", 6)])
def test_no_counted_label_gives_zero_loss_and_zero_gradient(uncertain, n_outputs):
    logits = torch.randn(3, n_outputs, requires_grad=True)
    labels = torch.full((3, 2), NAN)
    loss = classification_loss(logits, labels, uncertain=uncertain, blank="ignore")
    loss.backward()
    assert loss.item() == 0
    assert torch.equal(logits.grad, torch.zeros(3, n_outputs))


def test_labels_are_left_unchanged():
    labels = LABELS.clone()
    targets_of(labels, uncertain="ones", blank="zeros")
    torch.testing.assert_close(labels, LABELS, rtol=0, atol=0, equal_nan=True)


def test_binary_probability():
    logits = torch.tensor([[0.0, math.log(3)]])
    torch.testing.assert_close(positive_probability(logits, "ones"), torch.tensor([[0.5, 0.75]]))


def test_multiclass_probability_is_over_negative_and_positive_only():
    logits = torch.tensor([[0.0, math.log(3), 50.0, math.log(4), 0.0, -50.0]])
    torch.testing.assert_close(
        positive_probability(logits, "multiclass"), torch.tensor([[0.75, 0.2]])
    )


def test_outputs():
    assert n_outputs_of(14, "ones") == 14
    assert n_outputs_of(14, "multiclass") == 42
    assert positive_outputs([0, 2], "zeros") == [0, 2]
    assert positive_outputs([0, 2], "multiclass") == [1, 7]


def test_unknown_policy_names_the_nearest():
    with pytest.raises(InputError, match="Did you mean multiclass"):
        positive_probability(torch.zeros(1, 1), "multi_class")
    with pytest.raises(InputError, match="blank: found 'ones'"):
        targets_of(LABELS, uncertain="ones", blank="ones")
