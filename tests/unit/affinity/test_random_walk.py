import pytest
import torch

from chexseg.affinity.paths import path, path_affinity
from chexseg.affinity.random_walk import _walk, random_walk
from chexseg.errors import InputError


def literal_walk(maps, edge, *, radius, beta, steps_log2):
    """The definition with a dense matrix in float64, from all ordered pairs of pixels."""
    maps, edge = maps.double(), edge.double()
    height, width = edge.shape[-2:]
    pixels = [(y, x) for y in range(height) for x in range(width)]
    result = []
    for image, boundary in zip(maps, edge, strict=True):
        affinity = torch.eye(len(pixels), dtype=torch.float64)
        for i, (y, x) in enumerate(pixels):
            for j, (v, u) in enumerate(pixels):
                if i != j and (v - y) ** 2 + (u - x) ** 2 < radius * radius:
                    on_path = [boundary[y + py, x + px] for py, px in path((v - y, u - x))]
                    affinity[i, j] = (1 - max(on_path)) ** beta
        transition = affinity / affinity.sum(0, keepdim=True)
        for _ in range(steps_log2):
            transition = transition @ transition
        start = (image * (1 - boundary)).flatten(1)
        result.append((start @ transition).reshape(image.shape))
    return torch.stack(result)


def rand(*size):
    return torch.rand(*size, generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize("size", [(1, 1), (1, 4), (3, 5), (9, 7)])
@pytest.mark.parametrize(("radius", "beta", "steps_log2"), [(5, 10, 8), (3, 5, 3), (2, 1, 0)])
def test_equals_the_dense_definition(size, radius, beta, steps_log2):
    maps, edge = rand(2, 3, *size), rand(2, *size) ** 2
    settings = {"radius": radius, "beta": beta, "steps_log2": steps_log2}
    walked = random_walk(maps, edge, **settings)
    expected = literal_walk(maps, edge, **settings).float()
    torch.testing.assert_close(walked, expected, atol=1e-4, rtol=0)


def test_without_edges_all_pixels_of_a_small_image_share_the_mean():
    maps = torch.tensor([[[[4.0, 0.0], [0.0, 0.0]]]])
    walked = random_walk(maps, torch.zeros(1, 2, 2), radius=2, beta=10, steps_log2=4)
    torch.testing.assert_close(walked, torch.ones(1, 1, 2, 2))


def test_a_wall_separates_two_sides():
    maps, edge = torch.zeros(1, 1, 3, 5), torch.zeros(1, 3, 5)
    maps[..., :2], edge[..., 2] = 1, 1
    walked = random_walk(maps, edge, radius=5, beta=10, steps_log2=8)
    expected = torch.tensor([1.0, 1.0, 0.0, 0.0, 0.0]).expand(1, 1, 3, 5)
    torch.testing.assert_close(walked, expected, atol=2e-5, rtol=0)


@pytest.mark.parametrize("steps_log2", [3, 8])
def test_empty_maps_stay_zero_and_do_not_touch_others(steps_log2):
    maps, edge = rand(1, 3, 6, 7), rand(1, 6, 7)
    maps[:, 1] = 0
    settings = {"radius": 3, "beta": 5, "steps_log2": steps_log2}
    walked = random_walk(maps, edge, **settings)
    assert not walked[:, 1].any()
    alone = random_walk(maps[:, 2:], edge, **settings)
    torch.testing.assert_close(walked[:, 2:], alone)


def test_all_is_edge():
    walked = random_walk(
        torch.ones(1, 2, 4, 4), torch.ones(1, 4, 4), radius=3, beta=5, steps_log2=8
    )
    assert torch.equal(walked, torch.zeros(1, 2, 4, 4))


def test_no_images_or_no_maps_give_none():
    for shape in ((0, 2, 4, 4), (2, 0, 4, 4)):
        edge = torch.zeros(shape[0], 4, 4)
        assert random_walk(torch.zeros(shape), edge, radius=3, beta=5, steps_log2=3).shape == shape


def test_float16_is_computed_in_float32():
    maps, edge = rand(1, 2, 5, 6).half(), rand(1, 5, 6).half()
    settings = {"radius": 3, "beta": 5, "steps_log2": 3}
    walked = random_walk(maps, edge, **settings)
    assert walked.dtype == torch.float32
    assert torch.equal(walked, random_walk(maps.float(), edge.float(), **settings))


def test_bad_input_is_told_at_once():
    with pytest.raises(InputError) as error:
        random_walk(torch.zeros(1, 1, 4, 4), torch.zeros(1, 4, 5), radius=0, beta=-1, steps_log2=-1)
    assert len(error.value.problems) == 4


def test_images_walk_apart_whether_in_one_product_or_one_by_one():
    """A GPU takes a batch as one matrix with a block for each image; a CPU takes image by image."""
    generator = torch.Generator().manual_seed(0)
    maps = torch.rand(3, 2, 6, 5, generator=generator)
    edge = torch.rand(3, 6, 5, generator=generator)
    apart = random_walk(maps, edge, radius=3, beta=2, steps_log2=4)
    start = (maps * (1 - edge)[:, None]).flatten(2)
    together = _walk(path_affinity(edge, 3) ** 2, start, 3, 16, 1e-5)
    torch.testing.assert_close(together.reshape(maps.shape), apart)
    assert not torch.allclose(apart[0], apart[1])
