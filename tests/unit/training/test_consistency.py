import math

import torch

from chexseg.training.augmentation import draw_noise
from chexseg.training.consistency import STRONG_NUMBERS, consistency_loss, strengthen


def test_only_confident_pixels_count_and_only_the_strong_version_learns():
    weak = torch.tensor([[[[0.97, 0.6, 0.02]]]]).logit().requires_grad_()
    strong = torch.zeros(1, 1, 1, 3, requires_grad=True)
    loss = consistency_loss(strong, weak, 0.95)
    torch.testing.assert_close(loss.detach(), torch.tensor(math.log(2)))
    loss.backward()
    assert weak.grad is None
    assert strong.grad.flatten().sign().tolist() == [-1, 0, 1]


def test_no_confident_pixel_gives_zero():
    strong = torch.zeros(1, 1, 1, 2, requires_grad=True)
    loss = consistency_loss(strong, torch.zeros(1, 1, 1, 2), 0.95)
    loss.backward()
    assert loss.item() == 0
    assert strong.grad.tolist() == [[[[0, 0]]]]


def strong_of(image, seed=0):
    noise = draw_noise(len(image), torch.Generator().manual_seed(seed), STRONG_NUMBERS)
    return strengthen(image, noise)


def test_strong_images_differ_and_stay_images():
    image = torch.rand(8, 1, 32, 32, generator=torch.Generator().manual_seed(1))
    before = image.clone()
    strong = strong_of(image)
    assert strong.shape == image.shape
    assert strong.min() >= 0
    assert strong.max() <= 1
    assert ((strong - image).abs().mean((1, 2, 3)) > 0.02).all()
    assert torch.equal(image, before)
    assert torch.equal(strong_of(image), strong)
    assert not torch.equal(strong_of(image, seed=1), strong)


def test_each_image_has_numbers_of_its_own_whatever_the_batch():
    """So that processes which share a batch compute what one would."""
    image = torch.rand(6, 1, 32, 32, generator=torch.Generator().manual_seed(1))
    noise = draw_noise(6, torch.Generator().manual_seed(0), STRONG_NUMBERS)
    halves = [strengthen(image[part], noise[part]) for part in (slice(3), slice(3, None))]
    assert torch.equal(torch.cat(halves), strengthen(image, noise))


def test_nothing_moves():
    """What is hidden is at another place in each image, so a line of all images stays."""
    image = torch.zeros(64, 1, 32, 32)
    image[..., 10:14, :] = 1
    line = strong_of(image).median(0).values[0].median(1).values
    assert line.argmax() in range(10, 14)
    assert line[10:14].min() > line[[*range(9), *range(15, 32)]].max()
