from collections import Counter

import pytest
import torch

from chexseg.errors import InputError
from chexseg.training.datasets import BatchSampler
from chexseg.training.sampling import mixed, shuffled


def generator(seed=0):
    return torch.Generator().manual_seed(seed)


@pytest.mark.parametrize("draw", [shuffled(50), mixed([20, 30], [0.5, 0.5], 60)])
def test_same_seed_same_draw(draw):
    assert draw(generator(1)) == draw(generator(1))
    assert draw(generator(1)) != draw(generator(2))


def test_all_items_once_in_random_order():
    items = shuffled(100)(generator())
    assert sorted(items) == list(range(100))
    assert items != list(range(100))


def test_fewer_samples_than_items_are_all_different():
    items = shuffled(100, 30)(generator())
    assert len(items) == len(set(items)) == 30


@pytest.mark.parametrize("samples", [25, 30, 31, 999])
def test_every_item_comes_once_before_any_comes_twice(samples):
    items = shuffled(10, samples)(generator())
    assert len(items) == samples
    for start in range(0, samples, 10):
        passed = items[start : start + 10]
        assert len(set(passed)) == len(passed)
    counts = Counter(items)
    assert max(counts.values()) - min(counts.values()) <= 1


@pytest.mark.parametrize("rho", [0.1, 0.5, 0.9])
def test_the_share_of_experts_is_rho(rho):
    samples = 20_000
    items = mixed([40, 600], [rho, 1 - rho], samples)(generator())
    share = sum(item < 40 for item in items) / samples
    deviation = (rho * (1 - rho) / samples) ** 0.5
    assert abs(share - rho) < 4 * deviation
    assert share != rho  # a chance for each sample, not a quota


def test_each_sample_is_drawn_on_its_own():
    items = torch.tensor(mixed([5, 5], [0.5, 0.5], 20_000)(generator())) < 5
    followed = items[1:][items[:-1]].float().mean()
    assert abs(followed - 0.5) < 0.02


@pytest.mark.parametrize(("rho", "allowed"), [(0.0, range(40, 100)), (1.0, range(40))])
def test_rho_0_and_1_are_exact(rho, allowed):
    items = mixed([40, 60], [rho, 1 - rho], 5000)(generator())
    assert set(items) == set(allowed)


@pytest.mark.parametrize("rho", [0, 0.1, 0.3, 0.85, 0.9, 1])
def test_two_sources_are_drawn_as_the_paper_draws_them(rho):
    """Written out for two: the experts' where a number in [0, 1) lies below rho."""
    experts = torch.rand(200, generator=(drawn := generator(7))) < rho

    def passes(count):
        orders = [torch.randperm(20, generator=drawn).tolist() for _ in range(-(-count // 20))]
        return iter(sum(orders, []))

    first, second = passes(int(experts.sum())), passes(int((~experts).sum()))
    expected = [next(first) if expert else 20 + next(second) for expert in experts]
    assert mixed([20, 20], [rho, 1 - rho], 200)(generator(7)) == expected


def test_the_shares_of_several_sources_are_their_weights():
    weights, counts, samples = [0.5, 0, 0.2, 0.3], [10, 10, 40, 600], 20_000
    items = torch.tensor(mixed(counts, weights, samples)(generator()))
    bounds = torch.tensor([0, 10, 20, 60, 660])
    shares = torch.histogram(items.double(), bounds.double()).hist / samples
    torch.testing.assert_close(shares, torch.tensor(weights).double(), atol=0.015, rtol=0)
    assert shares[1] == 0


def test_a_last_source_of_weight_0_is_never_drawn(monkeypatch):
    """Though a sum may be a little less than 1, and a number lie between."""
    highest = 1 - 2**-24
    monkeypatch.setattr(torch, "rand", lambda n, generator: torch.full((n,), highest))
    weights = [0.5, 0.4999995, 0.0]
    assert sum(weights) < highest
    assert set(mixed([3, 3, 3], weights, 9)(generator())) == {3, 4, 5}


@pytest.mark.parametrize(
    ("weights", "wrong"),
    [
        ((0.5,), "1 weights for 2 sources"),
        ((0.6, 0.5), "that sum to 1.1"),
        ((0.5, 0.499), "that sum to 0.999"),
        ((1.5, -0.5), "below 0"),
        ((float("nan"), 1.0), "below 0"),
    ],
)
def test_weights_that_are_no_chances(weights, wrong):
    with pytest.raises(ValueError, match=wrong):
        mixed([5, 5], weights, 10)


def test_weights_may_miss_1_by_what_floats_cannot_say():
    assert len(mixed([5, 5, 5], [0.3333333, 0.3333333, 0.3333333], 10)(generator())) == 10


def test_within_a_source_samples_come_in_passes():
    items = mixed([10, 20], [0.3, 0.7], 300)(generator())
    for first, last in ((0, 10), (10, 30)):
        source = [item for item in items if first <= item < last]
        counts = Counter(source)
        assert max(counts.values()) - min(counts.values()) <= 1
        assert set(source[: last - first]) == set(range(first, last))


def test_a_source_without_items_can_only_be_left_out():
    assert set(mixed([0, 3], [0, 1], 9)(generator())) == {0, 1, 2}
    assert set(mixed([3, 0], [1, 0], 9)(generator())) == {0, 1, 2}
    with pytest.raises(ValueError, match="without items"):
        mixed([0, 3], [0.5, 0.5], 50)(generator())
    with pytest.raises(ValueError, match="without items"):
        shuffled(0, 5)(generator())
    assert shuffled(0)(generator()) == []


# Batches


def test_epochs_differ_and_can_be_repeated():
    sampler = BatchSampler(shuffled(30), 0, 10)
    first = list(sampler)
    assert [len(batch) for batch in first] == [10, 10, 10]
    assert sorted(sum(first, [])) == list(range(30))
    assert list(sampler) == first
    sampler.epoch = 1
    assert list(sampler) != first
    sampler.epoch = 0
    assert list(sampler) == first
    assert list(BatchSampler(shuffled(30), 1, 10)) != first


@pytest.mark.parametrize(
    ("items", "size", "batches"), [(16, 4, 4), (18, 4, 4), (3, 4, 1), (4, 4, 1), (7, 4, 1)]
)
def test_a_smaller_last_batch_is_dropped_but_an_epoch_has_one(items, size, batches):
    sampler = BatchSampler(shuffled(items), 0, size)
    assert [len(batch) for batch in sampler] == [min(size, items)] * batches
    assert len(sampler) == sampler.batches == batches


@pytest.mark.parametrize(("parts", "processes"), [(1, 2), (2, 1), (2, 3), (3, 4), (1, 12)])
def test_processes_and_parts_show_together_what_one_process_shows(parts, processes):
    def sampler(process=0, processes=1, parts=1):
        options = {"parts": parts, "process": process, "processes": processes}
        return BatchSampler(shuffled(50), 7, 12, **options)

    shares = [sampler(process, processes, parts) for process in range(processes)]
    assert {len(share) for share in shares} == {4 * parts}
    together = [sum(batch, []) for batch in zip(*shares, strict=True)]
    assert sum(together, []) == sum(sampler(), [])
    assert {len(batch) for share in shares for batch in share} == {12 // parts // processes}
    rows = list(range(12 // parts))
    assert sum((rows[share.share] for share in shares), []) == rows


def test_batches_that_were_shown_are_left_out():
    sampler = BatchSampler(shuffled(50), 0, 12, parts=2)
    everything = list(sampler)
    sampler.first = 3
    assert list(sampler) == everything[6:]
    assert len(sampler) == 2
    sampler.first = 4
    assert list(sampler) == []


@pytest.mark.parametrize(
    ("items", "size", "parts", "processes"),
    [(50, 12, 5, 1), (50, 12, 2, 4), (5, 12, 1, 2), (0, 4, 1, 1)],
)
def test_batches_that_cannot_be_split_evenly(items, size, parts, processes):
    with pytest.raises(InputError, match=f"a multiple of {parts * processes}"):
        BatchSampler(shuffled(items), 0, size, parts=parts, processes=processes)
