import math

import pytest
import torch

from chexseg.affinity.paths import displacements, path
from chexseg.errors import InputError
from chexseg.losses.irnet import irnet_losses

TERMS = (
    "foreground_positive",
    "background_positive",
    "negative",
    "displacement_foreground",
    "displacement_background",
)


def literal_losses(edge, displacement, labels, radius):
    """The published losses, pair by pair."""
    sums, counts = dict.fromkeys(TERMS, 0.0), dict.fromkeys(TERMS, 0)

    def add(term, value, count=1):
        sums[term] += value
        counts[term] += count

    batch, pathologies, height, width = labels.shape
    for b in range(batch):
        for p in range(pathologies):
            for y in range(height):
                for x in range(width):
                    for dy, dx in displacements(radius):
                        v, u = y + dy, x + dx
                        if not (0 <= v < height and 0 <= u < width):
                            continue
                        pair = (int(labels[b, p, y, x]), int(labels[b, p, v, u]))
                        on_path = [float(edge[b, y + i, x + j]) for i, j in path((dy, dx))]
                        affinity = 1 - max(on_path)
                        field = displacement[b]
                        rows = float(field[0, y, x] - field[0, v, u])
                        columns = float(field[1, y, x] - field[1, v, u])
                        if pair == (1, 1):
                            add("foreground_positive", -math.log(affinity + 1e-5))
                            add("displacement_foreground", abs(rows - dy) + abs(columns - dx), 2)
                        elif pair == (0, 0):
                            add("background_positive", -math.log(affinity + 1e-5))
                            add("displacement_background", abs(rows) + abs(columns), 2)
                        elif 255 not in pair:
                            add("negative", -math.log(1 + 1e-5 - affinity))
    means = {term: sums[term] / (counts[term] + 1e-5) for term in TERMS}
    positive = means["background_positive"] / 2 + means["foreground_positive"] / 2
    means["total"] = (positive + means["negative"]) / 2 + (
        means["displacement_foreground"] + means["displacement_background"]
    ) / 2
    return means


def random_input(size, seed=0):
    generator = torch.Generator().manual_seed(seed)
    edge = torch.rand(2, *size, generator=generator)
    displacement = torch.randn(2, 2, *size, generator=generator)
    labels = torch.tensor([0, 1, 255])[torch.randint(3, (2, 3, *size), generator=generator)]
    return edge, displacement, labels.to(torch.uint8)


@pytest.mark.parametrize("size", [(1, 1), (1, 3), (3, 2), (5, 7)])
@pytest.mark.parametrize("radius", [2, 4])
def test_equals_the_published_losses(size, radius):
    edge, displacement, labels = random_input(size)
    losses = irnet_losses(edge, displacement, labels, radius)
    for term, expected in literal_losses(edge, displacement, labels, radius).items():
        assert float(getattr(losses, term)) == pytest.approx(expected, rel=1e-4, abs=1e-6), term


def test_every_pair_of_every_pathology_counts_the_same():
    edge, displacement, labels = random_input((4, 5))
    forward = irnet_losses(edge, displacement, labels, 3)
    backward = irnet_losses(edge, displacement, labels.flip(1), 3)
    twice = irnet_losses(edge, displacement, torch.cat([labels, labels], 1), 3)
    for term in (*TERMS, "total"):
        value = getattr(forward, term)
        torch.testing.assert_close(getattr(backward, term), value)
        torch.testing.assert_close(getattr(twice, term), value)


def test_all_foreground_around_one_centre():
    y, x = torch.meshgrid(torch.arange(3.0), torch.arange(4.0), indexing="ij")
    towards_centre = torch.stack([1 - y, 2 - x])[None]
    labels = torch.ones(1, 1, 3, 4)
    losses = irnet_losses(torch.full((1, 3, 4), 0.5), towards_centre, labels, 5)
    assert float(losses.foreground_positive) == pytest.approx(math.log(2), rel=1e-4)
    assert float(losses.displacement_foreground) == 0
    assert float(losses.negative) == float(losses.background_positive) == 0
    assert float(losses.total) == pytest.approx(math.log(2) / 4, rel=1e-4)


def test_no_labels_give_zero_with_zero_gradients():
    edge, displacement, labels = random_input((4, 5))
    edge.requires_grad_()
    displacement.requires_grad_()
    for none in (torch.full_like(labels, 255), labels[:, :0]):
        total = irnet_losses(edge, displacement, none, 3).total
        assert total.item() == 0
        gradients = torch.autograd.grad(total, (edge, displacement))
        assert not any(gradient.any() for gradient in gradients)


def test_certain_edges_stay_finite():
    _, displacement, labels = random_input((4, 5))
    for value in (0.0, 1.0):
        edge = torch.full((2, 4, 5), value, requires_grad=True)
        total = irnet_losses(edge, displacement, labels, 3).total
        (gradient,) = torch.autograd.grad(total, edge)
        assert total.isfinite()
        assert gradient.isfinite().all()


def test_float16_is_computed_in_float32():
    edge, displacement, labels = random_input((4, 5))
    edge, displacement = edge.half(), displacement.half()
    half = irnet_losses(edge[:, None], displacement, labels, 3).total
    single = irnet_losses(edge.float(), displacement.float(), labels, 3).total
    assert half.dtype == torch.float32
    assert torch.equal(half, single)


def test_sizes_that_do_not_fit():
    edge, displacement, labels = random_input((4, 5))
    with pytest.raises(InputError, match=r"Resize the labels"):
        irnet_losses(edge, displacement, labels[..., :3], 3)
