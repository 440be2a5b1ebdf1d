import pytest
import torch

from chexseg.affinity.paths import displacements, pair_slices, path, path_affinity


def literal_affinity(edge: torch.Tensor, radius: int) -> torch.Tensor:
    """The definition, pixel by pixel."""
    pairs = displacements(radius)
    batch, height, width = edge.shape
    affinity = torch.zeros(batch, len(pairs), height, width, dtype=edge.dtype)
    for index, (dy, dx) in enumerate(pairs):
        for y in range(height):
            for x in range(width):
                if 0 <= y + dy < height and 0 <= x + dx < width:
                    on_path = [edge[:, y + py, x + px] for py, px in path((dy, dx))]
                    affinity[:, index, y, x] = 1 - torch.stack(on_path).amax(0)
    return affinity


def test_displacements_are_one_half_of_the_disc():
    assert displacements(1) == ()
    assert displacements(2) == ((0, 1), (1, -1), (1, 0), (1, 1))
    for radius, count in ((3, 12), (5, 34), (10, 152)):
        disc = {
            (y, x)
            for y in range(-radius, radius + 1)
            for x in range(-radius, radius + 1)
            if 0 < y * y + x * x < radius * radius
        }
        half = set(displacements(radius))
        assert len(half) == len(displacements(radius)) == count
        assert half | {(-y, -x) for y, x in half} == disc


def test_a_path_is_all_pixels_less_than_one_off_the_segment():
    assert path((0, 0)) == {(0, 0)}
    assert path((0, 3)) == {(0, 0), (0, 1), (0, 2), (0, 3)}
    assert path((2, -2)) == {(0, 0), (0, -1), (1, 0), (1, -1), (1, -2), (2, -1), (2, -2)}
    assert path((1, 2)) == {(0, 0), (0, 1), (0, 2), (1, 0), (1, 1), (1, 2)}


def test_pair_slices_keep_pairs_inside_the_image():
    image = torch.arange(6).reshape(2, 3)
    source, partner = pair_slices((1, -1), 2, 3)
    assert image[source].tolist() == [[1, 2]]
    assert image[partner].tolist() == [[3, 4]]
    source, partner = pair_slices((4, 1), 2, 3)
    assert image[source].numel() == image[partner].numel() == 0


def test_an_edge_stops_what_crosses_it_and_outside_is_zero():
    edge = torch.tensor([[[0.0, 0.75, 0.0, 0.25]]])
    affinity = path_affinity(edge, 3)
    right = dict(zip(displacements(3), affinity[0, :, 0].tolist(), strict=True))
    assert right[0, 1] == [0.25, 0.25, 0.75, 0.0]
    assert right[0, 2] == [0.25, 0.25, 0.0, 0.0]
    assert right[1, 0] == [0.0, 0.0, 0.0, 0.0]


@pytest.mark.parametrize("size", [(1, 1), (3, 5), (1, 7), (6, 2), (9, 8)])
@pytest.mark.parametrize("radius", [1, 2, 5])
def test_equals_the_definition(size, radius):
    edge = torch.rand(2, *size, generator=torch.Generator().manual_seed(0))
    assert torch.equal(path_affinity(edge, radius), literal_affinity(edge, radius))


def test_gradients_equal_those_of_the_definition():
    generator = torch.Generator().manual_seed(0)
    edge = torch.rand(2, 5, 7, generator=generator, requires_grad=True)
    weight = torch.rand(2, len(displacements(4)), 5, 7, generator=generator)
    (ours,) = torch.autograd.grad((path_affinity(edge, 4) * weight).sum(), edge)
    (theirs,) = torch.autograd.grad((literal_affinity(edge, 4) * weight).sum(), edge)
    torch.testing.assert_close(ours, theirs)


def test_keeps_float16():
    edge = torch.rand(1, 4, 5, generator=torch.Generator().manual_seed(0)).half()
    affinity = path_affinity(edge, 3)
    assert affinity.dtype == torch.float16
    assert torch.equal(affinity, literal_affinity(edge, 3))
