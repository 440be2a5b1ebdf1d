import pytest
import torch
from torch import nn
from torchvision.models import resnet18, resnet50

from chexseg.models.folding import OneDNNConv2d, folded


def trained_a_little(network):
    """A network whose batch normalisation is not the identity."""
    generator = torch.Generator().manual_seed(0)
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d):
            for values in (module.running_mean, module.weight.data, module.bias.data):
                values.add_(0.1 * torch.randn(values.shape, generator=generator))
            module.running_var.mul_(1.5)
    return network.eval()


@pytest.mark.parametrize("architecture", [resnet18, resnet50])
def test_a_folded_network_computes_the_same(architecture):
    torch.manual_seed(0)
    network = trained_a_little(architecture(num_classes=3))
    image = torch.rand(2, 3, 64, 64)
    with torch.no_grad():
        expected, found = network(image), folded(network)(image)
    torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-4)
    assert not torch.allclose(expected[0], expected[1], rtol=1e-4, atol=1e-4)


def test_nothing_is_left_to_normalise_and_the_network_stays_as_it_was():
    network = resnet18()
    kinds = {type(module) for module in folded(network).modules()}
    assert not kinds & {nn.BatchNorm2d, nn.Conv2d}
    assert isinstance(network.layer1[0].bn2, nn.BatchNorm2d)


def test_folding_by_hand():
    """A weight of 2, normalised by (x - 3) / 2 x 5 + 1: 5 x - 6.5."""
    network = nn.Sequential(nn.Conv2d(1, 1, 1, bias=False), nn.BatchNorm2d(1, eps=0))
    network[0].weight.data.fill_(2)
    network[1].running_mean.fill_(3)
    network[1].running_var.fill_(4)
    network[1].weight.data.fill_(5)
    network[1].bias.data.fill_(1)
    values = torch.tensor([[[[0.0, 1.0, 10.0]]]])
    assert folded(network)(values).flatten().tolist() == [-6.5, -1.5, 43.5]


def test_a_normalisation_behind_something_else_stays():
    network = nn.Sequential(nn.Conv2d(1, 1, 1), nn.ReLU(), nn.BatchNorm2d(1))
    assert isinstance(folded(network)[2], nn.BatchNorm2d)


@pytest.mark.parametrize("options", [{"stride": 2, "padding": 1}, {"dilation": 2}, {"groups": 2}])
def test_the_convolution_is_torchs(options):
    torch.manual_seed(0)
    convolution = nn.Conv2d(2, 4, 3, **options).requires_grad_(False)
    values = torch.rand(2, 2, 9, 8)
    torch.testing.assert_close(OneDNNConv2d(convolution)(values), convolution(values))
