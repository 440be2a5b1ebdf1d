"""Regions, their features, the memory, and the contrastive loss against a literal loop."""

import math

import pytest
import torch
from torch.nn.functional import normalize

from chexseg.losses.contrastive import Memory, ProjectionHead, contrastive_loss
from chexseg.losses.regions import ABNORMAL, ABSENT, NORMAL, contrasted_regions, pool_regions

NAN = math.nan
NONE = [NAN] * 4


def random_regions(seed=0, shape=(3, 4), dimensions=5):
    """Embeddings and kinds."""
    generator = torch.Generator().manual_seed(seed)
    embeddings = normalize(torch.randn(*shape, dimensions, generator=generator), dim=-1)
    kinds = torch.randint(-1, 2, shape, generator=generator)
    return embeddings, kinds


def by_loop(embeddings, kinds, memory, temperature):
    """The loss, a pair of regions at a time."""
    rows = list(zip(embeddings.flatten(0, -2).tolist(), kinds.flatten().tolist(), strict=True))
    abnormal = [row for row, kind in rows if kind == ABNORMAL]
    normal = [row for row, kind in rows if kind == NORMAL] + memory.tolist()

    def likeness(one, other):
        product = sum(a * b for a, b in zip(one, other, strict=True))
        return math.exp(product / temperature)

    of_anchors = []
    for i, anchor in enumerate(abnormal):
        repelled = sum(likeness(anchor, each) for each in normal)
        pairs = [
            -math.log(likeness(anchor, other) / (likeness(anchor, other) + repelled))
            for p, other in enumerate(abnormal)
            if p != i
        ]
        of_anchors.append(sum(pairs) / len(pairs))
    return sum(of_anchors) / len(of_anchors)


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("temperature", [0.1, 1.0])
@pytest.mark.parametrize("remembered", [0, 7])
def test_equals_a_literal_loop(seed, temperature, remembered):
    embeddings, kinds = random_regions(seed)
    assert set(kinds.flatten().tolist()) == {ABNORMAL, NORMAL, ABSENT}
    memory = random_regions(seed + 10, shape=(7,))[0][:remembered]
    expected = by_loop(embeddings, kinds, memory, temperature)
    loss = contrastive_loss(embeddings, kinds, memory, temperature)
    torch.testing.assert_close(loss, torch.tensor(expected), rtol=1e-4, atol=1e-5)


def test_by_hand():
    embeddings = torch.tensor([[1.0, 0.0], [1.0, 0.0], [0.0, 1.0]])
    kinds = torch.tensor([ABNORMAL, ABNORMAL, NORMAL])
    loss = contrastive_loss(embeddings, kinds, temperature=0.5)
    torch.testing.assert_close(loss, torch.tensor(math.log(1 + math.exp(-2))))
    wrong = contrastive_loss(embeddings, torch.tensor([ABNORMAL, NORMAL, ABNORMAL]), None, 0.5)
    expected = (math.log(1 + math.exp(2)) + math.log(1 + math.exp(0))) / 2
    torch.testing.assert_close(wrong, torch.tensor(expected))


@pytest.mark.parametrize("kinds", [[1, 0, 0], [1, 1, -1], [0, 0, 0], [-1, -1, -1]])
def test_nothing_to_contrast_gives_zero_loss_and_zero_gradient(kinds):
    embeddings = random_regions(shape=(3, 3))[0][0].requires_grad_()
    loss = contrastive_loss(embeddings, torch.tensor(kinds))
    (gradient,) = torch.autograd.grad(loss, embeddings)
    assert loss.item() == 0
    assert torch.equal(gradient, torch.zeros(3, 5))


def test_absent_regions_and_the_memory_get_no_gradient():
    embeddings, kinds = random_regions()
    embeddings.requires_grad_()
    memory = random_regions(9, shape=(6,))[0].requires_grad_()
    loss = contrastive_loss(embeddings, kinds, memory)
    (gradient, none) = torch.autograd.grad(loss, (embeddings, memory), allow_unused=True)
    assert torch.equal((gradient != 0).any(-1), kinds != ABSENT)
    assert none is None


def test_the_memory_keeps_the_last_ones():
    memory = Memory(3, 1)
    assert memory.kept.shape == (0, 1)
    memory.push(torch.tensor([[1.0], [2.0]]))
    assert memory.kept[:, 0].tolist() == [1, 2]
    memory.push(torch.tensor([[3.0], [4.0]]))
    assert sorted(memory.kept[:, 0].tolist()) == [2, 3, 4]
    memory.push(torch.arange(5.0, 10.0)[:, None])
    assert sorted(memory.kept[:, 0].tolist()) == [7, 8, 9]
    memory.push(torch.tensor([[10.0]]))
    assert sorted(memory.kept[:, 0].tolist()) == [8, 9, 10]
    memory.push(torch.zeros(0, 1))
    assert sorted(memory.kept[:, 0].tolist()) == [8, 9, 10]


def test_what_was_kept_does_not_change_with_the_memory():
    memory = Memory(2, 1)
    memory.push(torch.ones(2, 1))
    kept = memory.kept
    memory.push(torch.zeros(2, 1))
    assert kept.tolist() == [[1], [1]]


def test_a_memory_of_nothing():
    memory = Memory(0, 4)
    memory.push(torch.ones(3, 4))
    assert memory.kept.shape == (0, 4)


def test_a_memory_that_is_saved_goes_on_with_the_same_bits(tmp_path):
    generator = torch.Generator().manual_seed(0)
    batches = [torch.randn(number, 4, generator=generator) for number in (3, 2, 4, 1, 2)]
    whole, first, second = Memory(5, 4), Memory(5, 4), Memory(5, 4)
    for batch in batches:
        whole.push(batch)
    for batch in batches[:2]:
        first.push(batch)
    torch.save(first.state_dict(), tmp_path / "state")
    second.load_state_dict(torch.load(tmp_path / "state", weights_only=True))
    for batch in batches[2:]:
        second.push(batch)
    assert torch.equal(second.kept, whole.kept)
    assert len(second.kept) == 5


def test_the_head_gives_embeddings_of_length_1():
    torch.manual_seed(0)
    embeddings = ProjectionHead(6, 3)(torch.randn(2, 4, 6))
    assert embeddings.shape == (2, 4, 3)
    torch.testing.assert_close(embeddings.norm(dim=-1), torch.ones(2, 4))


def test_an_absent_region_has_a_finite_gradient():
    torch.manual_seed(0)
    head = ProjectionHead(2, 3)
    for layer in (head.layers[0], head.layers[2]):
        torch.nn.init.zeros_(layer.bias)  # so that its embedding is 0 before it is scaled
    features = torch.zeros(1, 3, 2, requires_grad=True)
    loss = contrastive_loss(head(features), torch.tensor([[ABNORMAL, ABNORMAL, NORMAL]]))
    (gradient,) = torch.autograd.grad(loss, features)
    assert gradient.isfinite().all()


def test_regions_by_hand():
    boxes = torch.tensor(
        [
            [[1, 0, 3, 2], [0, 4, 6, 6]],  # the second one reaches across the middle
            [NONE, NONE],  # normal
            [NONE, NONE],  # not known
            [[5, 5, 8, 8], NONE],
            [NONE, NONE],  # normal
            [NONE, NONE],  # normal
        ]
    ).float()
    normal = torch.tensor([False, True, False, False, True, True])
    regions, kinds = contrasted_regions(boxes, normal, 10)
    first, second = [[1, 0, 3, 2], [0, 4, 6, 6]], [[5, 5, 8, 8], NONE]
    expected = [
        [*first, [7, 0, 9, 2], NONE],
        [*first, NONE, NONE],
        [NONE] * 4,
        [*second, NONE, NONE],  # the mirror image touches its box
        [*second, NONE, NONE],
        [*first, NONE, NONE],
    ]
    torch.testing.assert_close(regions, torch.tensor(expected).float(), equal_nan=True)
    assert kinds.tolist() == [
        [ABNORMAL, ABNORMAL, NORMAL, ABSENT],
        [NORMAL, NORMAL, ABSENT, ABSENT],
        [ABSENT] * 4,
        [ABNORMAL, ABSENT, ABSENT, ABSENT],
        [NORMAL, ABSENT, ABSENT, ABSENT],
        [NORMAL, NORMAL, ABSENT, ABSENT],
    ]


def test_no_box_in_the_whole_batch():
    _, kinds = contrasted_regions(torch.full((2, 3, 4), NAN), torch.tensor([True, False]), 10)
    assert kinds.tolist() == [[ABSENT] * 6] * 2


def test_features_of_regions_by_hand():
    features = torch.arange(16.0).view(1, 1, 4, 4)  # of a square of 8 pixels
    regions = torch.tensor([[[2, 0, 6, 2], [1, 2, 4, 4], NONE, [0, 0, 8, 8]]]).float()
    pooled = pool_regions(features, regions, 8)
    # Cells 1 and 2; half of cell 4 and cell 5; nothing; all.
    assert pooled[0, :, 0].tolist() == pytest.approx([1.5, (4 / 2 + 5) / 1.5, 0, 7.5])
    weight = torch.zeros(1, 1, 4, 4)
    weight[0, 0, 0, 2] = 0.25
    weighted = pool_regions(features, regions, 8, weight)
    assert weighted[0, :, 0].tolist() == pytest.approx([2, 0, 0, 2])


def test_the_loss_pulls_regions_of_a_batch_apart():
    """Abnormal regions that differ, and normal tissue: a head alone can tell them apart."""
    torch.manual_seed(0)
    features = torch.randn(4, 8, 6, 6)
    features[:2, 0, 1:3, 1:3] += 4
    boxes = torch.full((4, 1, 4), NAN)
    boxes[:2] = torch.tensor([1.0, 1, 3, 3])
    regions, kinds = contrasted_regions(boxes, torch.tensor([False, False, True, True]), 6)
    pooled, head = pool_regions(features, regions, 6), ProjectionHead(8, 4)
    optimizer = torch.optim.SGD(head.parameters(), lr=0.5)
    losses = []
    for _ in range(40):
        loss = contrastive_loss(head(pooled), kinds)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert losses[-1] < 0.1 * losses[0]
