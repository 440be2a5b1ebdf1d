"""Votes, their likeness, their mean and its cuts, by hand."""

import numpy as np
import pytest
from scipy.stats import spearmanr

from chexseg.files.store_format import CERTAIN, UNKNOWN
from chexseg.saliency.consensus import consensus, levels, likeness, value_at, vote

LEFT = np.array([[[1.0, 1, 0, 0]] * 4])
RIGHT = LEFT[..., ::-1].copy()
RAMP = np.arange(16.0).reshape(1, 4, 4)


def voted(*maps, blur=0.0):
    return np.stack([vote(each, size=each.shape[-1], blur=blur) for each in maps])


def test_a_vote_is_the_absolute_map_with_a_mean_of_1():
    cast = vote(-3 * LEFT, size=4, blur=0)
    assert cast.dtype == np.float64
    assert np.array_equal(cast, 2 * LEFT)
    signed = np.array([[[1.0, -1], [0, 2]]])
    assert np.array_equal(vote(signed, size=2, blur=0), [[[1, 1], [0, 2]]])


def test_a_vote_is_blurred_by_a_box_that_mirrors_the_edge():
    """The box has 3 of 5 pixels; beyond the edge lies the second pixel."""
    peak = np.zeros((1, 5, 5))
    peak[0, 0, 0] = 25
    cast = vote(25 * peak, size=5, blur=0.6)[0]
    expected = np.zeros((5, 5))
    expected[:2, :2] = 25 / 9
    assert cast == pytest.approx(expected)
    assert (cast[2:] == 0).all()
    assert np.array_equal(vote(peak, size=5, blur=0.39)[0], peak[0])  # a box of one pixel


def test_a_coarse_map_is_resized_to_the_mask():
    assert vote(LEFT, size=8, blur=0).shape == (1, 8, 8)


def test_an_empty_map_has_an_empty_vote():
    assert not vote(np.zeros((1, 4, 4)), size=4, blur=0.2).any()


def test_identical_maps_agree_and_are_the_consensus():
    votes = voted(RAMP, 7 * RAMP, -RAMP)
    assert likeness(votes)[:, 0] == pytest.approx([1, 1, 1])
    assert np.allclose(consensus(votes), RAMP / 7.5, atol=1e-9)


def test_disjoint_maps_have_a_flat_consensus_that_is_like_none():
    votes = voted(LEFT, RIGHT)
    assert np.array_equal(consensus(votes), np.ones((1, 4, 4)))
    assert np.array_equal(likeness(votes), [[0], [0]])
    assert np.array_equal(consensus(votes, likeness(votes)), np.ones((1, 4, 4)))


def test_an_empty_map_is_like_nothing_and_adds_nothing():
    votes = voted(RAMP, np.zeros((1, 4, 4)))
    assert likeness(votes)[:, 0] == pytest.approx([1, 0])
    assert np.allclose(consensus(votes), RAMP / 15, atol=1e-9)


def test_likeness_is_the_rank_correlation_with_the_mean_of_all():
    maps = np.random.default_rng(0).random((3, 2, 4, 4)).round(1)  # with ties
    found = likeness(maps)
    mean = maps.mean(0).round(9)
    for k in range(3):
        for m in range(2):
            expected = spearmanr(maps[k, m].ravel(), mean[m].ravel()).statistic
            assert found[k, m] == pytest.approx(expected)


def test_large_maps_are_ranked_by_cells():
    """Within a cell of 2 x 2 pixels of 128 x 128, the order does not count."""
    cells = np.random.default_rng(0).permutation(64 * 64).reshape(64, 64) + 1.0
    one, other = (np.kron(cells, [[a, 4 - a], [2, 2]])[None] for a in (1, 3))
    assert likeness(np.stack([one, other]))[:, 0] == pytest.approx([1, 1])


def test_weights_are_shares_and_none_below_0_counts():
    votes = np.stack([LEFT, RIGHT, np.ones((1, 4, 4))])
    weighted = consensus(votes, np.array([[0.75], [0.25], [-0.5]]))
    assert np.array_equal(weighted, 0.75 * LEFT + 0.25 * RIGHT)
    equal = consensus(votes, np.array([[-1.0], [0], [-0.5]]))
    assert np.allclose(equal, 2 / 3)


@pytest.mark.parametrize(
    ("cut", "value"),
    [("0.5", 7.5), ("1.0", 15), ("0", 0), ("quantile 0.8", 12), ("quantile 0", 0), ("quantile 1", 15)],
)  # fmt: skip
def test_cuts_at_shares_and_quantiles(cut, value):
    assert value_at(cut, RAMP[0]) == pytest.approx(value)


def test_otsus_cut_parts_two_groups():
    values = np.array([[0, 0], [2, 2]])
    assert value_at("otsu", values) == 0
    made = levels(values.astype(float), "otsu", None)
    assert np.array_equal(made, [[0, 0], [CERTAIN, CERTAIN]])


def test_levels_are_mask_band_and_background():
    made = levels(RAMP[0], "quantile 0.8", "0.2")  # above 12; up to 3
    expected = np.full(16, UNKNOWN)
    expected[13:], expected[:4] = CERTAIN, 0
    assert np.array_equal(made.ravel(), expected)
    assert made.dtype == np.uint8
    sure = levels(RAMP[0], "quantile 0.8", None)
    assert np.array_equal(sure.ravel(), [0] * 13 + [CERTAIN] * 3)


def test_where_the_cuts_cross_the_mask_wins():
    made = levels(RAMP[0], "0.2", "quantile 0.8")  # above 3; up to 12
    assert np.array_equal(made.ravel(), [0] * 4 + [CERTAIN] * 12)


def test_of_an_empty_map_nothing_is_known():
    assert (levels(np.zeros((4, 4)), "otsu", None) == UNKNOWN).all()


def test_a_flat_map_has_an_empty_mask():
    for cut in ("otsu", "1.0", "quantile 0.5"):
        assert not levels(np.ones((4, 4)), cut, None).any()
