import pytest
import torch
from torch import nn

from chexseg.models.classifier import build_classifier
from chexseg.saliency.baselines import Baseline, Black, Blurred, Noise
from chexseg.saliency.integrated_gradients import IntegratedGradients, gauss_legendre

WEIGHTS = torch.tensor([[1.0, -2.0, 0.5, 0.0], [0.0, 3.0, -1.0, 2.0]])


class Linear(nn.Module):
    """Two logits that are linear in the 2 x 2 pixels of an image."""

    def forward(self, image):
        return image.flatten(1) @ WEIGHTS.T + torch.tensor([0.25, -1.0])


class Squares(nn.Module):
    """One logit: the first pixel squared, less three times the second one's ReLU beyond 1/2."""

    def forward(self, image):
        first, second = image[:, 0, 0, 0], image[:, 0, 0, 1]
        return (first**2 - 3 * (second - 0.5).relu())[:, None]


class Fixed(Baseline):
    def __init__(self, value):
        self.value = value

    def of(self, image):
        return torch.full_like(image, self.value)[:, None]


def explained(network, image, outputs=(0,), baseline=None, steps=4, **options):
    explainer = IntegratedGradients(network, baseline=baseline or Black(), steps=steps, **options)
    return explainer.explain(image, outputs)


def images(number=2, side=32):
    return torch.rand(number, 1, side, side, generator=torch.Generator().manual_seed(1))


def classifier_of(architecture="densenet_small", n_outputs=5):
    """In float64, since rounding moves kinks of the network, and with them gradients."""
    torch.manual_seed(0)
    network = build_classifier(architecture, n_outputs, stride=16)
    return network.double().eval().requires_grad_(False)


# ---- The method by hand --------------------------------------------------------------------
def test_a_linear_network_has_its_weights_times_the_image():
    image = torch.tensor([[[[0.5, 1.0], [0.25, 0.0]]]])
    found = explained(Linear(), image, (1, 0), steps=1)
    assert found.maps.tolist() == [
        [[[0.0, 3.0], [-0.25, 0.0]], [[0.5, -2.0], [0.125, 0.0]]],
    ]
    assert found.measures["completeness_error"].tolist() == [[0.0, 0.0]]
    assert found.measures["logit_difference"].tolist() == [[2.75, -1.375]]


def test_a_baseline_is_taken_off_the_image():
    image = torch.tensor([[[[0.5, 1.0], [0.25, 0.0]]]])
    found = explained(Linear(), image, baseline=Fixed(0.5), steps=2)
    torch.testing.assert_close(found.maps, torch.tensor([[[[0.0, -1.0], [-0.125, 0.0]]]]))


def test_quadrature_is_gauss_and_legendres():
    nodes, weights = gauss_legendre(2)
    assert nodes == pytest.approx([0.5 - 0.5 / 3**0.5, 0.5 + 0.5 / 3**0.5])
    assert weights == pytest.approx([0.5, 0.5])
    assert sum(gauss_legendre(50)[1]) == pytest.approx(1)


def test_a_square_is_exact_and_a_kink_gets_better_with_steps():
    image = torch.tensor([[[[0.5, 1.0]]]])
    errors = []
    for steps in (1, 4, 16, 64):
        found = explained(Squares(), image, steps=steps)
        assert found.maps[0, 0, 0, 0].item() == pytest.approx(0.25)
        errors.append(found.measures["completeness_error"].item())
        off = abs(found.maps[0, 0, 0, 1].item() + 1.5)
        assert errors[-1] == pytest.approx(off, abs=1e-6)
    # The nodes of an even rule lie symmetric to the kink at one half; a single one lies on it.
    assert errors == pytest.approx([1.5, 0, 0, 0], abs=1e-5)


def test_the_mean_is_taken_over_baselines():
    image = torch.tensor([[[[0.5, 1.0], [0.25, 0.0]]]])
    noise = Noise(3, seed=4)
    found = explained(Linear(), image, baseline=noise)
    expected = WEIGHTS[0].reshape(2, 2) * (image[0, 0] - noise.of(image)[0].mean((0, 1)))
    torch.testing.assert_close(found.maps[0, 0], expected)


def test_absolute_values_are_taken_of_pixels_before_cells():
    image = torch.tensor([[[[0.5, 1.0], [0.25, 0.0]]]])
    signed = explained(Linear(), image, cell=2)
    absolute = explained(Linear(), image, cell=2, absolute=True)
    assert signed.maps.tolist() == [[[[-1.375]]]]
    assert absolute.maps.tolist() == [[[[2.625]]]]
    assert torch.equal(signed.measures["logit_difference"], absolute.measures["logit_difference"])


def test_smoothgrad_squared_is_the_root_of_the_mean_square_of_noisy_copies():
    image = torch.tensor([[[[0.5, 1.0], [0.25, 0.0]]]])
    found = explained(Linear(), image, noisy_copies=3, noise=0.5, seed=2)
    generator = torch.Generator().manual_seed(2)
    copies = image[0] + 0.5 * torch.randn(3, 1, 2, 2, generator=generator)
    expected = (WEIGHTS[0].reshape(2, 2) * copies[:, 0]).square().mean(0).sqrt()
    torch.testing.assert_close(found.maps[0, 0], expected)
    assert found.measures["completeness_error"].item() == pytest.approx(0, abs=1e-6)


def test_an_x_ray_that_is_its_baseline_has_no_attributions():
    found = explained(classifier_of(), torch.zeros(1, 1, 32, 32).double(), (0, 3))
    assert not found.maps.any()
    assert found.measures["completeness_error"].tolist() == [[0.0, 0.0]]


# ---- Networks ------------------------------------------------------------------------------
def test_completeness_of_a_network_of_relus_improves_with_steps():
    classifier, image = classifier_of(), images().double()
    errors = []
    for steps in (2, 8, 32):
        found = explained(classifier, image, range(5), steps=steps)
        with torch.no_grad():
            difference = classifier(image) - classifier(torch.zeros_like(image))
        torch.testing.assert_close(found.measures["logit_difference"], difference.float())
        error = (found.maps.sum((2, 3)) - difference).abs()
        torch.testing.assert_close(
            found.measures["completeness_error"], error.float(), rtol=1e-3, atol=1e-6
        )
        errors.append((error.mean() / difference.abs().mean()).item())
    assert errors[0] > 2 * errors[1] > 4 * errors[2]
    assert errors[2] < 0.05


@pytest.mark.parametrize("architecture", ["densenet_small", "resnet18"])
@pytest.mark.parametrize("baseline", [Black(), Blurred(0.1), Noise(2, seed=0)])
def test_equals_captum(architecture, baseline):
    peer = pytest.importorskip("captum.attr").IntegratedGradients
    classifier, image = classifier_of(architecture), images().double()
    found = explained(classifier, image, (3, 0), baseline=baseline, steps=5).maps
    starts, peer = baseline.of(image).double(), peer(classifier)
    for number, output in enumerate((3, 0)):
        theirs = [
            peer.attribute(image, starts[:, n], target=output, n_steps=5)
            for n in range(baseline.number)
        ]
        expected = torch.stack(theirs).mean(0)[:, 0].float()
        assert expected.abs().max() > 1e-4
        torch.testing.assert_close(found[:, number], expected, rtol=1e-5, atol=1e-8)


def test_the_budget_does_not_change_the_maps(monkeypatch):
    from chexseg.saliency import integrated_gradients, passes

    classifier, image = classifier_of(), images(3).double()
    plans = []

    def planned(*arguments, **options):
        plans.append(passes.plan_passes(*arguments, **options | {"on_cpu": False}))
        return plans[-1]

    monkeypatch.setattr(integrated_gradients, "plan_passes", planned)
    noise = Noise(2, seed=0)
    several = [
        explained(classifier, image, (4, 0, 1), baseline=noise, budget=budget)
        for budget in (1, 1e6, 3e6, 1e7, 1e9)
    ]
    assert len({(plan.paths, plan.copies, plan.outputs) for plan in plans}) > 3
    assert plans[0] == passes.Passes(1, 1, 1)
    assert plans[-1].paths > 6
    for each in several[1:]:
        torch.testing.assert_close(each.maps, several[0].maps, rtol=1e-6, atol=1e-9)
        for name, values in several[0].measures.items():
            torch.testing.assert_close(each.measures[name], values, rtol=1e-5, atol=1e-6)


def test_the_batch_does_not_change_the_maps():
    classifier, image = classifier_of(), images(3).double()
    together = explained(classifier, image, (1, 2)).maps
    alone = torch.cat([explained(classifier, each[None], (1, 2)).maps for each in image])
    torch.testing.assert_close(alone, together, rtol=1e-6, atol=1e-9)


def test_cells_sum_what_they_hold_at_odd_sizes_too():
    classifier, image = classifier_of(), images(1).double()[..., :29, :21]
    pixels, cells = (explained(classifier, image, (1,), cell=cell).maps for cell in (1, 8))
    assert pixels.shape == (1, 1, 29, 21)
    assert cells.shape == (1, 1, 4, 3)
    torch.testing.assert_close(cells[0, 0, 0, 0], pixels[0, 0, :8, :8].sum())
    torch.testing.assert_close(cells[0, 0, 3, 2], pixels[0, 0, 24:, 16:].sum())


def test_one_forward_pass_serves_all_outputs(monkeypatch):
    explainer = IntegratedGradients(classifier_of(), baseline=Black(), steps=3)
    image, shapes = images(1).double(), []
    explainer.explain(image, (0,))
    at = explainer.network.at
    monkeypatch.setattr(explainer.network, "at", lambda x: shapes.append(len(x)) or at(x))
    explainer.explain(image, range(5))
    assert sum(shapes) == 3
