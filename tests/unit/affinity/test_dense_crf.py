import math

import pytest
import torch

from chexseg.affinity import dense_crf
from chexseg.affinity.dense_crf import _BilateralKernel, _Blur, _gaussian_kernel
from chexseg.errors import InputError

SETTINGS = {
    "iterations": 10,
    "ground_truth_probability": 0.7,
    "gaussian_sigma": 3.0,
    "gaussian_compatibility": 3.0,
    "bilateral_sigma": 50.0,
    "intensity_sigma": 5.0,
    "bilateral_compatibility": 10.0,
}


def refine(image, label, **settings):
    return dense_crf.refine(image, label, **{**SETTINGS, **settings})


def literal_kernel(image, sigma, intensity_sigma):
    """exp(-|f_i - f_j|^2 / 2) with one feature per row, column and channel, D K D normalised."""
    height, width = image.shape
    features = torch.tensor(
        [
            [y / sigma, x / sigma] + [float(image[y, x]) / intensity_sigma] * 3
            for y in range(height)
            for x in range(width)
        ],
        dtype=torch.float64,
    )
    kernel = torch.exp(-((features[:, None] - features[None]) ** 2).sum(-1) / 2)
    norm = kernel.sum(1) ** -0.5
    return norm[:, None] * kernel * norm


def literal_refine(image, label, **settings):
    """Mean field over both labels with the whole kernels."""
    settings = {**SETTINGS, **settings}
    gaussian = literal_kernel(image, settings["gaussian_sigma"], math.inf)
    bilateral = literal_kernel(image, settings["bilateral_sigma"], settings["intensity_sigma"])
    kernel = (
        settings["gaussian_compatibility"] * gaussian
        + settings["bilateral_compatibility"] * bilateral
    )
    trust = settings["ground_truth_probability"]
    label = label.flatten().double()
    likely = torch.stack([1 - label, label]) * (2 * trust - 1) + 1 - trust
    energy = -likely.log()
    probability = torch.softmax(-energy, 0)
    for _ in range(settings["iterations"]):
        probability = torch.softmax(-energy + probability @ kernel, 0)
    return probability.argmax(0).reshape(image.shape).to(torch.uint8)


def noisy_disc(height, width, seed=0):
    """A bright disc on a slope with noise, and a square roughly where the disc is."""
    generator = torch.Generator().manual_seed(seed)
    y, x = torch.meshgrid(torch.arange(height), torch.arange(width), indexing="ij")
    inside = (y - 0.4 * height) ** 2 + (x - 0.5 * width) ** 2 < (0.3 * height) ** 2
    image = 90 + 14 * inside + 20 * x / width + 3 * torch.randn(height, width, generator=generator)
    square = (y > 0.2 * height) & (y < 0.7 * height) & (x > 0.3 * width) & (x < 0.8 * width)
    return image.round().clamp(0, 255).to(torch.uint8), square.to(torch.uint8)


@pytest.mark.parametrize(
    ("size", "settings"),
    [
        ((13, 9), {}),
        ((47, 41), {}),
        ((47, 41), {"bilateral_sigma": 9.0, "intensity_sigma": 9.0}),
        ((47, 41), {"gaussian_sigma": 5.0, "bilateral_compatibility": 0.0}),
        ((47, 41), {"iterations": 3, "ground_truth_probability": 0.9}),
    ],
)
def test_labels_as_the_exact_mean_field(size, settings):
    image, label = noisy_disc(*size)
    refined = refine(image[None], label[None, None], **settings)[0, 0]
    expected = literal_refine(image, label, **settings)
    assert (refined != expected).sum() <= max(2, 0.01 * label.numel())
    assert (refined != label).float().mean() > 0.02  # or else agreeing were easy


def applied(kernel, values):
    """What the kernel adds to zeros."""
    total = torch.zeros_like(values)
    kernel.add_to(total, values)
    return total


@pytest.mark.parametrize("size", [(1, 1), (2, 3), (31, 30)])
@pytest.mark.parametrize(("sigma", "tolerance"), [(1.0, 1e-5), (3.0, 0.07), (5.0, 0.06)])
def test_gaussian_kernel_is_the_literal_one(size, sigma, tolerance):
    """Cells of one pixel (sigma 1) lose nothing; larger cells at most 7 %."""
    image, label = noisy_disc(*size)
    values = torch.stack([label, 1 - label], -1).reshape(-1, 2).float()
    kernel = _gaussian_kernel(*size, sigma, 3.0, device=image.device)
    expected = 3 * literal_kernel(image / math.inf, sigma, 1.0).float() @ values
    torch.testing.assert_close(applied(kernel, values), expected, atol=3 * tolerance, rtol=0)


@pytest.mark.parametrize("size", [(1, 1), (2, 3), (31, 30)])
def test_bilateral_kernel_is_the_literal_one(size):
    image, label = noisy_disc(*size)
    values = torch.stack([label, 1 - label], -1).reshape(-1, 2).float()
    kernel = _BilateralKernel(image, 12.0, 5.0, 10.0)
    expected = 10 * literal_kernel(image, 12.0, 5.0).float() @ values
    torch.testing.assert_close(kernel.apply(values), expected, atol=0.5, rtol=0)


def test_a_blur_in_blocks_is_the_matrix():
    number = torch.arange(45)
    matrix = (1.0 + number[:, None] + number) * ((number[:, None] - number).abs() < 7)
    values = torch.rand(45, 3, generator=torch.Generator().manual_seed(0))
    torch.testing.assert_close(_Blur(matrix).of(values), matrix @ values)


def test_snaps_to_the_outline_of_a_bright_square():
    image = torch.full((1, 24, 24), 60, dtype=torch.uint8)
    image[:, 6:18, 6:18] = 180
    label = torch.zeros(1, 1, 24, 24, dtype=torch.uint8)
    label[..., 5:16, 7:19] = 1
    expected = (image[:, None] == 180).to(torch.uint8)
    assert torch.equal(refine(image, label), expected)


@pytest.mark.parametrize("value", [0, 1])
@pytest.mark.parametrize("size", [(1, 1), (3, 5), (20, 33)])
def test_a_uniform_mask_stays(value, size):
    image = torch.randint(256, (1, *size), generator=torch.Generator().manual_seed(0))
    label = torch.full((1, 2, *size), value)
    refined = refine(image.to(torch.uint8), label)
    assert refined.dtype == torch.uint8
    assert torch.equal(refined, label.to(torch.uint8))


def test_images_and_masks_do_not_see_each_other():
    images, squares = zip(noisy_disc(31, 30, seed=1), noisy_disc(31, 30, seed=2), strict=True)
    image = torch.stack(images)
    label = torch.stack([squares[0], squares[0].flip(0), 1 - squares[0]]).repeat(2, 1, 1, 1)
    together = refine(image, label)
    for index in range(2):
        for mask in range(3):
            alone = refine(image[index : index + 1], label[index : index + 1, mask : mask + 1])
            assert (alone[0, 0] == together[index, mask]).float().mean() > 0.995


def test_a_mask_and_its_complement_stay_complements():
    image, label = noisy_disc(31, 30)
    refined = refine(image[None], torch.stack([label, 1 - label])[None])[0]
    assert torch.equal(refined[0], 1 - refined[1])


def test_no_iterations_no_masks_no_images():
    image, label = noisy_disc(8, 9)
    assert torch.equal(refine(image[None], label[None, None], iterations=0)[0, 0], label)
    assert refine(image[None], label[None, None][:, :0]).shape == (1, 0, 8, 9)
    assert refine(image[None][:0], label[None, None][:0]).shape == (0, 1, 8, 9)


def test_floats_are_rounded_to_grey_levels():
    image, label = noisy_disc(21, 20)
    expected = refine(image[None], label[None, None])
    assert torch.equal(refine(image[None] + 0.3, label[None, None].float()), expected)
    assert torch.equal(refine(image[None].half(), label[None, None].bool()), expected)


def test_bad_input_is_told_at_once():
    with pytest.raises(InputError) as error:
        refine(
            torch.zeros(1, 4, 4),
            torch.zeros(1, 1, 4, 5),
            ground_truth_probability=1.0,
            gaussian_sigma=0.0,
            bilateral_sigma=-1.0,
            intensity_sigma=0.0,
        )
    assert len(error.value.problems) == 5
