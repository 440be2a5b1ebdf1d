import pytest
import torch

from chexseg.affinity import labels as labels_module
from chexseg.affinity.dense_crf import refine
from chexseg.errors import InputError
from chexseg.mask_sources.irnet import AffinityLabelSettings

TRUE = torch.tensor([True])
SETTINGS = AffinityLabelSettings(foreground=0.30, background=0.05).model_dump()  # those of IRN
CRF = {key: value for key, value in SETTINGS.items() if key not in ("foreground", "background")}


def affinity_labels(image, cam, positive, **settings):
    return labels_module.affinity_labels(image, cam, positive, **{**SETTINGS, **settings})


def test_thresholds_of_the_scaled_cam():
    cam = 20 * torch.tensor([[[1.0, 0.31, 0.30], [0.06, 0.05, -1.0]]])
    labels = affinity_labels(torch.zeros(2, 3), cam, TRUE, iterations=0)
    assert labels.dtype == torch.uint8
    assert labels.tolist() == [[[1, 1, 255], [255, 0, 0]]]


def test_the_cam_is_upsampled_bilinearly_without_aligned_corners():
    cam = torch.tensor([[[0.0, 1.0]]])
    labels = affinity_labels(
        torch.zeros(1, 4), cam, TRUE, iterations=0, foreground=0.7, background=0.2
    )
    assert labels.tolist() == [[[0, 255, 1, 1]]]  # 0, 0.25, 0.75, 1


def test_the_cam_is_scaled_after_it_was_enlarged():
    cam = torch.tensor([[[0.0, 1.0, 0.0]]])
    labels = affinity_labels(
        torch.zeros(1, 6), cam, TRUE, iterations=0, foreground=0.8, background=0.4
    )
    # Enlarged: 0, 0.25, 0.75, 0.75, 0.25, 0; scaled: 0, 1/3, 1, 1, 1/3, 0.
    assert labels.tolist() == [[[0, 0, 1, 1, 0, 0]]]


def test_foreground_wins_over_background(monkeypatch):
    def contradict(image, rough, **settings):
        sure, possible = torch.tensor([[1, 1, 0, 0]]), torch.tensor([[1, 0, 1, 0]])
        return torch.stack([sure, possible])[None].to(torch.uint8)

    monkeypatch.setattr(labels_module, "refine", contradict)
    labels = affinity_labels(torch.zeros(1, 4), torch.ones(1, 1, 4), TRUE)
    assert labels.tolist() == [[[1, 1, 255, 0]]]


def test_negative_and_empty_pathologies_are_unsure():
    cam = torch.stack([torch.ones(2, 2), torch.ones(2, 2), torch.zeros(2, 2), -torch.ones(2, 2)])
    positive = torch.tensor([True, False, True, True])
    labels = affinity_labels(torch.zeros(4, 4), cam, positive)
    assert (labels[0] == 1).all()
    assert (labels[1:] == 255).all()


def test_a_batch_equals_its_images_and_two_runs_of_the_crf():
    generator = torch.Generator().manual_seed(0)
    image = torch.randint(256, (2, 25, 19), generator=generator, dtype=torch.uint8)
    cam = torch.rand(2, 3, 4, 3, generator=generator).half()
    positive = torch.tensor([[True, True, False], [False, False, False]])
    labels = affinity_labels(image, cam, positive)
    assert (labels[1] == 255).all()
    assert torch.equal(labels[0], affinity_labels(image[0], cam[0], positive[0]))

    scaled = torch.nn.functional.interpolate(cam[:1, :2].float(), size=(25, 19), mode="bilinear")
    scaled = scaled / scaled.amax((2, 3), keepdim=True)
    sure, possible = (refine(image[:1], scaled > cut, **CRF) for cut in (0.30, 0.05))
    expected = torch.full((2, 25, 19), 255, dtype=torch.uint8)
    expected[possible[0] == 0] = 0
    expected[sure[0] == 1] = 1
    assert (labels[0, :2] == expected).float().mean() > 0.995


def test_one_pixel():
    assert affinity_labels(torch.zeros(1, 1), torch.ones(1, 1, 1), TRUE).tolist() == [[[1]]]


def test_bad_input_is_told_at_once():
    with pytest.raises(InputError) as error:
        affinity_labels(
            torch.zeros(4, 4), torch.zeros(2, 2, 2), TRUE, foreground=0.1, background=0.2
        )
    assert len(error.value.problems) == 2
