import math

import pytest
import torch

from chexseg.saliency.baselines import Black, Blurred, Mean, Noise


def test_black():
    image = torch.rand(2, 1, 3, 4)
    assert torch.equal(Black().of(image), torch.zeros(2, 1, 1, 3, 4))


def test_a_blurred_point_is_a_gaussian():
    image = torch.zeros(1, 1, 33, 33)
    image[0, 0, 16, 16] = 1
    blurred = Blurred(1 / 16.5).of(image)[0, 0, 0]  # a deviation of 2 pixels
    profile = [math.exp(-(step**2) / 8) for step in range(-6, 7)]
    assert blurred[16, 16].item() == pytest.approx(1 / sum(profile) ** 2, rel=1e-5)
    assert blurred[16, 18].item() == pytest.approx(math.exp(-0.5) / sum(profile) ** 2, rel=1e-5)
    assert blurred.sum().item() == pytest.approx(1, rel=1e-5)


def test_a_uniform_image_stays_as_it_is_when_blurred():
    image = torch.full((2, 1, 8, 12), 0.25)
    torch.testing.assert_close(Blurred(0.25).of(image), image[:, None])


def test_the_mean_is_resized_to_other_images():
    mean = torch.tensor([[0.0, 0.5], [0.5, 1.0]])
    baseline = Mean(mean)
    assert torch.equal(baseline.of(torch.rand(3, 1, 2, 2)), mean.expand(3, 1, 1, 2, 2))
    assert baseline.of(torch.rand(3, 1, 1, 1)).flatten().tolist() == [0.5] * 3


def test_noise_is_the_same_for_every_image_and_other_for_every_seed():
    noise = Noise(3, seed=5).of(torch.zeros(2, 1, 20, 30))
    assert noise.shape == (2, 3, 1, 20, 30)
    assert torch.equal(noise[0], noise[1])
    assert torch.equal(noise, Noise(3, seed=5).of(torch.ones(2, 1, 20, 30)))
    assert not torch.equal(noise, Noise(3, seed=6).of(torch.zeros(2, 1, 20, 30)))
    assert not torch.equal(noise[0, 0], noise[0, 1])
    assert 0 <= noise.min() < 0.01
    assert 0.99 < noise.max() <= 1
    assert noise.mean().item() == pytest.approx(0.5, abs=0.05)
