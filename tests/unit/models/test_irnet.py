import pytest
import torch
from torchvision.models import resnet18, resnet50

from chexseg.models.irnet import IRNet, flip_averaged_edge, for_inference


@pytest.fixture(scope="module")
def model():
    torch.manual_seed(0)
    return IRNet(resnet18()).eval()


def rand(*size):
    return torch.rand(*size, generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize("size", [(64, 64), (33, 47), (1, 1)])
def test_sizes_are_a_quarter_rounded_up(model, size):
    edge, displacement = model.edge_and_displacement(rand(2, 3, *size))
    quarter = tuple(-(-side // 4) for side in size)
    assert edge.shape == (2, 1, *quarter)
    assert displacement.shape == (2, 2, *quarter)


def test_bottlenecks_fit_too():
    edge, displacement = IRNet(resnet50()).eval()(rand(1, 3, 32, 40))
    assert edge.shape == (1, 1, 8, 10)
    assert displacement.shape == (1, 2, 8, 10)


def test_the_last_layer_keeps_stride_16_and_the_given_backbone_its_own(model):
    backbone = resnet18()
    branch = IRNet(backbone).backbone
    assert branch.layer4[0].conv1.stride == branch.layer4[0].downsample[0].stride == (1, 1)
    assert backbone.layer4[0].conv1.stride == (2, 2)
    names = {name for name in backbone.state_dict() if not name.startswith("fc.")}
    assert set(model.backbone.state_dict()) == names


def test_training_leaves_the_backbone_as_it_is():
    torch.manual_seed(0)
    model = IRNet(resnet18()).train()
    before = {name: value.clone() for name, value in model.backbone.state_dict().items()}
    optimizer = torch.optim.SGD(model.parameter_groups(0.1), lr=0.1)
    edge, displacement = model(rand(2, 3, 32, 32))
    (edge.sum() + displacement.square().sum()).backward()
    optimizer.step()
    for name, value in model.backbone.state_dict().items():
        assert torch.equal(value, before[name]), name
    assert model.edge.training
    assert not model.backbone.bn1.training


def test_groups_hold_every_trained_parameter_once(model):
    groups = model.parameter_groups(0.5)
    assert [group["lr"] for group in groups] == [0.5, 5.0]
    grouped = [id(parameter) for group in groups for parameter in group["params"]]
    trained = [id(parameter) for parameter in model.parameters() if parameter.requires_grad]
    assert sorted(grouped) == sorted(trained)


def test_the_flip_average_of_a_mirrored_image_is_mirrored(model):
    image = rand(1, 3, 32, 64)
    edge = flip_averaged_edge(model, image)
    assert edge.shape == (1, 8, 16)
    assert ((edge > 0) & (edge < 1)).all()
    torch.testing.assert_close(flip_averaged_edge(model, image.flip(-1)), edge.flip(-1))
    logits, _ = model(image)
    mirrored, _ = model(image.flip(-1))
    expected = torch.sigmoid((logits[0, 0] + mirrored[0, 0].flip(-1)) / 2)
    torch.testing.assert_close(edge[0], expected)


def test_evaluation_subtracts_the_mean_displacement_of_the_given_images():
    torch.manual_seed(0)
    model = IRNet(resnet18()).eval()
    image = rand(3, 3, 32, 32)
    _, before = model(image)
    model.fit_mean_shift([image[:2], image[2:]])
    _, after = model(image)
    torch.testing.assert_close(model.mean_shift.mean, before.mean((0, 2, 3)))
    torch.testing.assert_close(after.mean((0, 2, 3)), torch.zeros(2), atol=1e-5, rtol=0)
    _, training = model.train()(image)
    torch.testing.assert_close(training, before)


def test_processes_that_share_the_images_find_the_same_mean():
    model = IRNet(resnet18()).eval()
    image = rand(3, 3, 32, 32)
    sums = []
    for share in (image[:1], image[1:]):
        model.fit_mean_shift([share], lambda own: sums.append(own) or own)
    model.fit_mean_shift([image], lambda own: sums.append(own) or torch.cat(sums[:2]))
    torch.testing.assert_close(sums[0] + sums[1], sums[2])
    torch.testing.assert_close(model.mean_shift.mean, (sums[2] / 3)[0, :2])


def test_no_images_leave_the_mean_as_it_is():
    model = IRNet(resnet18())
    model.mean_shift.mean.fill_(2.0)
    model.fit_mean_shift([])
    assert model.mean_shift.mean.tolist() == [2.0, 2.0]


def test_a_saved_state_gives_the_same_network(model):
    torch.manual_seed(1)
    other = IRNet(resnet18()).eval()
    other.load_state_dict(model.state_dict())
    image = rand(1, 3, 33, 31)
    for ours, theirs in zip(model(image), other(image), strict=True):
        assert torch.equal(ours, theirs)


def test_normalise_comes_first(model):
    class ThreeChannels(torch.nn.Module):
        def forward(self, image):
            return image.expand(-1, 3, -1, -1)

    grey = rand(1, 1, 32, 32)
    other = IRNet(resnet18(), normalise=ThreeChannels()).eval()
    other.load_state_dict(model.state_dict())
    assert torch.equal(other(grey)[0], model(grey.expand(-1, 3, -1, -1))[0])


def test_edges_come_without_displacements(model):
    image = rand(2, 3, 33, 47)
    assert torch.equal(model.edges(image), model.edge_and_displacement(image)[0])


@pytest.mark.parametrize("size", [(64, 64), (33, 47)])
def test_a_copy_for_inference_finds_the_same_edges(model, size):
    """As compute-affinity uses it; the bar of the edge map is 1e-3."""
    image = rand(2, 3, *size)
    faster = for_inference(model)
    expected = flip_averaged_edge(model, image)
    torch.testing.assert_close(flip_averaged_edge(faster, image), expected, atol=1e-5, rtol=0)
    assert expected.std() > 0.01
    assert isinstance(model.backbone.bn1, torch.nn.BatchNorm2d)
