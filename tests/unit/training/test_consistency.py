import math

import torch

from chexseg.training.consistency import consistency_loss, strengthen


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


def test_strong_images_differ_and_stay_images():
    torch.manual_seed(0)
    image = torch.rand(8, 1, 32, 32)
    strong = strengthen(image)
    assert strong.shape == image.shape
    assert strong.min() >= 0
    assert strong.max() <= 1
    assert ((strong - image).abs().mean((1, 2, 3)) > 0.02).all()
    again = strengthen(image)
    assert not torch.equal(again, strong)
    torch.manual_seed(0)
    torch.rand(8, 1, 32, 32)
    assert torch.equal(strengthen(image), strong)
    assert torch.equal(image, image.clamp(0, 1))


def test_nothing_moves():
    """What is hidden is at another place in each image, so a line of all images stays."""
    torch.manual_seed(0)
    image = torch.zeros(64, 1, 32, 32)
    image[..., 10:14, :] = 1
    line = strengthen(image).median(0).values[0].median(1).values
    assert line.argmax() in range(10, 14)
    assert line[10:14].min() > line[[*range(9), *range(15, 32)]].max()
