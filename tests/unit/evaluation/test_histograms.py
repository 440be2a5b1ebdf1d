"""Histograms of probabilities: what is counted where."""

import pytest
import torch

from chexseg.evaluation.histograms import CANDIDATES, EDGES, count_pixels
from chexseg.evaluation.thresholds import threshold_counts


def row(*values):
    """[1, 1, 1, W]: one X-ray, one pathology, one line of pixels."""
    return torch.tensor([[[list(values)]]])


def test_pixels_are_counted_by_range_and_by_truth():
    probability = row(0.0, 0.1, 0.2, 0.3, 0.9, 1.0, torch.nan)
    truth = row(False, False, False, True, True, False, True)
    # A pixel on an edge is in the range below it; NaN is in the lowest.
    assert count_pixels(probability, truth, (0.2, 0.5)).tolist() == [[[[3, 0, 1], [1, 1, 1]]]]


def test_x_rays_and_pathologies_are_counted_each_by_itself():
    probability = torch.tensor([[[[0.1]], [[0.9]]], [[[0.9]], [[0.9]]]])
    truth = torch.tensor([[[[True]], [[True]]], [[[False]], [[True]]]])
    assert count_pixels(probability, truth, (0.5,)).tolist() == [
        [[[0, 0], [1, 0]], [[0, 0], [0, 1]]],
        [[[0, 1], [0, 0]], [[0, 0], [0, 1]]],
    ]


def test_edges_increase_in_single_precision_and_are_fine_at_both_ends():
    edges = torch.tensor(EDGES)
    assert edges.dtype == torch.float32
    assert len(edges) == 787
    assert (edges.diff() > 0).all()
    assert EDGES[0] == pytest.approx(6.14e-6, rel=1e-3)
    assert 1 - EDGES[-1] == pytest.approx(6.14e-6, rel=1e-3)


def test_what_a_tuned_threshold_draws_can_be_read_off_exactly():
    generator = torch.Generator().manual_seed(0)
    probability = torch.rand(2, 3, 20, 20, generator=generator)
    probability[..., 0] = torch.tensor(CANDIDATES)[:, None].expand(19, 1).flatten()[[*range(19), 0]]
    truth = torch.rand(2, 3, 20, 20, generator=generator) < 0.3
    inside, drawn, _ = threshold_counts(probability, truth, CANDIDATES)
    counts = count_pixels(probability, truth)
    for number, candidate in enumerate(CANDIDATES):
        above = counts[..., EDGES.index(candidate) + 1 :].sum(-1)
        assert torch.equal(above[:, :, 1], inside[..., number])
        assert torch.equal(above.sum(2), drawn[..., number])


def test_edges_must_increase():
    with pytest.raises(ValueError, match="do not increase"):
        count_pixels(row(0.5), row(True), (0.5, 0.2))
