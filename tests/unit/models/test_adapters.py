import pytest
import torch
from torch import nn

from chexseg.models.adapters import (
    AdaptedConv2d,
    add_adapters,
    merged,
    merged_weight,
    restore_adapters,
    stripped,
)


def network():
    """Convolutions of different forms; only the first two are wide enough and not grouped."""
    torch.manual_seed(0)
    return nn.Sequential(
        nn.Conv2d(4, 6, 3, stride=2, padding=2, dilation=2),
        nn.Sequential(nn.BatchNorm2d(6), nn.Conv2d(6, 4, 1, bias=False)),
        nn.Conv2d(4, 3, 3),
        nn.Conv2d(4, 4, 3, groups=4),
    )


def trained():
    """The network with adapters of rank 2 that are no longer zero."""
    model = network()
    for number, parameter in enumerate(add_adapters(model[:2], 2)):
        nn.init.normal_(parameter, generator=torch.Generator().manual_seed(number))
    return model[:2].eval()


def test_a_merged_weight_by_hand():
    weight = torch.tensor([[[[1.0]], [[2.0]]]])  # one output, two inputs
    down = torch.tensor([[[[3.0]], [[4.0]]], [[[0.0]], [[1.0]]]])  # rank 2
    up = torch.tensor([[[[10.0]], [[100.0]]]])
    assert merged_weight(weight, down, up).flatten().tolist() == [31.0, 142.0]


def test_adapters_stand_beside_convolutions_that_are_wider_than_they_are():
    model = network()
    added = add_adapters(model, 2)
    kinds = {name for name, each in model.named_modules() if isinstance(each, AdaptedConv2d)}
    assert kinds == {"0", "1.1"}
    assert [tuple(each.shape) for each in added] == [
        (2, 4, 3, 3), (6, 2, 1, 1), (2, 6, 1, 1), (4, 2, 1, 1),
    ]  # fmt: skip
    assert add_adapters(network(), 3) == []
    frozen = network()
    frozen[0].requires_grad_(False)
    assert len(add_adapters(frozen, 2)) == 2


def test_a_network_starts_as_it_was_and_its_tensors_keep_names_and_bits():
    plain, adapted = network().eval(), network().eval()
    add_adapters(adapted, 2)
    image = torch.rand(2, 4, 11, 11)
    assert torch.equal(plain[:2](image), adapted[:2](image))
    state = adapted.state_dict()
    assert all(torch.equal(each, state[name]) for name, each in plain.state_dict().items())
    assert set(state) - set(plain.state_dict()) == {
        f"{name}.adapter.{part}.weight" for name in ("0", "1.1") for part in ("down", "up")
    }


def test_merging_keeps_the_function():
    model, image = trained(), torch.rand(2, 4, 11, 11)
    expected, plain = model(image), network()[:2].eval()
    assert not torch.allclose(expected, plain(image), atol=0.1)
    plain.load_state_dict(merged(model.state_dict()))
    torch.testing.assert_close(plain(image), expected)


def test_stripping_gives_the_network_back_to_the_bit():
    plain, state = network()[:2], stripped(trained().state_dict())
    assert state.keys() == plain.state_dict().keys()
    assert all(torch.equal(each, state[name]) for name, each in plain.state_dict().items())


def test_adapters_are_restored_from_a_state_dict():
    source, target = trained(), network()[:2].eval()
    restore_adapters(target, source.state_dict())
    target.load_state_dict(source.state_dict())
    image = torch.rand(2, 4, 11, 11)
    assert torch.equal(target(image), source(image))
    with pytest.raises(ValueError, match="an adapter without a convolution: 5"):
        restore_adapters(network(), {"5.adapter.down.weight": torch.zeros(2, 4, 1, 1)})
