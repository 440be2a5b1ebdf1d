import pytest
import torch
from torch import nn
from torch.utils.data import Dataset

from chexseg.inference.batching import device_for_inference, evaluation_mode, infer


class Images(Dataset):
    def __init__(self, number):
        random = torch.Generator().manual_seed(0)
        self.images = torch.randint(0, 256, (11, 1, 32, 32), generator=random, dtype=torch.uint8)
        self.number = number

    def __len__(self):
        return self.number

    def __getitem__(self, number):
        return self.images[number]


def network():
    torch.manual_seed(0)
    layers = nn.Sequential(
        nn.Conv2d(1, 8, 3, padding=1), nn.BatchNorm2d(8), nn.ReLU(), nn.Conv2d(8, 3, 3, stride=2)
    )
    return evaluation_mode(layers, torch.device("cpu"))


def results_of(compute, number, batch_size):
    options = {"batch_size": batch_size, "device": torch.device("cpu")}
    return list(infer(compute, Images(number), **options))


@pytest.mark.parametrize("number", [1, 3, 4, 5, 8, 11])
def test_one_result_per_x_ray_in_order_whatever_their_number(number):
    model, batch_size = network(), 4
    results = results_of(model, number, batch_size)
    everything = results_of(model, 11, batch_size)
    assert len(results) == number
    for result, other in zip(results, everything, strict=False):
        assert result.shape == (3, 15, 15)
        assert torch.equal(result, other)  # to the bit


@pytest.mark.parametrize("batch_size", [1, 2, 32])
def test_results_equal_those_of_x_rays_one_by_one(batch_size):
    model, images = network(), Images(11)
    for number, result in enumerate(results_of(model, 11, batch_size)):
        alone = model(images[number][None].float() / 255)[0]
        torch.testing.assert_close(result, alone, rtol=1e-5, atol=1e-6)


def test_every_batch_has_the_full_size_and_images_are_between_0_and_1():
    seen = []

    def compute(image):
        seen.append((tuple(image.shape), image.dtype, float(image.max())))
        return image.mean((1, 2, 3))

    results = results_of(compute, 5, 4)
    assert [shape for shape, *_ in seen] == [(4, 1, 32, 32)] * 2
    assert all(dtype == torch.float32 and highest == 1 for _, dtype, highest in seen)
    expected = Images(5).images[:5].float().mean((1, 2, 3)) / 255
    torch.testing.assert_close(torch.stack(results), expected)


def test_no_x_rays_no_results():
    assert results_of(network(), 0, 4) == []


def test_no_gradients_inside_and_those_of_the_caller_outside():
    inside = []

    def compute(image):
        inside.append(torch.is_grad_enabled())
        return image

    for _ in infer(compute, Images(3), batch_size=2, device=torch.device("cpu")):
        assert torch.is_grad_enabled()
    assert inside == [False, False]


def test_evaluation_mode_freezes():
    model = network()
    assert not any(module.training for module in model.modules())
    assert not any(parameter.requires_grad for parameter in model.parameters())


def test_threads_are_set():
    before = torch.get_num_threads()
    try:
        device = device_for_inference(2)
        assert torch.get_num_threads() == 2
        assert device.type == ("cuda" if torch.cuda.is_available() else "cpu")
    finally:
        torch.set_num_threads(before)
